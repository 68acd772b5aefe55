"""Many runs as columns: what a file of terabytes, or a free list of them, is made of.

A host that frees its memory in turns of 4 MiB hands a file of 32 TiB out in millions of runs. As
columns of machine words they take 24 bytes each, and what is done with all of them (joining,
sorting, cutting) is one pass over arrays. ``Runs`` reads like a list of ``Run``; a ``Run`` is made
when somebody looks. Short lists stay lists: arrays cost more than they save there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.extent import Extent

from .kinds import Run, joined

Column = NDArray[np.int64]


class Runs(Sequence[Run]):
    """Runs of one order, in their order: three columns of one length, as the fields of ``Run``.

    Not to be changed: parts of a file share them.
    """

    __slots__ = ("blocks", "first_pfn", "step")

    def __init__(self, first_pfn: Column, blocks: Column, step: Column | int = 1) -> None:
        self.first_pfn = first_pfn
        self.blocks = blocks
        self.step: Column = (
            step if isinstance(step, np.ndarray) else np.broadcast_to(np.int64(step), len(blocks))
        )

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Runs:
        """Return the same runs as columns."""
        if isinstance(runs, Runs):
            return runs
        table = np.array(list(runs), np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2])

    @classmethod
    def chained(cls, parts: Iterable[Sequence[Run]], order: int) -> Runs:
        """Return the runs of all parts, one part after the other, neighbours put together."""
        columns = [cls.of(part) for part in parts if len(part)]
        if not columns:
            return cls.of([])
        if len(columns) == 1:
            return columns[0].joined(order)
        together = (
            np.concatenate([getattr(part, name) for part in columns])
            for name in ("first_pfn", "blocks", "step")
        )
        return cls(*together).joined(order)

    def __len__(self) -> int:
        return len(self.first_pfn)

    def __iter__(self) -> Iterator[Run]:
        columns = (self.first_pfn, self.blocks, self.step)
        return map(Run._make, zip(*(column.tolist() for column in columns), strict=True))

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice | NDArray[np.bool_] | Column) -> Runs: ...
    def __getitem__(self, index: int | slice | NDArray[np.bool_] | Column) -> Run | Runs:
        if not isinstance(index, int):
            return Runs(self.first_pfn[index], self.blocks[index], self.step[index])
        return Run(int(self.first_pfn[index]), int(self.blocks[index]), int(self.step[index]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Runs):
            return NotImplemented
        return self is other or all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"Runs({shown}{', ...' if len(self) > 3 else ''}: {len(self)})"

    def block_count(self) -> int:
        """Return how many blocks all of them have."""
        return int(self.blocks.sum())

    def bounds(self, order: int) -> tuple[Column, Column]:
        """Return where the pages of each run begin and end, as ``Run.extent`` does."""
        size = self.blocks << order
        start = np.where(self.step > 0, self.first_pfn, self.first_pfn - size + (1 << order))
        return start, start + size

    def extents(self, order: int) -> list[Extent]:
        """Return the pages that all of them take, ascending; what touches is one."""
        starts, ends = touching(*self.bounds(order))
        return [*map(Extent, starts.tolist(), ends.tolist())]

    def joined(self, order: int) -> Runs:
        """Return the same blocks in the same order, with neighbours of one direction together."""
        first, blocks, step = self.first_pfn, self.blocks, self.step
        if len(self) < 2:
            return self
        way = np.where(first[1:] > first[:-1], 1, -1)
        agrees = (blocks == 1) | (step == np.append(way, 0))
        follows = (blocks == 1) | (step == np.append(0, way))
        touches = first[1:] == first[:-1] + way * (blocks[:-1] << order)
        link = touches & agrees[:-1] & follows[1:]
        turns = link[1:] & link[:-1] & (way[1:] != way[:-1])
        link[1:] &= ~turns
        if not link.any():
            return self
        begins = np.flatnonzero(np.append(True, ~link))
        total = np.add.reduceat(blocks, begins)
        ways = np.where(np.append(link, False)[begins], np.append(way, 0)[begins], step[begins])
        return Runs(first[begins], total, ways)


class Queue:
    """Blocks of runs that leave at the front, in any portions.

    ``left``: how many have not left yet.
    """

    def __init__(self, runs: Runs, order: int) -> None:
        self._runs = runs
        self._order = order
        self._ends = np.cumsum(runs.blocks)
        self._taken = 0
        self.left = runs.block_count()

    def take(self, blocks: int) -> Runs:
        """Take the next blocks, so many or all that are left."""
        if not self.left:
            return self._runs[:0]
        begin = self._taken
        self._taken = end = begin + min(blocks, self.left)
        self.left -= end - begin
        low = int(np.searchsorted(self._ends, begin, "right"))
        high = int(np.searchsorted(self._ends, end, "left")) + 1
        runs = self._runs[low:high]
        first, sizes = runs.first_pfn.copy(), runs.blocks.copy()
        sizes[-1] -= int(self._ends[high - 1]) - end
        passed = begin - int(self._ends[low] - runs.blocks[0])
        sizes[0] -= passed
        first[0] += passed * (int(runs.step[0]) << self._order)
        return Runs(first, sizes, runs.step)


def cut_at(runs: Runs, ends: Column, order: int) -> tuple[Runs, Column]:
    """Cut runs where so many blocks in all have passed as ``ends`` says, ascending.

    Returns the parts, and for each the index of the section that it lies in: section i ends at
    ``ends[i]``, and the last one where the runs end.
    """
    run_ends = np.cumsum(runs.blocks)
    cuts = np.union1d(run_ends, ends)
    begins = np.append(0, cuts[:-1])
    run = np.searchsorted(run_ends, begins, "right")
    passed = begins - (run_ends - runs.blocks)[run]
    step = runs.step[run]
    first = runs.first_pfn[run] + passed * (step << order)
    return Runs(first, cuts - begins, step), np.searchsorted(ends, begins, "right")


def woven(parts: Iterable[tuple[Runs, Column]], order: int) -> Runs:
    """Put runs of several sequences into one: each run has the place that its column says, and
    those of one sequence with the same place stay in their order."""
    sequences, places = zip(*parts, strict=True)
    by_place = np.argsort(np.concatenate(places), kind="stable")
    columns = (
        np.concatenate([getattr(runs, name) for runs in sequences])[by_place]
        for name in ("first_pfn", "blocks", "step")
    )
    return Runs(*columns).joined(order)


def parts_of(counts: Column) -> tuple[Column, Column]:
    """Return a row for each part of items that have so many parts: the index of its item, and its
    number in it, from 0."""
    item = np.repeat(np.arange(len(counts)), counts)
    return item, np.arange(len(item)) - (np.cumsum(counts) - counts)[item]


def touching(starts: Column, ends: Column) -> tuple[Column, Column]:
    """Return ranges in ascending order, with those that touch as one; what several of them hold
    stays in each (``base.extent.touching_joined`` for columns)."""
    if len(starts) < 2:
        return starts, ends
    if not (starts[1:] > starts[:-1]).all():
        by_start = np.lexsort((ends, starts))
        starts, ends = starts[by_start], ends[by_start]
    apart = ends[:-1] != starts[1:]
    return starts[np.append(True, apart)], ends[np.append(apart, True)]


def together(runs: Sequence[Run], order: int) -> Sequence[Run]:
    """Return the same blocks in the same order, with neighbours put together; columns stay so."""
    return runs.joined(order) if isinstance(runs, Runs) else joined(runs, order)


def blocks_of(runs: Sequence[Run]) -> int:
    """Return the blocks of some runs together."""
    return runs.block_count() if isinstance(runs, Runs) else sum(run.blocks for run in runs)


def in_turn(parts: list[Sequence[Run]], order: int) -> Sequence[Run]:
    """Return the runs of all parts, one part after the other, neighbours put together: columns if
    one of them is."""
    if any(isinstance(part, Runs) for part in parts):
        return Runs.chained(parts, order)
    return joined(chain.from_iterable(parts), order)
