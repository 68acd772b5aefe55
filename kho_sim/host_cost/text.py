"""The cost of KHO in words: three ways to set up a host, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kho_sim.base.units import format_share, format_size
from kho_sim.layout import PLAIN, Cell, Column, Layout

if TYPE_CHECKING:
    from kho_sim.host_cost.cost import Cost, HostCost

ROWS = {
    "scratch": "scratch_bytes",
    "the kernel's own, of early boot": "kernel_reserved_bytes",
    "free after boot": "free_bytes_after_boot",
    "kernel memory it can still hand out": "unmovable_ceiling_bytes",
    "user memory that can be pinned": "pinned_ceiling_bytes",
}
"""Label -> field of ``Cost``."""

MEMINFO = {
    "MemTotal": "mem_total_bytes",
    "MemFree": "mem_free_bytes",
    "MemAvailable": "mem_available_bytes",
    "CmaTotal": "cma_total_bytes",
    "CmaFree": "cma_free_bytes",
}
"""Line of /proc/meminfo -> field of ``MemInfo``."""

ASSUMED = (
    "A first kernel that has come up and runs nothing yet; nothing is reclaimed, so page cache "
    "counts as taken. Whether a chain with its workloads survives, and with how much scratch, is "
    "a question for kho-sim advise."
)


def ways_of(cost: HostCost) -> dict[str, Cost]:
    """Return the ways to set up the host that there are, by their headings."""
    found = {
        "as configured": cost.configured,
        "least scratch": cost.least_scratch,
        "kho=off": cost.off,
    }
    return {name: way for name, way in found.items() if way}


def lead(cost: HostCost) -> list[str]:
    """Return the answer in a few sentences: what is lost, and what to set."""
    return [_loss(cost), _advice(cost)]


def cost_text(cost: HostCost, layout: Layout = PLAIN) -> Iterator[str]:
    """Yield the lines that ``kho-sim cost`` prints."""
    for sentence in lead(cost):
        yield from layout.wrapped(sentence)
    yield ""
    ways = ways_of(cost)
    columns = [Column("", left=True), *(Column(name) for name in ways)]
    rows = [[label, *_sizes(cost, ways, field)] for label, field in ROWS.items()]
    yield from layout.table(columns, rows)
    yield ""
    heads = [Column("/proc/meminfo", left=True), *(Column(name) for name in ways)]
    yield from layout.table(heads, _meminfo_rows(ways))
    yield ""
    yield "On the command line:"
    for name, way in ways.items():
        yield f"  {name:<14}  {way.command_line}"
    yield ""
    yield from layout.wrapped(ASSUMED)


def _loss(cost: HostCost) -> str:
    configured, off = cost.configured, cost.off
    memory = format_size(cost.memory_bytes)
    if not configured.kho_enabled:
        return f"KHO is off on this host of {memory}. {configured.message}".rstrip()
    share = format_share(configured.scratch_bytes / cost.memory_bytes)
    lost = max(off.unmovable_ceiling_bytes - configured.unmovable_ceiling_bytes, 0)
    return (
        f"KHO takes {format_size(configured.scratch_bytes)} of {memory} ({share}) as scratch: "
        "user memory may use it, kernel memory and long-term pins may not. They can have "
        f"{format_size(configured.unmovable_ceiling_bytes)}, {format_size(lost)} less than "
        "without KHO."
    )


def _advice(cost: HostCost) -> str:
    least, configured = cost.least_scratch, cost.configured
    if least is None:
        return "No scratch was found with which a next kernel can be loaded and boots."
    if least.scratch_bytes >= configured.scratch_bytes > 0:
        return "A smaller scratch was not found with which a next kernel can be loaded and boots."
    word = least.command_line.split()[0]
    return (
        f"With {word} ({format_size(least.scratch_bytes)}) the next kernel can still be loaded and "
        "boots, as long as nothing is preserved."
    )


def _sizes(cost: HostCost, ways: dict[str, Cost], field: str) -> Iterator[str | Cell]:
    for way in ways.values():
        size: int = getattr(way, field)
        if field == "scratch_bytes":
            yield f"{format_size(size)} ({format_share(size / cost.memory_bytes)})"
        else:
            yield format_size(size)


def _meminfo_rows(ways: dict[str, Cost]) -> list[list[str]]:
    return [
        [line, *(f"{getattr(way.meminfo, field) >> 10:,} kB" for way in ways.values())]
        for line, field in MEMINFO.items()
    ]
