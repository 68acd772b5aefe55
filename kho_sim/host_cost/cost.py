"""The cost of KHO for a host: as configured, with the least scratch, and without KHO.

Each way is a first kernel that has come up and runs nothing yet: how much of memory is scratch, how
much the kernel itself holds, how much is free, and how much of that kernel memory and long-term
pins can still have, asked of the model's own page allocator. Left out: workloads (``run`` and
``advise`` have them), and what reclaim can give back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

from kho_sim.base.errors import InputError
from kho_sim.base.notebook import text_html
from kho_sim.chain.build import build_plan
from kho_sim.host_cost.text import cost_text
from kho_sim.kernel.boot import boot_memory
from kho_sim.kernel.ceilings import MemInfo, meminfo, pinnable_bytes, take_all_unmovable
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.kho.scratch import kernel_reserved_bytes
from kho_sim.memory.pages import OutOfMemory
from kho_sim.releases import load_release
from kho_sim.scenario import Scenario, scenario_of, with_values
from kho_sim.scenario.notes import notes_of
from kho_sim.sweeps.advise.areas import command_line_place, kept_words, with_scratch
from kho_sim.sweeps.advise.idle import first_kernel, idle_scenario, least_areas
from kho_sim.trace.provenance import run_provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One way to set up the host, and what is left of its memory. Sizes in bytes.

    ``unmovable_ceiling_bytes``: the most kernel memory that the running host can still hand out;
    ``pinned_ceiling_bytes``: the most user memory that can be pinned long-term. ``message``: what
    the kernel says where it could not reserve scratch.
    """

    command_line: str
    kho_enabled: bool
    scratch_areas: tuple[tuple[int, int], ...]
    scratch_bytes: int
    kernel_reserved_bytes: int
    free_bytes_after_boot: int
    unmovable_ceiling_bytes: int
    pinned_ceiling_bytes: int
    meminfo: MemInfo
    message: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class HostCost:
    """The three ways side by side; prints as ``kho-sim cost`` does.

    ``least_scratch`` is None where no scratch at all lets a next kernel be loaded and boot.
    """

    memory_bytes: int
    configured: Cost
    least_scratch: Cost | None
    off: Cost
    provenance: Mapping[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``kho-sim cost --json`` prints, as plain values."""
        ways = {"configured": self.configured, "least_scratch": self.least_scratch, "off": self.off}
        return {
            "schema": "kho-sim/cost",
            "schema_version": 1,
            "provenance": dict(self.provenance),
            "memory_bytes": self.memory_bytes,
            **{name: asdict(way) if way else None for name, way in ways.items()},
        }

    def __str__(self) -> str:
        return "\n".join(cost_text(self))

    def __repr__(self) -> str:
        scratch = self.configured.scratch_bytes
        return f"<HostCost: {scratch} of {self.memory_bytes} bytes are scratch>"

    def _repr_html_(self) -> str:
        return text_html(str(self))


def cost(scenario: Scenario | str | PathLike[str]) -> HostCost:
    """Return what KHO costs the host of a scenario, or of a file, as its first kernel is set up.

    Raises: ScenarioError for a scenario that cannot be read or built, InputError for a host whose
    first kernel does not come up.
    """
    with scenario_of(scenario) as whole:
        idle = idle_scenario(whole)
        areas = least_areas(idle)
        return HostCost(
            memory_bytes=sum(extent.size for extent in build_plan(idle).machine.memory),
            configured=_cost(idle),
            least_scratch=_cost(with_values(idle, with_scratch(idle, areas))) if areas else None,
            off=_cost(with_values(idle, _without_kho(idle))),
            provenance=run_provenance(whole, notes_of(whole), {}),
        )


def _without_kho(scenario: Scenario) -> dict[str, str]:
    option = load_release(scenario.kernel.at(0).release).scratch_option
    words = kept_words(scenario, {"kho", option})
    return {command_line_place(scenario): " ".join(["kho=off", *words])}


def _cost(scenario: Scenario) -> Cost:
    """Boot the first kernel of a scenario, look, and spend its memory."""
    plan = build_plan(scenario)
    booted = boot_memory(plan.machine, plan.kernels[0], None)
    if booted.panic:
        raise InputError(f"the first kernel does not come up: {booted.panic}")
    try:
        memory = first_kernel(plan, booted)
    except (OutOfMemory, PreserveFailed) as error:
        raise InputError(f"the first kernel does not come up: {error}") from error
    pages, said = memory.pages, meminfo(memory.pages, booted.early.cma_areas)
    unmovable_bytes = take_all_unmovable(pages)
    reservation, memblock = booted.reservation, booted.early.memblock
    reserved_bytes = (
        reservation.kernel_reserved_bytes
        if reservation
        else kernel_reserved_bytes(memblock, plan.kernels[0].release.scratch)
    )
    return Cost(
        command_line=plan.command_lines[0],
        kho_enabled=memory.kho_enabled,
        scratch_areas=booted.scratch_areas,
        scratch_bytes=sum(size for _, size in booted.scratch_areas),
        kernel_reserved_bytes=reserved_bytes,
        free_bytes_after_boot=said.mem_free_bytes,
        unmovable_ceiling_bytes=unmovable_bytes,
        pinned_ceiling_bytes=pinnable_bytes(pages, unmovable_bytes),
        meminfo=said,
        message=" ".join(reservation.messages) if reservation else "",
    )
