"""Figures of verifications."""

from __future__ import annotations

import pytest

from kho_sim.base.errors import InputError
from kho_sim.plots import predicted_observed
from tests.plots.overlaps import touching_ticks
from tests.plots.test_figures import artists, drawn, words


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


@pytest.mark.parametrize("predicted", [1_000, 985, 1_047])
def test_labels_of_small_differences_do_not_touch_and_one_log_is_one(predicted: int) -> None:
    one = document()
    one["logs"][0]["boots"][0]["facts"]["radix_nodes"] |= {
        "predicted": predicted,
        "observed": 1_000,
    }
    figure = predicted_observed(one)
    assert not touching_ticks(figure)
    assert "1 log of real kernels, 1 boot" in words(figure)


def test_another_document_is_refused() -> None:
    with pytest.raises(InputError, match="verify"):
        predicted_observed({"schema": "kho-sim/run"})
