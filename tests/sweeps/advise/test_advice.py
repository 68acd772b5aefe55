"""The advice for small hosts, held to single runs; and what real kernels said to small scratch."""

import json

import pytest

from kho_sim.chain import run_scenario
from kho_sim.cli.app import call
from kho_sim.scenario import loads, with_values
from kho_sim.sweeps import open_sweep
from kho_sim.sweeps.advise import Areas, advise, parse_areas
from kho_sim.sweeps.advise.advice import ShiftRow, answer, choose_shift
from kho_sim.sweeps.advise.areas import with_scratch, with_strategy
from kho_sim.sweeps.advise.evidence import Chain
from kho_sim.sweeps.advise.search import Answer

SMALL = """
machine: {memory: 1GiB, cpus: 4}
kernel: {command_line: log_buf_len=8M}
workload:
- {kind: memfd, count: 1, size: 1MiB}
chain: {boots: 2}
"""

RECORDED = [
    # (memory, kho_scratch=, ended with the extension, ended without it), as the tiny-*, tinyext-*
    # and tinynoext-* machines did; None was not recorded.
    ("8GiB", "4M,4M,4M", "load_refused", "load_refused"),
    ("8GiB", "4M,8M,8M", "load_refused", None),
    ("8GiB", "40M,4M,4M", "completed", "boot_failed"),
    ("8GiB", "8M,16M,16M", "completed", "boot_failed"),
    ("8GiB", "16M,32M,32M", "completed", None),
    ("8GiB", "64M,64M,64M", None, "completed"),
    ("8GiB", "128M,256M,256M", None, "completed"),
    ("64GiB", "4M,4M,4M", "load_refused", "load_refused"),
    ("64GiB", "4M,8M,8M", "load_refused", "load_refused"),
    ("64GiB", "40M,4M,4M", "completed", "boot_failed"),
    ("64GiB", "8M,16M,16M", "completed", "boot_failed"),
    ("64GiB", "64M,64M,64M", None, "boot_failed"),
    ("64GiB", "128M,256M,256M", None, "boot_failed"),
]


@pytest.mark.parametrize(("memory", "sizes", "extended", "plain"), RECORDED)
def test_recorded_kernels_came_to_the_same_end(memory, sizes, extended, plain):
    scenario = with_values(loads(SMALL), {"machine.memory": memory})
    trace = run_scenario(with_values(scenario, with_scratch(scenario, parse_areas(sizes))))
    assert extended in (None, trace.outcome.kind)
    assert plain in (None, trace.twin.outcome.kind)


@pytest.fixture(scope="module")
def advice(tmp_path_factory):
    out = tmp_path_factory.mktemp("advice") / "a"
    return advise(
        loads(SMALL), out, shifts=(22, 24, 28), tries=[Areas(1, 1, 1)], replicates=2, workers=1
    )


def ended(areas, strategy, shift):
    scenario = with_values(loads(SMALL), {"chain.twin": False})
    overrides = {**with_scratch(scenario, areas), **with_strategy(scenario, strategy, shift)}
    return run_scenario(with_values(scenario, overrides))


def test_what_is_advised_survives_and_a_step_less_does_not(advice):
    assert [(one.strategy, one.grade) for one in advice.smallest] == [
        ("blocks", "survives"),
        ("blocks", "clean"),
        ("none", "survives"),
        ("none", "clean"),
    ]
    for one in advice.smallest:
        for areas in (one.areas, one.padded):
            trace = ended(areas, one.strategy, advice.shift)
            assert trace.outcome.kind == "completed"
            if one.grade == "clean":
                assert not any(boot.failures for boot in trace["boots"])
        assert one.smaller
        for neighbour in one.smaller:
            trace = ended(neighbour.areas, one.strategy, advice.shift)
            refused = sum(boot.failures for boot in trace["boots"])
            assert trace.outcome.kind != "completed" or (one.grade == "clean" and refused)


def test_the_extension_saves_and_cleanliness_costs(advice):
    extended, extended_clean, plain, plain_clean = (one.total_bytes for one in advice.smallest)
    assert extended <= extended_clean <= plain_clean
    assert extended < plain <= plain_clean
    assert advice.default["blocks"].scratch_bytes > extended_clean


