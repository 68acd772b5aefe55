"""Callers keep their colours from figure to figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.colors import to_hex, to_rgb

import kho_sim.report
from kho_sim.plots import scratch_use
from kho_sim.plots.caller_colours import KNOWN, OTHERS, OWN_COLOURS, looks_of
from kho_sim.plots.memory_map import LOOK
from tests.plots.test_figures import artists
from tests.plots.traces import simulated, small


def drawn_looks(trace):
    figure = scratch_use(trace)
    bars = [*artists(figure, "scratch-"), *artists(figure, "beyond-")]
    return {bar.get_gid().partition("-")[2]: to_hex(bar.get_facecolor()).upper() for bar in bars}


def test_a_caller_has_one_colour_in_all_figures():
    one, other = drawn_looks(small()), drawn_looks(simulated("growing-kernel"))
    shared = one.keys() & other.keys()
    assert len(shared) > 2
    assert {name: one[name] for name in shared} == {name: other[name] for name in shared}
    for name in shared & KNOWN.keys():
        assert one[name] == KNOWN[name].colour


def test_no_two_callers_look_alike():
    assert len(set(KNOWN.values()) | {OTHERS}) == len(KNOWN) + 1
    own = [f"table {number}" for number in range(8)]
    assert len(set(looks_of([*KNOWN, *own]).values())) == len(KNOWN) + 8


def kinds_of_memory():
    """Colours of kinds of memory, on the page (light and dark) and in the figure of the map."""
    page = (Path(kho_sim.report.__file__).parent / "templates/page.css").read_text()
    kinds = "free|kept_off|extended|scratch|busy|preserved|tree|reserved"
    figure = {LOOK[kind][0] for kind in ("free", "kept_off", "extended", "scratch", "inherited")}
    return {*re.findall(rf"--(?:{kinds}): (#\w+)", page), *figure}


@pytest.mark.parametrize("colour", [*(look.colour for look in KNOWN.values()), *OWN_COLOURS])
def test_no_caller_has_the_colour_of_a_kind_of_memory(colour):
    assert len(kinds_of_memory()) > 12
    for kind in kinds_of_memory():
        apart = sum((a - b) ** 2 for a, b in zip(to_rgb(colour), to_rgb(kind), strict=True))
        assert apart**0.5 >= 0.1, f"{colour} is hardly another colour than {kind}"


def test_a_name_of_a_scenario_looks_the_same_beside_others():
    alone = looks_of(["new driver tables"])["new driver tables"]
    assert looks_of(["new driver tables", "memmap"])["new driver tables"] == alone
    assert alone not in KNOWN.values()
