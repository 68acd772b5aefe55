"""What early boot asked for, row by row, with runs of equal requests kept as one.

The tables of a linear map in pages are sixty thousand requests on 121 GiB, which lie right below
each other. Most who boot a kernel never look at them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from kho_sim.memory.memblock import NO_NODE


@dataclass(slots=True, kw_only=True)
class Request:
    """One early allocation (or ``count`` equal ones refused together) and its answer.

    Not frozen, as a large host makes a hundred thousand at each boot and that doubles what one
    costs; nobody changes one.
    """

    phase: str
    what: str
    size_bytes: int
    align_bytes: int
    nid: int = NO_NODE
    min_address: int = 0
    max_address: int = 0
    count: int = 1
    address: int = 0
    source: str = ""
    failed: bool = False
    avoided: bool = False
    why: str = ""


class RequestRows(Sequence[Request]):
    """The requests of one boot, in order, to be read like a list of them; each is made when
    somebody looks, and kept."""

    def __init__(self) -> None:
        self._first: list[Request] = []
        """The first request of each run; most runs are of one."""
        self._times: dict[int, int] = {}
        """Index in ``_first`` -> how many requests that run has, if more than one."""
        self._length = 0
        self._made: list[Request] | None = None

    def append(self, row: Request) -> None:
        """Write one request down."""
        self.append_run(row, 1)

    def append_run(self, first: Request, times: int) -> None:
        """Write equal requests down, each answered right below the one before it."""
        if times > 1:
            self._times[len(self._first)] = times
        self._first.append(first)
        self._length += times
        self._made = None

    def addresses(self) -> Iterator[int]:
        """Yield the answer of every request, 0 for a refused one; no row is made."""
        for index, row in enumerate(self._first):
            for number in range(self._times.get(index, 1)):
                yield row.address - number * row.size_bytes

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Request]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        if index == -1 and self._first and len(self._first) - 1 not in self._times:
            return self._first[-1]
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _all(self) -> list[Request]:
        if not self._times:
            return self._first
        if self._made is None:
            self._made = [row for index in range(len(self._first)) for row in self._run(index)]
        return self._made

    def _run(self, index: int) -> Iterator[Request]:
        first, times = self._first[index], self._times.get(index, 1)
        yield first
        for number in range(1, times):
            yield replace(first, address=first.address - number * first.size_bytes)
