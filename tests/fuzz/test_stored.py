"""Stored sweeps and runs that something damaged: read, or refused in words, and never changed.

One file at a time gets other bytes, or, if it is JSON, other values in their places.
"""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import EngineError, InputError
from kho_sim.runs.store import load_run, save_run
from kho_sim.scenario import loads
from kho_sim.sweeps import open_sweep
from kho_sim.sweeps.results import stored_runs
from kho_sim.sweeps.sweeping import sweep
from tests.fuzz.damage import damaged
from tests.fuzz.test_targets import SLOW
from tests.hand_made import hand_made_trace

TINY = "machine: {memory: 1GiB, cpus: 1}\nchain: {boots: 2, twin: false}\n"
SHIFTS = [22, 24, 26]
WRONG = [None, True, -1, 1.5, "", "../..", [], {}, [None], {"": []}, "9" * 40, 10**30]


@pytest.fixture(scope="module")
def stored_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fuzzed") / "sweep"
    sweep(loads(TINY), {"kernel.extend.shift": SHIFTS}, directory, workers=1, allocations=True)
    return directory


@pytest.fixture(scope="module")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fuzzed") / "run"
    save_run(hand_made_trace(), directory)
    return directory


def read_sweep(directory: Path) -> None:
    done = open_sweep(directory)
    assert len(done.states()) == sum(done.counts().values())
    for table in (done.runs, done.boots, done.allocations):
        assert table() is not None
    assert stored_runs(directory) is not None


def read_run(directory: Path) -> None:
    assert load_run(directory).digest
    assert stored_runs(directory) is not None


@pytest.mark.parametrize("examples", [25, pytest.param(2000, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("fixture", "read"), [("stored_sweep", read_sweep), ("stored_run", read_run)]
)
def test_damage_is_read_or_refused_and_nothing_is_changed(
    fixture: str, read: Callable[[Path], None], examples: int, request: pytest.FixtureRequest
) -> None:
    whole: Path = request.getfixturevalue(fixture)
    names = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())

    @settings(max_examples=examples, suppress_health_check=SLOW)
    @given(st.sampled_from(names), st.data())
    def holds(name: str, data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(shutil.copytree(whole, Path(folder) / "stored"))
            (directory / name).write_bytes(harmed(data, whole / name))
            before = contents(directory)
            with suppress(InputError, EngineError):
                read(directory)
            assert contents(directory) == before

    holds()


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def harmed(data: st.DataObject, path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix not in (".json", ".jsonl") or data.draw(st.booleans()):
        return data.draw(damaged([content]))
    lines = content.split(b"\n") if path.suffix == ".jsonl" else [content]
    return b"\n".join(with_wrong_values(data, line) if line else line for line in lines)


def with_wrong_values(data: st.DataObject, text: bytes) -> bytes:
    document = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(places_in(document))
        if places:
            owner, key = places[data.draw(st.integers(0, len(places) - 1))]
            # A copy: it may get a wrong value itself, and must not come to hold itself.
            owner[key] = copy.deepcopy(data.draw(st.sampled_from(WRONG)))
            if data.draw(st.booleans()):
                del owner[key]
    return json.dumps(document).encode()


def places_in(value: Any) -> list[tuple[Any, Any]]:
    keys = (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    return [(value, key) for key in keys] + [one for key in keys for one in places_in(value[key])]


def test_a_sweep_with_a_damaged_part_loses_only_that(stored_sweep: Path, tmp_path: Path) -> None:
    """The part is run again, the others are kept as they are."""
    directory = Path(shutil.copytree(stored_sweep, tmp_path / "stored"))
    parts = sorted((directory / "runs").iterdir())
    parts[0].write_bytes(b"PAR1" + bytes(64) + b"PAR1")
    kept = {part: part.read_bytes() for part in parts[1:]}
    wanted = open_sweep(stored_sweep).runs()
    healed = sweep(
        loads(TINY), {"kernel.extend.shift": SHIFTS}, directory, workers=1, allocations=True
    )
    assert healed.runs().equals(wanted)
    assert {part: part.read_bytes() for part in parts[1:]} == kept
