"""What a booting kernel makes of the handover that its parameters point to.

Models kho_populate() of kernel/liveupdate/kexec_handover.c, Linux 7.3 (kernel-facts 12.1): the one
place that looks at what is wrong with a handover. Left out: headers and sizes, as a damage is
either noticed here or not at all.
"""

from __future__ import annotations

from kho_sim.base.extent import Extent
from kho_sim.kho.handover import Handover
from kho_sim.kho.versions import reserve_mem_message
from kho_sim.memory.early import EarlyBoot
from kho_sim.memory.memblock import MAX_NUMNODES
from kho_sim.releases import Release

DESCRIPTOR_BYTES = 16
"""struct kho_scratch: address and size of one area."""
NO_REVIVAL = "KHO: disabling KHO revival"
NO_MAP = "KHO: no preserved memory map in the handover FDT"
"""That a warning is printed is known (kernel-facts 5.1), its words are ours."""


def scratch_found(handover: Handover, release: Release) -> bool:
    """Tell whether a kernel of this release gets at its scratch areas."""
    return _version(handover) == release.kho_compatible and handover.damage.sound_areas is None


def data_found(handover: Handover, release: Release) -> bool:
    """Tell whether a kernel of this release gets at what was preserved for it.

    Without the root of the memory map its scratch stays what it was, and early memory must fit in
    there (kernel-facts 5.1, 12.1).
    """
    return scratch_found(handover, release) and handover.damage.map_found


def populate(handover: Handover, release: Release, boot: EarlyBoot) -> None:
    """Make scratch areas the only memory that may be used. Source: kho_populate().

    What is wrong with the handover makes this a first kernel; marks made until then stay
    (kernel-facts 12.1, 13).
    """
    kho, damage, memblock = handover.kho, handover.damage, boot.memblock
    if _version(handover) != release.kho_compatible:
        own = release.kho_compatible
        found = f"incompatible with '{own}': 1" if _version(handover) else "invalid"
        boot.messages += [f"KHO: setup: handover FDT ({kho.fdt_address:#x}) is {found}", NO_REVIVAL]
        return
    for number, (start, size) in enumerate(kho.scratch_areas):
        if number == damage.sound_areas:
            boot.messages.append(NO_REVIVAL)
            return
        if size:
            memblock.add(start, size, MAX_NUMNODES)
            memblock.mark_kho_scratch(start, size)
    memblock.reserve(kho.descriptors_address, DESCRIPTOR_BYTES * len(kho.scratch_areas))
    memblock.scratch_only = True
    memblock.original_scratch = tuple(
        Extent(start, start + size) for start, size in kho.scratch_areas if size
    )
    boot.messages.append("KHO: found kexec handover data.")
    boot.revived = True
    if data_found(handover, release) and kho.named_areas:
        refused = reserve_mem_message(handover.versions)
        boot.handed_areas = () if refused else kho.named_areas
        boot.messages += [refused] * bool(refused and boot.options.reserve_mem)


def _version(handover: Handover) -> str:
    """Return the version of the FDT that is found, '' without an FDT."""
    damage = handover.damage
    return handover.kho.compatible if damage.fdt is None else damage.fdt
