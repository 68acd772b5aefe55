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


@dataclass(frozen=True, slots=True)
class EarlyRules:
    """What the generic steps of early boot keep to.

    ``low_address``: the last byte of low memory, for bounce buffers and the first scratch area
    (ARCH_LOW_ADDRESS_LIMIT). ``memmap_address``: where the memory map and per-CPU units are looked
    for first, and from there up (MAX_DMA_ADDRESS). ``memmap_upper_tables``: page tables above those
    that map the memory map. ``physical_address_bits``: they decide how many sections there can
    be (MAX_PHYSMEM_BITS). ``per_cpu_atom_bytes``: the unit in which memory for per-CPU areas is
    taken. ``crash_low_end``: a crash kernel goes below it if it fits there, at a multiple of
    ``crash_align_bytes``, else up to ``crash_high_end`` with ``crash_low_bytes`` of low memory
    beside it, or what bounce buffers need if it ``crash_low_holds_bounce_buffers``.
    """

    low_address: int
    memmap_address: int
    memmap_upper_tables: int
    physical_address_bits: int
    per_cpu_atom_bytes: int
    crash_low_end: int
    crash_align_bytes: int
    crash_high_end: int
    crash_low_bytes: int
    crash_low_holds_bounce_buffers: bool
