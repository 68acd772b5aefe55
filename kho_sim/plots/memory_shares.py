"""Memory of one host set up in several ways: one bar per way, cut into named shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kho_sim.base.units import format_size
from kho_sim.plots.sizes import label_sizes
from kho_sim.plots.style import house_style, new_figure, rows_height

LABELLED = 0.06
"""Part of the width from which on a share has its size written into it."""


@house_style
def memory_shares(
    title: str,
    subtitle: str,
    ways: Mapping[str, Sequence[int]],
    shares: Mapping[str, str],
) -> Figure:
    """Return a figure: ``ways`` (name -> bytes of each share), ``shares`` (name -> colour)."""
    figure = new_figure(1.7 + rows_height(len(ways), 0.42, 0.3), title, subtitle)
    axes = figure.subplots()
    whole = max((sum(sizes) for sizes in ways.values()), default=0) or 1
    for row, sizes in enumerate(ways.values()):
        left = 0
        for size, colour in zip(sizes, shares.values(), strict=True):
            axes.barh(row, size, left=left, height=0.66, color=colour)
            if size >= LABELLED * whole:
                axes.text(
                    left + size / 2, row, format_size(size), ha="center", va="center", fontsize=8.5
                )
            left += size
    axes.set_yticks(range(len(ways)), list(ways))
    axes.set_ylim(len(ways) - 0.5, -0.5)
    axes.set_xlim(0, whole)
    label_sizes(axes.xaxis)
    figure.legend(
        handles=[Patch(facecolor=colour, label=name) for name, colour in shares.items()],
        loc="outside lower left",
        ncols=len(shares),
        columnspacing=1.2,
        handlelength=1.2,
    )
    return figure
