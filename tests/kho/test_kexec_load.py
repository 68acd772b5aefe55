"""Where kexec puts the next kernel: recorded loads, and every page-aligned place tried."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.builds import load_build
from kho_sim.kho.load import LoadRefused, place_kernel, place_segments, source_page_count
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.loader import LoadRequest, Placement, Segment
from kho_sim.platform.x86_64 import X86_64

PAGE = 4096
MIB = 1 << 20
BUILD = load_build()
"""The recorded one (kernel-facts 11.1)."""
X86 = X86_64()
MACHINE_64G = [(0xB2400000, 0x9800000), (0xF66800000, 0x91000000), (0xEE0400000, 0x86400000)]
TINY_8G = [(0xBB400000, 0x800000), (0x233C00000, 0x1000000), (0x232C00000, 0x1000000)]
COMMON = "console=ttyS0 panic=-1 kho=on liveupdate=on nokaslr log_buf_len=8M obs.stage=1 "


def load(areas, command_line):
    return place_kernel(X86, areas, LoadRequest(BUILD, len(command_line)))


def setup_data_address(placements, command_line):
    return X86.load_kexec(placements, LoadRequest(BUILD, len(command_line))).parameters.start


def test_the_load_of_machine_64g():
    command_line = COMMON + "obs.boots=3 obs.nmfd=2 obs.mfd=1M obs_dump memblock=debug"
    placements = load(MACHINE_64G, command_line)
    assert {p.name: p.start for p in placements} == {
        "descriptors": 0xBBBF0000,
        "purgatory": 0xBBBFB000,
        "boot_params": 0xBBBF9000,
        "kernel": 0xBB000000,
        "initrd": 0xBACC2000,
    }
    assert setup_data_address(placements, command_line) == 0xBBBFA0B0


def test_the_load_of_tiny_8g_goes_to_two_areas():
    command_line = (
        COMMON + "obs.boots=2 obs.nmfd=1 obs.mfd=1M kho_scratch=8M,16M,16M obs_dump memblock=debug"
    )
    placements = load(TINY_8G, command_line)
    starts = {p.name: p.start for p in placements}
    assert (starts["kernel"], starts["initrd"]) == (0x234000000, 0xBB8B2000)
    assert setup_data_address(placements, command_line) == 0xBBBFA0C0


@pytest.mark.parametrize(
    ("sizes", "loads"),
    [((4, 4, 4), False), ((4, 8, 8), False), ((8, 16, 16), True), ((40, 4, 4), True)],
)
def test_the_smallest_scratch_that_loads(sizes, loads):
    """Kernel-facts 11.2: tinynoext-8G-* and tinyext-64G-* were refused or loaded like this."""
    tops = (0xBBC00000, 0x234C00000, 0x233C00000)
    areas = [(top - size * MIB, size * MIB) for top, size in zip(tops, sizes, strict=True)]
    result = load(areas, "x" * 140)
    assert isinstance(result, tuple) is loads
    if not loads:
        assert result == LoadRefused(X86.kexec_segments(LoadRequest(BUILD, 140))[2])
        assert result.message == "Cannot assign requested address"


@pytest.mark.parametrize(("length", "offset"), [(1, 4128), (2, 4144), (129, 4256), (130, 4272)])
def test_the_command_line_pushes_the_setup_data(length, offset):
    """4096 bytes of parameters, the line, its NUL and 30 bytes, rounded up to 16."""
    placements = (Placement("boot_params", 0, 8192), Placement("kernel", 2 * MIB, 12 * MIB))
    assert setup_data_address(placements, "x" * length) == offset


def test_a_kernel_is_loaded_with_or_without_an_initrd():
    without = replace(BUILD, initrd_bytes=0)
    areas = [(0x10000000, 64 * MIB)]
    for build, initrd in ((BUILD, Extent(0x130C2000, 0x13400000)), (without, None)):
        request = LoadRequest(build, 10)
        placed = place_kernel(X86, areas, request)
        names = ["descriptors", "purgatory", "boot_params", "kernel", *(["initrd"] * bool(initrd))]
        assert [place.name for place in placed] == names
        loaded = X86.load_kexec(placed, request)
        assert loaded.image == Extent(0x13400000, 0x13400000 + build.image_bytes)
        assert loaded.initrd == initrd
        assert loaded.parameters.size == 0x60
        assert loaded.by_kexec


@pytest.mark.parametrize(("pages", "source_pages"), [(1, 2), (510, 511), (511, 513)])
def test_source_pages_of_one_segment(pages, source_pages):
    """With its destination entry a segment of 511 pages needs a second indirection page."""
    assert source_page_count(Geometry(), [Placement("kernel", 0, pages * PAGE)]) == source_pages


def naive_places(areas, segments):
    """Try every page of every area, from the top; pages taken are a set."""
    taken, starts = set(), []
    for segment in segments:
        page_count = -(-segment.size_bytes // PAGE)
        for area_start, area_size in areas:
            tries = [
                start
                for start in range(area_start, area_start + area_size, PAGE)
                if start % segment.align_bytes == 0
                and start >= segment.min_address
                and start + page_count * PAGE <= area_start + area_size
                and taken.isdisjoint(range(start // PAGE, start // PAGE + page_count))
            ]
            if tries:
                starts.append(max(tries))
                taken |= set(range(starts[-1] // PAGE, starts[-1] // PAGE + page_count))
                break
        else:
            return starts, segment
    return starts, None


AREAS = st.lists(st.integers(1, 40), min_size=1, max_size=3).flatmap(
    lambda sizes: st.permutations(
        [((index * 64 + 3) * PAGE, size * PAGE) for index, size in enumerate(sizes)]
    )
)
SEGMENTS = st.lists(
    st.builds(
        Segment,
        name=st.just("segment"),
        size_bytes=st.integers(1, 12 * PAGE),
        align_bytes=st.sampled_from([PAGE, 2 * PAGE, 8 * PAGE]),
        min_address=st.sampled_from([0, 10 * PAGE, 70 * PAGE]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150)
@given(AREAS, SEGMENTS)
def test_places_agree_with_trying_every_page(areas, segments):
    starts, refused = naive_places(areas, segments)
    result = place_segments(PAGE, areas, segments)
    if refused:
        assert result == LoadRefused(refused)
    else:
        assert [placement.start for placement in result] == starts
