"""The radix tree over any sequence of calls, against a plain set of keys and a tree a key at a
time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kho_sim.kho.radix import RadixTree, decode_key, encode_key
from tests.kho.test_radix import visits
from tests.naive.radix import NaiveTree, PageSource

LEAF_BITS = 1 << 15

BORDERS = [0, LEAF_BITS, 2**24, 2**24 + LEAF_BITS, 2**33]
"""In pages: where leaves (128 MiB) and tables (64 GiB) end."""
RUNS = {
    "order": st.sampled_from([0, 0, 1, 4, 9, 18]),
    "border": st.sampled_from(BORDERS),
    "offset": st.integers(-60, 60),
    "count": st.one_of(st.integers(1, 5), st.integers(1, 100)),
}


class TreeMachine(RuleBasedStateMachine):
    """``keys`` is what the tree must hold; ``naive`` also knows its pages."""

    @initialize(pages_left=st.one_of(st.integers(0, 40), st.just(10**6)))
    def begin(self, pages_left):
        self.source, self.naive_source = PageSource(pages_left), PageSource(pages_left)
        self.tree = RadixTree(self.source.allocate, self.source.free)
        self.naive = NaiveTree(self.naive_source.allocate, self.naive_source.free)
        self.keys, self.snapshots = set(), []
        assert bool(self.tree.root) == bool(self.naive.root)

    def blocks(self, order, border, offset, count):
        first = max((border >> order) + offset, 0)
        return [encode_key(block << (12 + order), order) for block in range(first, first + count)]

    @rule(**RUNS)
    def add_run(self, order, border, offset, count):
        keys = self.blocks(order, border, offset, count)
        expected = 0
        for key in keys:
            expected = self.naive.add(key)
            if expected:
                break
            self.keys.add(key)
        address, _ = decode_key(keys[0])
        assert self.tree.add_pages(address >> 12, count << order, order) == expected

    @rule(**RUNS)
    def add_singly(self, order, border, offset, count):
        for key in self.blocks(order, border, offset, min(count, 5)):
            expected = self.naive.add(key)
            assert self.tree.add_key(key) == expected
            if not expected:
                self.keys.add(key)

    @precondition(lambda self: self.naive.root)
    @rule(**RUNS)
    def delete_run(self, order, border, offset, count):
        keys = self.blocks(order, border, offset, count)
        for key in keys:
            self.naive.delete(key)
        self.keys -= set(keys)
        address, _ = decode_key(keys[0])
        self.tree.del_pages(address >> 12, count << order, order)

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def delete_one_that_is_there(self, data):
        key = data.draw(st.sampled_from(sorted(self.keys)))
        self.keys.discard(key)
        self.naive.delete(key)
        self.tree.del_key(key)

    @rule()
    def hand_on(self):
        self.snapshots.append((self.tree.freeze(), sorted(self.keys), self.naive.visits()))

    @precondition(lambda self: self.naive.root)
    @rule()
    def destroy(self):
        self.tree.destroy()
        self.naive.destroy()
        assert self.source.freed == self.naive_source.freed, "children go before their parent"
        assert (self.tree.nodes, len(self.tree), self.tree.root) == (0, 0, 0)
        self.begin(self.source.limit)

    @invariant()
    def the_tree_is_the_set_and_its_pages_are_those_of_single_keys(self):
        if not hasattr(self, "tree"):
            return
        assert list(self.tree.walk()) == sorted(self.keys)
        assert visits(self.tree) == self.naive.visits()
        assert self.tree.nodes == len(self.naive.pages)
        assert (self.source.given, self.source.freed) == (
            self.naive_source.given,
            self.naive_source.freed,
        )

    @invariant()
    def what_was_handed_on_stays(self):
        for frozen, keys, seen in getattr(self, "snapshots", []):
            assert list(frozen.walk()) == keys
            assert visits(frozen) == seen


TreeMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, derandomize=True
)
TestTree = TreeMachine.TestCase
