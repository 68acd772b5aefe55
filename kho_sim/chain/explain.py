"""The effects of a scenario, boot by boot, from the same code that runs it.

``explain`` runs the chain (without its twin) and prints what was reserved, marked and preserved,
and on which assumptions the numbers rest. So it cannot drift from what ``run`` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike

from kho_sim.base.data_file import DataFile, value_text
from kho_sim.base.notebook import text_html
from kho_sim.base.units import counted, format_ns, format_size, plural
from kho_sim.chain.build import build_plan
from kho_sim.chain.chain import run_plan
from kho_sim.chain.plan import ChainPlan
from kho_sim.layout import WIDTH_MAX, Column, Layout
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.scenario import Scenario, scenario_of
from kho_sim.scenario.notes import notes_of
from kho_sim.trace.records import COLD_BOOT, Allocation, Boot, Incident, PreservedRun, RegionRow
from kho_sim.trace.summary import incidents
from kho_sim.trace.trace import Trace

FAILURE_ASSUMPTIONS = (
    "after a cold boot the kernel is the one that releases names for that boot, with on_failure: "
    "previous the one before the kernel that failed",
    "whoever lost a file makes it anew, by its name, as soon as user space is up",
    "a refused update is taken back: its sessions are closed, and made again in the next window",
    "a kernel that came up without KHO is followed by a cold boot through firmware",
    "a kernel that panics while it serves does so half-way of its uptime",
)
MODEL_ASSUMPTIONS = (
    "deferred pages are freed by workers in an order drawn from the seed (kernel-facts 8)",
    "preserved gigantic pages count towards hugepages= of the next kernel",
    "a preserved hugetlb file has the record and the array of a memfd",
    "init_size holds at least the kernel's image and brk, where a scenario gives no larger one",
    "a virtual machine is started only where MemAvailable covers its memory",
)
KASLR_ASSUMPTIONS = (
    "KASLR puts an image at any 2 MiB of free memory alike, or of original scratch in a KHO boot, "
    "drawn from the seed where the scenario does not say it (kernel-facts-distro 3)",
)
SOURCE = Column("", left=True)
RATE_COLUMNS = (
    Column("time of one", left=True),
    Column("low"),
    Column("central"),
    Column("high"),
    SOURCE,
)
SPEED_UP_COLUMNS = (Column("faster with threads", left=True), Column("times at most"), SOURCE)
WIDE = Layout(WIDTH_MAX)
"""Each source stays in one line, which whoever prints it may break."""
SHOWN_BOOTS = 4
VALUE_END = 41
"""Columns of a name and its value, which is aligned to the right as far as both have room."""


@dataclass(frozen=True, repr=False)
class Explanation:
    """The memory that a chain reserves, marks and preserves; prints as ``kho-sim explain`` does."""

    text: str
    trace: Trace
    """The chain that was run for it, without its twin."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation: {counted(len(self.trace[Boot]), 'boot')}, {self.trace.outcome.kind}>"

    def _repr_html_(self) -> str:
        return text_html(self.text)


def explain_scenario(scenario: Scenario | str | PathLike[str]) -> Explanation:
    """Return what each boot of a scenario, or of a file, will do, and the assumptions behind it.

    Raises: ScenarioError for a scenario that cannot be read or built.
    """
    with scenario_of(scenario) as whole:
        plan = build_plan(whole)
    trace = run_plan(plan, {})
    for incident in trace[Incident]:
        if plan.on_failure == "previous" and incident.then == COLD_BOOT:
            plan = plan.rolled_back(incident.boot)
    ending = trace.outcome
    lines = [
        *_machine(plan),
        *_notes(whole),
        *(line for boot in trace[Boot] for line in _boot(plan, trace, boot)),
        "",
        f"The chain ends: {ending.kind} at boot {ending.boot} {ending.message}".rstrip(),
        *_faults(whole, trace),
        *_kernels(plan),
        *_assumptions(plan, FAILURE_ASSUMPTIONS if _may_fail(whole) else ()),
    ]
    return Explanation("\n".join(lines), trace)


