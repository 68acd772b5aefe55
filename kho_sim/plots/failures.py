"""Early allocations that fail, with the extension and without it, and who asked for them.

Left out: when in the boot it happened; ``trace.failures`` has the order and the reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.base.errors import TraceError
from kho_sim.base.units import format_size
from kho_sim.plots.sizes import label_counts
from kho_sim.plots.style import (
    GREEN,
    GREY,
    WITH_EXTENSION,
    WITHOUT_EXTENSION,
    boot_name,
    ending,
    house_style,
    new_figure,
    note,
    rows_height,
    rows_named,
    setting,
)
from kho_sim.trace.records import Allocation, Boot, FailedAllocation, Outcome
from kho_sim.trace.summary import failures as failed_rows
from kho_sim.trace.trace import Trace

TITLE = "Early allocations that fail"
CALLERS_SHOWN = 10
ROW_LEAST_INCHES = 0.34
BAR = 0.36


@house_style
def failures(trace: Trace) -> Figure:
    """Return failed early allocations by boot and by caller, beside those of the twin if there is
    one.

    Green marks say how many the extension avoided: original scratch alone would have refused them.
    Raises: TraceError if no boot of the trace has a count of failures (log without memblock=debug).
    """
    if all(boot.failures is None for boot in trace[Boot]):
        raise TraceError(
            "this trace does not record which early allocations failed; "
            "a log does if it was recorded with memblock=debug"
        )
    if _nothing_failed(trace):
        return _all_obtained(trace)
    rows = max(len(trace[Boot]), 3)
    height = 2.1 + rows_height(rows, 0.5, ROW_LEAST_INCHES)
    figure = new_figure(height, f"{TITLE}{ending(trace)}", setting(trace))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _draw_boots(left, trace)
    _draw_callers(right, trace, rows)
    return figure


def _nothing_failed(trace: Trace) -> bool:
    twin = trace.twin
    boots = [*trace[Boot], *(twin[Boot] if twin else ())]
    ended = twin is None or twin.outcome == trace.outcome
    return ended and not any(boot.failures or boot.failures_avoided for boot in boots)


def _all_obtained(trace: Trace) -> Figure:
    """Return a figure that is a sentence."""
    figure = new_figure(1.7, f"{TITLE}{ending(trace)}", setting(trace))
    count = len(trace[Boot])
    boots = f"any of the {count} boots" if count != 1 else "the only boot"
    twin = ", with the extension or without it" if trace.twin else ""
    note(figure.add_subplot(), f"None: no early allocation failed in {boots}{twin}.")
    return figure


def _chains(trace: Trace) -> list[tuple[str, str, Trace]]:
    """Name, colour and trace of what is compared; a log stands alone."""
    if trace.twin is None:
        return [("failed", _colour_alone(trace), trace)]
    return [
        ("with the extension", WITH_EXTENSION, trace),
        ("without", WITHOUT_EXTENSION, trace.twin),
    ]


def _colour_alone(trace: Trace) -> str:
    extended = any(boot.extended_bytes is not None for boot in trace[Boot])
    return WITH_EXTENSION if extended else WITHOUT_EXTENSION


def _draw_boots(axes: Axes, trace: Trace) -> None:
    axes.set_title("by boot")
    chains = _chains(trace)
    for number, (name, colour, chain) in enumerate(chains):
        offset = BAR * (number - (len(chains) - 1) / 2)
        counts = [_failed(chain, boot) for boot in trace[Boot]]
        places = [row + offset for row in range(len(counts))]
        axes.barh(
            places, [count or 0 for count in counts], BAR * 0.92, color=colour, label=name,
            gid=f"boots-{name}",
        )  # fmt: skip
        for row in rows_named(len(places), ROW_LEAST_INCHES):
            boot, count = trace[Boot][row], counts[row]
            text = f"{count:,} {name}" if count is not None else _missing(chain, boot, name)
            if chain is trace and boot.failures_avoided and not _is_beyond_bar(boot):
                text += f", {boot.failures_avoided:,} avoided"
            axes.annotate(
                text, (count or 0, places[row]), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=8, color=colour,
            )  # fmt: skip
    _mark_avoided(axes, trace[Boot], -BAR / 2 * (len(chains) - 1))
    boots = trace[Boot]
    named = rows_named(len(boots), ROW_LEAST_INCHES)
    axes.set_yticks(named, [boot_name(boots[row].boot, boots[row].kind) for row in named])
    axes.set_ylim(len(boots) - 0.3, -0.6)
    _, high = axes.get_xlim()
    axes.set_xlim(0, max(high, 1) * 1.6)
    axes.set_xlabel("early allocations (count)")
    label_counts(axes.xaxis)
    axes.grid(axis="x")


def _failed(chain: Trace, boot: Boot) -> int | None:
    return next((b.failures for b in chain[Boot] if b.boot == boot.boot), None)


def _missing(chain: Trace, boot: Boot, name: str) -> str:
    if any(b.boot == boot.boot for b in chain[Boot]):
        return "not recorded"
    return f"{name}: not reached, {_ended(chain.outcome)}"


def _ended(outcome: Outcome) -> str:
    return f"{outcome.kind} in boot {outcome.boot}"


def _mark_avoided(axes: Axes, boots: Sequence[Boot], offset: float) -> None:
    marked = {row: boot for row, boot in enumerate(boots) if _is_beyond_bar(boot)}
    if marked:
        axes.plot(
            [boot.failures_avoided or 0 for boot in marked.values()],
            [row + offset for row in marked], linestyle="",
            marker="D", markersize=6, color=GREEN, gid="avoided",
        )  # fmt: skip
    for row in rows_named(len(boots), ROW_LEAST_INCHES):
        if row in marked:
            count = marked[row].failures_avoided
            axes.annotate(
                f"{count:,} avoided", (count, row + offset), xytext=(8, 0),
                textcoords="offset points", va="center", fontsize=8, color=GREEN, fontweight="bold",
            )  # fmt: skip


def _is_beyond_bar(boot: Boot) -> bool:
    """Return whether the mark of what was avoided lies beyond the bar of what failed."""
    return (boot.failures_avoided or 0) > (boot.failures or 0)


def _draw_callers(axes: Axes, trace: Trace, rows: int) -> None:
    axes.set_title("by caller, over all boots")
    counts, sizes = _by_caller(trace)
    callers = sorted({what for _, what in counts}, key=lambda what: (-_total(counts, what), what))
    shown = callers[:CALLERS_SHOWN]
    series = [(name, colour) for name, colour, _ in _chains(trace)]
    if trace.twin is None:
        series.append((AVOIDED, GREEN))
        series = [(name, colour) for name, colour in series if any(n == name for n, _ in counts)]
    for number, (name, colour) in enumerate(series):
        offset = BAR * (number - (len(series) - 1) / 2)
        places = [row + offset for row in range(len(shown))]
        values = [counts[name, what] for what in shown]
        axes.barh(places, values, BAR * 0.92, color=colour, gid=f"callers-{name}")
        for place, what, value in zip(places, shown, values, strict=True):
            if value:
                axes.annotate(
                    f"{value:,} {name}, {format_size(sizes[name, what])}", (value, place),
                    xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
                    color=colour,
                )  # fmt: skip
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(max(len(shown), rows) - 0.4, -0.6)
    _, high = axes.get_xlim()
    axes.set_xlim(0, max(high, 1) * 1.45)
    axes.set_xlabel("early allocations (count), and bytes asked for")
    label_counts(axes.xaxis)
    axes.grid(axis="x")
    if len(callers) > len(shown):
        axes.text(
            1, 0, f"and {len(callers) - len(shown)} more callers", transform=axes.transAxes,
            ha="right", va="bottom", color=GREY,
        )  # fmt: skip


AVOIDED = "avoided"

Counts = Counter[tuple[str, str]]
"""By (name of the chain, or 'avoided'; caller)."""


def _by_caller(trace: Trace) -> tuple[Counts, Counts]:
    chains = _chains(trace)
    counts: Counts = Counter()
    sizes: Counts = Counter()
    rows: list[tuple[str, FailedAllocation | Allocation]] = [
        (chains[0 if row.extended else -1][0], row) for row in failed_rows(trace)
    ]
    if trace.twin is None:
        rows += [(AVOIDED, row) for row in trace[Allocation].where(avoided=True)]
    for name, row in rows:
        counts[name, row.what] += row.count
        sizes[name, row.what] += row.count * row.size_bytes
    return counts, sizes


def _total(counts: Counts, what: str) -> int:
    return sum(number for (_, name), number in counts.items() if name == what)
