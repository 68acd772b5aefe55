"""The patch's strategy against sets of pages, a digest one key at a time, and a recorded boot."""

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.work import Work
from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.extend.blocks import by_blocks
from kho_sim.kho.radix import RadixTree
from kho_sim.memory.memblock import KHO_SCRATCH, Memblock
from tests.geometries import PAGES_64K
from tests.kho.machines import PAGE, build, machines, regions, runs_of
from tests.naive.extend import busy_blocks, pages_in, scratch_after
from tests.naive.radix import NaiveTree

BLOCKS = STRATEGIES["blocks"]
SHIFTS = st.one_of(st.integers(12, 22), st.sampled_from([27, 30, 36, 40]))
NO_MEMORY = "KHO: Failed to extend scratch: -ENOMEM"


class Recorder:
    """Allocates from a memblock and keeps what was asked, in order."""

    def __init__(self, memblock):
        self.memblock, self.log = memblock, []

    def allocate(self):
        size = self.memblock.geometry.page_bytes
        address = self.memblock.alloc_range_nid(size, size, 0, 0, -1, False)
        self.log.append(("allocate", address))
        return address

    def free(self, address):
        self.log.append(("free", address))
        self.memblock.phys_free(address, self.memblock.geometry.page_bytes)


def naive_digest(incoming, recorder, shift):
    """Digest as the kernel does, a key at a time; return (keys added, pages at the end, error)."""
    page_shift = incoming.geometry.page_shift
    digest = NaiveTree(recorder.allocate, recorder.free, page_shift)
    if not digest.root:
        return 0, 0, -12
    added = []

    def add(key):
        added.append(key)
        return digest.add(key)

    def leaf(key):
        order = 65 - page_shift - key.bit_length()
        start = (key << (page_shift + order)) % 2**64
        end = start + (1 << page_shift + order)
        while start < end:
            error = add(start >> shift)
            if error:
                return error
            start += 1 << shift
        return 0

    error = incoming.walk(leaf, lambda page: add(page >> shift))
    page_count = len(digest.pages)
    digest.destroy()
    return len(added), page_count, error


@settings(max_examples=120)
@given(machine=machines(), shift=SHIFTS, fewest=st.sampled_from([1, 256]))
def test_blocks_agree_with_sets_of_pages(machine, shift, fewest):
    """Exactly the rest is marked, by gaps one after the other as by many at once."""
    with mock.patch("kho_sim.memory.region_array.FEWEST_FLAGGED_AT_ONCE", fewest):
        blocks_against_sets_of_pages(machine, shift)


def blocks_against_sets_of_pages(machine, shift):
    shift, size = machine.shift(shift), machine.page_bytes
    memory = pages_in(machine.memblock)
    scratch = pages_in(machine.memblock, KHO_SCRATCH)
    busy = busy_blocks(machine.preserved_pages, machine.incoming.table_pages(), shift, size)
    extension = machine.extend(BLOCKS, ExtendOptions(shift))
    now = pages_in(machine.memblock, KHO_SCRATCH)
    if extension.error:
        assert (extension.error, now) == (NO_MEMORY, scratch)
        return
    assert extension.busy_blocks == tuple(busy)
    assert now == scratch_after(memory, scratch, busy, shift, size)
    assert extension.extended_bytes == len(now - scratch) * size
    numbers = [start >> shift for start in busy]
    first_free = numbers[0] != 0
    last_free = (numbers[-1] + 1) << shift < machine.memblock.end_of_dram()
    assert extension.work.ranges_marked == runs_of(numbers) - 1 + first_free + last_free


@settings(max_examples=60)
@given(machine=machines(), shift=SHIFTS)
def test_the_digest_takes_the_pages_that_single_keys_would(machine, shift):
    shift, naive = machine.shift(shift), Recorder(machine.memblock.copy())
    key_count, page_count, error = naive_digest(machine.incoming, naive, shift)
    mine = Recorder(machine.memblock)
    extension = BLOCKS.extend(
        machine.memblock, machine.incoming, ExtendOptions(shift), mine.allocate, mine.free
    )
    assert mine.log == naive.log
    assert regions(machine.memblock.reserved) == regions(naive.memblock.reserved)
    assert extension.error == (NO_MEMORY if error else "")
    if not error:
        assert extension.digest_pages == extension.work.tables_allocated == page_count
        assert extension.work.keys_added == key_count
        assert extension.work.keys_walked == len(machine.keys) + len(extension.busy)
        assert extension.work.tables_walked == machine.incoming.nodes + page_count


