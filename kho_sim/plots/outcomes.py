"""How the chains of a sweep end, at each of its points, with the extension and without it.

A point with several chains has a bar of shares, and the words of its worst chain. Where there are
too many points for words, each is a mark in the colour of its worst chain. Left out: the boot and
the message of a twin's end, which a sweep does not keep.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kho_sim.plots.style import GREEN, GREY, ORANGE, PURPLE, VERMILION, house_style, new_figure
from kho_sim.plots.style import rows_height as height_of
from kho_sim.plots.sweep_chains import Chains, chains_of
from kho_sim.plots.sweep_panels import label_axis, subtitle
from kho_sim.trace.headline import Headline, points_words, run_headline

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

TITLE = "How the chains end"
LOOK = {
    "good": (GREEN, "completed"),
    "amber": (ORANGE, "completed, but something is missing"),
    "stays": (PURPLE, "no update: the kernel that runs stays"),
    "dies": (VERMILION, "a kernel dies"),
}
"""What can become of a chain -> its colour and its words, the best first."""
STAYS = ("load_refused", "kho_disabled")
MOST_ROWS = 48
"""Points up to which each has words."""
ROW_INCHES, ROW_LEAST_INCHES = 0.32, 0.2
WORDS_AT, WIDTH = 1.04, 3.1
LETTERS_ALONE, LETTERS_BESIDE = 120, 60


@dataclass(frozen=True)
class _Point:
    """The chains of one point: how many of each kind, and the worst one's words."""

    series: str
    place: float
    counts: Counter[str]
    words: str

    @property
    def worst(self) -> str:
        return max(self.counts, key=list(LOOK).index)


@house_style
def outcomes(sweep: Sweep | pd.DataFrame, over: str = "") -> Figure:
    """Return how the chains of each point end, with the extension and, of twins, without it.

    ``sweep`` is a stored sweep, or its table of runs; ``over`` the varied place that comes first.
    Raises: InputError if no chain has ended, or ``over`` was not varied.
    """
    chains = chains_of(sweep, over)
    sides = {"with the extension": _points(chains, twin=False)}
    if without := _points(chains, twin=True):
        sides["without it (twin)"] = without
    if "kernel.extend.strategy" in chains.rows:
        sides = {"as varied" if "without" not in name else name: p for name, p in sides.items()}
    many = max(map(len, sides.values())) > MOST_ROWS and chains.axis.is_number
    draw = _draw_marks if many else _draw_bars
    figure = draw(sweep, chains, sides)
    used = {kind for points in sides.values() for point in points for kind in point.counts}
    figure.legend(
        handles=[Patch(facecolor=LOOK[k][0], label=LOOK[k][1]) for k in LOOK if k in used],
        loc="outside lower left", ncols=len(LOOK), handlelength=1.2,
    )  # fmt: skip
    return figure


def kind_of(said: Headline) -> str:
    """Return the kind of ``LOOK`` that a headline is of."""
    if said.colour == "bad":
        return "stays" if said.outcome in STAYS else "dies"
    return said.colour


def _points(chains: Chains, twin: bool) -> list[_Point]:
    points = []
    for (series, place), rows in chains.rows.groupby(["series", "place"], sort=True):
        said = [run_headline(row, twin) for row in _plain(rows)]
        known = [one for one in said if one is not None]
        if known:
            counts = Counter(map(kind_of, known))
            words = points_words(known)
            points.append(_Point(str(series), float(place), counts, words))
    order = {name: number for number, name in enumerate(chains.series)}
    return sorted(points, key=lambda point: (point.place, order[point.series]))


def _plain(rows: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Yield rows as dictionaries with None for what is missing."""
    plain = rows.astype(object).where(rows.notna(), None)
    return ({str(key): value for key, value in row.items()} for row in plain.to_dict("records"))


def _draw_bars(
    sweep: Sweep | pd.DataFrame, chains: Chains, sides: dict[str, list[_Point]]
) -> Figure:
    names = dict(zip(_places(chains), chains.axis.names, strict=True))
    order = list(dict.fromkeys((p.place, p.series) for points in sides.values() for p in points))
    order.sort(key=lambda one: (one[0], chains.series.index(one[1])))
    height = 1.6 + height_of(len(order), ROW_INCHES, ROW_LEAST_INCHES)
    figure = new_figure(height, TITLE, subtitle(sweep, _counted(chains)))
    every = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    letters = LETTERS_ALONE if len(sides) == 1 else LETTERS_BESIDE
    for axes, (title, points) in zip(every, sides.items(), strict=True):
        axes.set_title(title)
        for point in points:
            _draw_point(axes, order.index((point.place, point.series)), point, letters)
        axes.set_xlim(0, WIDTH if len(sides) > 1 else WIDTH * 1.6)
        axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        axes.set_xlabel("chains of the point (%)", loc="left")
        axes.spines["bottom"].set_bounds(0, 1)
    every[0].set_yticks(
        range(len(order)),
        [" · ".join(filter(None, [names[p].replace("\n", ", "), s])) for p, s in order],
    )
    every[0].annotate(
        chains.axis.label.partition(" (below")[0], (0, 1), xycoords="axes fraction",
        xytext=(-8, 6), textcoords="offset points", ha="right", va="bottom", fontsize=8, color=GREY,
    )  # fmt: skip
    every[0].set_ylim(len(order) - 0.4, -0.6)
    return figure


def _draw_point(axes: Axes, row: int, point: _Point, letters: int) -> None:
    start, total = 0.0, point.counts.total()
    for kind, (colour, _) in LOOK.items():
        share = point.counts[kind] / total
        if share:
            axes.barh(row, share, 0.7, left=start, color=colour, gid=f"{kind}-{row}")
        start += share
    text = textwrap.shorten(point.words, letters, placeholder=" ...")
    axes.text(WORDS_AT, row, text, va="center", fontsize=7.5, gid=f"words-{row}")


def _draw_marks(
    sweep: Sweep | pd.DataFrame, chains: Chains, sides: dict[str, list[_Point]]
) -> Figure:
    rows = [(side, name) for name in chains.series for side in sides]
    height = 2.0 + height_of(len(rows), 0.42, ROW_LEAST_INCHES)
    figure = new_figure(height, TITLE, subtitle(sweep, f"{_counted(chains)}, a mark its worst"))
    axes = figure.subplots()
    for kind, (colour, _) in LOOK.items():
        found = [
            (point.place, rows.index((side, point.series)))
            for side, points in sides.items()
            for point in points
            if point.worst == kind
        ]
        if found:
            xs, ys = zip(*found, strict=True)
            axes.plot(
                xs, ys, linestyle="", marker="s", markersize=6, color=colour, gid=f"marks-{kind}"
            )
    axes.set_yticks(
        range(len(rows)), [" · ".join(filter(None, [name, side])) for side, name in rows]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    label_axis(axes, chains.axis)
    return figure


def _places(chains: Chains) -> list[float]:
    if chains.axis.is_number:
        return [float(value) for value in chains.axis.values]
    return [float(place) for place in range(len(chains.axis.values))]


def _counted(chains: Chains) -> str:
    most = int(chains.rows.groupby(["series", "place"]).size().max())
    return "one chain per point" if most == 1 else f"up to {most} chains a point"
