"""Boot-time gigantic pages: step 21 of kernel-facts section 6, rules in section 7.2."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.memory.early.options import GIGANTIC_PAGE_BYTES, BootOptions
from kho_sim.memory.early.requests import Requests
from kho_sim.memory.memblock import PAGE_SIZE


@dataclass
class GiganticPages:
    """The pages obtained, in allocation order, as (address, node asked for), and the messages."""

    pages: list[tuple[int, int]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def allocate_gigantic_pages(
    requests: Requests, options: BootOptions, nodes: tuple[int, ...]
) -> GiganticPages:
    """Allocate what ``hugepages=`` asks for in 1 GiB pages; a shortfall is reported, never
    fatal."""
    result = GiganticPages()
    for request in options.hugepages:
        if request.size_bytes != GIGANTIC_PAGE_BYTES:
            continue
        if request.per_node:
            for nid, count in request.per_node:
                got = _allocate(requests, result, (nid,), count, exact_nid=True)
                if got < count:
                    result.messages.append(
                        f"HugeTLB: allocating {count} of page size 1.00 GiB failed node{nid}.  "
                        f"Only allocated {got} hugepages."
                    )
        else:
            got = _allocate(requests, result, nodes, request.count, exact_nid=False)
            if got < request.count:
                result.messages.append(
                    f"HugeTLB: allocating {request.count} of page size 1.00 GiB failed.  "
                    f"Only allocated {got} hugepages."
                )
    return result


def _allocate(
    requests: Requests, result: GiganticPages, nodes: tuple[int, ...], count: int, exact_nid: bool
) -> int:
    """The preferred node rotates; the first page that nothing can give ends the loop."""
    for number in range(count):
        nid = nodes[number % len(nodes)]
        if not _allocate_one(requests, result, nid, exact_nid, count - number):
            return number
    return count


def _allocate_one(
    requests: Requests, result: GiganticPages, nid: int, exact_nid: bool, missing: int
) -> int:
    """All but the first page of it is reserved without initialised struct pages."""
    page = requests.alloc_gigantic(GIGANTIC_PAGE_BYTES, nid, exact_nid, missing)
    if page:
        result.pages.append((page, nid))
        rest = GIGANTIC_PAGE_BYTES - PAGE_SIZE
        requests.memblock.mark_noinit(page + PAGE_SIZE, rest)
    return page
