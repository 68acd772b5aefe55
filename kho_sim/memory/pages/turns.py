"""Which node serves a request that names none: the asking CPU's, or while booting all in turn.

Until the first process is executed, requests of boot are spread over the nodes, so that what a
kernel takes for itself does not fill the one that it boots on (the system's default policy during
boot, Documentation/admin-guide/mm/numa_memory_policy.rst). Recorded: the page of KHO's FDT and the
tables of its tree lie on nodes 0 and 1 in turn in a64-numa2-8G, a64-numa2-16G-huge and
b-numa2-16G. Left out: what other threads than boot's own take meanwhile, which moves the turn on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from .kinds import Migratetype, Run, joined
from .shortage import OutOfMemory
from .zone import Zone

LEAST_BYTES = 16 << 20
"""A node with less memory gets no turn, unless all have less."""


class AskingNode:
    """The node of requests that name none: ``home``, that of the CPU that asks, or with
    ``in_turn`` all nodes, one request each."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.home = min(zone.nid for zone in zones)
        self.in_turn = False
        self._nodes = _large_nodes(zones)
        self._next = 0

    def take_turns(self) -> None:
        """Spread requests over all nodes from now on. Source: numa_policy_init()."""
        self.in_turn = True

    def run_on(self, node: int) -> None:
        """Serve requests from this node from now on. Source: numa_default_policy()."""
        self.home, self.in_turn = node, False

    def alloc(
        self,
        alloc: Callable[..., Sequence[Run]],
        count: int,
        order: int,
        migratetype: Migratetype,
        cma: bool | None,
        user: bool | None,
    ) -> list[Run]:
        """Serve ``count`` requests in turn, the others' memory being each one's fallback.

        ``alloc`` is ``PageAllocator.alloc``; runs come node by node. Raises OutOfMemory.
        """
        got: list[Run] = []
        nodes = len(self._nodes)
        for turn in range(min(count, nodes)):
            node = self._nodes[(self._next + turn) % nodes]
            share = (count - turn + nodes - 1) // nodes
            try:
                got += alloc(share, order, migratetype, node, cma, user)
            except OutOfMemory as short:
                raise OutOfMemory([*got, *short.allocated], count, order, short.shortage) from short
        self._next = (self._next + count) % nodes
        return joined(got, order)


def _large_nodes(zones: Sequence[Zone]) -> list[int]:
    sizes: Counter[int] = Counter()
    for zone in zones:
        sizes[zone.nid] += (zone.end_pfn - zone.start_pfn) * zone.geometry.page_bytes
    large = [nid for nid, size in sorted(sizes.items()) if size >= LEAST_BYTES]
    return large or [nid for nid, _ in sizes.most_common(1)]
