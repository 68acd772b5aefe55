"""From what the lines said (BootLog) to the trace's records (Boot, Allocation, GiganticPage).

Where two lines tell the same fact, the one that the kernel counted itself comes first; sums over
other lines stand in for it.
"""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.base.extent import Extent, merged
from kho_sim.logs.reader.facts import BootLog, MemblockCall
from kho_sim.trace.records import Allocation, Boot, GiganticPage

RSRV_KERN = 0x20
KHO_SCRATCH = 0x40
RSRV_HUGETLB = 0x80
RSRV_NOINIT = 0x10
LOW_MEMORY_END = 1 << 20
NO_NODE_SCRATCH = "KHO: Failed to reserve nid "


def is_kho(log: BootLog) -> bool:
    """Tell whether a kernel found handed-over memory: it says so, or it reserved some."""
    return log.found_handover or log.retrieved_count > 0 or log.preservations is not None


def boot_record(log: BootLog) -> Boot:
    """Return the facts of one boot; what the log does not tell is None."""
    preservations, preserved_bytes, by_order = _tree_sums(log)
    kho = is_kho(log)
    extended = log.region_counts.get("before_extend"), log.region_counts.get("after_extend")
    retrieved = log.region_counts.get("before_retrieve"), log.region_counts.get("after_retrieve")
    requests = [call for call in log.calls if call.op == "alloc"]
    counted = log.memblock_debug and not log.starts_late
    return Boot(
        boot=log.boot,
        kind="kho" if kho else "cold",
        release=log.release,
        command_line=log.command_line,
        kernel_reserved_bytes=None if kho else _kernel_reserved_bytes(log),
        scratch_areas=scratch_areas(log),
        preservations=preservations,
        preservations_by_order=by_order,
        preserved_bytes=preserved_bytes,
        radix_nodes=log.radix_nodes,
        busy_blocks=tuple(log.busy_blocks) or None,
        extended_bytes=log.extended_bytes,
        digest_pages=_digest_pages(log) if counted and log.extended_bytes is not None else None,
        extend_ns=log.extend_ns or None,
        memory_regions_before=extended[0].memory if extended[0] else None,
        memory_regions_after=extended[1].memory if extended[1] else None,
        reserved_regions_before=retrieved[0].reserved if retrieved[0] else None,
        reserved_regions_after=retrieved[1].reserved if retrieved[1] else None,
        gigantic_pages_requested=_gigantic_requested(log),
        gigantic_pages_allocated=_gigantic_allocated(log, counted),
        allocations=len(requests) + _unprinted_refusals(log) if counted else None,
        failures=(
            sum(not call.result for call in requests) + _unprinted_refusals(log)
            if counted
            else None
        ),
    )


def allocation_records(log: BootLog) -> list[Allocation]:
    """Return each early allocation; ``source`` only where the scratch areas are known.

    A crash kernel that is looked for elsewhere after a refusal is one allocation.
    """
    areas = scratch_areas(log) or ()
    kho = is_kho(log)
    rows = []
    asked = [call for call in log.calls if call.op == "alloc"]
    for sequence, call in enumerate(call for call in asked if not _is_tried_again(call, asked)):
        rows.append(
            Allocation(
                boot=log.boot,
                sequence=sequence,
                phase=call.phase,
                what=call.what,
                size_bytes=call.size,
                align_bytes=call.align,
                nid=call.nid,
                min_address=call.min_address,
                max_address=call.max_address,
                address=call.result,
                source=_source(call, kho, areas),
                failed=not call.result,
            )
        )
    return rows


def _is_tried_again(call: MemblockCall, asked: list[MemblockCall]) -> bool:
    """Tell whether a refused request was made again, for another place; so it is no failure by
    itself."""
    if call.result or call.what != requesters.CRASH_KERNEL:
        return False
    return next(c for c in reversed(asked) if c.what == call.what) is not call


def gigantic_records(log: BootLog) -> list[GiganticPage]:
    """Return the gigantic pages that were obtained, from the requests or from the reservations."""
    pages = [
        GiganticPage(boot=log.boot, start=call.result, nid=call.result_nid)
        for call in log.calls
        if call.what == requesters.GIGANTIC_PAGE and call.result
    ]
    if pages:
        return pages
    return [
        GiganticPage(boot=log.boot, start=row.start, nid=row.nid)
        for row in log.regions
        if row.moment == "before_retrieve"
        and row.array == "reserved"
        and row.flags & RSRV_HUGETLB
        and not row.flags & RSRV_NOINIT
    ]