def test_a_digest_that_gets_no_page_ends_the_walk():
    """Tables in one leaf of the digest, preserved memory in the next, and scratch for one leaf."""
    machine = build(2**15 - 90, [("scratch", 6), ("free", 84), ("preserved", 40)], 0, 0, 0)
    recorder = Recorder(machine.memblock)
    incoming = RadixTree(iter(range((2**15 - 80) * PAGE, 2**27, PAGE)).__next__)
    incoming.add_pages(2**15, 40)
    incoming.add_pages(2**17, 1)
    extension = BLOCKS.extend(
        machine.memblock, incoming, ExtendOptions(12), recorder.allocate, recorder.free
    )
    assert (extension.error, extension.extended_bytes) == (NO_MEMORY, 0)
    assert [address != 0 for verb, address in recorder.log if verb == "allocate"] == [True] * 6 + [
        False
    ]
    assert [verb for verb, _ in recorder.log[7:]] == ["free"] * 6
    assert extension.work.tables_walked == incoming.nodes - 1
    assert extension.work.ranges_marked == 0


def test_a_table_whose_block_finds_no_place_ends_the_walk():
    """The last table of the walk is in a leaf of its own of the digest, which has pages for one
    leaf. What that table preserves would find its block in the leaf that is there."""
    incoming = RadixTree(iter([*range(20 * PAGE, 30 * PAGE, PAGE), 2**28]).__next__)
    incoming.add_pages(50, 2, 1)
    incoming.add_pages(60, 1, 0)
    assert incoming.table_pages()[-1] == 2**28
    machine = build(1, [("scratch", 6), ("free", 90)], 0, 0, 0)
    recorder = Recorder(machine.memblock)
    extension = BLOCKS.extend(
        machine.memblock, incoming, ExtendOptions(12), recorder.allocate, recorder.free
    )
    assert extension.error == NO_MEMORY
    assert 60 not in extension.busy


def test_a_root_that_can_not_be_had():
    machine = build(1, [("free", 4), ("preserved", 3)], 0, 0, 0)
    extension = machine.extend(BLOCKS, ExtendOptions())
    assert (extension.error, extension.digest_pages, extension.busy_blocks) == (NO_MEMORY, 0, ())


def test_marks_stay_when_the_array_can_not_grow():
    """7 pages of scratch: 6 for the digest, 1 left where doubling memblock.memory needs 2."""
    stripes = [("preserved", 1), ("free", 1)] * 200
    machine = build(1, [("scratch", 7), *stripes, ("free", 64)], 0, 0, 0)
    extension = machine.extend(BLOCKS, ExtendOptions(12))
    assert extension.error == NO_MEMORY
    assert len(extension.busy_blocks) == 200 + machine.incoming.nodes
    assert 0 < extension.work.ranges_marked < 128
    assert extension.extended_bytes > 0
    assert "Failed to double memory array from 128 to 256" in machine.memblock.messages[-1]
    assert machine.memblock.reserved_size() == 0, "the digest is gone"


