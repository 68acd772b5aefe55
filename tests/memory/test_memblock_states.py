"""memblock over any sequence of calls, on a coarse grid so that ranges often touch, against page
sets."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kho_sim.memory.memblock import KHO_SCRATCH, NOMAP, RSRV_KERN, RSRV_NOINIT, Memblock
from tests.memory.test_memblock_naive import flattened
from tests.naive.memblock import NaiveMemblock

PAGE = 4096

GRID = 4 * PAGE
PLACES = st.tuples(st.integers(1, 15), st.integers(1, 4))
RANGES = st.one_of(
    PLACES.map(lambda place: (place[0] * GRID, place[1] * GRID)),
    st.tuples(st.integers(4, 60), st.integers(1, 9)).map(
        lambda place: (place[0] * PAGE, place[1] * PAGE)
    ),
)
NODES = st.integers(0, 1)
RESERVATIONS = st.tuples(RANGES, st.integers(-1, 1), st.sampled_from([0, RSRV_KERN]))
REQUESTS = st.tuples(
    st.integers(1, 12),
    st.sampled_from([1, 2, 8]),
    st.sampled_from([0, 0, 11, 30]),
    st.integers(10, 64),
    st.integers(-1, 1),
    st.booleans(),
)
"""Pages, alignment in pages, the first page and the number of pages of the window, node, exact."""


class MemblockMachine(RuleBasedStateMachine):
    """The same call to both, and the same arrays afterwards."""

    @initialize(
        memory=st.lists(st.tuples(PLACES, NODES), min_size=1, max_size=3),
        scratch=st.lists(RANGES, max_size=2),
        scratch_only=st.booleans(),
    )
    def register(self, memory, scratch, scratch_only):
        self.real, self.naive = Memblock(), NaiveMemblock()
        for (first, count), nid in memory:
            self.add((first * GRID, count * GRID), nid, 0)
        for where in scratch:
            self.flag_scratch(where, True)
        self.allow_scratch_only(scratch_only)

    @rule(where=RANGES, nid=NODES, flags=st.sampled_from([0, 0, NOMAP]))
    def add(self, where, nid, flags):
        self.both("add", *where, nid, flags)

    @rule(where=RANGES)
    def remove(self, where):
        self.both("remove", *where)

    @rule(reservations=st.lists(RESERVATIONS, min_size=1, max_size=5))
    def reserve(self, reservations):
        for where, nid, flags in reservations:
            self.both("reserve", *where, nid, flags)

    @rule(where=RANGES)
    def free(self, where):
        self.real.phys_free(*where)
        self.naive.free(*where)

    @rule(where=RANGES, on=st.booleans())
    def flag_scratch(self, where, on):
        self.naive.flag(*where, KHO_SCRATCH, on)
        (self.real.mark_kho_scratch if on else self.real.clear_kho_scratch)(*where)

    @rule(where=RANGES)
    def keep_out_of_the_direct_map(self, where):
        self.naive.flag(*where, NOMAP, True)
        self.real.mark_nomap(*where)

    @rule(where=RANGES)
    def leave_uninitialised(self, where):
        for page in self.naive.pages(*where):
            if page in self.naive.reserved:
                nid, flags = self.naive.reserved[page]
                self.naive.reserved[page] = (nid, flags | RSRV_NOINIT)
        self.real.mark_noinit(*where)

    @rule(where=RANGES, nid=NODES)
    def set_node(self, where, nid):
        self.both("set_node", *where, nid)

    @rule(where=RANGES, nid=NODES)
    def set_node_of_reservations(self, where, nid):
        for page in self.naive.pages(*where):
            if page in self.naive.reserved:
                self.naive.reserved[page] = (nid, self.naive.reserved[page][1])
        self.real.set_reserved_node(*where, nid)

    @rule(on=st.booleans())
    def allow_scratch_only(self, on):
        self.real.scratch_only = self.naive.scratch_only = on

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=3))
    def allocate(self, requests):
        for pages, align, first, count, nid, exact in requests:
            window = (first * PAGE, (first + count) * PAGE)
            want = (pages * PAGE, align * PAGE, *window, nid, exact)
            assert self.real.alloc_range_nid(*want) == self.naive.alloc(*want)

    @rule()
    def go_on_with_a_copy(self):
        self.real = self.real.copy()

    def both(self, name, *args):
        assert getattr(self.real, name)(*args) == 0
        getattr(self.naive, name)(*args)

    @invariant()
    def the_arrays_are_the_pages(self):
        if not hasattr(self, "real"):
            return
        for name in ("memory", "reserved"):
            naive = self.naive.regions(getattr(self.naive, name))
            assert flattened(getattr(self.real, name)) == flattened(naive)
        sums = (len(self.naive.memory) * PAGE, len(self.naive.reserved) * PAGE)
        assert (self.real.memory_size(), self.real.reserved_size()) == sums
        self.real.check()


MemblockMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, derandomize=True
)
TestMemblock = MemblockMachine.TestCase