def scratch_areas(log: BootLog) -> tuple[tuple[int, int], ...] | None:
    """Return (start, size) of each area in array order; None if unknown or given up again.

    A KHO boot that does not print its areas shows them as flagged memory, in address order,
    neighbours merged.
    """
    if log.disabled:
        return None
    if log.scratch:
        return tuple(log.scratch[index] for index in sorted(log.scratch))
    if log.out_starts and len(log.out_starts) == len(log.out_sizes):
        return tuple(zip(log.out_starts, log.out_sizes, strict=True))
    if is_kho(log):
        return _flagged_areas(log)
    return tuple(
        (call.result, call.size)
        for call in log.calls
        if call.op == "alloc" and requesters.is_scratch_area(call.what)
    ) or None  # fmt: skip


def _flagged_areas(log: BootLog) -> tuple[tuple[int, int], ...] | None:
    if not log.dumps:
        return None
    flagged = merged(
        (region.base, region.base + region.size)
        for region in log.dumps[-1].memory
        if region.flags & KHO_SCRATCH and region.base >= LOW_MEMORY_END
    )
    return tuple((extent.start, extent.size) for extent in flagged) or None


def _source(call: MemblockCall, kho: bool, areas: tuple[tuple[int, int], ...]) -> str:
    if not call.result:
        return ""
    if not kho:
        return "memory"
    if not areas:
        return "scratch" if call.phase == "before" else ""
    place = Extent(call.result, call.result + call.size)
    if any(Extent(start, start + size).overlaps(place) for start, size in areas):
        return "scratch"
    return "low memory" if call.phase == "before" else "extended"


def _tree_sums(
    log: BootLog,
) -> tuple[int | None, int | None, tuple[tuple[int, int], ...] | None]:
    """Preservations, their bytes and their counts by order, as printed or from the retrieval."""
    if log.preservations is not None:
        by_order = tuple(sorted((order, n) for order, n in log.order_counts.items() if n))
        return log.preservations, log.preserved_bytes, by_order or None
    if not log.retrieved_count or log.starts_late:
        return None, None, None
    counts: dict[int, int] = {}
    for run in log.retrieved_runs:
        count = (run.end - run.start) >> (log.geometry.page_shift + run.order)
        counts[run.order] = counts.get(run.order, 0) + count
    size_bytes = sum(run.end - run.start for run in log.retrieved_runs)
    return log.retrieved_count, size_bytes, tuple(sorted(counts.items()))


def _kernel_reserved_bytes(log: BootLog) -> int | None:
    """Kernel use without boot-time huge pages, before scratch is sized (kernel-facts 2.5, 3.2)."""
    rows = [
        row for row in log.regions if row.moment == "before_retrieve" and row.array == "reserved"
    ]
    if not rows:
        return None
    return sum(
        row.end - row.start
        for row in rows
        if row.flags & RSRV_KERN and not row.flags & RSRV_HUGETLB
    )


def _digest_pages(log: BootLog) -> int:
    return sum(1 for call in log.calls if call.what == requesters.DIGEST_PAGE and call.result)


def _unprinted_refusals(log: BootLog) -> int:
    """A node's scratch area is asked for in silence; only its refusal has a message."""
    return int(log.disabled.startswith(NO_NODE_SCRATCH))


def _gigantic_requested(log: BootLog) -> int | None:
    """Return the gigantic pages that `hugepagesz=1G hugepages=N` asks for (kernel-facts 7.1)."""
    if not log.command_line:
        return None
    highest = max((place.nid for place in log.node_ranges), default=0)
    line = parse_command_line(log.command_line, log.option_rules)
    requests = line.hugepages(log.nr_node_ids or highest + 1)
    sizes = _gigantic_sizes(log)
    return sum(request.count for request in requests if request.size_bytes in sizes)


def _gigantic_allocated(log: BootLog, counted: bool) -> int | None:
    counts = [count for size, count in log.huge_pages.items() if size in _gigantic_sizes(log)]
    if counts:
        return sum(counts)
    return len(gigantic_records(log)) if counted or log.regions else None


def _gigantic_sizes(log: BootLog) -> set[int]:
    return {log.geometry.page_bytes << order for order in log.geometry.gigantic_orders}
