"""Figures of sweeps: any axis is drawn, with what came of each chain, and nothing touches."""

from __future__ import annotations

import re
from itertools import product

import pandas as pd
import pytest

from kho_sim.base.errors import InputError
from kho_sim.plots import AXIS_FIGURES, extension_cost, outcomes, recovered
from kho_sim.plots.sweep_chains import LEFT_OUT, chains_of
from kho_sim.scenario import loads
from kho_sim.sweeps import sweep
from tests.plots.overlaps import outside_figure, touching_texts, touching_ticks
from tests.plots.test_figures import artists, drawn, words
from tests.plots.traces import SMALL

GIB = 1 << 30
SEEDS = 3
AXES = {
    "kernel.extend.shift": (21, 30, 33),
    "machine.memory": (1 * GIB, 2 * GIB, 8 * GIB, 2048 * GIB),
    "kernel.image": tuple(number * 20 << 20 for number in range(1, 40)),
    "kernel.extend.strategy": ("blocks", "none", "largest-gaps", "leave-scratch-only"),
    "kernel.release": ("6.16", "7.0", "7.1", "7.10", "7.9"),
    "kernel.kaslr": (True, False),
    "workload[0].folio": (4096, 2 << 20),
    "kernel.command_line": ("kho_scratch=8M,8M,8M hugepagesz=1G hugepages=40 quiet", "quiet", ""),
    "chain.uptime": (3600 * 10**9, 7 * 24 * 3600 * 10**9),
}


