"""A plug-in of pytest: scenarios as tests, for those who hold theirs in their own CI.

Each condition of a scenario's ``expect:`` is a test; without any the chain has to complete. Files
are those that pytest is given by name, and those that match the globs of ``kho_scenarios`` in its
configuration. The fixture ``kho_run`` simulates for tests in Python. Left out: reports, which are
pytest's own (``--junit-xml``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kho_sim.scenario.expectations import Expectation
    from kho_sim.trace.trace import Trace

GLOBS = "kho_scenarios"
ENDINGS = (".yaml", ".yml")
ALWAYS = ("outcome", "== completed")
"""What a scenario without ``expect:`` is held to."""


class UnmetError(AssertionError):
    """The chain is not as it was expected; the message says why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the configuration value for the scenarios to collect."""
    text = "globs of kho_sim scenarios to collect, from the root folder, one a line"
    parser.addini(GLOBS, text, type="linelist", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect a scenario that was named, or that a glob matches."""
    if file_path.suffix not in ENDINGS:
        return None
    root = parent.config.rootpath
    inside = file_path.relative_to(root) if file_path.is_relative_to(root) else file_path
    wanted = parent.session.isinitpath(file_path) or any(
        inside.match(glob) for glob in parent.config.getini(GLOBS)
    )
    return ScenarioFile.from_parent(parent, path=file_path) if wanted else None


@pytest.fixture(scope="session")
def kho_run() -> Callable[..., Trace]:
    """Return ``kho_run(path, values={})``: the trace of a scenario with other values at dotted
    places, simulated once a session. Raises ScenarioError."""
    traces: dict[str, Trace] = {}

    def run(path: str | PathLike[str], values: dict[str, Any] | None = None) -> Trace:
        from kho_sim.chain import run_scenario
        from kho_sim.scenario import load, with_values

        scenario = with_values(load(path), values or {})
        key = scenario.model_dump_json()
        if key not in traces:
            traces[key] = run_scenario(scenario)
        return traces[key]

    return run


class ScenarioFile(pytest.File):
    """A scenario, simulated once for all of its tests."""

    @cached_property
    def trace(self) -> Trace:
        """The chain. Raises ScenarioError."""
        from kho_sim.chain import run_scenario

        return run_scenario(self.path)

    def collect(self) -> Iterator[ScenarioTest]:
        """Yield a test for each condition. Raises CollectError with every mistake of the file."""
        from kho_sim.base.errors import ScenarioError
        from kho_sim.scenario import load
        from kho_sim.scenario.expectations import expectation

        try:
            expected = load(self.path).expectations
        except ScenarioError as error:
            raise self.CollectError("\n".join(map(str, error.problems)))
        for condition in expected or (expectation(*ALWAYS),):
            name = f"{condition.key} {condition.operator} {condition.value}"
            yield ScenarioTest.from_parent(self, name=name, condition=condition)


class ScenarioTest(pytest.Item):
    """One condition of a scenario."""

    parent: ScenarioFile

    def __init__(self, *, condition: Expectation, **of_pytest: Any) -> None:
        super().__init__(**of_pytest)
        self.condition = condition

    def runtest(self) -> None:
        """Simulate, unless a test of the same file has. Raises UnmetError."""
        from kho_sim.cli.expectations import unmet_expectations

        trace = self.parent.trace
        self.user_properties.append(("kho_sim_digest", trace.digest))
        missed = unmet_expectations(trace, [self.condition], [])
        if missed:
            ended = trace.outcome
            said = f": {ended.message}" if ended.message else ""
            raise UnmetError(f"{missed[0]}\n{ended.kind} in boot {ended.boot}{said}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        """Show what is not as expected, or the place of a mistake, without a traceback."""
        from kho_sim.base.errors import KhoSimError

        if isinstance(excinfo.value, (UnmetError, KhoSimError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return file and name; a condition has no line."""
        return self.path, None, f"{self.path.name}: {self.name}"
