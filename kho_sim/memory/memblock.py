"""The memblock allocator: where each early allocation of a kernel lands.

Models mm/memblock.c of Linux 7.3 (kernel-facts section 2): two arrays of ranges, searched from the
top; scratch-only mode; array growth, which itself allocates; gigantic pages that keep off original
scratch. Left out: the hot-remove and ``memblock=debug`` sides, the time before arrays may grow (the
kernel has reserved little by then), and memory below page 1, which the kernel skips.

Searches go over ``free_ranges``; ``regions_scanned`` counts what the kernel would have walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure
from kho_sim.base.extent import Extent, round_up
from kho_sim.base.weak import weakly
from kho_sim.memory.free_ranges import ADDRESS_MAX, Filter, FreeRanges, Gap
from kho_sim.memory.region_array import ENOMEM, RegionArray
from kho_sim.memory.regions import Region
from kho_sim.platform.geometry import PAGES_4K, Geometry

MAX_NUMNODES = 64
NO_NODE = -1
NOLEAKTRACE = 1
"""As an upper limit: current_limit, like 0 (MEMBLOCK_ALLOC_NOLEAKTRACE)."""
REGION_RECORD_BYTES = 24

HOTPLUG = 0x01
MIRROR = 0x02
NOMAP = 0x04
DRIVER_MANAGED = 0x08
RSRV_NOINIT = 0x10
RSRV_KERN = 0x20
KHO_SCRATCH = 0x40
RSRV_HUGETLB = 0x80
KHO_SCRATCH_EXT = 0x100

SMP_CACHE_BYTES = 64


class Memblock:
    """The allocator of one booting kernel.

    ``memory`` and ``reserved`` are sequences of regions (``.base .size .end .nid .flags``) in
    address order. The mutators return 0 or a negative errno, the allocators an address or 0
    (failed). Setting ``scratch_only`` lets allocations use only memory flagged KHO_SCRATCH;
    ``bottom_up`` searches from below; ``current_limit`` bounds what is accessible.
    Pages of ``geometry`` decide from where on memory is handed out, and what arrays grow by.
    ``original_scratch`` holds the areas that gigantic pages must not touch; in scratch-only mode
    they need ``hugetlb_flag``. ``messages`` collects what the kernel would print.
    """

    def __init__(self, geometry: Geometry = PAGES_4K) -> None:
        self.geometry = geometry
        self._page_bytes = geometry.page_bytes
        self.memory = RegionArray("memory", weakly(self._double_array))
        self.reserved = RegionArray("reserved", weakly(self._double_array))
        self.scratch_only = False
        self.bottom_up = False
        self.movable_node = False
        self.current_limit = ADDRESS_MAX
        self.original_scratch: tuple[Extent, ...] = ()
        self.hugetlb_flag = KHO_SCRATCH
        self.messages: list[str] = []
        self.regions_scanned = 0
        self._mirrored = False
        self._free = FreeRanges(self.memory, self.reserved)
        self._array_pages: dict[str, tuple[int, int]] = {}

    def copy(self) -> Memblock:
        """Return an independent equal memblock (its messages and counters start anew)."""
        copied = Memblock(self.geometry)
        for name in ("scratch_only", "bottom_up", "movable_node", "current_limit", "hugetlb_flag"):
            setattr(copied, name, getattr(self, name))
        copied.memory = self.memory.copy(weakly(copied._double_array))
        copied.reserved = self.reserved.copy(weakly(copied._double_array))
        copied.original_scratch = self.original_scratch
        copied._mirrored = self._mirrored
        copied._free = FreeRanges(copied.memory, copied.reserved)
        copied._array_pages = dict(self._array_pages)
        return copied

    @property
    def regions_moved(self) -> int:
        """Regions shifted in both arrays so far."""
        return self.memory.moved + self.reserved.moved

    # What exists and what is taken

    def add(self, base: int, size: int, nid: int = 0, flags: int = 0) -> int:
        """Add memory of a node (MAX_NUMNODES: not known yet). Source: memblock_add_node()."""
        return self._changed(self.memory.add(base, _capped(base, size), nid, flags))

    def remove(self, base: int, size: int) -> int:
        """Take memory away. Source: memblock_remove()."""
        return self._changed(self.memory.remove(base, _capped(base, size)))

    def reserve(self, base: int, size: int, nid: int = NO_NODE, flags: int = 0) -> int:
        """Reserve a range, whether it is memory or not. Source: __memblock_reserve()."""
        size = _capped(base, size)
        error = self.reserved.add(base, size, nid, flags)
        if not error:
            self._free.take(base, base + size)
        return error

    def reserve_apart(
        self, starts: NDArray[np.uint64], ends: NDArray[np.uint64], flags: int
    ) -> None:
        """Reserve ranges for which ``RegionArray.add_apart`` will do."""
        self.reserved.add_apart(starts, ends, flags)
        self._free.forget()

    def reserve_kern(self, base: int, size: int) -> int:
        """Reserve a range for the kernel itself. Source: memblock_reserve_kern()."""
        return self.reserve(base, size, NO_NODE, RSRV_KERN)

    def phys_free(self, base: int, size: int) -> int:
        """Give a reserved range back. Source: memblock_phys_free()."""
        return self._changed(self.reserved.remove(base, _capped(base, size)))

    # Flags and nodes

    def mark_kho_scratch(self, base: int, size: int) -> int:
        """Allow early allocations of a KHO boot in a range of memory."""
        return self._change_memory(base, size, _with_flag(KHO_SCRATCH))

    def mark_kho_scratch_each(
        self, ranges: NDArray[np.uint64], flags: int = KHO_SCRATCH
    ) -> tuple[int, int]:
        """Mark many ranges, one after the other, until one fails.

        ``ranges``: rows of (start, end), ascending, something between any two; kept, and so made
        read-only. Returns (0 or -ENOMEM, how many were marked).
        """
        error, marked = self.memory.flag_each(ranges, flags)
        return self._changed(error), marked

    def clear_kho_scratch(self, base: int, size: int) -> int:
        """Take that permission back."""
        return self._change_memory(base, size, _without_flag(KHO_SCRATCH))

    def mark_nomap(self, base: int, size: int) -> int:
        """Keep a range out of the direct map, so never allocate from it."""
        return self._change_memory(base, size, _with_flag(NOMAP))

    def mark_hotplug(self, base: int, size: int) -> int:
        """Mark memory as removable."""
        return self._change_memory(base, size, _with_flag(HOTPLUG))

    def mark_mirror(self, base: int, size: int) -> int:
        """Mark memory as mirrored; from then on allocations prefer it."""
        self._mirrored = True
        return self._change_memory(base, size, _with_flag(MIRROR))

    def mark_noinit(self, base: int, size: int) -> int:
        """Mark reserved memory whose struct pages somebody else initialises."""
        return self.reserved.change(base, _capped(base, size), _with_flag(RSRV_NOINIT))

    def set_node(self, base: int, size: int, nid: int) -> int:
        """Give the memory regions of a range their node. Source: memblock_set_node()."""
        return self._change_memory(base, size, lambda r: r._replace(nid=nid))

    def set_reserved_node(self, base: int, size: int, nid: int) -> int:
        """Give the reserved regions of a range their node, cutting them at its borders."""
        return self.reserved.change(base, _capped(base, size), lambda r: r._replace(nid=nid))

    # Allocation

    def find(self, size: int, align: int, start: int, end: int, nid: int, flags: int) -> int:
        """Return the address where ``size`` bytes fit, or 0. Source:
        memblock_find_in_range_node()."""
        start = max(start, self._page_bytes)
        end = max(start, self.current_limit if end in (0, NOLEAKTRACE) else end)
        search = self._free.lowest if self.bottom_up else self._free.highest
        found = search(size, align, start, end, self._filter(nid, flags))
        self.regions_scanned += self._walked_by_kernel(found)
        return found

    def alloc_range_nid(
        self, size: int, align: int, start: int, end: int, nid: int, exact_nid: bool
    ) -> int:
        """Allocate inside [start, end), on a node if possible. Source:
        memblock_alloc_range_nid()."""
        nid = nid if _is_node(nid) else NO_NODE
        align = align or SMP_CACHE_BYTES
        wanted = self._wanted_flags()
        while True:
            found = self.find(size, align, start, end, nid, wanted)
            if found and not self.reserve(found, size, nid, RSRV_KERN):
                return found
            if _is_node(nid) and not exact_nid:
                found = self.find(size, align, start, end, NO_NODE, wanted)
                if found and not self.reserve(found, size, NO_NODE, RSRV_KERN):
                    return found
            if not wanted & MIRROR:
                return 0
            wanted &= ~MIRROR
            self.messages.append(f"Could not allocate {size} bytes of mirrored memory")

    def alloc_try_nid_raw(
        self, size: int, align: int, min_addr: int, max_addr: int, nid: int
    ) -> int:
        """Allocate for the kernel's own use; a lower limit is given up rather than fail.

        Source: memblock_alloc_internal(), the base of memblock_alloc() and its relatives.
        """
        return self._alloc_internal(size, align, min_addr, max_addr, nid, exact_nid=False)

    def alloc_exact_nid_raw(
        self, size: int, align: int, min_addr: int, max_addr: int, nid: int
    ) -> int:
        """Allocate for the kernel's own use, on exactly that node."""
        return self._alloc_internal(size, align, min_addr, max_addr, nid, exact_nid=True)

    def repeat_below(
        self, address: int, size: int, low: int, count: int, scanned: int, moved: int
    ) -> int:
        """Repeat up to ``count`` times what was just answered ``address``, right below the equal
        request before it; ``scanned`` and ``moved`` are its work. Returns how often: not to the
        last byte, where it may be different. What the search passed over does not fit now either.
        """
        index = self.reserved.first_ending_after(address)
        times = min(count, (address - max(self._free.bottom_below(address), low)) // size - 1)
        if times < 1:
            return 0
        _, _, nid, flags = self.reserved[index]
        moved_before = self.reserved.moved
        ensure(not self.reserve(address - times * size, times * size, nid, flags), "no room")
        self.reserved.moved = moved_before + times * moved
        self.regions_scanned += times * scanned
        return times

    def phys_alloc_range(self, size: int, align: int, start: int, end: int) -> int:
        """Allocate physical memory inside a range, on any node. Source:
        memblock_phys_alloc_range()."""
        return self.alloc_range_nid(size, align, start, end, NO_NODE, False)

    def alloc_hugetlb(self, size: int, nid: int, exact_nid: bool) -> int:
        """Allocate a gigantic page clear of the original scratch areas. Source:
        memblock_alloc_hugetlb().

        A candidate that touches original scratch is refused and the search goes on below it.
        """
        wanted = self.hugetlb_flag if self.scratch_only else 0
        start, end = 0, self.current_limit
        while True:
            found = self.find(size, size, start, end, nid, wanted)
            if not found:
                if exact_nid or not _is_node(nid):
                    return 0
                nid, start, end = NO_NODE, 0, self.current_limit
                continue
            if self.overlaps_original_scratch(found, size):
                if self.bottom_up:
                    start = found + size
                else:
                    end = found
                continue
            if self.reserve(found, size, nid, RSRV_KERN | RSRV_HUGETLB):
                return 0
            return found

    def overlaps_original_scratch(self, base: int, size: int) -> bool:
        """Tell whether a range touches an original scratch area. Source: kho_scratch_overlap()."""
        end = base + size
        for start, area_end in self.original_scratch:  # noqa: SIM110 (any() takes three times as long)
            if start < end and base < area_end:
                return True
        return False

    # Questions

    def end_of_dram(self) -> int:
        """Return the end of the last memory region, whatever its flags; 0 without memory."""
        return self.memory[-1].end if len(self.memory) else 0

    def memory_size(self) -> int:
        """Return the bytes of memory."""
        return self.memory.size_flagged(0)

    def reserved_size(self) -> int:
        """Return the bytes that are reserved, memory or not."""
        return self.reserved.size_flagged(0)

    def scratch_bytes(self) -> int:
        """Return the bytes of memory flagged KHO_SCRATCH."""
        return self.memory.size_flagged(KHO_SCRATCH)

    def kern_size(self, limit: int = ADDRESS_MAX, nid: int = NO_NODE) -> int:
        """Return the bytes reserved for the kernel up to ``limit`` (kernel-facts 2.5)."""
        return self.reserved.size_below(limit, RSRV_KERN, nid if _is_node(nid) else NO_NODE)

    def hugetlb_size(self, limit: int = ADDRESS_MAX, nid: int = NO_NODE) -> int:
        """Return the bytes of gigantic pages up to ``limit``."""
        return self.reserved.size_below(limit, RSRV_HUGETLB, nid if _is_node(nid) else NO_NODE)

    def free_ranges(self) -> Iterable[Gap]:
        """Return all free memory ascending, cut at memory region borders, whatever its flags."""
        return self._free.ascending()

    def mapped_memory(self) -> Iterable[Extent]:
        """Return memory that the kernel may map, in whole regions, ascending."""
        return (Extent(r.base, r.end) for r in self.memory if not r.flags & NOMAP)

    def check(self) -> None:
        """Raise ModelError if the arrays or the list of free ranges contradict themselves."""
        self.memory.check()
        self.reserved.check()
        self._free.check()

    # Inside

    def _alloc_internal(
        self, size: int, align: int, min_addr: int, max_addr: int, nid: int, exact_nid: bool
    ) -> int:
        max_addr = min(max_addr, self.current_limit)
        found = self.alloc_range_nid(size, align, min_addr, max_addr, nid, exact_nid)
        if not found and min_addr:
            found = self.alloc_range_nid(size, align, 0, max_addr, nid, exact_nid)
        return found

    def _wanted_flags(self) -> int:
        if self.scratch_only:
            return KHO_SCRATCH
        return MIRROR if self._mirrored else 0

    def _change_memory(self, base: int, size: int, update: Callable[[Region], Region]) -> int:
        return self._changed(self.memory.change(base, _capped(base, size), update))

    def _changed(self, error: int) -> int:
        """Forget the free ranges; after a change, for an array that grows looks at them."""
        self._free.forget()
        return error

    def _filter(self, nid: int, wanted: int) -> Filter:
        avoids = NOMAP | DRIVER_MANAGED | (HOTPLUG if self.movable_node else 0)
        needs = wanted & (MIRROR | KHO_SCRATCH | KHO_SCRATCH_EXT)
        return Filter(nid if _is_node(nid) else NO_NODE, needs, avoids & ~wanted)

    def _walked_by_kernel(self, found: int) -> int:
        if self.bottom_up and found:
            whole = len(self.memory) + len(self.reserved)
            return whole - self.memory.count_from(found) - self.reserved.count_from(found) + 1
        return self.memory.count_from(found) + self.reserved.count_from(found) + 1

    def _double_array(self, array: RegionArray, base: int, size: int) -> int:
        """Make room for twice as many regions; the new array is allocated from memblock itself.

        Source: memblock_double_array(). For ``reserved`` the range being added is avoided, because
        it is not reserved yet.
        """
        page_bytes = self._page_bytes
        new_bytes = round_up(array.capacity * 2 * REGION_RECORD_BYTES, page_bytes)
        if array is not self.reserved:
            base = size = 0
            self._free.forget()
        wanted = self._wanted_flags()
        place = self.find(new_bytes, page_bytes, base + size, self.current_limit, NO_NODE, wanted)
        if not place and size:
            limit = min(base, self.current_limit)
            place = self.find(new_bytes, page_bytes, 0, limit, NO_NODE, wanted)
        if not place:
            self.messages.append(
                f"memblock: Failed to double {array.name} array from {array.capacity} to "
                f"{array.capacity * 2} entries !"
            )
            return -ENOMEM
        array.capacity *= 2
        old = self._array_pages.get(array.name)
        self._array_pages[array.name] = (place, new_bytes)
        if old:
            self.phys_free(*old)
        ensure(not self.reserve_kern(place, new_bytes), "could not reserve a doubled array")
        return 0

    def array_pages(self) -> dict[str, tuple[int, int]]:
        """Return (address, bytes) of each array that has outgrown the static one, by its name."""
        return dict(self._array_pages)


def _is_node(nid: int) -> bool:
    return 0 <= nid < MAX_NUMNODES


def _capped(base: int, size: int) -> int:
    """Source: memblock_cap_size()."""
    return min(size, ADDRESS_MAX - base)


def _with_flag(flag: int) -> Callable[[Region], Region]:
    return lambda region: region._replace(flags=region.flags | flag)


def _without_flag(flag: int) -> Callable[[Region], Region]:
    return lambda region: region._replace(flags=region.flags & ~flag)
