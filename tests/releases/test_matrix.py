"""Which release can hand over to which: the rule, the chains of a sweep, and the figure."""

from __future__ import annotations

from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.base.errors import InputError
from kho_sim.kho.versions import SURVIVAL, survival
from kho_sim.plots import handover_matrix, matrix_table
from kho_sim.releases import RELEASES, load_release

PAIR = Path(__file__).parents[2] / "scenarios" / "release-pair.yaml"
FROM, TO = "kernel.release", "kernel.releases[1].release"
NAMES = ("6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3", "7.4")
X, C, P, A, W = "misread", "cold boot", "panic", "areas", "everything"
MATRIX = {
    "6.17": (A, X, X, X, C, C, C, C),
    "6.18": (X, A, A, A, C, C, C, C),
    "6.19": (X, A, W, P, C, C, C, C),
    "7.0": (X, A, W, W, C, C, C, C),
    "7.1": (C, C, C, C, W, C, C, C),
    "7.2": (C, C, C, C, C, W, W, W),
    "7.3": (C, C, C, C, C, W, W, W),
    "7.4": (C, C, C, C, C, W, W, W),
}
"""Kernel-facts-releases 14."""


@pytest.mark.parametrize("sender", MATRIX)
def test_the_rule_is_the_matrix_of_the_facts(sender):
    found = [survival(load_release(sender), load_release(name)) for name in NAMES]
    assert tuple(found) == MATRIX[sender]


def test_every_pair_has_a_word_that_is_explained():
    releases = [load_release(name) for name in RELEASES]
    assert {survival(one, other) for one in releases for other in releases} <= set(SURVIVAL)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> ks.Sweep:
    values = ["6.19", "7.0", "7.3"]
    return ks.sweep(
        ks.load(str(PAIR)), {FROM: values, TO: values}, out=tmp_path_factory.mktemp("p")
    )


def test_the_chains_of_a_sweep_come_out_as_the_rule_says(sweep):
    table = matrix_table(sweep)
    assert list(table.index) == list(table.columns) == ["6.19", "7.0", "7.3"]
    assert table.to_numpy().tolist() == [
        ["all kept", "no update: boot_failed", "cold boot"],
        ["all kept", "all kept", "cold boot"],
        ["cold boot", "cold boot", "all kept"],
    ]


def test_the_figure_has_a_cell_for_each_pair(sweep):
    (axes,) = handover_matrix(sweep).axes
    (drawn,) = axes.tables
    words = [cell.get_text().get_text() for cell in drawn.get_celld().values()]
    assert words.count("all kept") == 4
    assert {"from 6.19", "to 7.3"} <= set(words)


def test_a_sweep_without_releases_is_refused(sweep):
    with pytest.raises(InputError, match=r"kernel\.releases\[1\]\.release"):
        matrix_table(sweep.runs().drop(columns=[TO]))
