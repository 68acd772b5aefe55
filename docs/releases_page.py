"""Writes the page on releases from their data files: table, matrix, faults, sources.

``python docs/releases_page.py`` writes it, and so does a build of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from kho_sim.base.data_file import value_text
from kho_sim.base.files import atomic_write
from kho_sim.kho.versions import SURVIVAL, survival
from kho_sim.layout import markdown
from kho_sim.releases import RELEASES as NAMES
from kho_sim.releases import Release, load_release

RELEASES = Path(__file__).with_name("releases.md")

RULES = {
    "evidence": "the rules rest on",
    "kho_compatible": "version of KHO's format",
    "tracker.bitmap_bytes": "preserved memory is kept in",
    "tracker.finalized": "it is written down for the next kernel",
    "kexec_metadata": "kexec metadata (release, count)",
    "luo.compatible": "version of LUO's state",
    "luo.memfd_compatible": "version of a memfd's record",
    "luo.flb": "page for FLB data",
    "luo.sessions_at_start": "list of sessions is made at boot",
    "luo.sessions.header_bytes": "header of a block of sessions (bytes)",
    "luo.sessions.record_bytes": "record of a session (bytes)",
    "luo.sessions.block_bytes": "block of sessions (bytes)",
    "luo.sessions.blocks_max": "most blocks of sessions",
    "luo.files.header_bytes": "header of a block of files (bytes)",
    "luo.files.record_bytes": "record of a file (bytes)",
    "luo.files.block_bytes": "block of files (bytes)",
    "luo.files.blocks_max": "most blocks of files in a session",
    "luo.unknown_file_refuses_device": "a file without handler breaks the device",
    "scratch.gigantic_pages_count": "1 GiB pages count in scratch's size",
    "scratch.aligned_to_largest_block": "scratch is aligned to the largest block (else 2 MiB)",
    "scratch.explicit_sizes_rounded": "explicit sizes are rounded up",
    "scratch.global_excludes_rounded_lowmem": "global area is without the rounded lowmem",
    "scratch.on_nodes_without_memory": "a node without memory is to get an area",
    "scratch.given_late": "scratch reaches the page allocator after drivers",
    "scratch_option": "option that sizes scratch",
    "on_by_default": "a build can have KHO on by default",
    "extends_scratch": "scratch is extended in a KHO boot",
    "gigantic_pages_avoid_scratch": "1 GiB pages stay clear of scratch",
    "gigantic_pages_before_sizing": "1 GiB pages are taken before tables are sized",
    "struct_pages_deferred": "struct pages are initialised late, by threads",
    "memmap_failure_is_said": "no room for struct pages is said",
    "restores_gigantic_blocks": "blocks above order 10 can be restored",
    "sizes_have_64_bits": "a block of 2 GiB keeps its size",
    "fdt_page_freed": "the page of the handed FDT is freed",
    "checksum": "loaded segments are hashed and checked",
    "debugfs": "debugfs, kho/out",
}
"""Every rule in the order of the page -> its words there."""
TEXTS = {"known_faults": "Known faults", "not_modelled": "Not modelled"}
LEFT_OUT = ("aliases", *TEXTS)


def releases_page() -> Iterator[str]:
    """The page, line by line. Raises KeyError for a rule that has no words in RULES."""
    releases = [load_release(name) for name in NAMES]
    yield "# Releases"
    yield ""
    yield "Written from `kho_sim/releases` by `docs/releases_page.py`. A scenario names a release"
    yield "with `kernel.release`, and others for later kernels in `kernel.releases`. The rules are"
    yield "explained in [rules by release](kernel-facts-releases.md) and"
    yield "[kernel facts](kernel-facts.md)."
    yield ""
    rows = [(release.name, release.evidence, release.description) for release in releases]
    yield markdown(("release", "rests on", "is"), rows)
    yield from _rules(releases)
    yield from _matrix(releases)
    for name, title in TEXTS.items():
        yield from _texts(releases, name, title)
    yield from _sources(releases)


def _rules(releases: Iterable[Release]) -> Iterator[str]:
    releases = list(releases)
    values = {one.name: {dotted: value for dotted, value, _ in one.values()} for one in releases}
    for dotted in {key for one in values.values() for key in one}.difference(RULES, LEFT_OUT):
        raise KeyError(f"{dotted} has no words in RULES")
    yield ""
    yield "## Rules"
    yield ""
    rows = [
        (words, *(_cell(one, dotted, values[one.name]) for one in releases))
        for dotted, words in RULES.items()
    ]
    yield markdown(("rule", *(one.name for one in releases)), rows)


def _cell(release: Release, dotted: str, values: dict[str, object]) -> str:
    if dotted == "tracker.bitmap_bytes":
        size = release.tracker.bitmap_bytes
        return "radix tree" if size is None else f"bitmaps of {size} bytes"
    if dotted.startswith("luo.") and release.luo is None:
        return "-"
    value = values.get(dotted)
    if value is None:
        return "one page"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value_text(dotted, value)


def _matrix(releases: Iterable[Release]) -> Iterator[str]:
    releases = list(releases)
    yield ""
    yield "## From release, to release: what survives"
    yield ""
    yield "Rows hand over, columns find. Cells between releases that were not recorded rest on"
    yield "source. A sender that finalizes by hand has done so before the load. 1 GiB pages of the"
    yield "pool are no part of it: 7.2 after a first kernel of 7.3 finds no room in its small"
    yield "scratch for them. `scenarios/release-pair.yaml` simulates each cell:"
    yield ""
    yield "    kho-sim sweep scenarios/release-pair.yaml -o runs/pairs \\"
    yield "        -x kernel.release=7.1,7.2,7.3 -x 'kernel.releases[1].release=7.1,7.2,7.3'"
    yield "    kho-sim plot runs/pairs --figure handover_matrix -o figures"
    yield ""
    cells = [
        (sender.name, *(survival(sender, receiver) for receiver in releases)) for sender in releases
    ]
    yield markdown(("from \\ to", *(one.name for one in releases)), cells)
    yield ""
    yield markdown(("word", "what is found"), SURVIVAL.items())


def _texts(releases: Iterable[Release], name: str, title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    for release in releases:
        texts = getattr(release, name)
        if texts:
            yield ""
            yield f"{release.name} ({release.sources[name]}):"
            yield ""
            yield from (f"* {text}" for text in texts)


def _sources(releases: Iterable[Release]) -> Iterator[str]:
    """Neighbouring releases with the same source stand together."""
    yield ""
    yield "## Sources"
    yield ""
    yield "[V] was seen in a recorded log, [S] was read in source, [D] is from notices, [I] is"
    yield "inferred."
    yield ""
    rows = []
    for dotted, words in RULES.items():
        known = [one for one in releases if dotted in one.sources]
        groups = groupby(known, key=lambda one: one.sources[dotted])
        texts = (f"{', '.join(one.name for one in group)}: {source}" for source, group in groups)
        rows.append((words, "; ".join(texts)))
    yield markdown(("rule", "source"), rows)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a page, whole or not at all. Raises: OSError."""
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    write_lines(RELEASES, releases_page())
