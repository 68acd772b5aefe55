"""The sentences of each step: what the kernel does in it, with the numbers of this boot.

One function a step, of its name. A number that is not recorded is left
out with its sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kho_sim.base.extent import intersected, merged, total_size
from kho_sim.base.units import counted, format_ns, format_share, format_size
from kho_sim.steps.requests import Caller

if TYPE_CHECKING:
    from kho_sim.steps.steps import BootSteps

CALLERS_NAMED = 3
AREAS_NAMED = 4


def before(boot_steps: BootSteps) -> Iterator[str]:
    """Yield what may be allocated: original scratch only, or in a cold boot all memory."""
    boot, memory = boot_steps.boot, boot_steps.recorded.memory("before_extend")
    scratch = memory.get("scratch", [])
    if boot.kind == "cold":
        if free := total_size(memory["free"]):
            yield f"A cold boot: all {format_size(free)} may be allocated, nothing is inherited."
    elif scratch:
        yield (
            f"memblock hands out original scratch only: {format_size(total_size(scratch))} in "
            f"{counted(len(boot.scratch_areas or ()), 'area')}."
        )
    if boot_steps.inherits and boot.preservations is not None:
        nodes = f", in a tree of {counted(boot.radix_nodes, 'page')}" if boot.radix_nodes else ""
        size = format_size(boot.preserved_bytes or 0)
        yield (
            f"Handed over are {counted(boot.preservations, 'preservation')}, {size}{nodes}. "
            "Nothing but the tree says where they are."
        )
    elif boot.kind != "cold" and not boot_steps.inherits:
        yield "It finds nothing that the kernel before it preserved."
    callers = boot_steps.callers.get("before", [])
    yield from _requests(callers)
    yield from _refused(callers)


def walk(boot_steps: BootSteps) -> Iterator[str]:
    """Yield how the incoming tree is walked, page by page and key by key."""
    boot = boot_steps.boot
    if boot.preservations is not None:
        orders = ", ".join(
            f"{n:,} of order {order}" for order, n in boot.preservations_by_order or ()
        )
        pages = f"{counted(boot.radix_nodes, 'page')} and " if boot.radix_nodes else ""
        yield (
            f"The walk of the incoming tree goes through {pages}"
            f"{counted(boot.preservations, 'key')}{': ' if orders else ''}{orders}."
        )
    runs = merged((run.start, run.end) for run in boot_steps.recorded.preserved)
    if runs:
        largest = max(runs, key=lambda run: run.size)
        yield (
            f"They are {format_size(total_size(runs))} in {counted(len(runs), 'range')}; "
            f"the largest is {format_size(largest.size)} at {largest.start:#x}."
        )


def digest(boot_steps: BootSteps) -> Iterator[str]:
    """Yield how preserved memory and tree pages are rounded to blocks."""
    spans, block_bytes = boot_steps.busy
    boot = boot_steps.boot
    if boot.busy_blocks is not None and block_bytes and boot_steps.boot.busy_blocks:
        busy = len(boot.busy_blocks)
        blocks = _blocks_with_memory(boot_steps, block_bytes)
        of = f"{busy:,} of {blocks:,}" if blocks else f"{busy:,}"
        yield (
            f"{of} blocks of {format_size(block_bytes)} are busy: each holds preserved memory or a "
            "page of the tree."
        )
        preserved = merged((run.start, run.end) for run in boot_steps.recorded.preserved)
        share = total_size(intersected(preserved, spans)) / max(total_size(spans), 1)
        if preserved:
            yield f"Preserved memory fills {format_share(share)} of them."
    elif not boot.busy_blocks:
        yield "No block is busy."
    if boot.digest_pages:
        yield (
            f"The second tree that holds them took {counted(boot.digest_pages, 'page')} of "
            "original scratch; they are given back after the marks."
        )


def marks(boot_steps: BootSteps) -> Iterator[str]:
    """Yield how what is between busy blocks becomes scratch."""
    boot, memory = boot_steps.boot, boot_steps.recorded.memory("after_extend")
    if boot.extended_bytes is not None:
        size = format_size(boot.extended_bytes)
        yield f"{size} between busy blocks are marked as scratch as well."
    if kept_off := total_size(memory.get("kept_off", ())):
        yield f"{format_size(kept_off)} stay kept off from early allocations."
    if boot.memory_regions_before is not None and boot.memory_regions_after is not None:
        yield (
            f"memblock.memory had {counted(boot.memory_regions_before, 'region')} before, and has "
            f"{boot.memory_regions_after:,} now."
        )
    if boot.extend_ns is not None:
        how = (
            "by the model's rates, which are assumed in part"
            if boot_steps.simulated
            else "as measured"
        )
        yield f"Walk, digest and marks take {format_ns(boot.extend_ns)} ({how})."


def early(boot_steps: BootSteps) -> Iterator[str]:
    """Yield the requests after the point of the extension."""
    callers = boot_steps.callers.get("early", [])
    if not callers:
        yield "No request is recorded."
        return
    yield from _requests(callers)
    sources: dict[str, int] = {}
    for caller in callers:
        for source, size in caller.bytes_by_source.items():
            sources[source] = sources.get(source, 0) + size
    parts = [
        f"{format_size(sources[source])} {words}"
        for source, words in (
            ("scratch", "of original scratch"),
            ("extended", "of extended memory"),
        )
        if sources.get(source)
    ]
    if parts:
        yield f"They get {' and '.join(parts)}."
    if avoided := sum(caller.avoided for caller in callers):
        yield f"{counted(avoided, 'request')} would have been refused by original scratch alone."
    yield from _refused(callers)


def scratch(boot_steps: BootSteps) -> Iterator[str]:
    """Yield the scratch areas that a first kernel reserves."""
    areas = [area for area in boot_steps.boot.scratch_areas or () if area[1]]
    if not areas:
        yield "No scratch is reserved: this kernel hands nothing over."
        return
    shown = [f"{format_size(size)} at {start:#x}" for start, size in areas[:AREAS_NAMED]]
    more = [f"{len(areas) - AREAS_NAMED} more"] if len(areas) > AREAS_NAMED else []
    yield (
        f"For all later kernels of the chain {format_size(sum(size for _, size in areas))} are "
        f"reserved: {_listed([*shown, *more])}."
    )
    yield from _free(boot_steps)


def retrieve(boot_steps: BootSteps) -> Iterator[str]:
    """Yield how preserved memory is reserved in memblock."""
    boot = boot_steps.boot
    if boot.reserved_regions_before is not None and boot.reserved_regions_after is not None:
        yield (
            "Every preservation is reserved: memblock.reserved had "
            f"{counted(boot.reserved_regions_before, 'region')} before, and has "
            f"{boot.reserved_regions_after:,} now."
        )
    else:
        yield "Every preservation is reserved, so that nobody else gets its memory."
    yield from _free(boot_steps)


def _free(boot_steps: BootSteps) -> Iterator[str]:
    free_bytes = boot_steps.free_bytes("after_retrieve")
    if free_bytes is not None:
        yield f"{format_size(free_bytes)} are free for the page allocator."


def _requests(callers: list[Caller]) -> Iterator[str]:
    """Yield the number of requests, and the largest callers."""
    if not callers:
        return
    requests = sum(caller.requests for caller in callers)
    served = sum(caller.served_bytes for caller in callers)
    largest = sorted(callers, key=lambda caller: -caller.served_bytes)[:CALLERS_NAMED]
    named = [f"{one.what} {format_size(one.served_bytes)}" for one in largest if one.served_bytes]
    most = f", most of it for {_listed(named)}" if named else ""
    yield f"{counted(requests, 'request')} for early memory get {format_size(served)}{most}."


def _refused(callers: list[Caller]) -> Iterator[str]:
    for caller in callers:
        if caller.failed:
            each = format_size(caller.failed_bytes // caller.failed)
            why = f": {caller.why}" if caller.why else ""
            yield f"Refused: {caller.what}, {caller.failed:,} x {each}{why}."


def _blocks_with_memory(boot_steps: BootSteps, block_bytes: int) -> int:
    regions = boot_steps.recorded.array("memory", "after_extend")
    rounded = ((one.start // block_bytes, -(-one.end // block_bytes)) for one in regions if one.end)
    return total_size(merged(rounded))


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
