"""Scenarios are tests of somebody else's suite, by the plug-in of pytest."""

from __future__ import annotations

import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
INSTALLED = "kho_sim" in {point.name for point in entry_points(group="pytest11")}
PLUGIN = "kho_sim" if INSTALLED else "kho_sim.pytest_plugin"
SMALL = "machine: {memory: 1GiB}\nworkload: [{kind: memfd, size: 4MiB}]\nchain: {boots: 2}\n"
EXPECT = SMALL + "expect: {outcome: completed, failures: '> 5'}\n"


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    # A process of its own: pytester takes modules away again that were loaded in this one.
    return pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider", *words)


def test_each_condition_of_a_named_scenario_is_a_test(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", host=EXPECT)
    result = run(pytester, "host.yaml", "-v", "--junit-xml=found.xml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*outcome == completed*PASSED*", "expected failures > 5: failures is 0", "completed in*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    cases = ElementTree.parse(pytester.path / "found.xml").findall(".//testcase")
    assert [case.get("name") for case in cases] == ["outcome == completed", "failures > 5"]
    digests = {case.find(".//property").get("value") for case in cases}
    assert len(digests) == 1


def test_scenarios_are_collected_by_globs_and_no_other_yaml_is(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkho_scenarios =\n    hosts/*.yaml\n")
    for folder in ("hosts", "others"):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "one.yaml").write_text(SMALL)
    result = run(pytester, "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == [
        "hosts/one.yaml::outcome == completed"
    ]


def test_a_chain_that_dies_fails_without_expect(pytester: pytest.Pytester) -> None:
    dying = SMALL + "faults: [{kind: panic, boot: 1, message: no root}]\n"
    pytester.makefile(".yaml", host=dying)
    result = run(pytester, "host.yaml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["expected outcome == completed: outcome is *", "*no root*"])


def test_a_scenario_with_mistakes_is_an_error_with_their_places(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", host="machine: {memory: 1GiB, cpu: 4}\n")
    result = run(pytester, "host.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*host.yaml:1:25: machine.cpu:*nearest: cpus*"])


def test_the_fixture_simulates_with_other_values_and_once(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", host=SMALL)
    pytester.makepyfile(
        """
        def test_smaller_blocks(kho_run):
            trace = kho_run("host.yaml", {"kernel.extend.shift": 21, "chain.boots": 3})
            assert len(trace.boots) == 3
            assert kho_run("host.yaml", {"chain.boots": 3, "kernel.extend.shift": 21}) is trace
            assert kho_run("host.yaml") is not trace
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_pytest_finds_the_plug_in_where_the_package_is_installed() -> None:
    recipe = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert recipe["project"]["entry-points"]["pytest11"] == {"kho_sim": "kho_sim.pytest_plugin"}
