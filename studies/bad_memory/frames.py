"""Bad frames over a chain of kernels, and who is handed them before they are known again.

Uncorrectable errors arrive at a constant rate, anywhere in memory; the kernel that meets one takes
the page offline, and every kexec forgets it. Proposed: the list is handed on and replayed in a
late_initcall (Breno Leitao, RFC, 24 June 2026; field.md 1.8). Ours: the list is told to the
extension before the first early allocation, as busy blocks. What early boot takes is a simulated
chain's; errors are drawn beside it and change nothing in it. Left out: pages that initcalls take
between memblock and the replay, errors in preserved memory (their owner's affair), and the free
memory that busy blocks of bad frames cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from kho_sim.base.extent import Extent, intersected, merged, total_size

PAGE_BYTES = 4096
GIGANTIC_BYTES = 1 << 30
GIGANTIC, LOADED = "gigantic pages", "kernel, initrd and parameters"
COLUMNS = ["boot", "known", "requester", "replayed_late", "told_as_busy"]


def handed_out(trace: Any, boot: int) -> Iterator[tuple[str, Extent]]:
    """Yield (requester, range) of all that a boot takes before its first initcall."""
    for row in trace["gigantic"]:
        if row.boot == boot and not row.preserved:
            yield GIGANTIC, Extent(row.start, row.start + GIGANTIC_BYTES)
    for row in trace["segments"]:
        if row.boot == boot - 1:
            yield LOADED, Extent(row.start, row.start + row.size_bytes)
    for row in trace["allocations"]:
        if row.boot == boot and row.address and row.size_bytes < GIGANTIC_BYTES:
            yield row.what, Extent(row.address, row.address + row.size_bytes)


def count_frames(trace: Any, errors_per_kernel: float, replicates: int, seed: int) -> pd.DataFrame:
    """Return one row per KHO boot and requester; means over ``replicates`` draws.

    Columns: boot; known (bad frames that the kernels before it knew); requester;
    replayed_late (bad frames that it is handed: nothing keeps them from it before the replay);
    told_as_busy (of those, what lies in original scratch, which is usable whatever is busy).
    """
    drawn = np.random.default_rng(seed)
    boots = list(trace["boots"])
    memory = _memory(trace)
    arrived: list[Any] = [np.empty(0, dtype=np.int64) for _ in range(replicates)]
    rows = []
    for boot in boots[1:]:
        arrived = [
            np.concatenate([known, _draw(memory, drawn, errors_per_kernel)]) for known in arrived
        ]
        frames = np.sort(np.concatenate(arrived))
        scratch = [Extent(start, start + size) for start, size in boot.scratch_areas or ()]
        takes: dict[str, list[Extent]] = {}
        for requester, extent in handed_out(trace, boot.boot):
            takes.setdefault(requester, []).append(extent)
        for requester, extents in takes.items():
            taken = merged(extents)
            hits = _inside(frames, taken), _inside(frames, intersected(taken, merged(scratch)))
            known = len(frames) / replicates
            rows.append((boot.boot, known, requester, *(hit / replicates for hit in hits)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _memory(trace: Any) -> list[Extent]:
    rows = trace["regions"].where(boot=0, moment="before_retrieve", array="memory")
    return merged((row.start, row.end) for row in rows)


def _draw(memory: list[Extent], drawn: np.random.Generator, mean: float) -> Any:
    """Return the addresses of frames that went bad while one kernel served."""
    pages = drawn.integers(0, total_size(memory) // PAGE_BYTES, size=drawn.poisson(mean))
    first = np.cumsum([0, *(extent.size // PAGE_BYTES for extent in memory)])
    part = np.searchsorted(first, pages, side="right") - 1
    starts = np.array([extent.start for extent in memory])
    return starts[part] + (pages - first[part]) * PAGE_BYTES


def _inside(frames: Any, extents: list[Extent]) -> int:
    starts = np.searchsorted(
        frames, [extent.start // PAGE_BYTES * PAGE_BYTES for extent in extents]
    )
    ends = np.searchsorted(frames, [extent.end for extent in extents])
    return int((ends - starts).sum())
