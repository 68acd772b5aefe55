"""Phases of a kernel that is left: files are preserved, the next kernel is loaded, devices are shut
down, and the jump moves, checks and unpacks it.

The jump ends at the first C code of the next kernel. Left out: how much of an image bss is, and
that a kernel may be packed in other ways (x86_64 has a packed one, arm64 a plain one).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kho_sim.chain.timing.phase import Counted, Phase, shared
from kho_sim.chain.timing.rules import Timing
from kho_sim.kernel.boot import KernelSetup
from kho_sim.kho.handover import HandedObject
from kho_sim.platform.loader import Placement
from kho_sim.releases import Release

FILES_OF_FOLIOS = ("memfd", "hugetlb")
"""Kinds whose folios are looked up, pinned and listed, each by itself; the pages of others are
only tracked."""
SHUTDOWN = Phase.of("shutdown", {"shutdown": 1})


def folios_of(objects: Iterable[HandedObject], kinds: Sequence[str]) -> tuple[int, int]:
    """Return how many folios of one page, and of more, objects of these kinds have (all, if no
    kind is named)."""
    small = large = 0
    for one in objects:
        if kinds and one.kind not in kinds:
            continue
        for folios in one.data:
            if folios.order:
                large += folios.number
            else:
                small += folios.number
    return small, large


def preserve_phase(counts: Mapping[str, float], folios: tuple[int, int], timing: Timing) -> Phase:
    """Return the preservation of files: ``counts`` of trees and pages, and folios that are looked
    up, (of one page, of more). Threads share what each folio takes (time-facts 2 and 8,
    measured with another mechanism: KHO's own tree has one lock)."""
    small, large = folios
    tracked = {**counts, "small_folios_preserved": small}
    return Phase.of(
        "preserve",
        Counted(tracked, _speed_up(timing, "small_folios")),
        Counted({"large_folios_preserved": large}, _speed_up(timing, "large_folios")),
    )


def load_phase(release: Release, placed: Iterable[Placement]) -> Phase:
    """Return kexec_file_load(): reading, and the checksum that some releases make."""
    size_bytes = sum(place.size_bytes for place in placed)
    hashed = size_bytes if release.checksum else 0
    return Phase.of("load", {"loaded_bytes": size_bytes, "hashed_bytes": hashed})


def jump_phase(
    release: Release,
    placed: Iterable[Placement],
    following: KernelSetup,
    counts: Mapping[str, float],
) -> Phase:
    """Return the jump into a loaded kernel, with what is left to preserve at the reboot."""
    size_bytes = sum(place.size_bytes for place in placed)
    unpacks = following.platform.unpacks_image
    return Phase.of(
        "jump",
        {
            "jump_entry": 1,
            "relocated_bytes": size_bytes,
            "hashed_bytes": size_bytes if release.checksum else 0,
            "decompressed_bytes": following.build.image_bytes if unpacks else 0,
        },
        counts,
    )


def _speed_up(timing: Timing, name: str) -> float:
    return shared(timing.file_threads, timing.hardware.speed_ups[name].value)
