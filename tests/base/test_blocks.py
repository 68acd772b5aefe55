"""Blocks as runs, held to a plain tuple of their starts."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kho_sim.base.blocks
from kho_sim.base.blocks import Blocks

NUMBERS = st.sets(st.integers(0, 60)).map(sorted)


def edges_of(numbers: list[int]) -> list[int]:
    """The borders of the runs, as KeySet.edges() has them."""
    held = set(numbers)
    return sorted(held ^ {number + 1 for number in held})


@given(NUMBERS, st.sampled_from([0, 12, 40]))
def test_blocks_read_like_a_tuple_of_their_starts(numbers, shift):
    blocks, starts = Blocks(edges_of(numbers), shift), tuple(n << shift for n in numbers)
    assert tuple(blocks) == starts
    assert blocks == starts
    assert starts == blocks
    assert blocks != (*starts, 1 << 50)
    assert len(blocks) == len(starts)
    assert [blocks[index] for index in range(-len(starts), len(starts))] == [*starts * 2]
    assert (blocks[1:4], blocks[:-1], blocks[::-1]) == (starts[1:4], starts[:-1], starts[::-1])
    assert repr(blocks) == repr(starts)
    assert pickle.loads(pickle.dumps(blocks)) == blocks
    assert Blocks.from_spans(blocks.spans(), shift) == blocks
    assert all(start in blocks for start in starts)
    for outside in (len(starts), -len(starts) - 1):
        with pytest.raises(IndexError):
            blocks[outside]


@given(NUMBERS, NUMBERS, st.sampled_from([0, 1]))
def test_blocks_are_equal_if_their_starts_are(left, right, shift):
    starts = [n << shift for n in right]
    assert (Blocks(edges_of(left), 0) == Blocks(edges_of(right), shift)) == (left == starts)
    assert Blocks(edges_of(left), 0) != 1


def test_a_longer_run_is_another():
    assert Blocks([0, 2, 5, 6], 0) != Blocks([0, 3, 5, 6], 0)


def test_too_many_blocks_are_told_as_runs(monkeypatch):
    blocks = Blocks([1, 4, 6, 7], 12)
    monkeypatch.setattr(kho_sim.base.blocks, "MOST_LISTED", 4)
    assert blocks.plain() == [0x1000, 0x2000, 0x3000, 0x6000]
    monkeypatch.setattr(kho_sim.base.blocks, "MOST_LISTED", 3)
    assert blocks.plain() == {
        "busy_block_bytes": 4096,
        "busy_spans": [[0x1000, 0x4000], [0x6000, 0x7000]],
    }
    assert repr(blocks) == "<4 blocks of 4096 bytes in 2 runs>"
