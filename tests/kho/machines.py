"""Small random machines in a KHO boot: memory, scratch, and an incoming tree with its pages."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from kho_sim.kho.extend import extend_scratch
from kho_sim.kho.key import encode_key
from kho_sim.kho.radix import FrozenRadixTree, RadixTree
from kho_sim.kho.retrieve import RETRIEVALS
from kho_sim.memory.failing_marks import FailingMarks
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.pages import PageAllocator
from kho_sim.platform.geometry import PAGES_4K
from tests.geometries import GEOMETRIES, ZONES

PAGE = 4096
MIB = 1 << 20
SPARE_PAGES = 48
"""Free pages at the end of each machine, so that the incoming tree finds places for its tables."""


@dataclass
class Machine:
    """``keys`` in walk order; ``preserved_pages`` are page numbers."""

    memblock: Memblock
    incoming: FrozenRadixTree
    keys: list[tuple[int, int]]
    preserved_pages: set[int]

    @property
    def page_bytes(self):
        return self.memblock.geometry.page_bytes

    @property
    def table_pages(self):
        """Numbers of the pages that the incoming tree takes."""
        return {address // self.page_bytes for address in self.incoming.table_pages()}

    def allocate_page(self):
        return self.memblock.alloc_range_nid(self.page_bytes, self.page_bytes, 0, 0, -1, False)

    def free_page(self, address):
        self.memblock.phys_free(address, self.page_bytes)

    def shift(self, shift):
        """The block shift, or that of a page if this is more."""
        return max(shift, self.memblock.geometry.page_shift)

    def reserve_first(self, strategy):
        """The first pass of a retrieval, for an extension that needs it."""
        if strategy.needs_reserved:
            RETRIEVALS["two-pass"].reserve_first(self.memblock, self.incoming)

    def extend(self, strategy, options):
        self.reserve_first(strategy)
        return extend_scratch(
            strategy, self.memblock, self.incoming, options, self.allocate_page, self.free_page
        )


def allocator(megabytes=16):
    """A page allocator of one zone, with all of its memory free."""
    pages = PageAllocator([(MIB, (1 + megabytes) * MIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    pages.open([])
    return pages


def cut(first, end, max_order):
    """Cut pages [first, end) into aligned (page number, order) as large as can be."""
    blocks = []
    while first < end:
        order = max_order
        while first % 2**order or first + 2**order > end:
            order -= 1
        blocks.append((first, order))
        first += 2**order
    return blocks


def build(base, stretches, max_order, node_border, order_of_pages, geometry=PAGES_4K):
    """Lay stretches (kind, page count) out from page ``base`` upwards."""
    memblock, keys, free_pages, preserved = FailingMarks(geometry), [], [], set()
    page_bytes = geometry.page_bytes
    memblock.scratch_only = True  # so arrays that grow keep off what will be preserved
    position = base
    for kind, page_count in [*stretches, ("free", SPARE_PAGES)]:
        start, size = position * page_bytes, page_count * page_bytes
        pages = range(position, position + page_count)
        position += page_count
        if kind == "hole":
            continue
        memblock.add(start, size, nid=0 if start < node_border else 1)
        if kind == "scratch":
            memblock.mark_kho_scratch(start, size)
        elif kind == "reserved":
            memblock.reserve(start, size)
        elif kind == "preserved":
            blocks = cut(pages.start, pages.stop, max_order)
            keys += [(first * page_bytes, order) for first, order in blocks]
            preserved |= set(pages)
        else:
            free_pages += pages
    free_pages = sorted(free_pages, key=lambda page: hash((page, order_of_pages)))
    pages = iter(free_pages)
    tree = RadixTree(lambda: next(pages) * page_bytes, geometry=geometry)
    for phys, order in keys:
        assert tree.add_key(encode_key(phys, order, geometry)) == 0
    keys.sort(key=lambda block: encode_key(*block, geometry))
    return Machine(memblock, tree.freeze(), keys, preserved)


KINDS = ["hole", "free", "scratch", "reserved", "preserved", "preserved"]
STRETCHES = st.builds(
    lambda scratch_pages, others: [("scratch", scratch_pages), *others],
    st.sampled_from([40, 40, 12, 6, 3]),
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 90)), min_size=3, max_size=14),
)


def machines(stretches=STRETCHES):
    """Machines at the bottom of memory, and across leaf and table borders of the tree."""
    return st.sampled_from(GEOMETRIES).flatmap(lambda geometry: of_geometry(geometry, stretches))


def of_geometry(geometry, stretches):
    leaf, table = 1 << geometry.leaf_shift, 1 << geometry.leaf_shift + geometry.table_shift
    return st.builds(
        build,
        base=st.sampled_from([1, leaf - 200, table - 200, table + 12345]),
        stretches=stretches,
        max_order=st.sampled_from([0, 0, 1, 3, 6]),
        node_border=st.sampled_from([0, leaf * geometry.page_bytes, table * geometry.page_bytes]),
        order_of_pages=st.integers(0, 3),
        geometry=st.just(geometry),
    )


def page_states(memblock):
    """Each page of memory -> (node, flags)."""
    size = memblock.geometry.page_bytes
    return {
        page: (region.nid, region.flags)
        for region in memblock.memory
        for page in range(region.base // size, region.end // size)
    }


def regions(array):
    return [tuple(region) for region in array]


def runs_of(numbers):
    """How many runs of consecutive numbers there are."""
    numbers = sorted(numbers)
    return bool(numbers) + sum(right - left > 1 for left, right in pairwise(numbers))
