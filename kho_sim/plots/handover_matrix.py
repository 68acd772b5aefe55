"""What survives from each release to each release: the chains of a sweep as a table of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from kho_sim.base.errors import InputError
from kho_sim.base.units import natural_key
from kho_sim.plots.style import (
    BLACK,
    GREEN,
    ORANGE,
    PALE,
    SKY,
    VERMILION,
    house_style,
    new_figure,
)

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

FROM, TO = "kernel.release", "kernel.releases[1].release"
KEPT, PART, COLD, LOST = "all kept", "files lost", "cold boot", "no update"
COLOURS = {KEPT: GREEN, PART: SKY, COLD: ORANGE, LOST: VERMILION}
"""What came of an update -> the colour of its cell."""
ROW_INCHES = 0.42


def matrix_table(sweep: Sweep | pd.DataFrame) -> pd.DataFrame:
    """Return what survives as a table: a row for each release that hands over, a column for each
    that finds, a text in each cell.

    ``sweep`` is a stored sweep over kernel.release and kernel.releases[1].release, or its table of
    runs. Raises: InputError if it has no such axes.
    """
    runs = sweep if isinstance(sweep, pd.DataFrame) else sweep.runs()
    for key in (FROM, TO):
        if key not in runs.columns:
            raise InputError(f"the sweep has no column {key}; vary {FROM} and {TO}")
    ended = runs.dropna(subset=["outcome"])
    cells = ended.assign(cell=[_cell(row) for row in ended.to_dict("records")])
    first = cells.drop_duplicates([FROM, TO])
    table = first.pivot(index=FROM, columns=TO, values="cell").fillna("")
    rows = sorted(table.index, key=natural_key)
    columns = sorted(table.columns, key=natural_key)
    return table.loc[rows, columns]


@house_style
def handover_matrix(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return what survives from release to release as coloured cells.

    ``sweep`` as for ``matrix_table``. Raises: InputError if it has no such axes.
    """
    table = matrix_table(sweep)
    height = 1.6 + ROW_INCHES * (len(table) + 1)
    figure = new_figure(height, "From release, to release: what survives an update", "")
    axes = figure.subplots()
    axes.set_axis_off()
    drawn = axes.table(
        cellText=table.to_numpy().tolist(),
        cellColours=[[_colour(cell) for cell in row] for row in table.to_numpy()],
        rowLabels=[f"from {name}" for name in table.index],
        colLabels=[f"to {name}" for name in table.columns],
        cellLoc="center",
        bbox=Bbox.from_bounds(0.08, 0.0, 0.92, 1.0),
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    for cell in drawn.get_celld().values():
        cell.set_edgecolor("white")
        cell.get_text().set_color(BLACK)
    return figure


def _cell(row: dict[str, object]) -> str:
    if row["outcome"] != "completed":
        return f"{LOST}: {row['outcome']}"
    if row["cold_boots"]:
        return COLD
    return f"{row['files_lost']} {PART}" if row["files_lost"] else KEPT


def _colour(cell: str) -> str:
    return next((colour for word, colour in COLOURS.items() if word in cell), PALE) + "66"
