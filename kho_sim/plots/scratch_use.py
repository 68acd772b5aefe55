"""Requesters of early memory, per boot: bytes from original scratch, and from elsewhere.

Left out: gigantic pages, which would dwarf all else and are in the memory map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kho_sim.base import requesters
from kho_sim.base.errors import TraceError
from kho_sim.base.units import format_size
from kho_sim.plots.caller_colours import OTHERS as OTHERS_LOOK
from kho_sim.plots.caller_colours import Look, looks_of
from kho_sim.plots.sizes import label_sizes
from kho_sim.plots.style import (
    VERMILION,
    boot_name,
    ending,
    house_style,
    new_figure,
    rows_height,
    rows_named,
    setting,
)
from kho_sim.trace.records import Allocation, Boot
from kho_sim.trace.trace import Trace

TITLE = "Early memory by caller, gigantic pages apart"
CALLERS_NAMED = 7
ROW_LEAST_INCHES = 0.18
OTHERS = "all others"
ORIGINAL, BEYOND, REFUSED = "scratch", "beyond", "refused"


@house_style
def scratch_use(trace: Trace) -> Figure:
    """Return bytes of early memory by caller and boot: out of original scratch, and out of the
    rest.

    Raises: TraceError if the trace has no early allocations (a log without memblock=debug).
    """
    use = _use_by_boot(trace)
    if not use:
        raise TraceError(
            "this trace has no early allocations; "
            "a log has them if it was recorded with memblock=debug"
        )
    boots = [boot for boot in trace[Boot] if boot.boot in use]
    callers = _largest_callers(use)
    height = 1.9 + rows_height(len(boots), 0.34, ROW_LEAST_INCHES)
    figure = new_figure(height, f"{TITLE}{ending(trace)}", setting(trace))
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_bars(left, boots, use, callers, ORIGINAL)
    left.set_title("from original scratch")
    _draw_bars(right, boots, use, callers, BEYOND)
    right.set_title("from elsewhere: extended or low memory, in a cold boot any")
    _draw_refused(right, boots, use)
    named = rows_named(len(boots), ROW_LEAST_INCHES)
    left.set_yticks(named, [boot_name(boots[row].boot, boots[row].kind) for row in named])
    left.set_ylim(len(boots) - 0.4, -0.6)
    looks = _looks(callers)
    figure.legend(
        handles=[
            Patch(
                facecolor=looks[name].colour, hatch=looks[name].hatch, edgecolor="white", label=name
            )
            for name in callers
        ],
        loc="outside lower left",
        ncols=len(callers),
        columnspacing=1.2,
        handlelength=1.6,
        handleheight=1.0,
    )
    return figure


Use = dict[int, Counter[tuple[str, str]]]
"""Boot -> bytes by (where from, caller)."""


def _use_by_boot(trace: Trace) -> Use:
    use: Use = {}
    areas = {boot.boot: boot.scratch_areas or () for boot in trace[Boot]}
    for row in trace[Allocation]:
        counts = use.setdefault(row.boot, Counter())
        own = areas.get(row.boot, ())
        if row.what != requesters.GIGANTIC_PAGE and not _is_scratch_itself(row, own):
            counts[_place(row), row.what] += row.size_bytes * row.count
    return use


def _place(row: Allocation) -> str:
    if row.failed:
        return REFUSED
    return ORIGINAL if row.source == "scratch" else BEYOND


def _is_scratch_itself(row: Allocation, areas: Collection[tuple[int, int]]) -> bool:
    """Tell whether a cold boot reserves a scratch area, one of its own, with this request."""
    return row.source == "memory" and (row.address, row.size_bytes) in areas


def _largest_callers(use: Use) -> list[str]:
    total: Counter[str] = Counter()
    for counts in use.values():
        for (place, what), size in counts.items():
            if place != REFUSED:
                total[what] = max(total[what], size)
    named = [what for what, _ in total.most_common(CALLERS_NAMED)]
    return [*named, OTHERS] if len(total) > len(named) else named


def _looks(callers: list[str]) -> dict[str, Look]:
    return {**looks_of(name for name in callers if name != OTHERS), OTHERS: OTHERS_LOOK}


def _draw_bars(axes: Axes, boots: list[Boot], use: Use, callers: list[str], place: str) -> None:
    looks = _looks(callers)
    starts = [0] * len(boots)
    for caller in callers:
        sizes = [_size(use[boot.boot], place, caller, callers) for boot in boots]
        axes.barh(
            range(len(boots)), sizes, 0.62, left=starts, color=looks[caller].colour,
            hatch=looks[caller].hatch, edgecolor="white", linewidth=0.4, gid=f"{place}-{caller}",
        )  # fmt: skip
        starts = [start + size for start, size in zip(starts, sizes, strict=True)]
    for row in rows_named(len(boots), ROW_LEAST_INCHES):
        size = starts[row]
        axes.annotate(
            _total_text(boots[row], place, size), (size, row), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_xlim(0, 1.42 * max(*starts, 1))
    axes.grid(axis="x")
    label_sizes(axes.xaxis)
    axes.set_xlabel("early memory (bytes, powers of 1024)")


def _size(counts: Counter[tuple[str, str]], place: str, caller: str, callers: list[str]) -> int:
    if caller != OTHERS:
        return counts[place, caller]
    return sum(size for (at, what), size in counts.items() if at == place and what not in callers)


def _total_text(boot: Boot, place: str, size: int) -> str:
    if place == ORIGINAL and boot.kind != "cold" and boot.scratch_areas:
        return f"{format_size(size)} of {format_size(sum(s for _, s in boot.scratch_areas))}"
    return format_size(size) if size else "-"


def _draw_refused(axes: Axes, boots: list[Boot], use: Use) -> None:
    for row in rows_named(len(boots), ROW_LEAST_INCHES):
        counts = use[boots[row].boot]
        refused = sum(size for (place, _), size in counts.items() if place == REFUSED)
        if refused:
            axes.annotate(
                f"refused: {format_size(refused)}", (1, row), xycoords=("axes fraction", "data"),
                ha="right", va="center", fontsize=8, fontweight="bold", color=VERMILION,
            )  # fmt: skip
