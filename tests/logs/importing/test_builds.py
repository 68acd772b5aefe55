"""Which build a log shows, and where KASLR put its kernels."""

from __future__ import annotations

import lzma
from functools import cache

import pytest

from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log_lines
from tests.memory.early.recorded import LOGS


@cache
def lines_of(name):
    return tuple(lzma.decompress((LOGS / f"{name}.log.xz").read_bytes()).split(b"\n"))


def imported(name, *, without=b"", **changes):
    """Import a recorded log with other text in some lines, and lines left out."""
    lines = []
    for line in lines_of(name):
        if without and without in line:
            continue
        for old, new in changes.values():
            line = line.replace(old, new)
        lines.append(line)
    return scenario_from_trace(read_boot_log_lines(lines, name))


@pytest.mark.parametrize("name", ["d-q35-8G-nola57", "d-q35-numa2-8G-dist", "d-pc-8G-nokaslr"])
def test_a_log_of_the_distro_build_names_it_and_repeats_no_size(name):
    found = imported(f"x86-distro/{name}")
    kernel = found.scenario["kernel"]
    assert kernel["build"] == "distro"
    assert not {"node_data", "per_cpu_reserved", "per_cpu_dynamic", "config", "early"} & set(kernel)
    assert not [note for note in found.notes if "build" in note]


@pytest.mark.parametrize("name", ["machine-8G", "b-machine-8G", "numa2-16G-huge"])
def test_a_log_of_the_lab_build_is_as_before(name):
    kernel = imported(name).scenario["kernel"]
    assert not {"build", "placed", "node_data", "config"} & set(kernel)


def test_another_build_is_the_nearest_one_with_what_differs():
    found = imported(
        "x86-distro/d-q35-8G-nola57",
        node=(
            b"NODE_DATA(0) allocated [mem 0x27b7d2f80-",
            b"NODE_DATA(0) allocated [mem 0x27b7ce000-",
        ),
        percpu=(b"s163840 r8192 d28672", b"s200704 r8192 d28672"),
        without=b"Registered nosave memory",
    )
    kernel = found.scenario["kernel"]
    assert kernel["build"] == "distro"
    assert kernel["node_data"] == 0x30000
    assert kernel["per_cpu_static"] == 200704
    assert kernel["config"] == {"hibernation": False}
    assert "per_cpu_reserved" not in kernel
    assert any("none of the recorded builds" in note for note in found.notes)
    found.to_scenario()


def test_levels_of_page_tables_and_distances_are_read():
    assert imported("x86-distro/d-q35-8G-nola57").scenario["machine"]["page_table_levels"] == 4
    other = imported("x86-distro/d-q35-numa2-8G-dist").scenario["machine"]
    assert other["node_distances"] is True
    assert "page_table_levels" not in other


def test_places_of_kaslr_are_read_for_each_boot():
    """The image from /proc/iomem or the first reservations, the tables from the requests."""
    placed = imported("x86-distro/d-q35-8G-nola57").scenario["kernel"]["placed"]
    assert placed[0] == {"image": 0x41200000, "direct_map_pages": 2, "entry_area_tables": 5}
    assert len({place["image"] for place in placed}) == 3
    assert "placed" not in imported("x86-distro/d-pc-8G-nokaslr").scenario["kernel"]


def test_without_the_requests_the_likely_number_of_tables_is_taken():
    placed = imported("x86-distro/d-q35-numa2-8G-dist", without=b"memblock").scenario["kernel"]
    assert {place["entry_area_tables"] for place in placed["placed"]} == {2 * 4 + 1}