def _notes(scenario: Scenario) -> Iterator[str]:
    notes = notes_of(scenario)
    if notes:
        yield ""
        yield "Notes: what is left out, or has not the effect that its writer may expect"
        yield from (f"  {note}" for note in notes)


def _machine(plan: ChainPlan) -> Iterator[str]:
    machine = plan.machine
    platform = plan.kernels[0].platform
    pages = format_size(platform.geometry.page_bytes)
    cpus, nodes = counted(machine.cpus, "CPU"), counted(len(machine.nodes), "node")
    yield f"Machine: {cpus}, {nodes}, {platform.name}, {pages} pages, memory"
    for extent, nid in chain.from_iterable(map(machine.by_node, machine.memory)):
        size = format_size(extent.size)
        yield f"  {extent.start:#014x}-{extent.end:#014x}  {size:>12}  node {nid}"


def _kernels(plan: ChainPlan) -> Iterator[str]:
    """The releases and builds of the chain's kernels: each value with its source."""
    yield from _data_files("Release", [setup.release for setup in plan.kernels])
    yield from _data_files("Build", [setup.build for setup in plan.kernels])


def _data_files(title: str, by_boot: Sequence[DataFile]) -> Iterator[str]:
    """Yield all values of the first boot, and of every other those that the first has not."""
    boots: dict[tuple[tuple[str, object, str], ...], list[int]] = {}
    for boot, file in enumerate(by_boot):
        boots.setdefault(tuple(file.values()), []).append(boot)
    first = by_boot[0]
    for values, numbers in boots.items():
        file = by_boot[numbers[0]]
        yield ""
        shown = f"{plural(len(numbers), 'boot')} {', '.join(map(str, numbers[:SHOWN_BOOTS]))}"
        more = f" and {len(numbers) - SHOWN_BOOTS} more" if len(numbers) > SHOWN_BOOTS else ""
        yield f"{title} {file.name}, {shown}{more}: {file.description}"
        known = () if file is first else tuple(first.values())
        for dotted, value, source in values:
            if (dotted, value, source) not in known:
                yield from _value(dotted, value, source)


def _value(dotted: str, value: object, source: str) -> Iterator[str]:
    """Sentences stand below each other, with their source behind the last."""
    texts = value if isinstance(value, tuple) else ()
    if not any(" " in text for text in texts):
        yield f"  {dotted} {value_text(dotted, value):>{max(VALUE_END - len(dotted), 0)}}  {source}"
        return
    yield f"  {dotted}"
    yield from (f"    {text}" for text in texts[:-1])
    yield f"    {texts[-1]}  {source}"


def _boot(plan: ChainPlan, trace: Trace, boot: Boot) -> Iterator[str]:
    setup = plan.kernels[boot.boot]
    yield ""
    yield f"Boot {boot.boot} ({boot.kind}, release {boot.release}) {boot.command_line!r}"
    seen = setup.limits.running(plan.machine)
    if seen is not plan.machine:
        yield (
            f"  sees {counted(setup.limits.seen(plan.machine).cpus, 'CPU')} "
            f"({seen.cpus} started), {counted(len(seen.nodes), 'node')}, "
            f"{format_size(seen.memory_bytes)} of memory"
        )
    for phase in ("before", "after"):
        yield f"  early memory {phase} the point of the extension:"
        yield from _early_memory(trace, boot.boot, phase)
    for start, size in boot.scratch_areas or ():
        yield f"  scratch {start:#014x}-{start + size:#014x}  {format_size(size):>12}"
    if boot.kind == "kho":
        yield from _preserved(trace, boot)
        yield f"  extension: {setup.strategy}, blocks of {format_size(1 << setup.extend.shift)}"
        yield f"  retrieval: {setup.retrieves_by}"
        yield from _marks(trace, boot.boot)


def _early_memory(trace: Trace, boot: int, phase: str) -> Iterator[str]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for row in trace[Allocation].where(boot=boot, phase=phase):
        counts[row.what] += row.count
        sizes[row.what] += row.size_bytes * row.count
        failed[row.what] += row.count if row.failed else 0
    for what, count in counts.items():
        refused = f", {failed[what]} refused" if failed[what] else ""
        yield f"    {what:<26}{count:>6} x  {format_size(sizes[what]):>12}{refused}"


