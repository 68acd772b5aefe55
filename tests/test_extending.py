"""The worked examples of docs/extending.md run as they stand, and keep the contracts."""

import re
from pathlib import Path

import pytest

from kho_sim import contracts
from kho_sim.base import plugins
from kho_sim.kho.preserve import KINDS

DOCUMENT = Path(__file__).parents[1] / "docs" / "extending.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def examples():
    """Run all examples one after the other, in one scope; take their plug-ins out at the end."""
    found = EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(found) == 9
    scope = {"__name__": "extending"}
    for number, example in enumerate(found):
        exec(compile(example, f"<example {number} of {DOCUMENT.name}>", "exec"), scope)
    yield
    plugins.STRATEGIES.unregister("tail")
    plugins.RETRIEVALS.unregister("downwards")
    plugins.WORKLOADS.unregister("hourly")
    plugins.WORKLOADS.unregister("tables")
    del KINDS["vmalloc area"]


@pytest.mark.usefixtures("examples")
def test_the_examples_keep_the_contracts_of_their_families():
    contracts.check_strategy("tail")
    contracts.check_retrieval("downwards")
    contracts.check_workload("hourly")
    contracts.check_workload("tables")
