"""The report of a sweep: points in the order of their axes, sizes as written, and how they end."""

from __future__ import annotations

import pytest

from kho_sim.layout import Layout
from kho_sim.report.sweep import points_table, sweep_text
from kho_sim.scenario import loads
from kho_sim.sweeps import sweep

SCENARIO = """
description: A host of 1 GiB with two memfds
machine: {memory: 1GiB, cpus: 2}
kernel: {command_line: "kho_scratch=24M,24M,16M", extend: {strategy: blocks, shift: 26}}
workload: [{kind: memfd, count: 2, size: 4MiB}]
chain: {boots: 2, uptime: 1h}
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    sizes = [image << 20 for image in (60, 20, 80, 120)]
    folder = tmp_path_factory.mktemp("sweep") / "images"
    return sweep(loads(SCENARIO), {"kernel.image": sizes}, folder, workers=1)


def test_points_are_in_the_order_of_their_values_and_say_how_they_end(images):
    points = points_table(images)
    assert points["kernel.image"].tolist() == [image << 20 for image in (20, 60, 80, 120)]
    assert points["outcome"][0] == "completed"
    assert points["outcome"][1].startswith("load_refused in boot 0: kexec_file_load: ")
    assert points["outcome_without_extension"][1] == "load_refused in boot 0"


def test_dead_points_have_their_boot_and_reason_and_sizes_are_as_written(images):
    for width in (80, 120):
        text = sweep_text(images, Layout(width))
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.split()[:3] == ["60MiB", "0/1", "load_refused"] for line in lines)
        assert "image 60MiB, 80MiB, 120MiB: load_refused in boot 0: kexec_file_load" in text
        assert str(60 << 20) not in text


def test_points_of_two_axes_are_named_by_their_values(tmp_path):
    axes = {"kernel.extend.strategy": ["none", "blocks"], "machine.memory": ["8GiB", "1GiB"]}
    swept = sweep(loads(SCENARIO), axes, tmp_path / "s", workers=1)
    points = points_table(swept)
    assert points["kernel.extend.strategy"].tolist() == ["blocks", "blocks", "none", "none"]
    assert points["machine.memory"].tolist() == [1 << 30, 8 << 30] * 2
    text = sweep_text(swept)
    assert "  none 8GiB: boot_failed in boot 1: " in text
    assert "  blocks 8GiB, none 8GiB: boot_failed in boot 1" in text
    assert swept.runs()["machine.memory"].tolist() == [1 << 30, 8 << 30] * 2
