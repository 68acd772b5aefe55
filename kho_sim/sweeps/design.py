"""The design of a sweep: which runs there are, decided before any of them starts.

A point gives other values to places of the scenario. A run is a point and a replicate,
resolved to a whole scenario; its id is a hash of that scenario and of the model's version, never of
its place in the design. So a design that grows keeps the ids, and with them the results, of all
that it had.

Seeds come from names: the point's ``chain.seed`` and the number of the replicate. What else is
varied (block shift, strategy, memory), the order of the axes and the worker have no part in it, so
runs that differ only in these see the same random numbers: comparisons are paired.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from kho_sim.base.errors import InputError, Problem, ScenarioError
from kho_sim.scenario import Scenario, canonical_key, with_values
from kho_sim.trace.provenance import MODEL_VERSION

PROBLEMS_MAX = 20
"""Most problems of a design that are reported; a wrong axis has one at each of its points."""

RUNS_MAX = 1_000_000
POINTS_CHARACTERS_MAX = 64 << 20
FAMILIES_MAX = 1000
"""Most families of runs that are kept while a design is built, some 3 KiB each."""

SEED_KEY = "chain.seed"
SEED_BITS = 63

Point = Mapping[str, Any]


class FilePoint(dict[str, Any]):
    """A point of a file, with its ``place`` there for messages."""

    __slots__ = ("place",)

    def __init__(self, values: Mapping[str, Any], place: str):
        super().__init__(values)
        self.place = place


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario of a design. ``overrides`` make it from the base; ``values`` are the resolved
    values of the design's keys, None where the place has none.
    """

    run_id: str
    overrides: Mapping[str, Any]
    values: tuple[Any, ...]
    replicate: int
    seed: int


@dataclass(frozen=True, slots=True)
class Design:
    """The base scenario, the places that are varied, and the runs by their ids."""

    scenario: Scenario
    keys: tuple[str, ...]
    replicates: int
    runs: Mapping[str, Run]


def product(axes: Mapping[str, Iterable[Any]]) -> list[Point]:
    """Return all combinations of the axes' values, the last axis changing fastest."""
    values = [list(axis) for axis in axes.values()]
    _bound(math.prod(map(len, values)))
    combinations = itertools.product(*values)
    return [dict(zip(axes, chosen, strict=True)) for chosen in combinations]


