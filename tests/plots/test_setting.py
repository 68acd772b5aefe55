"""What stands below the title of a figure."""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.plots.style import setting


@pytest.mark.parametrize("page", ["4KiB", "16KiB", "64KiB"])
def test_a_figure_of_arm64_names_platform_and_page_size(page):
    scenario = ks.scenario.from_dict(
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
    scenario = ks.scenario.from_dict(
        {"description": "a host", "machine": {"memory": "4GiB"}, "chain": {"boots": 1}}
    )
    assert setting(ks.run(scenario)).startswith("a host · extension: blocks of 1GiB · seed ")
