"""Machines on which what a loader placed is not memory as a whole to the kernel that it starts."""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.base.extent import Extent
from kho_sim.chain.build import build_plan
from kho_sim.scenario import from_dict

MIB = 1 << 20
TWO_GIB = {"memory": "2GiB"}
CUT = {
    "the first initrd": {"kernel": {"command_line": "mem=1G"}},
    "a part of an image": {"kernel": {"command_line": "memmap=8M$17M"}},
    "pages of a distribution's image": {
        "kernel": {"command_line": "memmap=512$0x1600100,4K$17M", "build": "distro"}
    },
}


@pytest.mark.parametrize("scenario", CUT.values(), ids=CUT)
def test_what_a_command_line_takes_from_the_map_is_not_freed(scenario):
    trace = ks.run(from_dict({"machine": TWO_GIB, **scenario}))
    assert trace.outcome.kind == "completed"


def test_a_page_that_two_nodes_share_is_not_freed_with_the_initrd_over_it():
    border, end = 0xECB0_C000 + 512, 0xECB2_0000
    ranges = [
        {"start": "2MiB", "end": "66MiB"},
        {"start": 0xDCB0_0000, "end": border, "node": 1},
        {"start": border, "end": end},
    ]
    trace = ks.run(from_dict({"machine": {"memory_map": ranges}}))
    assert trace.outcome.kind == "completed"


def test_a_node_without_a_whole_page_is_served_by_others():
    """Boot begins on node 1, whose page lies across two."""
    half = 0xC040_0000 - 2048
    ranges = [
        {"start": "1GiB", "end": "3GiB", "node": 2},
        {"start": half, "end": half + 4096, "node": 1},
    ]
    trace = ks.run(from_dict({"machine": {"platform": "arm64", "memory_map": ranges}}))
    assert trace.outcome.message == "KHO: Failed to reserve nid 1 scratch buffer"


@pytest.mark.parametrize("page_size", ["4KiB", "16KiB", "64KiB"])
@pytest.mark.parametrize("image", ["1MiB", 1_000_001])
def test_an_image_that_ends_before_its_build_s_init_section_gives_nothing_back(page_size, image):
    """Its pages would be those of whoever has the memory behind the image."""
    kernel = {"image": image, "page_size": page_size, "command_line": "kho_scratch=32M,512M,512M"}
    scenario = from_dict(
        {
            "machine": {"memory": "4GiB", "platform": "arm64"},
            "kernel": kernel,
            "workload": [{"kind": "memfd", "size": "100MiB", "count": 2, "grow": 1}],
            "chain": {"boots": 4},
        }
    )
    build = build_plan(scenario).kernels[0].build
    assert build.freed_parts(Extent(0, build.image_bytes)) == ()
    assert ks.run(scenario).outcome.kind == "completed"