def test_the_extension_of_machine_64g():
    """Boot 1 of that log (kernel-facts 5.3), the digest's pages included."""
    memblock = Memblock()
    for start, end in [(0x1000, 0x9F000), (0x100000, 0xBFFE0000), (0x100000000, 0x1040000000)]:
        memblock.add(start, end - start, 0)
    memblock.mark_kho_scratch(0xB2400000, 0x9800000)
    memblock.mark_kho_scratch(0xEE0400000, 0xFF7800000 - 0xEE0400000)
    memblock.reserve(0xFF53FCC00, 0xFF7800000 - 0xFF53FCC00)
    memblock.scratch_only = True
    incoming = RadixTree.from_runs(
        [(0, 0x1004B7000, 0x1004B8000), (0, 0x101000000, 0x1011B3000)],
        [0x1004B6000, 0x1004B8000, 0x1004B9000, 0x1004BA000, 0x1004BB000, 0x100538000],
    )
    recorder = Recorder(memblock)
    extension = BLOCKS.extend(memblock, incoming, ExtendOptions(), recorder.allocate, recorder.free)
    assert extension.busy_blocks == (0x100000000,)
    assert extension.extended_bytes == 0xE9F37E000
    assert [(r.base, r.end, r.flags) for r in memblock.memory] == [
        (0x1000, 0x9F000, 0x40),
        (0x100000, 0xBFFE0000, 0x40),
        (0x100000000, 0x140000000, 0),
        (0x140000000, 0x1040000000, 0x40),
    ]
    pages = [address for verb, address in recorder.log if verb == "allocate"]
    assert sorted(pages) == list(range(0xFF53F6000, 0xFF53FC000, PAGE))


def test_preservations_larger_than_a_block_and_block_0():
    """An order 18 page (1 GiB) is four blocks of shift 28; block 0 may be busy like any other."""
    memblock = Memblock()
    memblock.add(0, 8 << 30, 0)
    memblock.mark_kho_scratch(7 << 30, 1 << 30)
    incoming = RadixTree(iter(range(0x1000, 0x100000, 0x1000)).__next__)
    incoming.add_pages(2 << 18, 1 << 18, 18)
    recorder = Recorder(memblock)
    extension = BLOCKS.extend(
        memblock, incoming, ExtendOptions(28), recorder.allocate, recorder.free
    )
    assert extension.busy_blocks == (0, *(2 << 30 | n << 28 for n in range(4)))
    assert extension.work.keys_added == incoming.nodes + 4
    assert extension.extended_bytes == (7 << 30) - (5 << 28)


def test_a_strategy_by_blocks_is_its_shift_its_visits_and_its_mark():
    """Of the options it takes the bad frames; the shift is asked with all of them."""
    machine = build(1, [("scratch", 40), ("preserved", 3)], 0, 0, 0)
    asked, marked = [], []

    def shift(memblock, options, geometry):
        asked.append((memblock, options, geometry))
        return 13

    def mark(memblock, busy, shift):
        marked.append(shift)
        return 0, Work()

    options, recorder = ExtendOptions(30, bad_frames=(5 * PAGE,)), Recorder(machine.memblock)
    ours = by_blocks(shift=shift, visits=lambda *_: (1, 2, 3), mark=mark)
    found = ours(machine.memblock, machine.incoming, options, recorder.allocate, recorder.free)
    assert asked == [(machine.memblock, options, machine.incoming.geometry)]
    assert (marked, found.shift, found.extended_bytes) == ([13], 13, 0)
    assert 4 * PAGE in found.busy_blocks
    freed = sum(what == "free" for what, _ in recorder.log)
    assert freed == len(recorder.log) - freed == found.digest_pages
    plain = machine.memblock.copy()
    usual = by_blocks()(plain, machine.incoming, ExtendOptions(13), *allocating(plain))
    assert (
        usual.busy_blocks
        == BLOCKS.extend(
            machine.memblock, machine.incoming, ExtendOptions(13), *allocating(machine.memblock)
        ).busy_blocks
    )


def allocating(memblock):
    recorder = Recorder(memblock)
    return recorder.allocate, recorder.free


def test_blocks_are_not_smaller_than_a_page():
    """A page of the incoming tree makes one block busy: a smaller one would leave its rest free."""
    machine = build(1, [("scratch", 40), ("preserved", 3)], 0, 0, 0, PAGES_64K)
    with pytest.raises(ValueError, match=r"^blocks of 2\*\*15 bytes are smaller than a page$"):
        machine.extend(BLOCKS, ExtendOptions(15))
    assert machine.extend(BLOCKS, ExtendOptions(16)).busy_blocks
