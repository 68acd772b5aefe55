"""What sources say about a machine, and how several of them become one scenario.

A source gives findings: a key, a value, and where the value was read. The first source that tells a
key decides it; what another one says otherwise becomes a disagreement, never an average.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kho_sim.base.errors import InputError
from kho_sim.base.extent import Extent, merged, round_down, round_up, total_size
from kho_sim.base.notebook import text_html
from kho_sim.base.units import counted
from kho_sim.base.words import USABLE_MEMORY
from kho_sim.logs.importing.write import scenario_text
from kho_sim.machine.machine import NOMAP, USABLE, FirmwareRange, NodeRange
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.releases import DEFAULT_RELEASE
from kho_sim.scenario import Scenario, from_dict
from kho_sim.scenario.machine import Machine

PAGE_BYTES = PAGES_4K.page_bytes
"""Of kernels that do not say otherwise."""

MEMORY_MAP = "machine.memory_map"
NODE_RANGES = "machine.node_ranges"
"""Not a key of scenarios: it gives the ranges of the map their nodes."""
PAGE_SIZE = "kernel.page_size"
PRESENT_PAGES = "machine.present_pages"
"""Not a key of scenarios: the pages that the map should add up to."""
SCRATCH_SIZES = "kernel.scratch_sizes"
"""Not a key of scenarios: the scratch areas of the running machine, for its command line."""
COMMAND_LINE = "kernel.command_line"
COMPARED_ONLY = (NODE_RANGES, PRESENT_PAGES, SCRATCH_SIZES)
ASSUMED = {
    "machine.cpus": f"nothing says how many CPUs there are; {Machine.model_fields['cpus'].default}",
    "kernel.release": f"nothing says which release the kernel is of; {DEFAULT_RELEASE}",
}
"""Keys without which a scenario has the default, and what is then said of it."""
BOUND_KEYS = ("kernel.init_size", "kernel.purgatory")
"""Sizes that loads only bound from below and above; two sources may each bound them differently."""


class Finding(NamedTuple):
    """One value of one key, and where it was read: ``origin`` is 'file:line: what is there'.

    ``grain_bytes``: a map's ranges are only known in blocks of that size.
    """

    key: str
    value: Any
    origin: str
    grain_bytes: int = PAGE_BYTES


@dataclass
class Source:
    """All that one file tells. ``lines`` maps a piece of text to the line that first has it."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: Mapping[str, int] = field(default_factory=dict)
    missing: list[Disagreement] = field(default_factory=list)
    """What the file lacks of a value that it gives."""

    def say(
        self,
        key: str,
        value: Any,
        text: str,
        what: str = "",
        grain_bytes: int = PAGE_BYTES,
    ) -> None:
        """Add a finding that was read where ``text`` stands; ``what`` explains it."""
        self.findings.append(Finding(key, value, self._origin(text, what), grain_bytes))

    def miss(self, key: str, text: str, what: str) -> None:
        """Say that the value of ``key``, read where ``text`` stands, may not be the whole one."""
        taken = "maybe a part only"
        self.missing.append(Disagreement(key, taken, self._origin(text, ""), what, self.name))

    def _origin(self, text: str, what: str) -> str:
        line = f":{self.lines[text]}" if text in self.lines else ""
        return f"{self.name}{line}: {what or text.strip(': ')}"


class Disagreement(NamedTuple):
    """Two sources that tell a key differently; the first value is the one taken."""

    key: str
    taken: str
    taken_origin: str
    other: str
    other_origin: str


@dataclass(frozen=True, repr=False)
class ImportedScenario:
    """A scenario as plain values, and how it came to be; prints as ``kho-sim import`` does.

    ``origins`` maps dotted keys to the place each value was read from. ``notes`` say what no source
    had and what was assumed instead, ``disagreements`` what two sources have different values for.
    """

    scenario: dict[str, Any]
    origins: dict[str, str]
    disagreements: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()

    def to_scenario(self, *, lenient: bool = False) -> Scenario:
        """Return the scenario. ``lenient``: where sources disagree the first one counts.

        Raises: InputError if sources disagree, ScenarioError for what no scenario can have.
        """
        if self.disagreements and not lenient:
            keys = ", ".join(dict.fromkeys(found.key for found in self.disagreements))
            raise InputError(f"the sources disagree on {keys}")
        return from_dict(self.scenario, self.scenario["description"])

    def to_yaml(self) -> str:
        """Return a scenario file in which every value says where it is from."""
        return scenario_text(self)

    def __str__(self) -> str:
        return self.to_yaml()

    def __repr__(self) -> str:
        return (
            f"<ImportedScenario: {self.scenario['description']}; "
            f"{counted(len(self.origins), 'value')}, {counted(len(self.notes), 'note')}, "
            f"{counted(len(self.disagreements), 'disagreement')}>"
        )

    def _repr_html_(self) -> str:
        return text_html(self.to_yaml())


