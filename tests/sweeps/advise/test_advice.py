"""The advice for small hosts, held to single runs; and what real kernels said to small scratch."""

import json

import pytest

from kho_sim.base.errors import InputError
from kho_sim.chain import run_scenario
from kho_sim.cli.app import call
from kho_sim.layout import Layout
from kho_sim.scenario import loads, with_values
from kho_sim.sweeps import open_sweep
from kho_sim.sweeps.advise import Areas, advise, parse_areas
from kho_sim.sweeps.advise.advice import choose_shift
from kho_sim.sweeps.advise.adviser import answer
from kho_sim.sweeps.advise.areas import with_scratch, with_strategy
from kho_sim.sweeps.advise.evidence import Chain, ShiftRow
from kho_sim.sweeps.advise.search import Answer
from kho_sim.sweeps.advise.text import advice_text, lead

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
    return advised_for(SMALL, out, tries=[Areas(1, 1, 1)])


def advised_for(text, out, **options):
    return advise(loads(text), out, shifts=(22, 24, 28), replicates=2, workers=1, **options)


def ended(text, setup, seed):
    """Run the chain of a setup by itself."""
    scenario = with_values(loads(text), {"chain.twin": False, "chain.seed": seed})
    extension = with_strategy(scenario, setup.strategy, setup.shift)
    return run_scenario(with_values(scenario, {**with_scratch(scenario, setup.areas), **extension}))


def test_every_chain_that_is_named_ends_so_when_it_is_run_by_itself(advice):
    assert advice.seeds == (0, 1)
    for trial in advice.trials:
        trace = ended(SMALL, trial.setup, trial.seed)
        found = (trace.outcome.kind, trace.outcome.boot, trace.outcome.message)
        assert found == (trial.chain.outcome, trial.chain.boot, trial.chain.message)


def test_what_is_advised_survives_with_all_seeds_at_the_block_size_of_the_search(advice):
    assert advice.advised.shift == advice.shift
    trials = advice.trials_of(advice.advised)
    assert [trial.seed for trial in trials] == [0, 1]
    assert all(trial.chain.is_clean for trial in trials)
    for one in advice.smallest:
        trials = advice.trials_of(advice.searched(one.areas, one.strategy))
        assert [trial.chain.has(one.grade) for trial in trials] == [True, True]


def test_a_step_less_was_tried_and_is_not_enough(advice):
    for one in advice.smallest:
        below = [
            trial
            for trial in advice.trials
            if trial.setup.strategy == one.strategy
            and trial.setup.areas
            and trial.setup.areas.is_next_below(one.areas)
        ]
        assert below
        assert not any(trial.chain.has(one.grade) for trial in below if trial.seed == 0)


def test_the_extension_saves_and_cleanliness_costs(advice):
    sizes = {(one.strategy, one.grade): one.areas.total_bytes(1) for one in advice.smallest}
    assert sizes["blocks", "survives"] < sizes["blocks", "clean"] <= sizes["none", "clean"]
    assert sizes["blocks", "survives"] < sizes["none", "survives"] < sizes["none", "clean"]
    own_bytes = advice.default("blocks")[0].chain.scratch_bytes
    assert own_bytes > sizes["blocks", "clean"]
    assert "The extension lets 20 MiB of scratch do, where without it 36 MiB are needed." in lead(
        advice
    )


def test_the_text_says_first_whether_the_kernels_own_sizes_survive(advice):
    assert str(advice).startswith("The kernel's own sizes: with the extension (blocks of 1 GiB)")
    assert "Seeds: 0, 1." in str(advice)


def test_areas_of_the_user_are_tried(advice):
    tried = [advice.trials_of(advice.searched(Areas(1, 1, 1), s)) for s in ("blocks", "none")]
    assert [[trial.chain.outcome for trial in trials] for trials in tried] == [
        ["load_refused", "load_refused"],
        ["load_refused", "load_refused"],
    ]


