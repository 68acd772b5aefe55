"""Dotted overrides and the values of an axis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.errors import ScenarioError
from kho_sim.scenario import from_dict, loads, parse_values, with_values

BASE = loads(
    """
machine: {memory: 4GiB}
kernel: {command_line: quiet}
workload:
- {kind: memfd, size: 1MiB}
- {kind: anonymous, size: 1GiB}
"""
)


def refused(values):
    with pytest.raises(ScenarioError) as error:
        with_values(BASE, values, name="-s")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("place", "value", "read"),
    [
        ("kernel.extend.shift", 24, lambda s: s.kernel.extend.shift == 24),
        ("kernel.extend.shift", "24", lambda s: s.kernel.extend.shift == 24),
        ("kho.ext_shift", "24", lambda s: s.kernel.extend.shift == 24),
        ("machine.memory", "128GiB", lambda s: s.machine.memory == 128 << 30),
        ("workload[0].size", "2MiB", lambda s: s.workload[0].size == 2 << 20),
        ("workload.1.size", "2MiB", lambda s: s.workload[1].size == 2 << 20),
        ("workload[0].preserve", "false", lambda s: s.workload[0].preserve is False),
        ("chain.uptime", "90s", lambda s: s.chain.uptime == 90 * 10**9),
        ("kernel.release", "seed", lambda s: s.kernel.release == "7.3-patch-v2"),
        ("kernel.command_line", '"a=1,2"', lambda s: s.kernel.command_line == "a=1,2"),
        ("kernel.command_line", "5", lambda s: s.kernel.command_line == "5"),
        ("kernel.command_line", "", lambda s: s.kernel.command_line == ""),
        ("kernel.command_line", None, lambda s: s.kernel.command_line == ""),
        ("description", "true", lambda s: s.description == "true"),
        ("expect.failures", "<= 3", lambda s: s.expect == {"failures": "<= 3"}),
        ("workload", [{"kind": "unmovable", "size": 1}], lambda s: len(s.workload) == 1),
        ("machine.node_memory", ["1GiB", "3GiB"], lambda s: s.machine.nodes == 2),
        ("machine.node_memory", "[1GiB, 3GiB]", lambda s: s.machine.nodes == 2),
        ("workload", "[]", lambda s: s.workload == ()),
        ("workload", "[{kind: unmovable, size: 1}]", lambda s: len(s.workload) == 1),
        ("machine", "{memory: 2GiB, cpus: 2}", lambda s: s.machine.memory == 2 << 30),
        ("description", "[draft]", lambda s: s.description == "[draft]"),
        ("description", "{draft", lambda s: s.description == "{draft"),
    ],
)
def test_a_value_goes_to_its_place_and_the_original_stays(place, value, read):
    before = BASE.to_dict()
    assert read(with_values(BASE, {place: value}))
    assert not read(BASE)
    assert BASE.to_dict() == before


NO_PLACE = "there is no such place in a scenario; nearest: "
NAMES = "this is no place; accepted: names with dots, as in workload[0].size"
DECIMAL = "'4GB' looks decimal, and sizes are powers of 1024; write 4GiB for that"
NO_MEMORY = "there is no memory; accepted: memory: 64GiB, or memory_map: [...]"


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"kernel.extnd.shift": 1}, [f"kernel.extnd.shift: {NO_PLACE}kernel.extend.shift"]),
        ({"kernel.build.image": "8M"}, [f"kernel.build.image: {NO_PLACE}kernel.image"]),
        ({"workload[0].siz": "1M"}, [f"workload[0].siz: {NO_PLACE}workload[0].size"]),
        (
            {"workload[2].size": "1M"},
            ["workload[2].size: workload is a list with 2 entries, counted from 0"],
        ),
        (
            {"workload.size": "1M"},
            ["workload.size: workload is a list with 2 entries, counted from 0"],
        ),
        ({"kernel.early[0].size": 1}, ["kernel.early[0].size: kernel.early has no entries"]),
        ({"machine.memory.x": 1}, ["machine.memory.x: machine.memory has no [x] inside"]),
        ({"machine[0]": 1}, ["machine[0]: machine has no [0] inside"]),
        ({"chain.": 1}, [f"chain.: {NAMES}"]),
        ({"": 1}, [NAMES]),
        (
            {"machine.memory": "4GB", "chain.boots": "0", "chain.bots": "1"},
            [
                "chain.boots: 0 is too small; accepted: 1 or more",
                f"chain.bots: {NO_PLACE}chain.boots",
                f"machine.memory: {DECIMAL}",
            ],
        ),
        ({"machine.memory": None}, [f"machine: {NO_MEMORY}"]),
        (
            {"workload": "[{kind: memfd"},
            ["workload: this is not YAML: did not find expected ',' or '}'"],
        ),
        (
            {"workload": "[{kind: memfd, size: }]"},
            [
                "workload: there is no value; leave the key out for its default (at [0].size)",
            ],
        ),
        (
            {"workload": "[{kind: memfds, size: 1MiB}]"},
            [
                "workload[0].kind: 'memfds' is no kind of workload; accepted: memfd, guest_memfd, "
                "hugetlb, anonymous, pinned, page_cache, unmovable, vms, reserve_mem; "
                "nearest: memfd",
            ],
        ),
    ],
)
def test_what_cannot_be_set_is_said(values, problems):
    assert sorted(refused(values)) == [f"-s: {problem}" for problem in problems]


def test_overrides_work_on_a_resolved_scenario_too():
    resolved = from_dict(BASE.to_dict())
    assert with_values(resolved, {"kho.ext_shift": 21}) == with_values(BASE, {"kho.ext_shift": 21})


@given(st.text(), st.text())
def test_any_override_is_a_scenario_or_an_error(place, value):
    try:
        found = with_values(BASE, {place: value})
    except ScenarioError as error:
        found = error.problems
    assert found


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("7", [7]),
        ("0..3", [0, 1, 2, 3]),
        ("0 .. 3", [0, 1, 2, 3]),
        ("0..64..32", [0, 32, 64]),
        ("0..65..32", [0, 32, 64]),
        ("5..5", [5]),
        ("-1..1", [-1, 0, 1]),
        ("1,2, 4..5", [1, 2, 4, 5]),
        ("1GiB..3GiB..1GiB", [1 << 30, 2 << 30, 3 << 30]),
        ("blocks,none", ["blocks", "none"]),
        ("true,false,1.5,0x10", [True, False, 1.5, 16]),
        ("16MiB", ["16MiB"]),
        ('"a=1,2",b', ["a=1,2", "b"]),
        ("'0..3'", ["0..3"]),
        ("'5'", ["5"]),
        ('x="a,b" c', ['x="a,b" c']),
        ("../other.yaml", ["../other.yaml"]),
        ("null", ["null"]),
        ("[1, 2], {a: [3, 4]},5", ["[1, 2]", "{a: [3, 4]}", 5]),
        ("[], [{a: ']'}]", ["[]", "[{a: ']'}]"]),
        ("a[0,b]", ["a[0", "b]"]),
    ],
)
def test_axes_count_and_list(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1,,2",
        "1,",
        "3..1",
        "1..3..0",
        "'a",
        "0..2000000",
        "0..999999,0..999999",
        "[1",
        "1,{a: [",
    ],
)
def test_axes_that_mean_nothing_are_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        parse_values(text)


@given(st.text())
def test_any_text_is_an_axis_or_a_value_error(text):
    try:
        good = parse_values(text)
    except ValueError as error:
        good = str(error).endswith(".")
    assert good


@given(st.integers(-100, 100), st.integers(0, 50), st.integers(1, 9))
def test_a_range_includes_both_ends(first, steps, step):
    last = first + steps * step
    values = parse_values(f"{first}..{last}..{step}")
    assert (values[0], values[-1], len(values)) == (first, last, steps + 1)
