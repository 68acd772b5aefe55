"""What a platform and a machine lay down for the generic parts of early boot and page allocator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Step(NamedTuple):
    """One step of early boot: its name, what it does, and the kernel's function that does it.

    ``run`` raises BootPanic where the kernel would die.
    """

    name: str
    run: Callable[[], object]
    source: str


class ZoneLimit(NamedTuple):
    """A zone of the page allocator, and the addresses [start, end) that it may hold."""

    name: str
    start: int
    end: int


class UpperTables(NamedTuple):
    """A level of page tables above those that map the memory map.

    The first table of the level is for the struct pages of the first ``first_bytes`` of memory, and
    each other one for ``each_bytes``.
    """

    first_bytes: int
    each_bytes: int

    def number_of(self, offset: int) -> int:
        """Return the number of the table for memory at an offset."""
        beyond = offset - self.first_bytes
        return 0 if beyond < 0 else 1 + beyond // self.each_bytes


@dataclass(frozen=True, slots=True)
class EarlyRules:
    """What the generic steps of early boot keep to.

    ``low_address``: the last byte of low memory, for bounce buffers and the first scratch area
    (ARCH_LOW_ADDRESS_LIMIT). ``memmap_address``: where the memory map and per-CPU units are looked
    for first, and from there up (MAX_DMA_ADDRESS). ``memmap_origin``: the address that the first
    struct page is for. ``memmap_upper_tables``: the levels of page tables above those that map the
    memory map, the highest first. ``physical_address_bits``: they decide how many sections there
    can be (MAX_PHYSMEM_BITS). ``per_cpu_atom_bytes``: the unit in which memory for per-CPU areas is
    taken. ``cma_align_bytes``: what the area of ``cma=`` is a multiple of. ``crash_low_end``: a
    crash kernel goes below it if it fits there, at a multiple of ``crash_align_bytes``, else up to
    ``crash_high_end`` with ``crash_low_bytes`` of low memory beside it, or what bounce buffers need
    if it ``crash_low_holds_bounce_buffers``.
    """

    low_address: int
    memmap_address: int
    memmap_origin: int
    memmap_upper_tables: tuple[UpperTables, ...]
    physical_address_bits: int
    per_cpu_atom_bytes: int
    cma_align_bytes: int
    crash_low_end: int
    crash_align_bytes: int
    crash_high_end: int
    crash_low_bytes: int
    crash_low_holds_bounce_buffers: bool
