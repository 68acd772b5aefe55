"""The picture of a comparison: every pair, the interval, and what is the same."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from kho_sim.base.errors import InputError
from kho_sim.cli.app import call
from kho_sim.plots import paired_differences
from kho_sim.scenario import loads
from kho_sim.sweeps import sweep
from kho_sim.sweeps.compare import compare
from tests.plots.overlaps import outside_figure, touching_ticks
from tests.plots.test_figures import artists, drawn, words
from tests.plots.traces import SMALL

NAMES = {"A": "before", "B": "after"}


def runs(extended, seeds=6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run_id": [str(seed) for seed in range(seeds)],
            "state": "ok",
            "chain.seed": range(seeds),
            "replicate": 0,
            "seed": range(seeds),
            "outcome": "completed",
            "extended_bytes_min": [extended(seed) for seed in range(seeds)],
            "failures": 3,
        }
    )


def test_every_pair_is_a_mark_and_the_interval_a_bar():
    figure = paired_differences(
        compare(runs(lambda _: 5 << 30), runs(lambda seed: seed << 30)), NAMES
    )
    drawn(figure)
    (marks,) = artists(figure, "pairs-extended_bytes_min")
    assert list(marks.get_xdata()) == [(seed - 5) * 2**30 for seed in range(6)]
    (bar,) = artists(figure, "interval-")
    low, high = bar.get_xdata()
    assert low < -2.5 * 2**30 < high
    text = words(figure).replace("\n", " ")
    assert "mean 5 GiB -> 2.5 GiB" in text
    assert "The same in every pair: failures" in text
    assert "6 pairs: completed -> completed" in text
    assert not touching_ticks(figure)
    assert not outside_figure(figure)


def test_few_pairs_have_no_interval_and_equal_ones_a_sentence():
    few = paired_differences(compare(runs(int, 3), runs(lambda seed: 9 * seed, 3)), NAMES)
    assert not artists(few, "interval-")
    assert "too few pairs" in words(few)
    same = paired_differences(compare(runs(int), runs(int)), NAMES)
    drawn(same)
    assert "No number differs in any pair" in words(same)
    with pytest.raises(InputError, match="no pair"):
        paired_differences(compare(runs(int), runs(int).assign(replicate=1)), NAMES)


def test_compare_draws_and_names_what_is_the_same(tmp_path, capsys):
    axes = {"kernel.extend.shift": [24, 26], "chain.seed": [0, 1]}
    sweep(loads(SMALL), axes, tmp_path / "s", workers=1)
    picture = tmp_path / "p.png"
    only = ["--a", "kernel.extend.shift=24", "--b", "kernel.extend.shift=26"]
    assert call(["compare", str(tmp_path / "s"), *only, "-o", str(picture)]) == 0
    out, err = capsys.readouterr()
    assert picture.exists()
    assert str(picture) in err
    assert "the same in every pair: " in out
    assert "failures" in out.partition("the same in every pair")[2]
    assert call(["compare", str(tmp_path / "s"), *only, "--json"]) == 0
    assert "deltas" not in json.loads(capsys.readouterr().out)["differences"][0]
