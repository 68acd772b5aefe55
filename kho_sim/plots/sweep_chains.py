"""The chains of a sweep along one of its axes, whatever was varied: what its figures draw.

A chain counts once. The varied place with most values is the axis, if the caller names no other;
the other ones make series, and seeds make the spread. ``kho_scratch=`` on the command line is an
axis of bytes. Left out: replicates and seeds as an axis, unless nothing else was varied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from kho_sim.base.errors import InputError, nearest
from kho_sim.base.units import format_size, natural_key, show

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SHIFT, SEED, REPLICATE = "kernel.extend.shift", "chain.seed", "replicate"
COMMAND_LINE, SCRATCH = "kernel.command_line", "scratch_bytes"
LEFT_OUT = "(its own)"
"""Name of a value that a point leaves as the scenario has it."""
LONGEST_NAME = 28
MOST_SERIES = 14
WIDE_RANGE = 12
"""Largest to smallest value from which on an axis of numbers is logarithmic."""


@dataclass(frozen=True)
class Axis:
    """The varied place along x: its values in order, with a name and a place for each."""

    key: str
    values: tuple[Any, ...]
    names: tuple[str, ...]
    is_number: bool

    @property
    def is_logarithmic(self) -> bool:
        """Tell whether the values are numbers too far apart for a linear axis."""
        if not self.is_number or self.key == SHIFT or min(self.values) <= 0:
            return False
        steps = [high - low for low, high in pairwise(self.values)]
        return bool(
            max(self.values) >= WIDE_RANGE * min(self.values) and max(steps) > 4 * min(steps)
        )

    @property
    def label(self) -> str:
        """The text below the axis."""
        if self.key == SHIFT:
            return "block shift (below it the size of a block)"
        if self.key == SCRATCH:
            return "scratch of the first kernel, all areas"
        return self.key


@dataclass(frozen=True)
class Chains:
    """One row per chain of ``rows``: the columns of ``Sweep.runs()``, ``place`` (along the axis)
    and ``series`` (text, in ``series``, empty without others)."""

    rows: pd.DataFrame
    axis: Axis
    series: tuple[str, ...]
    left_out: int
    """Series that there was no room for."""

    @property
    def spread(self) -> str:
        """The words for what a line and its band stand for."""
        per_point = int(self.rows.groupby(["series", "place"]).size().max())
        if per_point == 1:
            text = "one chain per point"
        else:
            text = f"middle: median of {per_point} chains a point, band: smallest to largest"
        drawn = len(self.series)
        more = f"; {drawn} of {drawn + self.left_out} combinations drawn" if self.left_out else ""
        return text + more


def chains_of(sweep: Sweep | pd.DataFrame, over: str = "") -> Chains:
    """Return the chains that came to an end.

    ``sweep`` is a stored sweep, or its table of runs; ``over`` the varied place along x. Raises:
    InputError if no chain has ended, or ``over`` was not varied.
    """
    runs = sweep if isinstance(sweep, pd.DataFrame) else _with_scratch(sweep)
    runs = runs[runs["outcome"].notna()]
    if runs.empty:
        raise InputError("no chain of the sweep has come to an end")
    keys = _varied(runs)
    axis = _axis(runs, _chosen(runs, keys, over))
    others = [key for key in keys if key not in (axis.key, SEED, REPLICATE)]
    names = _series_names(runs, others)
    series = sorted(names.unique(), key=natural_key)
    rows = runs.assign(place=runs[axis.key].map(_places(axis)), series=names)
    rows.loc[runs[axis.key].isna(), "place"] = _places(axis).get(None)
    rows = rows.assign(place=rows["place"].astype("float64"))
    shown = tuple(series[:MOST_SERIES])
    return Chains(rows[rows["series"].isin(shown)], axis, shown, len(series) - len(shown))


def _with_scratch(sweep: Sweep) -> pd.DataFrame:
    """Return the runs; command lines that differ in scratch alone become an axis of its size."""
    runs = sweep.runs()
    if COMMAND_LINE not in runs:
        return runs
    rest = runs[COMMAND_LINE].astype(str).str.replace(r"kho_scratch=\S*", "", regex=True)
    if rest.str.split().str.join(" ").nunique() > 1:
        return runs
    boots = sweep.boots()
    first = boots[(boots["boot"] == 0) & ~boots["twin"].astype(bool)]
    sizes = first.set_index("run_id")[SCRATCH]
    return runs.assign(**{SCRATCH: runs["run_id"].map(sizes)})


def _varied(runs: pd.DataFrame) -> list[str]:
    """Return the places with several values; the size of scratch in place of its command line."""
    keys = [str(name) for name in runs if "." in str(name) or name in (REPLICATE, SCRATCH)]
    varied = [key for key in keys if runs[key].nunique(dropna=False) > 1]
    return [key for key in varied if key != COMMAND_LINE or SCRATCH not in varied]


def _chosen(runs: pd.DataFrame, keys: list[str], over: str) -> str:
    """Return the place along x: what the caller wants, else the one with most values."""
    if over and over not in keys:
        near = nearest(over, keys)
        hint = f"; nearest: {near}" if near else ""
        raise InputError(f"{over} was not varied; varied: {', '.join(keys) or 'nothing'}{hint}")
    if over:
        return over
    wanted = [key for key in keys if key not in (SEED, REPLICATE)] or keys
    if not wanted:
        return next((str(name) for name in runs if "." in str(name)), REPLICATE)
    return max(wanted, key=lambda key: (runs[key].nunique(), key == SHIFT, _is_number(runs[key])))


def _is_number(column: pd.Series) -> bool:
    is_truth = pd.api.types.is_bool_dtype(column)
    return bool(pd.api.types.is_numeric_dtype(column) and not is_truth and column.notna().all())


def _axis(runs: pd.DataFrame, key: str) -> Axis:
    column = runs[key]
    known = column.dropna().unique().tolist()
    # Seeds are numbers without a size.
    is_number = _is_number(column) and len(known) > 1 and key not in (SEED, REPLICATE)
    if all(isinstance(value, (int, float)) for value in known):
        values = sorted(known)
    else:
        values = sorted(known, key=lambda value: natural_key(str(value)))
    values = [*values, *([None] if column.isna().any() else [])]
    return Axis(key, tuple(values), tuple(_names(key, values)), is_number)


def _places(axis: Axis) -> dict[Any, float]:
    if axis.is_number:
        return {value: float(value) for value in axis.values}
    return {value: float(place) for place, value in enumerate(axis.values)}


def _names(key: str, values: Sequence[Any]) -> list[str]:
    """Return a short name for each value, of long texts the words that differ."""
    if key == SHIFT:
        return [_or_own(value, f"{value}\n{_block(value)}") for value in values]
    texts = [_or_own(value, show(key, value)) for value in values]
    if max(map(len, texts)) <= LONGEST_NAME:
        return texts
    words = [re.split(r"\s+", text) for text in texts]
    shared = set.intersection(*map(set, words))
    short = [" ".join(word for word in row if word not in shared) or "(none)" for row in words]
    cut = [_cut(name) for name in short]
    if len(set(cut)) == len(cut):
        return cut
    return [f"{number}: {name}" for number, name in enumerate(cut, start=1)]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]} ..."


def _or_own(value: Any, text: str) -> str:
    return LEFT_OUT if value is None else text


def _block(shift: Any) -> str:
    return "" if shift is None else format_size(1 << int(shift))


def _series_names(runs: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return for each run the values of these places, as 'memory 8GiB strategy blocks'."""
    names = pd.Series("", index=runs.index)
    for key in keys:
        word = "scratch" if key == SCRATCH else key.rpartition(".")[2]
        values = runs[key].dropna().unique().tolist()
        short = dict(zip(values, _names("" if key == SHIFT else key, values), strict=True))
        texts = runs[key].map(short).astype(object).where(runs[key].notna(), LEFT_OUT)
        names = names.str.cat(f"{word} " + texts.astype(str), sep=" ").str.strip()
    return names
