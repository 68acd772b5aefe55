"""Whole runs, to the last address: what a scenario of the project comes out as stays as it is.

When a rule of the model changes on purpose, `python -m tests.chain.test_golden` writes the runs
anew; the diff of `golden/` then says what the change did, and belongs to its commit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kho_sim
from kho_sim.trace.summary import run_document

SCENARIOS = Path(__file__).parents[2] / "scenarios"
GOLDEN = Path(__file__).with_name("golden")
NAMES = [
    "small-host",
    "seed-case-1",
    "growing-kernel",
    "hypervisor",
    "faults-lost-handover",
    "faults-half-extended",
    "numa-two-socket",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_comes_out_as_it_did(name: str) -> None:
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    found = chain_facts(name)
    for part in expected:
        assert found[part] == expected[part], part
    assert found.keys() == expected.keys()


def chain_facts(name: str) -> dict[str, Any]:
    """What a run says, without where it came from, and the digest of its trace."""
    trace = kho_sim.run(kho_sim.load(str(SCENARIOS / f"{name}.yaml")))
    document = json.loads(json.dumps(run_document(trace)))
    del document["provenance"]
    return document | {"digest": trace.digest}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        (GOLDEN / f"{name}.json").write_text(json.dumps(chain_facts(name), indent=1) + "\n")
