"""What a kernel was told on its command line, as far as early memory cares."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from kho_sim.base.command_line import (
    CmaRequest,
    Crashkernel,
    HugepageRequest,
    HugetlbCma,
    MovableCore,
    ReserveMem,
)
from kho_sim.platform.geometry import Geometry


@dataclass(frozen=True, slots=True)
class BootOptions:
    """Command line facts; ``command_line_bytes`` is its length without the final NUL."""

    command_line_bytes: int = 0
    log_buffer_bytes: int = 0
    """From ``log_buf_len=``; 0 keeps the built-in buffer."""
    hugepages: tuple[HugepageRequest, ...] = ()
    gigantic_kept: tuple[tuple[int, int], ...] = ()
    """Gigantic pages that were handed on: (size in bytes, how many)."""
    optimises_memmap: bool = False
    """Whether gigantic pages share the struct pages of their tails (``hugetlb_free_vmemmap=``)."""
    forces_bounce_buffers: bool = False
    """Whether there are bounce buffers where no device needs any (``swiotlb=force``)."""
    movable_core: MovableCore = field(default_factory=MovableCore)
    movable_node: bool = False
    """Whether memory is taken from below until nodes are known (``movable_node``)."""
    hugetlb_cma: HugetlbCma = field(default_factory=HugetlbCma)
    crashkernel: tuple[Crashkernel, ...] = ()
    cma: CmaRequest = field(default_factory=CmaRequest)
    reserve_mem: tuple[ReserveMem, ...] = ()
    unknown_words: tuple[str, ...] = ()
    kfence_interval: int = 0
    """From ``kfence.sample_interval=``: with 0 there is no pool."""
    maps_by_blocks: bool = False
    """Whether memory may be mapped by blocks (arm64)."""
    swiotlb_given: bool = False
    """Whether ``swiotlb=`` says how many bounce buffers there are."""

    def gigantic_pages(self, geometry: Geometry) -> int:
        """Return how many pages the command line asks for that only memblock can hold."""
        return sum(r.count for r in self.hugepages if geometry.is_gigantic(r.size_bytes))

    def hugepages_to_make(self) -> tuple[HugepageRequest, ...]:
        """Return what is left of ``hugepages`` when pages that were handed on count towards it.

        Assumption: as the hugetlb live update series proposes; per-node counts are left as they
        are.
        """
        wanted, left = [], Counter(dict(self.gigantic_kept))
        for request in self.hugepages:
            if not request.per_node:
                spared = min(left[request.size_bytes], request.count)
                left[request.size_bytes] -= spared
                request = replace(request, count=request.count - spared)
            wanted.append(request)
        return tuple(wanted)