def combine(sources: Iterable[Source], description: str) -> ImportedScenario:
    """Return one scenario from all that the sources tell; earlier sources win."""
    sources = list(sources)
    chosen: dict[str, Finding] = {}
    others: list[Finding] = []
    for source in sources:
        for finding in source.findings:
            if finding.key in chosen:
                others.append(finding)
            else:
                chosen[finding.key] = finding
    scenario: dict[str, Any] = {"description": description, "machine": {}, "kernel": {}}
    for key, finding in chosen.items():
        if key not in (MEMORY_MAP, *COMPARED_ONLY):
            _put(scenario, key, finding.value)
    if MEMORY_MAP in chosen:
        scenario["machine"]["memory_map"] = _map_entries(chosen)
    origins = {key: found.origin for key, found in chosen.items() if key not in COMPARED_ONLY}
    if SCRATCH_SIZES in chosen and COMMAND_LINE not in chosen:
        _put(scenario, COMMAND_LINE, _scratch_option(chosen[SCRATCH_SIZES].value))
        origins[COMMAND_LINE] = chosen[SCRATCH_SIZES].origin
    scenario["sources"] = [source.name for source in sources]
    return ImportedScenario(
        scenario=scenario,
        origins=origins,
        disagreements=(
            *(found for source in sources for found in source.missing),
            *_disagreements(chosen, others),
        ),
        notes=(
            *(f"{source.name}: {note}" for source in sources for note in source.notes),
            *(note for key, note in ASSUMED.items() if key not in chosen),
        ),
    )


def usable(
    ranges: Iterable[FirmwareRange], grain_bytes: int = PAGE_BYTES, *, counts_nomap: bool = False
) -> list[Extent]:
    """Return the memory of a map without page 0: whole pages, or the blocks that hold some.

    ``counts_nomap``: memory that arm64 does not map is memory that it counts.
    """
    kinds = (*USABLE_MEMORY, NOMAP) if counts_nomap else USABLE_MEMORY
    pages = merged(
        (
            max(round_up(part.start, PAGE_BYTES), PAGE_BYTES),
            round_down(part.end, PAGE_BYTES),
        )
        for part in ranges
        if part.kind in kinds
    )
    if grain_bytes == PAGE_BYTES:
        return pages
    return merged(
        (round_down(part.start, grain_bytes), round_up(part.end, grain_bytes)) for part in pages
    )


def _put(scenario: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    place = scenario
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value


def _scratch_option(sizes_bytes: Sequence[int]) -> str:
    """Return the options that reserve areas of these sizes; nodes share one, the largest."""
    low, everywhere, *nodes = (size >> 10 for size in sizes_bytes)
    return f"kho=on kho_scratch={low}K,{everywhere}K,{max(nodes, default=0)}K"


def _map_entries(chosen: dict[str, Finding]) -> list[dict[str, Any]]:
    """Cut usable ranges at node borders; memory that no node claims belongs to node 0."""
    spans = chosen[NODE_RANGES].value if NODE_RANGES in chosen else ()
    entries = []
    for part in sorted(chosen[MEMORY_MAP].value):
        pieces = (
            _by_node(part, spans)
            if part.kind in (*USABLE_MEMORY, NOMAP)
            else [NodeRange(part.start, part.end, 0)]
        )
        for start, end, nid in pieces:
            entry = {"start": start, "end": end}
            if nid:
                entry["node"] = nid
            entries.append(entry if part.kind == USABLE else {**entry, "kind": part.kind})
    return entries


def _by_node(part: FirmwareRange, spans: Iterable[NodeRange]) -> list[NodeRange]:
    """A hole between two spans goes with what lies below it."""
    pieces: list[NodeRange] = []
    for span in sorted(spans):
        start, end = max(part.start, span.start), min(part.end, span.end)
        if start >= end:
            continue
        if pieces and pieces[-1].nid == span.nid:
            pieces[-1] = pieces[-1]._replace(end=end)
        else:
            if pieces:
                pieces[-1] = pieces[-1]._replace(end=start)
            pieces.append(NodeRange(start, end, span.nid))
    if not pieces:
        return [NodeRange(part.start, part.end, 0)]
    pieces[0] = pieces[0]._replace(start=part.start)
    pieces[-1] = pieces[-1]._replace(end=part.end)
    return pieces


def _disagreements(chosen: dict[str, Finding], others: list[Finding]) -> Iterator[Disagreement]:
    for other in others:
        taken = chosen[other.key]
        if not _agree(taken, other, chosen):
            yield Disagreement(other.key, _shown(taken), taken.origin, _shown(other), other.origin)
    if PRESENT_PAGES in chosen and MEMORY_MAP in chosen:
        claim, taken = chosen[PRESENT_PAGES], chosen[MEMORY_MAP]
        page_bytes = chosen[PAGE_SIZE].value if PAGE_SIZE in chosen else PAGE_BYTES
        pages = total_size(usable(taken.value, counts_nomap=True)) // page_bytes
        if taken.grain_bytes == PAGE_BYTES and pages != claim.value:
            yield Disagreement(
                MEMORY_MAP, f"{pages} pages", taken.origin, f"{claim.value} pages", claim.origin
            )


def _agree(taken: Finding, other: Finding, chosen: dict[str, Finding]) -> bool:
    if taken.key == MEMORY_MAP:
        grain = max(taken.grain_bytes, other.grain_bytes)
        return usable(taken.value, grain) == usable(other.value, grain)
    if taken.key == NODE_RANGES and MEMORY_MAP in chosen:
        parts = [FirmwareRange(*extent) for extent in usable(chosen[MEMORY_MAP].value)]
        return [_by_node(p, taken.value) for p in parts] == [
            _by_node(p, other.value) for p in parts
        ]
    return taken.key in BOUND_KEYS or bool(taken.value == other.value)


def _shown(finding: Finding) -> str:
    if finding.key == MEMORY_MAP:
        parts = usable(finding.value, finding.grain_bytes)
        return ", ".join(f"{part.start:#x}-{part.end:#x}" for part in parts)
    if finding.key == NODE_RANGES:
        return ", ".join(f"node {nid}: {start:#x}-{end:#x}" for start, end, nid in finding.value)
    return str(finding.value)
