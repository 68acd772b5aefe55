"""Versions of the formats in a handover, and what a kernel of another release makes of them.

Each part names its version, and each is asked for by someone else: KHO at the start (``populate``),
LUO in an early initcall, the handler of a file when user space opens the device, reserve_mem= and
kexec metadata when they look for their own (kernel-facts-releases 13 and 14). Here is what each of
them prints; what comes of it is up to whoever asks. Left out: page sizes, which nobody compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from kho_sim.releases import Release

RESERVE_MEM = "memblock-v1"
"""What the list of ``reserve_mem=`` areas calls itself, in all releases."""
METADATA = 1
"""The version of kexec metadata, in all releases that have some."""
FOREIGN = "-v0"
"""The end of a name that no kernel here knows."""

BAD_TREE = "The incoming tree failed to initialize properly [{}], disabling live update"
"""What a kernel panics with that can not read LUO's state."""
EINVAL, ENOENT = -22, -2


@dataclass(frozen=True, slots=True)
class Versions:
    """What a handover says of its parts, beside KHO's own version.

    ``luo`` is '' where LUO left nothing; ``flb``: whether it left a page for file-lifecycle-bound
    data; ``memfd`` '' where no file can be preserved; ``metadata`` 0 where there is none.
    """

    luo: str = ""
    flb: bool = False
    memfd: str = ""
    reserve_mem: str = RESERVE_MEM
    metadata: int = 0

    def foreign(self, part: str) -> Versions:
        """Return the same with a version of one of HANDOVER_PARTS that no kernel here knows."""
        if part == "metadata":
            return replace(self, metadata=METADATA + 1)
        name = getattr(self, part).rpartition("-v")[0]
        values: dict[str, Any] = {part: name + FOREIGN if name else ""}
        return replace(self, **values)


def versions_of(release: Release) -> Versions:
    """Return the versions that a kernel of this release writes."""
    metadata, luo = METADATA if release.kexec_metadata else 0, release.luo
    if luo is None:
        return Versions(metadata=metadata)
    return Versions(luo.compatible, luo.flb, luo.memfd_compatible, metadata=metadata)


def luo_messages(found: Versions, release: Release) -> tuple[str, ...]:
    """Return what a kernel prints of LUO's state if it can not read it; the last line is its panic.

    A handover without LUO's node is none of LUO's business. Source: luo_early_startup().
    """
    own = release.luo
    if not found.luo or own is None:
        return ()
    if found.luo != own.compatible:
        said = f"luo: LUO state is incompatible with '{own.compatible}'"
        return (said, BAD_TREE.format(EINVAL))
    if own.flb and not found.flb:
        return (BAD_TREE.format(ENOENT),)
    return ()


def file_messages(found: Versions, release: Release, sessions: Iterable[str]) -> tuple[str, ...]:
    """Return what a kernel prints of the sessions that it can not read; empty if it can.

    Source: luo_file_deserialize().
    """
    if not found.memfd or release.luo is None or found.memfd == release.luo.memfd_compatible:
        return ()
    first = next(iter(sessions), "")
    return (
        f"luo: No registered handler for compatible '{found.memfd}'",
        f"luo: Failed to deserialize files for session [{first}] {ENOENT}",
    )


def reserve_mem_message(found: Versions) -> str:
    """Return what a kernel prints of a list of areas that it can not read; '' if it can."""
    if found.reserve_mem == RESERVE_MEM:
        return ""
    return f"FDT 'memblock' is incompatible with '{RESERVE_MEM}': 1"


def metadata_message(found: Versions) -> str:
    """Return what a kernel prints of metadata that it can not read; '' if it can."""
    if found.metadata in (0, METADATA):
        return ""
    return f"KHO: kexec-metadata version {found.metadata} not supported (expected {METADATA})"


EVERYTHING, AREAS, NO_FILES = "everything", "areas", "no files"
COLD_BOOT, MISREAD, PANIC, NO_DEVICE = "cold boot", "misread", "panic", "no device"
SURVIVAL = {
    EVERYTHING: "sessions with their files, and `reserve_mem=` areas",
    AREAS: "`reserve_mem=` areas; one of the two kernels has no live update",
    NO_FILES: "`reserve_mem=` areas; files without a handler are missing, live update works on",
    NO_DEVICE: "`reserve_mem=` areas; every open of live update's device fails, for good",
    MISREAD: "bitmaps of another size under the same name: memory is not protected, without a word",
    PANIC: "nothing: the next kernel panics over LUO's state",
    COLD_BOOT: "nothing: the next kernel goes on as a first one",
}
"""What a kernel can find of what the one before it handed over, and what that means."""


def survival(sender: Release, receiver: Release, found: Versions | None = None) -> str:
    """Return which of SURVIVAL a handover between two releases comes out as.

    ``found``: what the sender wrote, if other than its release does. Handed over, and asked for, by
    both: a sender that finalizes by hand has done so, and KHO is on.
    """
    found = found or versions_of(sender)
    if sender.kho_compatible != receiver.kho_compatible:
        return COLD_BOOT
    if sender.tracker.bitmap_bytes != receiver.tracker.bitmap_bytes:
        return MISREAD
    if sender.luo is None or receiver.luo is None:
        return AREAS
    if luo_messages(found, receiver):
        return PANIC
    if file_messages(found, receiver, ()):
        return NO_DEVICE if receiver.luo.unknown_file_refuses_device else NO_FILES
    return EVERYTHING
