"""A naive model of the page allocator: one page at a time, as plainly as can be.

Lists are Python lists (index 0 is the head), every request is served alone, every counter is looked
at after every page. Written from kernel-facts 8 and 9, not from the fast one; for small machines.
"""

from __future__ import annotations

from math import isqrt

from kho_sim.platform.geometry import PAGES_4K

UNMOVABLE, MOVABLE, RECLAIMABLE, CMA = 0, 1, 2, 4
TYPES = (UNMOVABLE, MOVABLE, RECLAIMABLE, CMA)
DONORS = {
    UNMOVABLE: (RECLAIMABLE, MOVABLE),
    MOVABLE: (RECLAIMABLE, UNMOVABLE),
    RECLAIMABLE: (UNMOVABLE, MOVABLE),
}


class Counter:
    def __init__(self):
        self.value = self.pending = self.threshold = 0

    def add(self, delta):
        self.pending += delta
        if abs(self.pending) > self.threshold:
            self.value += self.pending
            self.pending = 0


class NaiveZone:
    def __init__(self, name, pages, cpus, geometry=PAGES_4K):
        self.name, self.cpus = name, cpus
        self.top, self.block, self.thp = (
            geometry.max_order,
            geometry.pageblock_order,
            geometry.thp_order,
        )
        self.most_batch = (1 << 20) // geometry.page_bytes
        self.pages = pages
        self.end = max(pages) + 1
        self.types = {pfn >> self.block: MOVABLE for pfn in pages}
        self.lists = {(order, kind): [] for order in range(self.top + 1) for kind in TYPES}
        self.free, self.free_cma = Counter(), Counter()
        self.user_pages = set()
        self.managed = self.reserve = 0
        self.min = self.low = self.high = 0
        self.below_high = False
        self.pcp = {slot: [] for slot in range(14)}
        self.pcp_pages = self.batch = self.pcp_high = self.high_min = self.high_max = 0
        self.alloc_factor = self.free_count = 0

    def resize(self, threshold):
        batch = max(1, min(self.managed // 1024, self.most_batch) // 4)
        batch += batch // 2
        while batch & (batch - 1):
            batch &= batch - 1
        self.batch = max(1, batch - 1)
        self.high_min = self.pcp_high = max(self.low // self.cpus, 4 * self.batch)
        self.high_max = max(self.managed // 8 // self.cpus, 4 * self.batch)
        self.free.threshold = self.free_cma.threshold = threshold

    # buddy

    def count(self, delta, kind):
        self.free.add(delta)
        if kind == CMA:
            self.free_cma.add(delta)

    def give(self, pfn, order, tail):
        kind = self.types[pfn >> self.block]
        self.count(1 << order, kind)
        while order < self.top:
            buddy = pfn ^ (1 << order)
            other = self.types.get(buddy >> self.block)
            if other is None or buddy not in self.lists[order, other]:
                break
            if other != kind:
                if CMA in (other, kind):
                    break
                self.types[buddy >> self.block] = kind
            self.lists[order, other].remove(buddy)
            pfn, order = min(pfn, buddy), order + 1
        soon = False
        if order < self.top - 1:
            higher = (pfn & ~(1 << order)) ^ (2 << order)
            soon = higher in self.lists.get((order + 1, self.types.get(higher >> self.block)), [])
        if tail or soon:
            self.lists[order, kind].append(pfn)
        else:
            self.lists[order, kind].insert(0, pfn)

    def split(self, pfn, have, want, kind):
        """Halve until the block has the wanted order; the upper halves go to the heads."""
        while have > want:
            have -= 1
            self.lists[have, kind].insert(0, pfn + (1 << have))
        return pfn

    def smallest(self, order, kind):
        for have in range(order, self.top + 1):
            if self.lists[have, kind]:
                return self.split(self.lists[have, kind].pop(0), have, order, kind)
        return None

    def claim(self, order, kind, min_order):
        for have in range(self.top, min_order - 1, -1):
            if have < self.block // 2 and kind == MOVABLE:
                return None
            donor = next((d for d in DONORS[kind] if self.lists[have, d]), None)
            if donor is None:
                continue
            pfn = self.lists[have, donor][0]
            if have >= self.block:
                self.lists[have, donor].pop(0)
                for part in range(pfn, pfn + (1 << have), 1 << self.block):
                    self.types[part >> self.block] = kind
                return self.split(pfn, have, order, kind)
            if self.mostly_ours(pfn >> self.block, kind, donor):
                self.convert(pfn >> self.block, kind, donor)
                return self.smallest(order, kind)
        return None

    def inside(self, pageblock, kind):
        blocks = [
            (pfn, order)
            for order in range(self.block)
            for pfn in self.lists[order, kind]
            if pfn >> self.block == pageblock
        ]
        return sorted(blocks)

    def mostly_ours(self, pageblock, kind, donor):
        free = sum(1 << order for _, order in self.inside(pageblock, donor))
        pages = 1 << self.block
        user = sum(
            pfn in self.user_pages for pfn in range(pageblock * pages, (pageblock + 1) * pages)
        )
        if kind == MOVABLE:
            return free + user >= pages // 2
        return free + (pages - free - user if donor == MOVABLE else 0) >= pages // 2

    def convert(self, pageblock, kind, donor):
        for pfn, order in self.inside(pageblock, donor):
            self.lists[order, donor].remove(pfn)
            self.lists[order, kind].append(pfn)
        self.types[pageblock] = kind

    def steal(self, order, kind):
        for have in range(order, self.top + 1):
            for donor in DONORS[kind]:
                if self.lists[have, donor]:
                    return self.split(self.lists[have, donor].pop(0), have, order, donor)
        return None

    def take(self, blocks, order, kind, cma, nofragment):
        got, stealing = [], False
        for _ in range(blocks):
            pfn = None
            if cma and self.free_cma.value > self.free.value // 2:
                pfn = self.smallest(order, CMA)
            if pfn is None and not stealing:
                pfn = self.smallest(order, kind)
                if pfn is None and cma:
                    pfn = self.smallest(order, CMA)
                if pfn is None:
                    pfn = self.claim(order, kind, max(order, self.block) if nofragment else order)
            if pfn is None and not nofragment:
                pfn = self.steal(order, kind)
                stealing = pfn is not None
            if pfn is None:
                break
            self.count(-(1 << order), self.types[pfn >> self.block])
            got.append(pfn)
        return got

    # per-CPU lists

    def slot(self, order, kind):
        kind = MOVABLE if kind == CMA else kind
        return 12 + (kind == MOVABLE) if order == self.thp else 3 * order + kind

    def passes(self, mark, order, cma, reserve):
        usable = self.free.value - (0 if cma else self.free_cma.value)
        if usable - (1 << order) + 1 <= mark + (self.reserve if reserve else 0):
            return False
        kinds = TYPES if cma else TYPES[:3]
        return order == 0 or any(
            self.lists[o, k] for o in range(order, self.top + 1) for k in kinds
        )

    def refill(self, order):
        if self.high_min < self.batch:
            return 1
        batch = self.batch if order else self.batch * 2**self.alloc_factor
        if self.high_min != self.high_max and not self.below_high:
            self.pcp_high = min(self.pcp_high + batch, self.high_max)
        if order:
            return max(batch >> order, 2) if batch > 1 else batch
        most = max(self.pcp_high - self.pcp_pages - self.batch, self.batch)
        if batch <= most and self.alloc_factor < 5:
            self.alloc_factor += 1
        return min(batch, most)

    def serve(self, order, kind, cma, nofragment, reserve):
        if 3 < order != self.thp:
            got = self.take(1, order, kind, cma, nofragment)
            return got[0] if got else None
        held = self.pcp[self.slot(order, kind)]
        if not held:
            if not self.passes(self.high, order, cma, reserve):
                self.below_high = True
            got = self.take(self.refill(order), order, kind, cma, nofragment)
            held.extend(got)
            self.pcp_pages += len(got) << order
        if not held:
            return None
        self.pcp_pages -= 1 << order
        self.free_count >>= 1
        return held.pop(0)

    def release(self, pfn, order):
        if 3 < order != self.thp:
            piece = min(order, self.block)
            for part in range(pfn, pfn + (1 << order), 1 << piece):
                self.give(part, piece, False)
            return
        slot = self.slot(order, self.types[pfn >> self.block])
        self.alloc_factor >>= 1
        self.pcp[slot].insert(0, pfn)
        self.pcp_pages += 1 << order
        if self.free_count < self.batch * 32:
            self.free_count += 1 << order
        high = self.pcp_high
        if self.high_min != self.high_max:
            if self.below_high:
                self.pcp_high = max(high - self.free_count, self.high_min)
                high = max(self.pcp_pages, self.high_min)
            elif self.pcp_pages >= high and high < self.free_count + self.batch:
                wanted = max(self.free_count + self.batch, self.high_min)
                self.pcp_high = max(high, min(wanted, self.high_max))
        if self.pcp_pages < high:
            return
        surplus = 1
        if high >= self.batch:
            surplus = max(self.batch, min(self.free_count, high - self.batch))
        self.drain(slot, surplus)
        if self.below_high and self.passes(self.high, 0, False, True):
            self.below_high = False

    def drain(self, slot, surplus):
        surplus = min(surplus, self.pcp_pages)
        while surplus > 0:
            while not self.pcp[slot]:
                slot = (slot + 1) % 14
            order = self.thp if slot >= 12 else slot // 3
            while surplus > 0 and self.pcp[slot]:
                surplus -= 1 << order
                self.pcp_pages -= 1 << order
                self.give(self.pcp[slot].pop(), order, False)
            slot = (slot + 1) % 14


class NaivePages:
    """One node. ``memory`` and ``scratch`` as for PageAllocator, in bytes."""

    def __init__(self, memory, scratch, cpus, kho_boot, geometry=PAGES_4K):
        self.geometry = geometry
        self.shift = geometry.page_shift
        pages = [p for start, end, _ in memory for p in self.pages(start, end, inside=True)]
        self.scratch = [p for start, size in scratch for p in self.pages(start, start + size)]
        self.cpus = cpus
        border = 4 * 2**30 >> self.shift
        halves = (
            ("Normal", {p for p in pages if p >= border}),
            ("DMA32", {p for p in pages if p < border}),
        )
        self.zones = [NaiveZone(name, inside, cpus, geometry) for name, inside in halves if inside]
        if kho_boot:
            self.mark_cma()

    def pages(self, start, end, inside=False):
        """Page numbers that a range of bytes touches, or those that lie inside."""
        size = 1 << self.shift
        if inside:
            return range(-(-start // size), end // size)
        return range(start // size, -(-end // size))

    def zone(self, pfn):
        return next(zone for zone in self.zones if pfn in zone.pages)

    def mark_cma(self):
        for pfn in self.scratch:
            zone = self.zone(pfn)
            zone.types[pfn >> zone.block] = CMA

    def open_early(self, reserved):
        taken = {p for start, end in reserved for p in self.pages(start, end)}
        section = self.geometry.section_pages
        self.waiting = []
        for index, zone in enumerate(self.zones):
            seen, deferring = 0, False
            for pfn in sorted(zone.pages):
                if index == 0 and seen >= section and pfn % section == 0 and not deferring:
                    deferring, self.first_deferred = True, pfn
                seen += 1
                if pfn in taken:
                    continue
                if deferring:
                    self.waiting.append(pfn)
                else:
                    zone.give(pfn, 0, True)
                    zone.managed += 1
            zone.resize(0)

    def finish_deferred(self):
        zone = self.zones[0]
        if self.waiting:
            for pfn in self.woven(zone):
                zone.give(pfn, 0, True)
                zone.managed += 1
        self.set_marks(0)

    def fill_huge_pools(self):
        """None are asked for; marks rise all the same."""
        self.set_marks(self.geometry.pageblock_pages * 11 * len(self.zones))

    def set_marks(self, recommended):
        managed = sum(zone.managed for zone in self.zones)
        kib_a_page = self.geometry.page_bytes // 1024
        kib = min(max(isqrt(managed * kib_a_page * 16), 128), 262144)
        pages = max(kib // kib_a_page, min(recommended, managed // 20))
        for index, zone in enumerate(self.zones):
            zone.reserve = sum(above.managed for above in self.zones[:index]) // 256
            zone.min = pages * zone.managed // managed
            step = max(zone.min // 4, zone.managed // 1000)
            zone.low, zone.high = zone.min + step, zone.min + 2 * step
            units = ((zone.managed << self.shift) >> 27).bit_length()
            zone.resize(min(125, 2 * self.cpus.bit_length() * (1 + units)))

    def woven(self, zone):
        """Order the deferred pages as workers free them: 32 MiB, or a block of the highest order,
        each per turn, begun 4 turns apart."""
        section = self.geometry.section_pages
        turn_pages = max((32 << 20) >> self.shift, 1 << zone.top)
        size = -(-zone.end // section) * section - self.first_deferred
        workers = max(1, min(size // section, self.cpus))
        chunk = -(-max(size // (workers * 4), section) // section) * section
        pieces = {}
        for pfn in self.waiting:
            number = pfn // chunk if workers > 1 else 0
            pieces.setdefault(number, {}).setdefault(pfn // turn_pages, []).append(pfn)
        chunks = [list(pieces[number].values()) for number in sorted(pieces)]
        desks = [[] for _ in range(workers)]
        turn = 0
        while chunks or any(desks):
            for index, desk in enumerate(desks):
                if 4 * index > turn:
                    continue
                if not desk and chunks:
                    desk.extend(chunks.pop(0))
                if desk:
                    yield from desk.pop(0)
            turn += 1

    def release_scratch(self):
        self.mark_cma()
        order = self.geometry.pageblock_order
        for pfn in self.scratch[:: 1 << order]:
            zone = self.zone(pfn)
            zone.managed += 1 << order
            zone.release(pfn, order)

    def alloc(self, order, kind, user=None):
        """Serve one request for one block; None when there is no memory."""
        cma = kind == MOVABLE
        user = cma if user is None else user
        strict = len(self.zones) == 2
        pfn = self.ask("low", order, kind, cma, strict)
        if pfn is None and strict:
            pfn = self.ask("low", order, kind, cma, False)
        if pfn is None:
            pfn = self.ask("min", order, kind, cma, False)
        if pfn is None and order:
            for zone in self.zones:
                zone.drain(0, zone.pcp_pages)
            pfn = self.ask("min", order, kind, cma, False)
        if pfn is not None and user:
            self.zone(pfn).user_pages.update(range(pfn, pfn + (1 << order)))
        return pfn

    def ask(self, mark, order, kind, cma, nofragment):
        for index, zone in enumerate(self.zones):
            if zone.passes(getattr(zone, mark), order, cma, index > 0):
                pfn = zone.serve(order, kind, cma, nofragment, index > 0)
                if pfn is not None:
                    return pfn
        return None

    def free(self, pfn, order):
        zone = self.zone(pfn)
        zone.user_pages.difference_update(range(pfn, pfn + (1 << order)))
        zone.release(pfn, order)

    def pin(self, folios, order):
        """Move the folios that lie in CMA, a huge page's worth at a time: all targets of a batch
        come before its first source goes. Returns all of them in file order, or None when there is
        no memory (the batch that failed keeps what it got)."""
        places = list(folios)
        inside = set(self.scratch)
        moving = [index for index, pfn in enumerate(folios) if pfn in inside]
        most = max((1 << self.geometry.thp_order) >> order, 1)
        for batch in [moving[first : first + most] for first in range(0, len(moving), most)]:
            for index in batch:
                places[index] = self.alloc(order, UNMOVABLE, user=True)
                if places[index] is None:
                    return None
            for index in batch:
                self.free(folios[index], order)
        return places

    def free_lists(self):
        return {
            (0, zone.name, order, kind): held
            for zone in self.zones
            for (order, kind), held in zone.lists.items()
            if held
        }
