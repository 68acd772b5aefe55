"""The sliders of a notebook: what each of them changes, and what is shown then."""

from __future__ import annotations

import base64
import io
import sys

import pytest
from PIL import Image

import kho_sim as ks
from kho_sim.base.units import format_size

SMALL = (
    "machine: {memory: 4GiB}\n"
    "kernel: {command_line: 'log_buf_len=8M kho_scratch=64M,64M,64M'}\n"
    "workload: [{kind: memfd, size: 4MiB}]\n"
    "chain: {boots: 2, seed: 3}\n"
)
LOG_BUFFER = "log_buf_len=8M"


@pytest.fixture
def live():
    pytest.importorskip("ipywidgets", reason="ipywidgets is of the extra notebooks")
    return ks.play(ks.loads(SMALL))


def extended(live):
    return int(live.trace.boots["extended_bytes"].iloc[1])


def scratch_bytes(live):
    return sum(size for _, size in live.trace.boots["scratch_areas"].iloc[0])


def test_it_begins_with_the_scenario_as_it_is_given(live):
    assert live.scenario == ks.loads(SMALL)
    assert live.trace.digest == ks.run(ks.loads(SMALL)).digest
    assert (live.shift.value, live.memory.value, live.scratch.value) == (30, 4 << 30, "as given")
    assert "completed: all 2 kernels came up" in live.words
    assert Image.open(io.BytesIO(live.picture)).width > 1000


def test_a_slider_that_is_moved_draws_the_chain_anew(live):
    before, picture = extended(live), live.picture
    live.shift.value = 24
    assert live.scenario.kernel.extend.shift == 24
    assert extended(live) > before
    assert live.picture != picture
    assert format_size(extended(live)) in live.words
    picture = live.picture
    live.memory.value = 16 << 30
    assert live.scenario.machine.memory == 16 << 30
    assert live.scenario.kernel.extend.shift == 24
    assert extended(live) > 12 << 30
    assert live.picture != picture
    live.shift.value, live.memory.value = 30, 4 << 30
    assert live.trace.digest == ks.run(ks.loads(SMALL)).digest


def test_scratch_replaces_its_word_of_the_command_line_and_nothing_else(live):
    live.scratch.value = "50%"
    assert live.scenario.kernel.command_line == f"kho_scratch=50% {LOG_BUFFER}"
    half = scratch_bytes(live)
    live.scratch.value = "200%"
    assert scratch_bytes(live) > half
    live.scratch.value = "as given"
    assert live.scenario == ks.loads(SMALL)


def test_a_block_size_is_that_of_each_release(live):
    releases = "[{extend: {shift: 28}}, {release: '7.3'}]"
    two = ks.play(ks.with_values(ks.loads(SMALL), {"kernel.releases": releases}))
    two.shift.value = 21
    assert [two.scenario.kernel.at(boot).extend.shift for boot in (0, 1)] == [21, 21]


def test_another_figure_is_drawn_of_the_same_chain(live):
    trace, picture = live.trace, live.picture
    live.figure.value = "timeline"
    assert live.trace is trace
    assert live.picture != picture


def test_what_cannot_be_simulated_is_said_in_place_of_the_figure(live):
    cpus = ks.with_values(ks.loads(SMALL), {"machine.cpus": 512, "machine.firmware": "ovmf-q35"})
    many = ks.play(cpus)
    many.memory.value = 256 << 20
    assert "machine.memory" in many.words
    assert many.picture == b""
    many.memory.value = 4 << 30
    assert many.picture != b""


def test_memory_that_is_more_than_a_size_stays(live):
    nodes = ks.play(ks.loads("machine: {node_memory: [2GiB, 1GiB]}\nchain: {boots: 1}"))
    assert nodes.memory.disabled
    assert [value for _, value in nodes.memory.options] == [3 << 30]


def test_a_notebook_gets_the_sliders_and_a_web_page_the_picture(live):
    shown = live._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]) == live.picture
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert shown["text/plain"].startswith("<LiveChain of <Scenario: 4 GiB")


def test_a_figure_that_nobody_has_is_answered_with_the_nearest(live):
    with pytest.raises(ks.InputError, match="nearest: timeline"):
        ks.play(ks.loads(SMALL), figure="timelines")


def test_without_ipywidgets_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ks.EngineError, match=r"install kho-sim\[notebooks\]"):
        ks.play(ks.loads(SMALL))