def zipped(axes: Mapping[str, Iterable[Any]]) -> list[Point]:
    """Return the first values of all axes, the second ones, ...; InputError if lengths differ."""
    values = {key: list(axis) for key, axis in axes.items()}
    lengths = {key: len(axis) for key, axis in values.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise InputError(f"zipped axes need as many values each: {counts}")
    return [dict(zip(values, chosen, strict=True)) for chosen in zip(*values.values(), strict=True)]


def crossed(left: Iterable[Point], right: Sequence[Point]) -> list[Point]:
    """Return each point of ``left`` with each of ``right``; InputError if both set one place."""
    left, points = list(left), list[Point]()
    _bound(len(left) * len(right))
    for one, other in itertools.product(left, right):
        both = sorted(one.keys() & other.keys())
        if both:
            raise InputError(f"{both[0]} is set twice, by an axis and by a point")
        values = {**one, **other}
        points.append(FilePoint(values, one.place) if isinstance(one, FilePoint) else values)
    return points


def _bound(runs: int) -> None:
    """Raise InputError for more runs than a sweep can have, before they take memory."""
    if runs > RUNS_MAX:
        raise InputError(f"{runs} runs are too many; accepted: {RUNS_MAX} or fewer in a sweep")


def read_points(path: str | PathLike[str]) -> list[Point]:
    """Return the points of a file: CSV with dotted keys as its head, or a JSON list of objects.

    An empty cell leaves the scenario's own value. Raises InputError.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(POINTS_CHARACTERS_MAX + 1)
        if len(text) > POINTS_CHARACTERS_MAX:
            raise InputError(f"{path}: more than {POINTS_CHARACTERS_MAX} characters are too long")
        if path.suffix == ".csv":
            rows = _csv_rows(text, str(path))
        else:
            rows = _json_rows(text, str(path))
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise InputError(f"{place}: this is no JSON: {error.msg}") from error
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    if not rows:
        raise InputError(f"{path}: {NO_POINTS}")
    for place, row in rows:
        # A CSV line that is longer than the head has its rest under None.
        if not isinstance(row, dict) or not all(isinstance(key, str) and key for key in row):
            raise InputError(f"{place}: {NO_POINTS}")
    return [
        FilePoint({key: value for key, value in row.items() if value not in ("", None)}, place)
        for place, row in rows
    ]


NO_POINTS = (
    "these are no points; accepted: a CSV table with dotted keys as its head, or a JSON list of "
    "objects"
)


def _csv_rows(text: str, name: str) -> list[tuple[str, Any]]:
    """Return the rows of a table with their places: the line on which each ends."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [(f"{name}:{reader.line_num}", row) for row in reader]


def _json_rows(text: str, name: str) -> list[tuple[str, Any]]:
    """Return the entries of a list with their places: numbers from 0; none if it is no list."""
    entries = json.loads(text)
    if not isinstance(entries, list):
        return []
    return [(f"{name}[{number}]", entry) for number, entry in enumerate(entries)]


def build_design(scenario: Scenario, points: Iterable[Point], replicates: int = 1) -> Design:
    """Return the design of all points, each ``replicates`` times; equal runs are one.

    Raises ScenarioError with what is wrong in any of the points.
    """
    places, points = [], list(points)
    for number, point in enumerate(points):
        places.append(point.place if isinstance(point, FilePoint) else "sweep")
        points[number] = {canonical_key(key): value for key, value in point.items()}
    _bound(len(points) * replicates)
    keys = tuple(dict.fromkeys(key for point in points for key in point))
    runs: dict[str, Run] = {}
    families: dict[str, _Family] = {}
    problems: dict[tuple[str, str], Problem] = {}
    for place, point in zip(places, points, strict=True):
        try:
            family = _family_of(point, place, scenario, keys, families)
        except ScenarioError as error:
            problems |= {(found.path, found.message): found for found in error.problems}
            continue
        for run in _runs_of(family, point, keys, replicates):
            runs.setdefault(run.run_id, run)
    if problems:
        raise ScenarioError(list(problems.values())[:PROBLEMS_MAX])
    return Design(scenario, keys, replicates, dict(sorted(runs.items())))


@dataclass(frozen=True, slots=True)
class _Family:
    """Runs that differ in nothing but their seed: they are checked once, and share their values.

    Most runs of a large sweep are of few families.
    """

    seed: int
    """That of the scenario, for points without one."""
    values: tuple[Any, ...]
    before: str
    behind: str
    """What decides a run's result, before and behind its seed."""

    def run_id(self, seed: int) -> str:
        """Return ``run_id_of`` the scenario with this seed."""
        return _id_of(f"{self.before}{seed}{self.behind}")


def _family_of(
    point: Point,
    place: str,
    scenario: Scenario,
    keys: tuple[str, ...],
    families: dict[str, _Family],
) -> _Family:
    """Return what a point and those with other seeds have in common. Raises ScenarioError, which
    names the ``place`` of the point."""
    apart = _has_seed(point, keys)
    shared = {key: value for key, value in point.items() if key != SEED_KEY or not apart}
    name = repr(shared)
    if name not in families:
        resolved = with_values(scenario, shared, place)
        written = resolved.to_dict()
        # Of all keys called "seed" that of the chain is the first in canonical order.
        before, behind = re.split(r'(?<="seed":)\d+', _decides(resolved), maxsplit=1)
        values = tuple(value_at(written, key) for key in keys)
        if len(families) >= FAMILIES_MAX:
            families.pop(next(iter(families)))
        families[name] = _Family(resolved.chain.seed, values, before, behind)
    return families[name]


def _has_seed(point: Point, keys: tuple[str, ...]) -> bool:
    """Return whether a point sets a seed that needs no reading and no other check."""
    seed = point.get(SEED_KEY)
    return type(seed) is int and 0 <= seed < 1 << SEED_BITS and "chain" not in keys


def _runs_of(
    family: _Family, point: Point, keys: tuple[str, ...], replicates: int
) -> Iterable[Run]:
    own = point[SEED_KEY] if _has_seed(point, keys) else family.seed
    # The seed as the point has it: that of a replicate is a column of its own.
    values = tuple(
        own if key == SEED_KEY else value for key, value in zip(keys, family.values, strict=True)
    )
    # Behind a value of all of ``chain``, a replicate's seed holds.
    others = {key: value for key, value in point.items() if key != SEED_KEY}
    for replicate in range(replicates):
        seed = replicate_seed(own, replicate)
        overrides = {**others, SEED_KEY: seed} if replicate else point
        yield Run(family.run_id(seed), overrides, values, replicate, seed)


def run_id_of(scenario: Scenario) -> str:
    """Return 16 hex digits of the SHA-256 of all that decides a run's result."""
    return _id_of(_decides(scenario))


def _decides(scenario: Scenario) -> str:
    """Return all that decides a run's result, as JSON."""
    return f'{{"model_version":{MODEL_VERSION},"scenario":{scenario.digest_key()}}}'


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def replicate_seed(seed: int, replicate: int) -> int:
    """Return the seed of a replicate: number 0 has the scenario's own, so a sweep can get more."""
    if replicate == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/replicate/{replicate}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


def value_at(written: Any, key: str) -> Any:
    """Return what a resolved scenario has at a dotted place; None if there is nothing.

    A section or a list is returned as canonical JSON text.
    """
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        if isinstance(written, list):
            written = written[int(index)] if int(index or 0) < len(written) else None
        else:
            written = written.get(name) if isinstance(written, dict) else None
    if isinstance(written, (dict, list)):
        return json.dumps(written, sort_keys=True, separators=(",", ":"))
    return written
