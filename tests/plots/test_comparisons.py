"""Figures of sweeps and of verifications."""

from __future__ import annotations

import pandas as pd
import pytest

from kho_sim.base.errors import InputError
from kho_sim.plots import SWEEP_FIGURES, cost_by_shift, predicted_observed, recovered_by_shift
from kho_sim.plots.shifts import chains_by_shift
from tests.plots.test_figures import artists, drawn, words

SHIFTS = (21, 30, 33)
SEEDS = 3
CHAIN = ((0, "cold", False), (1, "kho", False), (2, "kho", False), (1, "kho", True))


def boots(**columns: object) -> pd.DataFrame:
    """A sweep's table of boots: a cold one and two KHO boots a chain, the twin's between them."""
    rows = [
        {
            "run_id": f"{shift}-{seed}",
            "kernel.extend.shift": shift,
            "chain.seed": seed,
            "kind": kind,
            "twin": twin,
            "boot": boot,
            "extended_bytes": (100 - shift + seed - boot) << 30,
            "failures_avoided": 5,
            "failures": seed,
            "extend_ns": shift * 1000,
            "memory_regions_after": 40 - shift,
            "digest_pages": 6,
            **columns,
        }
        for shift in SHIFTS
        for seed in range(SEEDS)
        for boot, kind, twin in (
            (0, "cold", False),
            (1, "kho", False),
            (2, "kho", False),
            (1, "kho", True),
        )
    ]
    return pd.DataFrame(rows)


def test_a_chain_counts_once_with_its_worst_boot_and_without_its_twin() -> None:
    facts = {"extended_bytes": "min", "failures_avoided": "sum"}
    chains = chains_by_shift(boots(), facts)
    assert len(chains) == len(SHIFTS) * SEEDS
    first = chains[(chains["shift"] == 21) & (chains["run_id"] == "21-0")].iloc[0]
    assert first["extended_bytes"] == (100 - 21 - 2) << 30
    assert first["failures_avoided"] == 10


BY_SHIFT = {name: draw for name, draw in SWEEP_FIGURES.items() if name.endswith("_by_shift")}


@pytest.mark.parametrize("draw", BY_SHIFT.values(), ids=BY_SHIFT)
def test_lines_are_medians_and_bands_reach_from_least_to_most(draw) -> None:
    figure = draw(boots())
    drawn(figure)
    assert len(artists(figure, "median-")) == len(artists(figure, "spread-")) == 3
    for axes in figure.axes:
        assert axes.get_ylabel()
    assert "block shift" in figure.axes[-1].get_xlabel()
    assert "21\n2 MiB" in words(figure)


def test_the_line_is_the_median_over_seeds() -> None:
    (line,) = artists(recovered_by_shift(boots()), "median-extended_bytes")
    assert list(line.get_ydata()) == [(100 - shift + 1 - 2) << 30 for shift in SHIFTS]
    (band,) = artists(recovered_by_shift(boots()), "spread-extended_bytes")
    tops = band.get_paths()[0].vertices[:, 1]
    assert tops.max() - tops[tops > 0].min() == (33 - 21 + SEEDS - 1) << 30


def test_another_varied_place_makes_lines_of_its_own() -> None:
    both = pd.concat(
        [
            boots(**{"machine.memory": 2 << 30}),
            boots(**{"machine.memory": 4 << 30}).assign(run_id=lambda f: f["run_id"] + "b"),
        ]
    )
    figure = cost_by_shift(both)
    assert len(artists(figure, "median-extend_ns")) == 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["memory 2GiB", "memory 4GiB"]


def test_a_sweep_without_shifts_or_kho_boots_is_refused() -> None:
    with pytest.raises(InputError, match=r"kernel\.extend\.shift"):
        recovered_by_shift(boots().drop(columns="kernel.extend.shift"))
    with pytest.raises(InputError, match="no chain"):
        cost_by_shift(boots()[lambda frame: frame["kind"] == "cold"])


def document() -> dict:
    fact = {"predicted": 110, "observed": 100, "exact": False, "close": True}
    same = {"predicted": [1, 2], "observed": [1, 2], "exact": True}
    return {
        "schema": "kho-sim/verify",
        "schema_version": 1,
        "logs": [
            {
                "log": "a",
                "boots": [{"boot": 1, "facts": {"radix_nodes": fact, "busy_blocks": same}}],
            }
        ],
        "totals": {
            "logs": 1,
            "boots": 1,
            "placements": {"compared": 8, "exact": 6},
            "outcomes": {"compared": 1, "exact": 1},
            "steps": {"busy_blocks": {"compared": 4, "exact": 4}},
            "facts": {
                "radix_nodes": {"compared": 1, "exact": 0, "close": 1},
                "busy_blocks": {"compared": 1, "exact": 1},
            },
        },
    }


def test_predicted_and_observed_are_counted_and_their_difference_is_relative() -> None:
    figure = predicted_observed(document())
    drawn(figure)
    assert "6 of 8" in words(figure)
    assert "0 of 1" in words(figure)
    assert len(artists(figure, "outside its tolerance")) == 1
    (line,) = artists(figure, "difference-radix_nodes")
    assert list(line.get_xdata()) == [pytest.approx(0.1)]
    (line,) = artists(figure, "difference-busy_blocks")
    assert list(line.get_xdata()) == [0]


def test_another_document_is_refused() -> None:
    with pytest.raises(InputError, match="verify"):
        predicted_observed({"schema": "kho-sim/run"})


def test_what_is_nowhere_is_said_in_words() -> None:
    figure = recovered_by_shift(boots(failures=0, failures_avoided=0))
    drawn(figure)
    text = words(figure)
    assert "original scratch alone would have served every early allocation" in text
    assert "none: no early allocation failed" in text
    assert not artists(figure, "median-failures")
    assert "none" not in words(recovered_by_shift(boots()))


def test_series_are_in_the_order_of_their_numbers() -> None:
    frame = pd.concat([boots(), boots()], ignore_index=True)
    frame["machine.memory"] = [(16 if row % 2 else 8) << 30 for row in range(len(frame))]
    frame["run_id"] += frame["machine.memory"].astype(str)
    (legend,) = recovered_by_shift(frame).legends
    assert [text.get_text() for text in legend.get_texts()] == ["memory 8GiB", "memory 16GiB"]
