"""What each block size would recover with the scratch that is advised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.plots.sizes import label_shifts, label_sizes, label_times
from kho_sim.plots.style import BLUE, GREY, VERMILION, house_style, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice


@house_style
def recovered_on_advice(advice: Advice) -> Figure:
    """Return recovered memory and time of the extension over the block shift, on what the KHO boots
    of the advised chain inherit. Raises: InputError for an advice without block sizes."""
    if not advice.shift_rows:
        raise InputError("the advice has no block sizes: no KHO boot was reached, or no blocks")
    described = advice.description or "a scenario without a description"
    areas = advice.advised.areas if advice.advised else None
    subtitle = f"{described} · kho_scratch={areas}, the worst KHO boot of one chain"
    figure = new_figure(5.0, "What block sizes recover with the advised scratch", subtitle)
    recovered, taken = figure.subplots(2, 1, sharex=True)
    rows = advice.shift_rows
    shifts = [row.shift for row in rows]
    recovered.plot(shifts, [row.extended_bytes for row in rows], color=BLUE, marker="o")
    dead = [row for row in rows if not row.survives]
    recovered.plot(
        [row.shift for row in dead], [row.extended_bytes for row in dead],
        color=VERMILION, marker="x", markersize=9, linestyle="", label="early boot dies",
    )  # fmt: skip
    recovered.set_title("newly marked as scratch")
    label_sizes(recovered.yaxis)
    taken.plot(shifts, [row.extend_ns for row in rows], color=BLUE, marker="o")
    taken.set_title("time of the extension (cost model)")
    label_times(taken.yaxis)
    for axes in (recovered, taken):
        axes.set_ylim(0, 1.1 * max(axes.get_ylim()[1], 1))
        axes.grid(axis="y")
        axes.axvline(advice.shift, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    recovered.annotate(
        "advised", (advice.shift, 0), xycoords=("data", "axes fraction"), xytext=(4, 4),
        textcoords="offset points", ha="left", va="bottom", color=GREY, fontsize=8,
    )  # fmt: skip
    if dead:
        recovered.legend(loc="upper right")
    label_shifts(taken.xaxis, shifts)
    taken.set_xlabel("block shift (below it the size of a block)")
    return figure
