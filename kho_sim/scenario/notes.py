"""Notes on a valid scenario: words without effect, and a chain without an update.

A note is no error: the scenario runs. But its result may not be what its writer expects, so
``check``, ``explain``, ``run`` and the report show every note, with its place. Left out: what
a model leaves out whatever the scenario is (docs/model.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.command_line.remarks import MALFORMED
from kho_sim.base.command_line.words import split_words
from kho_sim.base.words import PLATFORMS
from kho_sim.builds import DEFAULT_BUILD, load_build
from kho_sim.platform.options import option_rules
from kho_sim.releases import EVIDENCE, load_release, strategy_in
from kho_sim.scenario.spec import Kernel, Scenario
from kho_sim.scenario.yaml_tree import Path, path_text


class Note(NamedTuple):
    """``path`` is the place in the scenario, ``at`` an offset in the text that stands there."""

    path: Path
    at: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.kind}: {self.text}"


SOURCE_ONLY = "source only"
"""Kind of the note on a release of which no log was compared."""
NOT_MODELLED = "not modelled"
"""Kind of the notes on what a release does otherwise than the model."""
NO_EXTENSION = "no extension"
"""Kind of the note on a strategy that a release does not have."""
NO_EFFECT = "no effect"
"""Kind of the note on an option that only other releases know."""
SCRATCH_OPTIONS = ("kho_scratch", "kho_bootmem")
NO_UPDATE = "no update"
"""Kind of the note on a chain of one kernel."""
ASSUMED = "assumed"
"""Kind of the notes on what no recorded boot shows."""
DRAWN = "drawn"
"""Kind of the note on what chance decides at each boot."""
ASSUMED_OF_FIRMWARE = {
    "ovmf-q35": "where OVMF leaves its tables and what its boot services hold is known of recorded "
    "boots with 1, 2 and 4 CPUs, and assumed for others; explain has the assumptions",
}

NO_COMPACTION = (
    "huge folios are taken as long as a block is free, then single pages; a kernel may compact "
    "memory first, for a program that asked for huge pages (madvise)"
)
ASSUMED_OF_EARLY = (
    "its pages are listed and have keys as reserve_mem= areas do, and each kernel's owner takes "
    "memory of its own"
)
ASSUMED_OF_WORKLOADS = {
    "guest_memfd": "no release preserves a guest_memfd yet; its record is taken to be a memfd's, "
    "and its pages to be none that can be moved",
    "page_cache": "pages are given back, the oldest first, when a request finds no other; a kernel "
    "begins a little earlier, and may have to write them first",
}


def notes_of(scenario: Scenario) -> tuple[Note, ...]:
    """Return the notes on a scenario, in the order of its keys."""
    return (
        *_on_machine(scenario),
        *_on_chance(scenario),
        *_on_releases(scenario.kernel),
        *_on_early(scenario.kernel),
        *_on_command_lines(scenario),
        *_on_options_of_releases(scenario),
        *_on_workloads(scenario),
        *_on_chain(scenario),
    )


def _on_machine(scenario: Scenario) -> Iterator[Note]:
    text = ASSUMED_OF_FIRMWARE.get(scenario.machine.firmware or "")
    if text:
        yield Note(("machine", "firmware"), 0, ASSUMED, text)
    kernel = scenario.kernel
    build = kernel.build or DEFAULT_BUILD
    is_x86 = scenario.machine.platform == PLATFORMS[0]
    if is_x86 and scenario.machine.has_efi and not _is_for_efi(kernel, build):
        text = f"build {build} is not made for EFI, so it could not be started; it is taken to be"
        yield Note(("kernel", "build"), 0, ASSUMED, text)


def _is_for_efi(kernel: Kernel, build: str) -> bool:
    given = kernel.config.efi if kernel.config else None
    return load_build(build).config.efi if given is None else given


def _on_chance(scenario: Scenario) -> Iterator[Note]:
    """The first kernel decides: its place divides scratch between low memory and the rest. On arm64
    KASLR moves no physical address."""
    kernel, first = scenario.kernel, scenario.kernel.at(0)
    if scenario.machine.platform != PLATFORMS[0] or parse_command_line(first.command_line).nokaslr:
        return
    build, known = first.build or DEFAULT_BUILD, kernel.placed or ()
    moved = load_build(build).config.randomize_base if kernel.kaslr is None else kernel.kaslr
    if moved and not (known and known[0].image is not None):
        key = "build" if kernel.kaslr is None else "kaslr"
        text = "the seed decides where KASLR puts each kernel, and with it the first scratch areas"
        yield Note(("kernel", key), 0, DRAWN, text)


def _on_command_lines(scenario: Scenario) -> Iterator[Note]:
    lines: list[tuple[Path, str]] = [(("kernel", "command_line"), scenario.kernel.command_line)]
    for index, override in enumerate(scenario.kernel.releases):
        if override.command_line is not None:
            lines.append((("kernel", "releases", index, "command_line"), override.command_line))
    rules = option_rules(scenario.machine.platform, scenario.kernel.page_size)
    for path, text in lines:
        line = parse_command_line(text, rules)
        for remark in line.remarks:
            yield Note(path, remark.at, remark.kind, f"'{remark.word}': {remark.text}")
        for message in line.hugepage_messages(scenario.machine.nodes):
            yield Note(path, 0, MALFORMED, f"the kernel says: {message}")


def _on_early(kernel: Kernel) -> Iterator[Note]:
    for index, entry in enumerate(kernel.early):
        if entry.preserve:
            yield Note(("kernel", "early", index, "preserve"), 0, ASSUMED, ASSUMED_OF_EARLY)


def _on_releases(kernel: Kernel) -> Iterator[Note]:
    """Each release once, where it is first named."""
    named: list[tuple[Path, str]] = [(("kernel", "release"), kernel.release)]
    for index, override in enumerate(kernel.releases):
        if override.release is not None:
            named.append((("kernel", "releases", index, "release"), override.release))
    first = {name: path for path, name in reversed(named)}
    for path, name in named:
        if first.get(name) == path:
            release = load_release(name)
            if release.evidence != "recorded":
                yield Note(path, 0, SOURCE_ONLY, f"release {name}: {EVIDENCE[release.evidence]}")
            for text in release.not_modelled:
                yield Note(path, 0, NOT_MODELLED, f"release {name}: {text}")
    if "strategy" in kernel.extend.model_fields_set:
        wanted = kernel.extend.strategy
        for name in first:
            if strategy_in(name, wanted) != wanted:
                text = f"release {name} extends no scratch, so '{wanted}' has no effect there"
                yield Note(("kernel", "extend", "strategy"), 0, NO_EXTENSION, text)


def _on_options_of_releases(scenario: Scenario) -> Iterator[Note]:
    """Options that only other releases know; each place and text once."""
    said: dict[tuple[Path, str], str] = {}
    for boot in range(max(len(scenario.kernel.releases), 1)):
        kernel, path = scenario.kernel.at(boot), _place_of_line(scenario.kernel, boot)
        release = load_release(kernel.release)
        names = {word.name for word in split_words(kernel.command_line)}
        for name in SCRATCH_OPTIONS:
            if name in names and name != release.scratch_option:
                text = f"{release.name} knows {release.scratch_option}= instead of {name}=, "
                said[path, f"{text}so scratch has its default size there"] = NO_EFFECT
        if "kho" not in names and not release.on_by_default:
            text = f"{release.name} has KHO off without kho=on; a scenario without kho= has it on"
            said[path, text] = NOT_MODELLED
    for (path, text), kind in said.items():
        yield Note(path, 0, kind, f"release {text}")


def _place_of_line(kernel: Kernel, boot: int) -> Path:
    overrides = kernel.releases
    if overrides and overrides[min(boot, len(overrides) - 1)].command_line is not None:
        return ("kernel", "releases", boot, "command_line")
    return ("kernel", "command_line")


def _on_workloads(scenario: Scenario) -> Iterator[Note]:
    for index, entry in enumerate(scenario.workload):
        text = ASSUMED_OF_WORKLOADS.get(entry.kind)
        if text:
            yield Note(("workload", index, "kind"), 0, ASSUMED, text)
        folio = getattr(entry, "folio", None)
        if folio and folio > scenario.kernel.page_size:
            yield Note(("workload", index, "folio"), 0, NOT_MODELLED, NO_COMPACTION)


def _on_chain(scenario: Scenario) -> Iterator[Note]:
    if scenario.chain.boots == 1:
        text = "the chain has one kernel, so nothing is handed on; updates need boots: 2 or more"
        yield Note(("chain", "boots"), 0, NO_UPDATE, text)
