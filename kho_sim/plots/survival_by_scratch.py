"""The chains behind advice: which scratch survived, with the extension and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kho_sim.base.errors import InputError
from kho_sim.base.units import format_size
from kho_sim.plots.style import BLUE, GREY, ORANGE, VERMILION, house_style, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps.advise.advice import Advice, Trial

ENDS = {
    "survives, nothing refused": ("o", BLUE, BLUE),
    "survives, early allocations refused": ("o", "white", ORANGE),
    "dies": ("x", VERMILION, VERMILION),
}
"""End of a chain -> marker, colour inside, colour of the line."""

LANE = 0.22
"""Distance between the chains of two seeds, lines of the figure being 1 apart."""


@house_style
def survival_by_scratch(advice: Advice) -> Figure:
    """Return a mark for each chain of an advice: scratch in all along x, a lane for each seed.

    Raises: InputError if no chain had scratch.
    """
    drawn = [trial for trial in advice.trials if trial.chain.scratch_bytes]
    if not drawn:
        raise InputError("no chain of the advice could reserve scratch")
    figure = new_figure(4.2, "Which scratch is enough", _subtitle(advice))
    axes = figure.subplots()
    lines = {advice.strategy: 0, "none": 1}
    seeds = {seed: number for number, seed in enumerate(advice.seeds)}
    for trial in drawn:
        lane = (seeds[trial.seed] - (len(seeds) - 1) / 2) * LANE
        _mark(axes, trial, lines[trial.setup.strategy] + lane)
    _point_out(axes, advice)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: format_size(round(value)))
    axes.set_xlabel("scratch, all areas together (logarithmic)")
    axes.set_yticks([0, 1], [f"with the extension\n({advice.strategy})", "without the extension"])
    axes.set_ylim(1.6, -0.6)
    axes.grid(axis="x")
    handles = [
        Line2D([], [], linestyle="", marker=marker, markerfacecolor=inside,
               markeredgecolor=edge, label=name)
        for name, (marker, inside, edge) in ENDS.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    return figure


def end_of(trial: Trial) -> str:
    """Return which of ``ENDS`` a chain came to."""
    clean, refused, dies = ENDS
    if not trial.chain.survives:
        return dies
    return clean if trial.chain.is_clean else refused


def _mark(axes: Axes, trial: Trial, height: float) -> None:
    marker, inside, edge = ENDS[end_of(trial)]
    axes.plot(
        trial.chain.scratch_bytes, height, linestyle="", marker=marker, markersize=6,
        markerfacecolor=inside, markeredgecolor=edge, gid=f"trial-{trial.chain.run_id}",
    )  # fmt: skip


def _point_out(axes: Axes, advice: Advice) -> None:
    """Mark the advised scratch, and the kernel's own choice."""
    named = {
        "advised": advice.trials_of(advice.advised) if advice.advised else [],
        "the kernel's own": [*advice.default(advice.strategy), *advice.default("none")],
    }
    for name, trials in named.items():
        sizes = {trial.chain.scratch_bytes for trial in trials} - {0}
        for size in sorted(sizes)[:1]:
            axes.axvline(size, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
            axes.annotate(
                name, (size, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", ha="center", va="bottom", color=GREY, fontsize=8,
            )  # fmt: skip


def _subtitle(advice: Advice) -> str:
    described = advice.description or "a scenario without a description"
    return f"{described} · one mark a chain, a lane for each of {len(advice.seeds)} seeds"
