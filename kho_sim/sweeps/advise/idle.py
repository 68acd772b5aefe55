"""What early memory alone says about areas: a host that never preserves anything.

Asked of the model itself, as far as it can go wrong: scratch is reserved, the next kernel is loaded
into it, and that kernel's early memory comes up with all gigantic pages that it asks for. No
workload runs, so an answer takes two early boots instead of a chain. With nothing preserved,
nothing stands in a next kernel's way: what is too small here is hardly enough for any chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kho_sim.base.errors import ensure
from kho_sim.base.seeds import stream
from kho_sim.chain.build import build_plan
from kho_sim.chain.plan import ChainPlan
from kho_sim.kernel.boot import BootedMemory, KernelSetup, boot_memory, load_request
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.load import LoadRefused, place_kernel
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.memory.pages import OutOfMemory
from kho_sim.scenario import Scenario, with_values
from kho_sim.sweeps.advise.areas import Areas, step_bytes_of, with_scratch
from kho_sim.sweeps.advise.search import LEAST, Answer, smallest
from kho_sim.sweeps.design import replicate_seed

SEEDS = 3
"""What is found has to hold with so many seeds."""


def idle_scenario(scenario: Scenario) -> Scenario:
    """Return a scenario without what its kernels run: two of them at least, and nothing else."""
    idle = with_values(
        scenario, {"workload": [], "faults": [], "chain.twin": False, "what_if": None}
    )
    return with_values(idle, {"chain.boots": 2}) if idle.chain.boots < 2 else idle


def least_areas(scenario: Scenario, clean: bool = False) -> Areas | None:
    """Return the smallest areas; None if there are none, with which KHO could be used at all.

    ``scenario``: as ``idle_scenario`` returns it. ``clean``: also no early allocation of a next
    kernel may be refused that the first one had.
    """
    seeds = [replicate_seed(scenario.chain.seed, number) for number in range(SEEDS)]
    known: dict[tuple[Areas, int], Answer] = {}
    limit, nodes = scenario.machine.total_bytes // step_bytes_of(scenario), scenario.machine.nodes
    least = replace(LEAST, step_bytes=step_bytes_of(scenario))
    for count in range(1, SEEDS + 1):
        areas = smallest(_Asker(scenario, seeds[:count], clean, known).ask, limit, nodes, least)
        if areas is None:
            return None
        if _Asker(scenario, seeds, clean, known).ask([areas])[areas] is Answer.FINE:
            return areas
    ensure(False, "a search over all seeds ended with areas that fail")
    return None


def first_kernel(plan: ChainPlan, booted: BootedMemory) -> RunningMemory:
    """Bring the first kernel of a chain up from its early memory. Raises OutOfMemory,
    PreserveFailed."""
    drawn = stream(plan.seed, "page allocator", 0)
    return RunningMemory.start(
        plan.machine, plan.kernels[0], booted, None, plan.interleaving, drawn
    )


class _Asker:
    """Answers for areas: the first of some seeds that is not fine decides."""

    def __init__(
        self,
        scenario: Scenario,
        seeds: list[int],
        clean: bool,
        known: dict[tuple[Areas, int], Answer],
    ) -> None:
        self._scenario, self._seeds, self._clean, self._known = scenario, seeds, clean, known

    def ask(self, asked: Iterable[Areas]) -> dict[Areas, Answer]:
        """Return the answer for each of the areas.

        The largest come first: their answer is often true of the others as well.
        """
        largest_first = sorted(asked, key=lambda areas: areas.total_bytes(1), reverse=True)
        return {areas: self._answer(areas) for areas in largest_first}

    def _answer(self, areas: Areas) -> Answer:
        answer = Answer.SMALL
        for seed in self._seeds:
            if (areas, seed) not in self._known and self._fits_in_a_small_one(areas, seed):
                return Answer.SMALL
            if (areas, seed) not in self._known:
                values = {**with_scratch(self._scenario, areas), "chain.seed": seed}
                plan = build_plan(with_values(self._scenario, values, "kho_scratch="))
                self._known[areas, seed] = idle_answer(plan, self._clean)
            answer = self._known[areas, seed]
            if answer is not Answer.FINE:
                break
        return answer

    def _fits_in_a_small_one(self, areas: Areas, seed: int) -> bool:
        """Tell whether areas that are too small have none that is smaller than these."""
        return any(
            answer is Answer.SMALL
            and its_seed == seed
            and all(areas[index] <= small[index] for index in range(3))
            for (small, its_seed), answer in self._known.items()
        )


def idle_answer(plan: ChainPlan, clean: bool = False) -> Answer:
    """Boot the first kernel of a plan, load the others from it, and boot their early memory."""
    first, others = plan.kernels[0], _distinct(plan.kernels[1:])
    booted = boot_memory(plan.machine, first, None)
    if booted.panic or not booted.scratch_areas:
        return Answer.LARGE
    if any(_is_refused(booted, setup) for setup in others):
        return Answer.SMALL
    try:
        memory = first_kernel(plan, booted)
        memory.preserve_own()
        fine = all(_comes_up(plan, memory, setup, clean) for setup in others)
    except (OutOfMemory, PreserveFailed):
        return Answer.LARGE
    return Answer.FINE if fine else Answer.SMALL


def _distinct(setups: Iterable[KernelSetup]) -> list[KernelSetup]:
    found: list[KernelSetup] = []
    for setup in setups:
        if setup not in found:
            found.append(setup)
    return found


def _is_refused(booted: BootedMemory, setup: KernelSetup) -> bool:
    request = load_request(booted, setup, 0)
    return isinstance(place_kernel(setup.platform, booted.scratch_areas, request), LoadRefused)


def _comes_up(plan: ChainPlan, memory: RunningMemory, setup: KernelSetup, clean: bool) -> bool:
    """Tell whether a next kernel boots with as much as the first one has."""
    placed = memory.load(setup)
    if isinstance(placed, LoadRefused):
        return False
    booted = boot_memory(plan.machine, setup, memory.hand_over(placed, setup))
    if booted.panic or len(booted.early.gigantic.pages) < len(memory.booted.early.gigantic.pages):
        return False
    return not clean or _refused(booted) <= _refused(memory.booted)


def _refused(booted: BootedMemory) -> int:
    return sum(row.count for row in booted.early.requests.rows if row.failed)
