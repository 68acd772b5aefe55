"""What stands below the title of a figure."""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.plots.style import SUBTITLE_CHARS, setting
from kho_sim.plots.waterfall import waterfall
from kho_sim.scenario import from_dict

NO_EXTENSION = {
    "machine": {"memory": "4GiB"},
    "kernel": {"extend": {"strategy": "none"}},
    "workload": [{"kind": "memfd", "size": "1MiB"}],
    "chain": {"boots": 2, "twin": False, "seed": 3},
}


@pytest.mark.parametrize("page", ["4KiB", "16KiB", "64KiB"])
def test_a_figure_of_arm64_names_platform_and_page_size(page):
    scenario = from_dict(
        {
            "description": "a host",
            "machine": {"platform": "arm64", "memory": "8GiB", "cpus": 2},
            "kernel": {"page_size": page, "extend": {"strategy": "none"}},
            "chain": {"boots": 1, "twin": False},
        }
    )
    words = f"a host · arm64, pages of {page} · extension: none · seed "
    assert setting(ks.run(scenario)).startswith(words)


def test_a_figure_of_x86_64_names_what_differs_only():
    scenario = from_dict(
        {"description": "a host", "machine": {"memory": "4GiB"}, "chain": {"boots": 1}}
    )
    assert setting(ks.run(scenario)).startswith("a host · extension: blocks of 1GiB · seed ")


@pytest.mark.parametrize("description", ["", "a host that is told of in " + "many words " * 30])
def test_words_of_a_scenario_leave_room_for_what_else_there_is(description):
    text = setting(ks.run(from_dict({**NO_EXTENSION, "description": description})))
    assert text.endswith("extension: none · seed 3")
    assert len(text) <= SUBTITLE_CHARS
    assert not text.startswith(" ")


def test_a_phase_that_did_not_take_place_is_no_part_of_an_update():
    """A kernel without the extension takes 0 ns for it."""
    axes = waterfall(ks.run(from_dict(NO_EXTENSION))).axes[0]
    phases = [label.get_text() for label in axes.get_yticklabels()]
    assert "retrieve" in phases
    assert "extend" not in phases