def runs(axes: dict[str, tuple], seeds: int = SEEDS, **columns: object) -> pd.DataFrame:
    """A sweep's table of runs: all combinations with some seeds."""
    rows = []
    for number, values in enumerate(product(*axes.values(), range(seeds))):
        *chosen, seed = values
        rows.append(
            {
                "run_id": f"r{number}", "state": "ok",
                **dict(zip(axes, chosen, strict=True)), "chain.seed": seed,
                "replicate": 0, "outcome": "completed", "outcome_boot": 2, "outcome_message": "",
                "boots": 3, "boots_without_extension": 2,
                "outcome_without_extension": "boot_failed", "failures": seed,
                "failures_without_extension": 7, "failures_avoided": 5,
                "extended_bytes_min": (number + seed + 1) << 28, "extend_ns_max": 1000 * number,
                "blackout_ns_max": 3_800_000_000 + number, "kernel_boot_ns_max": 10**9,
                "memory_regions_max": 40, "digest_pages_max": 6, **columns,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("key", AXES)
@pytest.mark.parametrize("draw", AXIS_FIGURES.values(), ids=AXIS_FIGURES)
def test_any_axis_is_drawn_and_nothing_touches(key, draw):
    figure = draw(runs({key: AXES[key]}))
    drawn(figure)
    assert not touching_ticks(figure)
    assert not touching_texts(figure)
    assert not outside_figure(figure)
    assert key.split(".")[-1] in words(figure) or key == "kernel.extend.shift"


def test_several_axes_make_series_of_the_others():
    figure = recovered(runs({"machine.memory": (GIB, 2 * GIB), **_one("kernel.extend.shift")}))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["memory 1GiB", "memory 2GiB"]
    assert "21\n2 MiB" in words(figure)
    turned = recovered(
        runs({"machine.memory": (GIB, 2 * GIB), **_one("kernel.extend.shift")}),
        over="machine.memory",
    )
    assert len(artists(turned, "median-extended_bytes_min")) == 3
    with pytest.raises(
        InputError, match=r"machine\.memry was not varied.*nearest: machine\.memory"
    ):
        recovered(runs(_one("machine.memory")), over="machine.memry")


def _one(key: str) -> dict[str, tuple]:
    return {key: AXES[key]}


def test_series_are_in_the_order_of_their_numbers_and_not_without_end():
    many = {"machine.memory": tuple(number * GIB for number in range(1, 31)), "chain.boots": (2, 9)}
    chains = chains_of(runs(many), over="chain.boots")
    assert chains.series[:3] == ("memory 1GiB", "memory 2GiB", "memory 3GiB")
    assert (len(chains.series), chains.left_out) == (14, 16)
    assert "14 of 30 combinations drawn" in words(recovered(runs(many), over="chain.boots"))


def test_the_line_is_the_median_over_seeds_and_the_band_all_of_them():
    figure = recovered(runs(_one("kernel.extend.shift")))
    (line,) = artists(figure, "median-extended_bytes_min")
    assert list(line.get_ydata()) == [(3 * point + 3) << 28 for point in range(3)]
    (band,) = artists(figure, "spread-extended_bytes_min")
    tops = band.get_paths()[0].vertices[:, 1]
    assert tops.max() == 11 << 28
    assert "the patch" in words(figure)


def test_names_have_marks_with_their_spread():
    figure = recovered(runs(_one("kernel.extend.strategy")))
    (marks,) = artists(figure, "median-failures-")
    assert marks.get_linestyle() == "None"
    assert len(marks.get_xdata()) == 4
    (bars,) = artists(figure, "spread-failures-")
    assert all(path.vertices[1, 1] - path.vertices[0, 1] == 2 for path in bars.get_paths())


def test_numbers_far_apart_are_on_a_logarithmic_axis_and_seeds_are_no_numbers():
    assert chains_of(runs(_one("machine.memory"))).axis.is_logarithmic
    assert not chains_of(runs(_one("kernel.image"))).axis.is_logarithmic
    assert not chains_of(runs({"kernel.release": ("7.3",)})).axis.is_number


def test_sizes_are_written_as_scenarios_have_them_and_words_that_differ():
    axis = chains_of(runs(_one("kernel.image"))).axis
    assert axis.names[:2] == ("20MiB", "40MiB")
    axis = chains_of(runs(_one("kernel.command_line"))).axis
    assert "" in axis.values or "(none)" in axis.names
    assert all(len(name) <= 32 for name in axis.names)
    own = runs(_one("kernel.image"), 1)
    own["kernel.image"] = own["kernel.image"].astype("Int64")
    own.loc[0, "kernel.image"] = pd.NA
    assert chains_of(own).axis.names[-1] == LEFT_OUT


def test_outcomes_show_shares_and_the_words_of_the_worst_chain():
    table = runs({"kernel.image": (20 << 20, 60 << 20)})
    table.loc[0, ["outcome", "outcome_boot", "outcome_message"]] = ["boot_failed", 1, "no memmap"]
    figure = outcomes(table)
    said = words(figure)
    assert "1 of 3 boot_failed in boot 1: no memmap" in said
    assert "2 of 3 completed, 2 early allocations refused" in said
    assert said.count("boot_failed in boot 1") == 1 + 2
    (bar,) = artists(figure.axes[0].figure, "dies-0")[:1]
    assert bar.get_width() == pytest.approx(1 / 3)


def test_many_points_of_a_number_are_marks():
    figure = outcomes(runs({"kernel.image": tuple(number << 20 for number in range(1, 61))}, 1))
    drawn(figure)
    assert len(artists(figure, "marks-dies")[0].get_xdata()) == 60
    assert not touching_ticks(figure)


def test_points_without_a_value_are_marked():
    table = runs({"kernel.image": (20 << 20, 60 << 20)})
    table.loc[table["kernel.image"] > 20 << 20, "extended_bytes_min"] = None
    figure = recovered(table)
    (cross,) = artists(figure, "unknown")
    assert list(cross.get_xdata()) == [60 << 20]


def test_what_is_nowhere_is_said_in_words():
    figure = recovered(runs(_one("machine.memory"), failures=0, failures_avoided=0))
    drawn(figure)
    text = words(figure)
    assert "original scratch alone would have served every early allocation" in text
    assert "none: no early allocation failed" in text
    assert not artists(figure, "median-failures-")


def test_a_sweep_without_chains_or_kho_boots_is_refused():
    table = runs(_one("machine.memory"))
    with pytest.raises(InputError, match="has come to an end"):
        outcomes(table.assign(outcome=None))
    facts = ["extend_ns_max", "memory_regions_max", "digest_pages_max"]
    with pytest.raises(InputError, match="KHO boot"):
        extension_cost(table.assign(**dict.fromkeys(facts, pd.NA)))


def test_scratch_on_the_command_line_is_an_axis_of_its_size(tmp_path):
    lines = ["kho_scratch=16M,16M,16M", "kho_scratch=24M,24M,16M"]
    swept = sweep(loads(SMALL), {"kernel.command_line": lines}, tmp_path / "s", workers=1)
    chains = chains_of(swept)
    assert chains.axis.values == (48 << 20, 64 << 20)
    assert re.search("scratch of the first kernel", words(outcomes(swept)))
    assert "48 MiB" in words(recovered(swept))
