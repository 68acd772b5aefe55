"""Paired comparison of two sweeps, against pairs that are picked by hand."""

import numpy as np
import pandas as pd
import pytest

from kho_sim.base.errors import InputError
from kho_sim.sweeps.compare import compare
from kho_sim.sweeps.interval import FREEDOM_MAX, mean_interval, t_quantile

SHIFTS = (22, 26, 30)


def table(values, *, shifts=SHIFTS, replicates=2, extra=None):
    """A table as ``Sweep.runs()`` gives it; ``values`` are failures by (shift, replicate)."""
    rows = [
        {
            "run_id": f"{shift}-{replicate}",
            "state": "ok",
            "kernel.extend.shift": shift,
            **(extra or {}),
            "replicate": replicate,
            "seed": replicate,
            "outcome": "completed" if values(shift, replicate) < 50 else "boot_failed",
            "outcome_boot": 1,
            "outcome_message": "",
            "failures": values(shift, replicate),
        }
        for replicate in range(replicates)
        for shift in shifts
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def failures(comparison):
    return next(one for one in comparison.differences if one.name == "failures")


def test_pairs_are_subtracted_one_by_one():
    a = table(lambda shift, replicate: 100 * replicate + shift)
    b = table(lambda shift, replicate: 100 * replicate + shift - 10 - replicate)
    found = failures(compare(a, b))
    assert (found.pairs, found.mean_difference) == (6, -10.5)
    # Between replicates there is a spread of 100; pairing takes it out.
    assert -11.1 <= found.low <= -10.5 <= found.high <= -9.9


def test_runs_without_a_partner_are_counted_and_left_out():
    a, b = table(lambda *_: 1), table(lambda *_: 3, shifts=(26, 30, 34))
    found = compare(a, b)
    assert (found.pairs, found.unpaired_a, found.unpaired_b) == (4, 2, 2)
    assert (failures(found).mean_difference, failures(found).low) == (2, None)


def test_two_values_of_one_sweep_are_compared():
    runs = table(lambda shift, replicate: shift + replicate, replicates=7)
    only_a, only_b = {"kho.ext_shift": "22"}, {"kernel.extend.shift": "30"}
    found = compare(runs, runs, only_a=only_a, only_b=only_b)
    assert found.compared == ("kernel.extend.shift",)
    assert found.paired_by == ("replicate",)
    assert (found.pairs, failures(found).mean_difference) == (7, 8)
    assert (failures(found).low, failures(found).high) == (8, 8)


def test_outcomes_are_counted_by_pairs():
    a = table(lambda shift, _: 99 if shift == 22 else 0)
    b = table(lambda *_: 0)
    assert compare(a, b).outcomes == (
        ("boot_failed", "completed", 2),
        ("completed", "completed", 4),
    )


def test_a_run_with_two_partners_is_refused():
    runs = table(lambda *_: 0)
    with pytest.raises(InputError, match=r"choose one value of kernel\.extend\.shift"):
        compare(runs, runs.drop(columns="kernel.extend.shift").drop_duplicates("replicate"))


def test_unknown_parameters_and_empty_choices_are_reported():
    runs = table(lambda *_: 0)
    with pytest.raises(InputError, match=r"nearest: kernel\.extend\.shift"):
        compare(runs, runs, only_a={"kernel.extend.shfit": "22"})
    with pytest.raises(InputError, match=r"no run with kernel\.extend\.shift=23"):
        compare(runs, runs, only_a={"kernel.extend.shift": "23"})


@pytest.mark.parametrize(
    ("key", "texts", "stored", "shown"),
    [
        ("machine.memory", ["512MiB", "512M", "536870912"], 512 << 20, "512MiB"),
        ("chain.uptime", ["60m", "1h", str(3600 * 10**9)], 3600 * 10**9, "1h 00m"),
        ("kernel.kaslr", ["true", "True"], True, "True"),
    ],
)
def test_values_are_chosen_as_a_scenario_has_them(key, texts, stored, shown):
    runs = table(lambda *_: 1, extra={key: stored})
    for text in texts:
        assert compare(runs, runs, only_a={key: text}).pairs == 6
    with pytest.raises(InputError, match=f"no run with {key}=64KiB; values of these runs: {shown}"):
        compare(runs, runs, only_a={key: "64KiB"})


def test_other_seeds_are_noticed():
    a, b = table(lambda *_: 0), table(lambda *_: 0)
    assert compare(a, b).same_seeds
    assert not compare(a, b.assign(seed=b["seed"] + 7)).same_seeds


@pytest.mark.parametrize("pairs", [5, 6, 30])
@pytest.mark.parametrize("shape", ["normal", "uniform"])
def test_the_interval_covers_the_mean_as_often_as_it_says(shape, pairs):
    rng = np.random.default_rng(3)
    count = 4000
    draw = {"normal": rng.normal, "uniform": lambda size: rng.uniform(-1, 1, size)}[shape]
    samples = draw(size=(count, pairs)).tolist()
    covered = sum(low <= 0 <= high for low, high in map(mean_interval, samples))
    assert (0.94 if shape == "normal" else 0.92) <= covered / count <= 0.965


@pytest.mark.parametrize(
    ("freedom", "printed"),
    [(1, 12.7062), (2, 4.3027), (4, 2.7764), (5, 2.5706), (30, 2.0423), (120, 1.9799)],
)
def test_quantiles_are_those_of_printed_tables(freedom, printed):
    worked_out = t_quantile.__wrapped__  # not what is kept of an earlier test
    assert worked_out(freedom) == pytest.approx(printed, abs=5e-5)


def test_quantiles_of_many_pairs_go_over_into_those_of_the_normal_distribution():
    assert t_quantile(FREEDOM_MAX) == pytest.approx(t_quantile(FREEDOM_MAX + 1), abs=1e-5)
    assert t_quantile(10**6) == pytest.approx(1.959966, abs=1e-5)
