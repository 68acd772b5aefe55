"""What lies in memory when a kernel starts, whoever put it there: a boot loader or kexec.

Left out: what a loader leaves behind that no kernel reserves (its own code, page tables).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_sim.base.extent import Extent

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.machine import DeviceTree

ADDRESS_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class LoadedKernel:
    """Where a kernel finds its image, its initrd and its parameters; every boot has one.

    ``image``: text to the end of bss. ``initrd``: in whole pages, None without one.
    ``parameters``: what tells a kernel of its handover (x86: KHO's setup_data; arm64: the device
    tree), None if it has nothing of the kind. ``efi_map``: EFI's map of memory, None without EFI.
    ``by_kexec``: whether another kernel loaded it.
    ``hardware_tables``: what an earlier kernel gave to hardware that goes on using it.
    """

    image: Extent
    initrd: Extent | None = None
    parameters: Extent | None = None
    efi_map: Extent | None = None
    by_kexec: bool = False
    hardware_tables: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What decides which pieces kexec_file_load() has to place.

    ``command_line_bytes``: of the next kernel, without its NUL. ``efi_ranges``: descriptors of
    EFI's map that are passed on, 0 on a machine without EFI. ``device_tree``: what describes the
    machine, where a platform has that. ``kexec_count``: how many kexecs led to the kernel that
    loads.
    """

    build: Build
    command_line_bytes: int
    efi_ranges: int = 0
    device_tree: DeviceTree | None = None
    kexec_count: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece that kexec has to place, in whole pages; the alignment is a multiple of a page.

    ``bottom_up``: in an area the lowest place is taken, else the highest. ``above``: the name of a
    segment placed before, whose end it must not begin below; where there is no place, that one is
    placed anew, higher. ``reach_bytes``: it ends so far above that segment's start at most, which
    counts from the multiple of ``REACH_UNIT_BYTES`` below it.
    """

    name: str
    size_bytes: int
    align_bytes: int
    min_address: int = 0
    bottom_up: bool = False
    above: str = ""
    reach_bytes: int = ADDRESS_MAX


REACH_UNIT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a segment goes: whole pages."""

    name: str
    start: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.start + self.size_bytes

    @property
    def extent(self) -> Extent:
        return Extent(self.start, self.end)