def test_areas_of_the_user_are_tried(advice):
    assert [(s, str(one.areas), one.chain.outcome) for s, one in advice.tried] == [
        ("blocks", "4M,4M,4M", "load_refused"),
        ("none", "4M,4M,4M", "load_refused"),
    ]


def test_the_runs_behind_the_advice_are_a_sweep_and_are_used_again(advice):
    stored = open_sweep(advice.directory)
    assert stored.counts() == {"ok": advice.runs}
    parts = sorted((advice.directory / "runs").iterdir())
    again = advise(
        loads(SMALL),
        advice.directory,
        shifts=(22, 24, 28),
        tries=[Areas(1, 1, 1)],
        replicates=2,
        workers=1,
    )
    assert again == advice
    assert sorted((advice.directory / "runs").iterdir()) == parts


def chain(**facts):
    zeros = dict.fromkeys(
        ("scratch_bytes", "refused", "gigantic_missing", "extended_bytes", "extend_ns"), 0
    )
    named = {"run_id": "x", "outcome": "completed", "boot": 1, "message": ""}
    return Chain(**{**named, **zeros, "digest_pages": 0, "memory_regions": 0, **facts})


@pytest.mark.parametrize(
    ("facts", "survives", "clean"),
    [
        ({}, Answer.FINE, Answer.FINE),
        ({"refused": 1}, Answer.FINE, Answer.SMALL),
        ({"gigantic_missing": 1}, Answer.SMALL, Answer.SMALL),
        ({"outcome": "boot_failed"}, Answer.SMALL, Answer.SMALL),
        ({"outcome": "load_refused"}, Answer.SMALL, Answer.SMALL),
        ({"outcome": "kho_disabled"}, Answer.LARGE, Answer.LARGE),
        ({"outcome": "preserve_failed"}, Answer.LARGE, Answer.LARGE),
    ],
)
def test_what_a_chain_says_to_its_areas(facts, survives, clean):
    assert answer(chain(**facts), "survives") is survives
    assert answer(chain(**facts), "clean") is clean


def test_the_largest_block_that_recovers_about_as_much_is_chosen():
    def rows(**facts):
        return [ShiftRow(int(name[1:]), chain(**values)) for name, values in facts.items()]

    gib = 1 << 30
    recovers = {
        f"s{shift}": {"extended_bytes": size}
        for shift, size in zip((21, 25, 30, 36), (1000 * gib, 995 * gib, 985 * gib, 0), strict=True)
    }
    assert choose_shift(rows(**recovers)) == 25
    assert choose_shift(rows(**{**recovers, "s25": {"outcome": "boot_failed"}})) == 21
    refusing = {name: {**facts, "refused": 2} for name, facts in recovers.items()}
    assert choose_shift(rows(**{**refusing, "s36": recovers["s36"]})) == 36
    assert choose_shift(rows(s30={"outcome": "boot_failed"})) is None


def test_the_verb_prints_advice_and_refuses_what_is_no_sizes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    words = ["advise", "small.yaml", "--replicates", "1", "--workers", "1", "-o", "a"]
    assert call([*words, "--shifts", "24", "--try", "4M,4M,4M"]) == 0
    text = capsys.readouterr().out
    assert "4M,4M,4M dies: load_refused in boot 0: kexec_file_load" in text
    assert "<- choose" in text
    assert call([*words, "--shifts", "24", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["smallest"][0]["total_bytes"] < document["default"]["blocks"]["scratch_bytes"]
    assert call([*words, "--try", "4M"]) == 2
    assert call([*words, "--shifts", "99"]) == 2


def test_a_scenario_that_no_scratch_saves_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    doomed = SMALL.replace(
        "log_buf_len=8M}", "log_buf_len=8M, early: [{what: glutton, size: 2GiB}]}"
    )
    (tmp_path / "doomed.yaml").write_text(doomed)
    words = ["advise", "doomed.yaml", "--replicates", "1", "--workers", "1", "--shifts", "24"]
    assert call([*words, "-o", "a"]) == 1
    assert "no scratch is enough" in capsys.readouterr().out
