"""Two sets of runs, pair by pair: what changed, by how much, and how sure that is.

Runs are a pair if they agree in all parameters but those that are compared, and in the replicate.
As seeds come from these names, both saw the same random numbers, and the mean of the differences
is more precise than the difference of the means. Its interval is Student's over the pairs. Fewer
than ``PAIRS_MIN`` pairs get no interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kho_sim.base.errors import InputError, nearest
from kho_sim.base.units import parse_duration, parse_size, show, unit_of
from kho_sim.scenario import canonical_key
from kho_sim.sweeps.design import SEED_KEY
from kho_sim.sweeps.interval import mean_interval

PAIRS_MIN = 5

NOT_PARAMETERS = ("run_id", "state", "replicate", "seed")


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of the runs, B against A, over the pairs that both have it.

    ``mean_difference`` is of B - A; ``low`` and ``high`` bound it, None with fewer than PAIRS_MIN.
    ``deltas`` are the differences of all pairs.
    """

    name: str
    pairs: int
    mean_a: float
    mean_b: float
    mean_difference: float
    low: float | None
    high: float | None
    deltas: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, and how the runs were paired."""

    compared: tuple[str, ...]
    paired_by: tuple[str, ...]
    pairs: int
    unpaired_a: int
    unpaired_b: int
    same_seeds: bool
    outcomes: tuple[tuple[str, str, int], ...]
    """(outcome of A, outcome of B, number of pairs)."""
    differences: tuple[Difference, ...]


def compare(
    runs_a: pd.DataFrame,
    runs_b: pd.DataFrame,
    *,
    only_a: Mapping[str, str] | None = None,
    only_b: Mapping[str, str] | None = None,
) -> Comparison:
    """Return the paired comparison of two tables of ``Sweep.runs()``.

    ``only_a`` and ``only_b`` choose rows by parameters, as texts ('512MiB'); these parameters are
    compared.
    Raises InputError for an unknown parameter, or if a run has more than one partner.
    """
    only_a, only_b = _canonical(only_a), _canonical(only_b)
    frame_a, frame_b = _chosen(runs_a, only_a), _chosen(runs_b, only_b)
    compared = tuple(dict.fromkeys((*only_a, *only_b)))
    paired_by = _paired_by(frame_a, frame_b, compared)
    for name, frame in (("A", frame_a), ("B", frame_b)):
        _ensure_one_each(name, frame, paired_by)
    pairs = frame_a.merge(frame_b, on=list(paired_by), suffixes=("|a", "|b"))
    return Comparison(
        compared=compared,
        paired_by=paired_by,
        pairs=len(pairs),
        unpaired_a=len(frame_a) - len(pairs),
        unpaired_b=len(frame_b) - len(pairs),
        same_seeds=bool((pairs["seed|a"] == pairs["seed|b"]).all()),
        outcomes=_outcomes(pairs),
        differences=_differences(pairs, frame_a),
    )


def parameters(runs: pd.DataFrame) -> list[str]:
    """Return the columns of a table of runs that were varied: those before its results."""
    columns = list(runs.columns)
    return [c for c in columns[: columns.index("outcome")] if c not in NOT_PARAMETERS]


def _canonical(only: Mapping[str, str] | None) -> dict[str, str]:
    return {canonical_key(key): value for key, value in (only or {}).items()}


def _chosen(runs: pd.DataFrame, only: Mapping[str, str]) -> pd.DataFrame:
    frame = runs[runs["state"] == "ok"]
    known = [*parameters(runs), "replicate"]
    for key, value in only.items():
        if key not in known:
            close = nearest(key, known) or ", ".join(known)
            raise InputError(f"{key} was not varied; nearest: {close}")
        rows = frame[_is(key, frame[key], value)]
        if rows.empty and not frame.empty:
            has = ", ".join(dict.fromkeys(show(key, one) for one in frame[key].dropna()))
            raise InputError(f"there is no run with {key}={value}; values of these runs: {has}")
        frame = rows
    if frame.empty:
        raise InputError("there is no run that is ok")
    return frame


def _is(key: str, stored: pd.Series, text: str) -> pd.Series:
    """Return which stored values a text means: a size or a duration in any way to write it."""
    same = stored.astype("string").str.casefold() == text.casefold()
    read = {"bytes": parse_size, "nanoseconds": parse_duration}.get(unit_of(key))
    try:
        return same | (stored == read(text)) if read else same
    except ValueError:
        return same


def _paired_by(
    frame_a: pd.DataFrame, frame_b: pd.DataFrame, compared: tuple[str, ...]
) -> tuple[str, ...]:
    there = parameters(frame_b)
    shared = [key for key in parameters(frame_a) if key in there and key not in compared]
    # An axis of seeds is part of the name of a pair, as the replicate is.
    return (*sorted(shared, key=SEED_KEY.__eq__), "replicate")


def _ensure_one_each(name: str, frame: pd.DataFrame, paired_by: tuple[str, ...]) -> None:
    double = frame[frame.duplicated(list(paired_by), keep=False)]
    if double.empty:
        return
    varied = [key for key in parameters(frame) if double[key].nunique(dropna=False) > 1]
    raise InputError(
        f"{name} has several runs for the same partner; choose one value of {', '.join(varied)}"
    )


def _outcomes(pairs: pd.DataFrame) -> tuple[tuple[str, str, int], ...]:
    counts = pairs.groupby(["outcome|a", "outcome|b"]).size()
    return tuple((str(a), str(b), int(n)) for (a, b), n in sorted(counts.items()))


def _differences(pairs: pd.DataFrame, frame: pd.DataFrame) -> tuple[Difference, ...]:
    columns = list(frame.columns)
    results = columns[columns.index("outcome") + 1 :]
    found = []
    for name in results:
        if f"{name}|a" not in pairs or not pd.api.types.is_numeric_dtype(pairs[f"{name}|a"]):
            continue
        both = pairs[[f"{name}|a", f"{name}|b"]].dropna().astype("float64")
        if len(both):
            found.append(_difference(name, both.to_numpy()))
    return tuple(found)


def _difference(name: str, both: Any) -> Difference:
    deltas = both[:, 1] - both[:, 0]
    low, high = mean_interval(deltas.tolist()) if len(deltas) >= PAIRS_MIN else (None, None)
    mean_a, mean_b = (float(value) for value in both.mean(axis=0))
    mean = float(deltas.mean())
    return Difference(name, len(deltas), mean_a, mean_b, mean, low, high, tuple(deltas.tolist()))