def _preserved(trace: Trace, boot: Boot) -> Iterator[str]:
    by_order = ", ".join(f"{n} of order {order}" for order, n in boot.preservations_by_order or ())
    yield (
        f"  inherits {counted(boot.preservations or 0, 'preservation')} ({by_order}), "
        f"{format_size(boot.preserved_bytes or 0)}, "
        f"in a tree of {counted(boot.radix_nodes or 0, 'page')}"
    )
    runs = list(trace[PreservedRun].where(boot=boot.boot))
    for row in sorted(runs, key=lambda row: row.start - row.end)[:4]:
        size = format_size(row.end - row.start)
        yield f"    {row.start:#014x}-{row.end:#014x}  {size:>12}  order {row.order}"
    if len(runs) > 4:
        yield f"    and {counted(len(runs) - 4, 'smaller run')}"


def _marks(trace: Trace, boot: int) -> Iterator[str]:
    for row in trace[RegionRow].where(boot=boot, moment="after_extend", array="memory"):
        state = "may be allocated" if row.flags & KHO_SCRATCH else "kept off"
        size = format_size(row.end - row.start)
        yield f"    {row.start:#014x}-{row.end:#014x}  {size:>12}  {state}"


def _may_fail(scenario: Scenario) -> bool:
    return bool(scenario.faults) or scenario.chain.on_failure != "stop"


def _faults(scenario: Scenario, trace: Trace) -> Iterator[str]:
    """The faults of the scenario, then the incidents and the files that each lost."""
    if _may_fail(scenario):
        yield from _planned(scenario)
    elif trace[Incident]:
        yield ""
    else:
        return
    yield "Incidents"
    for incident, outcomes in incidents(trace):
        lost = [file for file in outcomes if not file.kept]
        cost = f"{counted(len(lost), 'file')} lost, {format_size(sum(f.size_bytes for f in lost))}"
        yield (
            f"  boot {incident.boot} at {format_ns(incident.time_ns)}: {incident.kind}, "
            f"{incident.message!r}, {incident.then}; {cost if lost else 'nothing lost'}"
        )


def _planned(scenario: Scenario) -> Iterator[str]:
    yield ""
    retries = "" if scenario.chain.on_failure == "stop" else f", {scenario.chain.retries} retries"
    yield f"Faults (on_failure: {scenario.chain.on_failure}{retries})"
    for fault in scenario.faults:
        values = fault.model_dump(exclude={"kind", "boot"})
        how = "".join(f", {key} {value}" for key, value in values.items())
        yield f"  boot {fault.boot}: {fault.kind}{how}"


def _assumptions(plan: ChainPlan, more: tuple[str, ...]) -> Iterator[str]:
    yield ""
    yield "Assumptions"
    drawn = KASLR_ASSUMPTIONS if any(setup.kaslr.enabled for setup in plan.kernels) else ()
    for text in (*plan.machine.assumptions, *drawn, *MODEL_ASSUMPTIONS, *more):
        yield f"  {text}"
    yield from _rates(plan)


def _rates(plan: ChainPlan) -> Iterator[str]:
    """The hardware's set: nanoseconds for one of each, and what it takes for granted."""
    hardware = plan.timing.hardware
    yield ""
    yield f"Hardware {hardware.name}: {hardware.description}"
    rates = [
        [name, *map(format_ns, rate[:3]), f"{rate.standing}: {rate.source}"]
        for name, rate in hardware.rates.items()
    ]
    yield from WIDE.table(RATE_COLUMNS, rates, indent=2)
    speed_ups = [
        [name, f"{most.value:,.1f}", f"{most.standing}: {most.source}"]
        for name, most in hardware.speed_ups.items()
    ]
    yield from WIDE.table(SPEED_UP_COLUMNS, speed_ups, indent=2)
    yield f"  {plan.timing.pci_functions} functions on PCI, {plan.timing.pci_waits} waits"
