"""Equal scenarios give equal digests: whatever ran before, in whatever process, hash seed, worker,
engine or interpreter.

Other interpreters are those of KHO_SIM_PYTHONS (paths, with a colon between), each with kho_sim's
dependencies.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kho_sim.chain import run_scenario
from kho_sim.scenario import Scenario, loads, with_values
from kho_sim.sweeps.engine import open_engine

ROOT = Path(__file__).parents[2]
EVERYTHING = """
machine: {memory: 12GiB, cpus: 3, nodes: 2}
kernel:
  command_line: hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=16 reserve_mem=1M:4096:log
  extend: {shift: 27}
  early: [{what: table, size: 2MiB}]
  releases: [{}, {image: 44MiB, extend: {shift: 24}}]
workload:
- {kind: memfd, count: 3, size: 2MiB, grow: 2, drop: 1}
- {kind: memfd, size: 4MiB, folio: 2MiB, preserve_when: made, session: other}
- {kind: hugetlb, preserve: 1}
- {kind: vms, count: 2, size: 16MiB, arrivals_per_hour: 3, lifetime: 30m}
- {kind: anonymous, size: 64MiB}
- {kind: page_cache, size: 32MiB}
- {kind: unmovable, size: 8MiB, grow: 4MiB}
chain: {boots: 4, seed: 11}
"""
DIGEST = (
    "import sys; from kho_sim.chain import run_scenario; from kho_sim.scenario import loads;"
    "print(run_scenario(loads(sys.argv[1])).digest)"
)


@pytest.fixture(scope="module")
def digests() -> list[str]:
    """Of three seeds, one after the other in this process."""
    return [digest_of(one) for one in scenarios()]


def scenarios() -> list[Scenario]:
    base = loads(EVERYTHING)
    return [with_values(base, {"chain.seed": seed}) for seed in range(3)]


def digest_of(scenario: Scenario) -> str:
    return run_scenario(scenario).digest


def digest_in(python: str, text: str, **environment: str) -> str:
    done = subprocess.run(
        [python, "-c", DIGEST, text],
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def in_any_order(digests: Sequence[str], workers: int) -> None:
    """Hold an engine to the digests, its scenarios handed out in another order."""
    order = list(enumerate(scenarios()))
    random.Random(workers).shuffle(order)
    engine = open_engine(None, workers, None)
    try:
        futures = [(number, engine.submit(digest_of, one)) for number, one in order]
        assert {number: future.result() for number, future in futures} == dict(enumerate(digests))
    finally:
        engine.close()


def test_seeds_decide(digests: list[str]) -> None:
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("workers", [1, 3])
def test_order_and_workers_decide_nothing(digests: list[str], workers: int) -> None:
    in_any_order(digests, workers)


def test_process_and_hash_seed_decide_nothing() -> None:
    here = digest_of(loads(EVERYTHING))
    for hash_seed in ("0", "1234567"):
        assert digest_in(sys.executable, EVERYTHING, PYTHONHASHSEED=hash_seed) == here


def test_how_a_scenario_is_written_decides_nothing() -> None:
    scenario = loads(EVERYTHING)
    turned = {key: scenario.to_dict()[key] for key in reversed(scenario.to_dict())}
    again = loads(scenario.to_yaml()), Scenario.model_validate(turned)
    assert {digest_of(one) for one in again} == {digest_of(scenario)}


OTHERS = [path for path in os.environ.get("KHO_SIM_PYTHONS", "").split(os.pathsep) if path]


@pytest.mark.skipif(not OTHERS, reason="KHO_SIM_PYTHONS names no other interpreter")
@pytest.mark.parametrize("python", OTHERS)
def test_interpreter_decides_nothing(python: str) -> None:
    assert digest_in(python, EVERYTHING) == digest_of(loads(EVERYTHING))
