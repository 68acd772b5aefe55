"""Marks that fail on demand: as many as are left succeed, one by one or many at once."""

import numpy as np
import pytest

from kho_sim.memory.failing_marks import FailingMarks

PAGE = 4096
RANGES = np.array([[first * PAGE, (first + 2) * PAGE] for first in range(4, 28, 4)], np.uint64)
"""Six ranges of two pages."""


def machine(left):
    memblock = FailingMarks()
    memblock.add(PAGE, 100 * PAGE)
    memblock.marks_left = left
    return memblock


@pytest.mark.parametrize("left", [None, 0, 1, 4, 6, 9])
def test_marks_fail_when_none_is_left(left):
    done = 6 if left is None else min(left, 6)
    errors = [0] * done + [-12] * (6 - done)
    single, bulk = machine(left), machine(left)
    assert [single.mark_kho_scratch(start, end - start) for start, end in RANGES.tolist()] == errors
    assert bulk.mark_kho_scratch_each(RANGES) == (errors[-1], done)
    assert list(single.memory) == list(bulk.memory)
    assert bulk.scratch_bytes() == done * 2 * PAGE
    assert single.marks_left == bulk.marks_left == (None if left is None else left - done)


def test_an_array_that_can_not_grow_fails_as_ever():
    """One region, and two more for each mark: 63 fit into 128, and no memory is free."""
    many = np.array([[page * PAGE, (page + 1) * PAGE] for page in range(2, 200, 2)], np.uint64)
    memblock = FailingMarks()
    memblock.add(PAGE, 300 * PAGE)
    memblock.reserve(PAGE, 300 * PAGE)
    memblock.marks_left = 80
    assert memblock.mark_kho_scratch_each(many) == (-12, 63)
    assert memblock.marks_left == 17
