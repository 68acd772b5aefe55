"""Which runs a design has: ids from content, seeds from names, paired whatever else is varied."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import InputError, ScenarioError
from kho_sim.scenario import loads, with_values
from kho_sim.sweeps import design as module
from kho_sim.sweeps.design import (
    build_design,
    crossed,
    product,
    read_points,
    replicate_seed,
    run_id_of,
    value_at,
    zipped,
)
from kho_sim.sweeps.store import in_shard
from tests.sweeps.conftest import TINY

SHIFTS = st.lists(st.integers(12, 40), min_size=1, max_size=4, unique=True)
SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True)


def ids(design):
    return set(design.runs)


def seeds_by_name(design):
    """The seed of each (values but the shift, replicate): one only, whatever the shift is."""
    shift = design.keys.index("kernel.extend.shift")
    found = {}
    for run in design.runs.values():
        name = (*run.values[:shift], *run.values[shift + 1 :], run.replicate)
        found.setdefault(name, set()).add(run.seed)
    return found


@settings(max_examples=25, deadline=None)
@given(SHIFTS, SEEDS, st.integers(1, 3))
def test_a_design_has_every_combination_once_and_seeds_do_not_know_the_shift(shifts, seeds, n):
    axes = {"kernel.extend.shift": shifts, "chain.seed": seeds}
    design = build_design(loads(TINY), product(axes), n)
    assert len(design.runs) == len(shifts) * len(seeds) * n
    assert all(len(found) == 1 for found in seeds_by_name(design).values())
    assert len({run.seed for run in design.runs.values()}) == len(seeds) * n


@settings(max_examples=25, deadline=None)
@given(SHIFTS, SHIFTS, st.integers(1, 2), st.integers(0, 2))
def test_a_larger_design_has_all_runs_of_the_smaller_one(shifts, more, n, extra):
    small = build_design(loads(TINY), product({"kernel.extend.shift": shifts}), n)
    axes = {"chain.boots": [3, 2], "kernel.extend.shift": [*more, *shifts]}
    large = build_design(loads(TINY), product(axes), n + extra)
    assert ids(small) <= ids(large)


@settings(max_examples=25, deadline=None)
@given(SHIFTS, st.integers(1, 7))
def test_shards_split_a_design(shifts, count):
    design = build_design(loads(TINY), product({"kernel.extend.shift": shifts}))
    shards = [{i for i in design.runs if in_shard(i, (k, count))} for k in range(1, count + 1)]
    assert sum(map(len, shards)) == len(design.runs)
    assert set().union(*shards) == ids(design)


POINTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "chain.seed": st.sampled_from([0, 7, "7", 2**63 - 1]),
            "kernel.extend.shift": st.sampled_from([24, "25"]),
            "chain": st.just("{boots: 3, seed: 9}"),
            "workload": st.sampled_from(["[]", "[{kind: memfd, count: 1, size: 4KiB}]"]),
        },
    ).flatmap(lambda point: st.permutations(list(point.items())).map(dict)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(POINTS, st.integers(1, 3), st.integers(1, 3))
def test_ids_values_and_seeds_are_those_of_the_whole_scenario_of_each_run(points, n, kept):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FAMILIES_MAX", kept)
        design = build_design(loads(TINY), points, n)
    for run_id, run in design.runs.items():
        resolved = with_values(design.scenario, run.overrides)
        assert run_id == run.run_id == run_id_of(resolved)
        assert run.seed == resolved.chain.seed
        written = resolved.to_dict()
        for key, value in zip(design.keys, run.values, strict=True):
            if run.replicate == 0 or key not in ("chain", "chain.seed"):
                assert value == value_at(written, key)


def test_points_that_differ_in_their_seeds_are_checked_once(monkeypatch):
    checked = []
    monkeypatch.setattr(
        module, "with_values", lambda *given: checked.append(given) or with_values(*given)
    )
    axes = {"chain.seed": range(50), "kernel.extend.shift": [24, 25]}
    assert len(build_design(loads(TINY), product(axes), 3).runs) == 300
    assert len(checked) == 2


@pytest.mark.parametrize("seed", [-1, 1 << 63, True, 1.5, "many"])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ScenarioError) as caught:
        build_design(loads(TINY), [{"chain.seed": 1}, {"chain.seed": seed}])
    assert [problem.path for problem in caught.value.problems] == ["chain.seed"]


def test_what_decides_nothing_is_not_in_the_ids():
    words = f"description: other words\nsources: [somewhere]\n{TINY}"
    axes = product({"kernel.extend.shift": [24]})
    assert ids(build_design(loads(words), axes)) == ids(build_design(loads(TINY), axes))
    other = TINY.replace("64KiB", "68KiB")
    assert ids(build_design(loads(other), axes)) != ids(build_design(loads(TINY), axes))


def test_values_are_resolved_and_places_have_one_name():
    axes = {"workload.0.size": ["64KiB", "1MiB"], "kho.ext_shift": ["24"]}
    design = build_design(loads(TINY), product(axes))
    assert design.keys == ("workload[0].size", "kernel.extend.shift")
    assert {run.values for run in design.runs.values()} == {(65536, 24), (1 << 20, 24)}


def test_replicate_zero_has_the_scenarios_own_seed():
    assert replicate_seed(5, 0) == 5
    others = {replicate_seed(5, n) for n in range(1, 100)}
    assert len(others) == 99
    assert max(others) < 2**63


def test_equal_points_are_one_run():
    points = [{"machine.memory": "1GiB"}, {"machine.memory": "1024MiB"}]
    assert len(build_design(loads(TINY), points).runs) == 1


def test_zipped_axes_go_together_and_need_equal_lengths():
    assert zipped({"a": [1, 2], "b": [3, 4]}) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(InputError, match="a has 2, b has 1"):
        zipped({"a": [1, 2], "b": [3]})


def test_points_and_axes_must_not_set_the_same_place():
    assert len(crossed([{"a": 1}, {"a": 2}], [{"b": 1}, {"b": 2}])) == 4
    with pytest.raises(InputError, match="a is set twice"):
        crossed([{"a": 1}], [{"a": 2}])


def test_all_wrong_values_are_reported_before_anything_runs():
    axes = {"kernel.extend.shift": [30, 99], "machine.memory": ["1GiB", "much"]}
    with pytest.raises(ScenarioError) as caught:
        build_design(loads(TINY), product(axes))
    assert {problem.path for problem in caught.value.problems} == {
        "kernel.extend.shift",
        "machine.memory",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("points.csv", "kernel.extend.shift,machine.memory\n24,1GiB\n25,\n"),
        (
            "points.json",
            json.dumps(
                [
                    {"kernel.extend.shift": 24, "machine.memory": "1GiB"},
                    {"kernel.extend.shift": 25},
                ]
            ),
        ),
    ],
)
def test_points_come_from_tables_and_lists(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    points = read_points(tmp_path / name)
    design = build_design(loads(TINY), points)
    assert {run.values for run in design.runs.values()} == {(24, 1 << 30), (25, 1 << 30)}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        (
            "p.csv",
            "chain.seed,kernel.extend.shift\n1,30\n2,99\n",
            r"p\.csv:3: kernel.extend.shift: 99",
        ),
        ("p.csv", 'description,chain.boots\n"a\nb",3\nc,0\n', r"p\.csv:4: chain.boots: 0"),
        (
            "p.json",
            '[{"chain.seed": 1}, {"chain.sed": 1}]',
            r"p\.json\[1\]: chain.sed: there is no",
        ),
    ],
)
def test_what_is_wrong_with_a_point_of_a_file_has_its_place(tmp_path, name, text, place):
    (tmp_path / name).write_text(text)
    points = crossed(read_points(tmp_path / name), [{"chain.retries": 1}])
    with pytest.raises(ScenarioError, match=place):
        build_design(loads(TINY), points)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("p.csv", "chain.seed\n1\n2,3\n", r"p\.csv:3: these are no points"),
        ("p.json", '[{"chain.seed": 1}, 2]', r"p\.json\[1\]: these are no points"),
        ("p.json", '[{"chain.seed": 1},\n 2', r"p\.json:2:3: this is no JSON"),
    ],
)
def test_a_file_of_points_that_can_not_be_read_has_its_place(tmp_path, name, text, place):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=place):
        read_points(tmp_path / name)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", "kernel.extend.shift\n1,2\n", "[{"])
@pytest.mark.parametrize("name", ["points.csv", "points.json"])
def test_files_that_hold_no_points_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name):
        read_points(tmp_path / name)
