"""The memory of a chain of kernels, page by page: who owns each page, and what is written in it.

``Ram`` outlives kernels, as real memory does. Each kernel gets an allocator that is watched from
outside: every page that it hands out must have been free, is written over, and is owned until it is
given back. A file is a list of pages with a token of its own in each. What the next kernel reads at
the places that it was told must be those tokens; nothing else is promised, so at a kexec everything
else is overwritten.
"""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from kho_sim.kernel import bring_up
from kho_sim.kho.preserve import folio_file
from kho_sim.memory.pages import MOVABLE, OutOfMemory, PageAllocator, Run

NONE, RESERVED, FREE, OWNED = range(4)
PAGE = 4096


def pages_of_runs(runs, order=0):
    """Page numbers of runs of blocks, in order."""
    inside = np.arange(1 << order)
    parts = [(np.array(run.pfns(order))[:, None] + inside).ravel() for run in runs]
    return np.concatenate(parts) if parts else np.array([], dtype=np.int64)


def pages_of_bytes(start, end):
    """Page numbers that a range of bytes touches."""
    return np.arange(start // PAGE, -(-end // PAGE))


def pages_of_file(data):
    """Page numbers of a file's folios, in file order."""
    parts = [pages_of_runs(folios.runs, folios.order) for folios in data]
    return np.concatenate(parts) if parts else np.array([], dtype=np.int64)


class Ram:
    """``state`` and ``content`` of every page of a machine."""

    def __init__(self, machine):
        self.memory = np.zeros(machine.end_of_memory // PAGE, dtype=bool)
        for extent in machine.memory:
            self.memory[extent.start // PAGE : extent.end // PAGE] = True
        self.content = np.zeros(len(self.memory), dtype=np.int64)
        self.state = np.full(len(self.memory), NONE, dtype=np.uint8)
        self.scratch = np.zeros(len(self.memory), dtype=bool)
        self.restorable = np.zeros(len(self.memory), dtype=bool)
        """Reserved pages that this kernel may give back, because they were handed to it."""
        self.tokens = 0

    def fresh_tokens(self, count):
        """Numbers that were never written anywhere."""
        self.tokens += count
        return np.arange(self.tokens - count, self.tokens) + 1

    def distinct(self, pages):
        seen = np.zeros(len(self.state), dtype=bool)
        seen[pages] = True
        return seen.sum() == len(pages)

    def overwrite(self, pages):
        pages = pages[pages < len(self.content)]
        self.content[pages] = self.fresh_tokens(len(pages))

    def set_scratch(self, areas):
        self.scratch[:] = False
        for start, size in areas:
            self.scratch[start // PAGE : (start + size) // PAGE] = True

    def open(self, reserved):
        """memblock gives way: what is memory and not reserved is free."""
        self.state[:] = NONE
        self.state[self.memory] = FREE
        for start, end in reserved:
            taken = pages_of_bytes(start, end)
            taken = taken[taken < len(self.state)]
            self.state[taken[self.memory[taken]]] = RESERVED

    def take(self, pages, movable):
        assert self.distinct(pages), "a page was handed out twice at once"
        taken = pages[self.state[pages] != FREE]
        assert not len(taken), f"pages {taken[:3]} were handed out and are not free"
        in_scratch = pages[self.scratch[pages]]
        assert movable or not len(in_scratch), f"pages {in_scratch[:3]} of scratch are not for this"
        self.state[pages] = OWNED
        self.overwrite(pages)

    def give_back(self, pages):
        restored = self.restorable[pages] & (self.state[pages] == RESERVED)
        wrong = pages[(self.state[pages] != OWNED) & ~restored]
        assert not len(wrong), f"pages {wrong[:3]} were freed by nobody who owns them"
        self.state[pages] = FREE

    def move(self, old, new):
        """Pages were migrated: contents follow, and the old ones are free."""
        moved = old != new
        content = self.content[old]
        self.give_back(old[moved])
        self.state[old[moved]] = NONE  # nobody may get them as a target of the same migration
        self.take(new[moved], movable=False)
        self.state[old[moved]] = FREE
        self.content[new] = content
        assert not self.scratch[new].any(), "a pinned page lies in scratch"

    def adopt(self, extents):
        """Reserved pages become owned ones: restored files."""
        for start, end in extents:
            pages = pages_of_bytes(start, end)
            assert (self.state[pages] == RESERVED).all(), "restored pages were not kept reserved"
            self.state[pages] = OWNED

    def check(self, allocator):
        """What the allocator has free is what nobody owns; the rest of memory is accounted for."""
        listed = [
            pages_of_runs([Run(first, 1) for first in blocks], order)
            for (_, _, order, _), blocks in allocator.free_lists().items()
        ]
        listed = np.concatenate(listed) if listed else np.array([], dtype=np.int64)
        assert self.distinct(listed), "a page is on two free lists"
        assert (self.state[listed] == FREE).all(), "a page is on a free list and owned"
        cached = sum(zone.pcp.pages for zone in allocator._zones)
        assert len(listed) + cached == (self.state == FREE).sum(), "free pages have got lost"
        assert (self.state[self.memory] != NONE).all()
        allocator.check()


@contextmanager
def watched(ram):
    """Kernels that are brought up inside get a page allocator that ``ram`` watches."""

    class Watched(PageAllocator):
        depth = 0

        def open_early(self, reserved, *how, **words):
            reserved = list(reserved)
            ram.open(reserved)
            super().open_early(reserved, *how, **words)

        def release_scratch(self):
            with self.inside():
                super().release_scratch()
            ram.state[ram.scratch] = FREE

        def adopt(self, extents, user=True):
            extents = list(extents)
            ram.adopt(extents)
            super().adopt(extents, user)

        def alloc(self, count, order=0, *args, **kwargs):
            kind = args[0] if args else kwargs.get("migratetype", MOVABLE)
            return self.served(super().alloc, kind == MOVABLE, order, count, order, *args, **kwargs)

        def alloc_largest(self, *args, **kwargs):
            return self.served(super().alloc_largest, False, 0, *args, **kwargs)

        def free(self, runs, order=0, user=False):
            runs = list(runs)
            if not self.depth:
                ram.give_back(pages_of_runs(runs, order))
            with self.inside():
                super().free(runs, order, user)

        def served(self, method, movable, order, *args, **kwargs):
            try:
                with self.inside():
                    runs = method(*args, **kwargs)
            except OutOfMemory as short:
                self.taken(short.allocated, movable, order)
                raise
            self.taken(runs, movable, order)
            return runs

        def taken(self, runs, movable, order):
            if not self.depth:
                assert all(run.first_pfn % (1 << order) == 0 for run in runs)
                ram.take(pages_of_runs(runs, order), movable)

        @contextmanager
        def inside(self):
            self.depth += 1
            try:
                yield
            finally:
                self.depth -= 1

    with patch.object(bring_up, "PageAllocator", Watched):
        yield


@contextmanager
def pins_watched(ram):
    """Files that are preserved inside move under the eyes of ``ram``."""
    real_pin = folio_file.migrate_out_of_cma

    def pin(allocator, runs, order=0, *args, **kwargs):
        runs = list(runs)
        with allocator.inside():
            pinned = real_pin(allocator, runs, order, *args, **kwargs)
        ram.move(pages_of_runs(runs, order), pages_of_runs(pinned.runs, order))
        return pinned

    with patch.object(folio_file, "migrate_out_of_cma", pin):
        yield