def test_chains_behind_the_advice_are_a_sweep_and_are_used_again(advice):
    stored = open_sweep(advice.directory)
    assert stored.counts() == {"ok": advice.chains}
    parts = sorted((advice.directory / "runs").iterdir())
    assert advised_for(SMALL, advice.directory, tries=[Areas(1, 1, 1)]) == advice
    assert sorted((advice.directory / "runs").iterdir()) == parts


def test_a_budget_ends_the_search_and_is_said(tmp_path):
    found = advised_for(SMALL, tmp_path / "a", chains=8)
    assert found.chains <= 8
    assert "The budget of 8 chains ended the search" in lead(found)[1]
    assert max(map(len, advice_text(found, Layout(80)))) <= 80
    assert "the budget ended the search" in " ".join(str(found).split())
    with pytest.raises(InputError, match="7 chains are too few"):
        advised_for(SMALL, tmp_path / "b", chains=7)


NO_DIFFERENCE = """
machine: {memory: 1GiB, cpus: 2}
kernel: {release: "7.2"}
chain: {boots: 2}
"""


def test_where_the_extension_changes_nothing_that_is_said(tmp_path):
    found = advised_for(NO_DIFFERENCE, tmp_path / "a")
    assert "it changes nothing here" in lead(found)[2]


def chain(**facts):
    zeros = dict.fromkeys(("scratch_bytes", "refused", "gigantic_missing", "extended_bytes"), 0)
    return Chain(
        **{"run_id": "x", "outcome": "completed", "boot": 1, "message": "", **zeros, **facts}
    )


@pytest.mark.parametrize(
    ("facts", "survives", "clean"),
    [
        ({}, Answer.FINE, Answer.FINE),
        ({"refused": 1}, Answer.FINE, Answer.SMALL),
        ({"gigantic_missing": 1}, Answer.SMALL, Answer.SMALL),
        ({"killed": 1}, Answer.LARGE, Answer.LARGE),
        ({"outcome": "boot_failed"}, Answer.SMALL, Answer.SMALL),
        ({"outcome": "load_refused"}, Answer.SMALL, Answer.SMALL),
        ({"outcome": "kho_disabled"}, Answer.LARGE, Answer.LARGE),
        ({"outcome": "preserve_failed"}, Answer.LARGE, Answer.LARGE),
    ],
)
def test_what_a_chain_says_to_its_areas(facts, survives, clean):
    assert answer(chain(**facts), "survives") is survives
    assert answer(chain(**facts), "clean") is clean


def row(shift, recovered_gib, survives=True, refused=0):
    return ShiftRow(shift, survives, refused, recovered_gib << 30, 0, 0, 0)


def test_the_largest_block_that_recovers_about_as_much_is_chosen():
    rows = [row(21, 1000), row(25, 995), row(30, 985), row(36, 0)]
    assert choose_shift(rows) == 25
    assert choose_shift([row(21, 1000), row(25, 995, survives=False), row(30, 985)]) == 21
    assert choose_shift([row(21, 1000, refused=2), row(25, 995, refused=2), row(36, 0)]) == 36
    assert choose_shift([row(30, 1, survives=False)]) is None


def test_the_verb_prints_advice_and_refuses_what_is_no_sizes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    words = ["advise", "small.yaml", "--replicates", "1", "--workers", "1", "-o", "a"]
    assert call([*words, "--shifts", "24", "--try", "4M,4M,4M"]) == 0
    text, said = capsys.readouterr()
    text = " ".join(text.split())
    assert "of at most 80 chains, at most about" in said
    assert "4M,4M,4M dies with seed 0: load_refused in boot 0: kexec_file_load" in text
    assert "<- advised" in text
    assert call([*words, "--shifts", "24", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["advised"]["total_bytes"] < document["trials"][0]["scratch_bytes"]
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
    assert "No scratch that was tried lets this chain survive." in capsys.readouterr().out
