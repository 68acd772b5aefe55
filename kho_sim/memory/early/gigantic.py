"""Boot-time gigantic pages: step 21 of kernel-facts section 6, rules in section 7.2.

From 7.3 on memblock has a function of its own for them, which keeps them out of original scratch.
Before, they are allocations like any other (kernel-facts-releases 10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from kho_sim.base.units import format_three_digits
from kho_sim.memory.early.options import BootOptions
from kho_sim.memory.early.requests import Requests


@dataclass
class GiganticPages:
    """The pages obtained, in allocation order, as (address, node asked for) and as half-open
    ranges, and the messages."""

    pages: list[tuple[int, int]] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def allocate_gigantic_pages(
    requests: Requests, options: BootOptions, nodes: tuple[int, ...], avoid_scratch: bool
) -> GiganticPages:
    """Allocate what ``hugepages=`` asks for in pages that only memblock can hold.

    ``avoid_scratch``: whether they stay clear of the original scratch areas. A shortfall is
    reported, never fatal.
    """
    result = GiganticPages()
    ask_on = partial(requests.alloc_gigantic, avoid_scratch=avoid_scratch)
    for request in options.hugepages_to_make():
        size = request.size_bytes
        if not requests.geometry.is_gigantic(size):
            continue
        if request.per_node:
            for nid, count in request.per_node:
                ask = partial(ask_on, exact_nid=True)
                got = _allocate(requests, result, size, (nid,), count, ask)
                if got < count:
                    result.messages.append(shortfall(count, size, got, f" node{nid}"))
        else:
            ask = partial(ask_on, exact_nid=False)
            got = _allocate(requests, result, size, nodes, request.count, ask)
            if got < request.count:
                result.messages.append(shortfall(request.count, size, got))
    return result


def shortfall(asked: int, size_bytes: int, got: int, where: str = "") -> str:
    """Return what hugetlb says when it did not get all pages."""
    size = format_three_digits(size_bytes)
    return (
        f"HugeTLB: allocating {asked} of page size {size} failed{where}.  "
        f"Only allocated {got} hugepages."
    )


def _allocate(
    requests: Requests,
    result: GiganticPages,
    size: int,
    nodes: tuple[int, ...],
    count: int,
    ask: Callable[[int, int, int], int],
) -> int:
    """The preferred node rotates; the first page that nothing can give ends the loop."""
    for number in range(count):
        nid = nodes[number % len(nodes)]
        page = ask(size, nid, count - number)
        if not page:
            return number
        result.pages.append((page, nid))
        result.ranges.append((page, page + size))
        _leave_to_hugetlb(requests, page, size)
    return count


def _leave_to_hugetlb(requests: Requests, page: int, size: int) -> None:
    """Mark all but the first page of a gigantic one, whose struct pages are not initialised."""
    first = requests.geometry.page_bytes
    requests.memblock.mark_noinit(page + first, size - first)
