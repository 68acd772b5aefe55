"""Machines of arm64 that nobody recorded: memory that begins anywhere, holes that firmware keeps,
nodes of unequal size, crash kernels. Whatever their shape, the rules of the facts hold.
"""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.platform.geometry import ARM64_GEOMETRIES
from kho_sim.scenario import from_dict
from kho_sim.trace.records import Allocation, PreservedRun, RegionRow, TablePage
from tests.platform.arm64.machines import GIB, KIB

NOMAP = 0x04


def memory(*ranges: tuple[int, int] | tuple[int, int, int], holes=(), cpus=4, **kernel):
    """Return a chain on (start, end) or (start, end, node), some of it kept by firmware."""
    parts = [dict(zip(("start", "end", "node"), part, strict=False)) for part in ranges]
    parts += [{"start": start, "end": end, "kind": "nomap"} for start, end in holes]
    parts.sort(key=lambda part: part["start"])
    machine = {"platform": "arm64", "cpus": cpus, "memory_map": parts}
    return {"machine": machine, "kernel": kernel}


def virt(size, page_size, line="", firmware="qemu-virt"):
    machine = {"platform": "arm64", "memory": size, "cpus": 4, "firmware": firmware}
    return {"machine": machine, "kernel": {"page_size": page_size, "command_line": line}}


SHAPES = {
    "begins at an odd page": memory((0x87654000, 0x287000000), cpus=3),
    "begins above 4 GiB": memory((0x2080000000, 0x2280000000)),
    "begins at 0": memory((0, 4 * GIB), cpus=2),
    "holes that firmware keeps": memory(
        (0x40000000, 0x50000000),
        (0x50010000, 0xFFF00000),
        (4 * GIB, 8 * GIB),
        holes=[
            (0x50000000, 0x50010000),
            (0xFFF00000, 4 * GIB),
            (8 * GIB, 8 * GIB + 0x1000),
        ],
    ),
    "four nodes from 67 MiB to 11 GiB": memory(
        (0x40000000, 0x48000000, 0),
        (0x48000000, 0x148000000, 1),
        (0x148000000, 0x14C300000, 2),
        (0x14C300000, 0x40C300000, 3),
        cpus=7,
    ),
    "the first memory is node 1": memory((GIB, 2 * GIB, 1), (2 * GIB, 6 * GIB, 0)),
    "16 KiB and UEFI": virt("8GiB", "16KiB", firmware="qemu-virt-uefi"),
    "64 KiB and UEFI": virt("16GiB", "64KiB", firmware="qemu-virt-uefi"),
    "16 KiB and a pool of KFENCE": virt("8GiB", "16KiB", "kfence.sample_interval=100"),
}
WITHOUT_SCRATCH = {
    "64 KiB and a crash kernel": (virt("16GiB", "64KiB", "crashkernel=1G"), "lowmem"),
    "64 KiB and two of them": (
        virt("64GiB", "64KiB", "crashkernel=2G,high crashkernel=256M,low"),
        "lowmem",
    ),
    "64 KiB from an odd page on": (
        memory((0x80001000, 0x47FFF3000), cpus=2, page_size="64KiB"),
        "lowmem",
    ),
    "64 KiB and nodes of 512 MiB": (
        memory((GIB, 1536 << 20, 0), (1536 << 20, 17 * GIB, 1), page_size="64KiB"),
        "nid 0",
    ),
}
"""And the area that finds no room: low memory is 3 GiB, and an area is a multiple of 512 MiB."""


def chain(shape):
    return ks.run(
        from_dict(
            {
                **shape,
                "workload": [{"kind": "memfd", "count": 2, "size": "64MiB"}],
                "chain": {"boots": 3, "twin": False},
            }
        )
    )


def tree_pages(geometry, keys):
    """Count the pages of a tree as kernel-facts-arm64 0 does."""
    page_shift = geometry.page_shift
    table_shift, leaf_shift = page_shift - 3, page_shift + 3
    levels = -(-(65 - page_shift - leaf_shift) // table_shift) + 1
    spans = []
    for key in keys:
        first, last = ((place >> page_shift + key.order) for place in (key.start, key.end - 1))
        spans.append([(1 << 64 - page_shift - key.order) + number for number in (first, last)])
    shifts = [leaf_shift + level * table_shift for level in range(levels - 1)]
    nodes = ({n for a, b in spans for n in range(a >> s, (b >> s) + 1)} for s in shifts)
    return 1 + sum(map(len, nodes))


@pytest.mark.parametrize("name", SHAPES)
def test_rules_hold_on_any_shape(name):
    trace = chain(SHAPES[name])
    assert trace.outcome.kind == "completed"
    page_size = SHAPES[name]["kernel"].get("page_size", "4KiB")
    geometry = ARM64_GEOMETRIES[int(page_size.removesuffix("KiB")) * KIB]
    unit = geometry.scratch_align_bytes
    memory_rows = [
        row
        for row in trace[RegionRow].where(boot=0, array="memory", moment="before_retrieve")
        if not row.flags & NOMAP
    ]

    def is_memory(start, end):
        inside = [(max(row.start, start), min(row.end, end)) for row in memory_rows]
        return sum(high - low for low, high in inside if high > low) == end - start

    areas = trace["boots"][0].scratch_areas
    assert len(areas) == 2 + len({row.nid for row in memory_rows})
    for start, size in areas:
        assert start % unit == size % unit == 0 < size
        assert is_memory(start, start + size)
    for boot in (1, 2):
        keys = list(trace[PreservedRun].where(boot=boot))
        assert sum(key.end - key.start for key in keys) == trace["boots"][boot].preserved_bytes
        for key in keys:
            assert is_memory(key.start, key.end)
            assert not any(key.start < start + size and start < key.end for start, size in areas)
        assert len(list(trace[TablePage].where(boot=boot))) == tree_pages(geometry, keys)
        for request in trace[Allocation].where(boot=boot):
            if request.address:
                assert is_memory(request.address, request.address + request.size_bytes)


@pytest.mark.parametrize("name", WITHOUT_SCRATCH)
def test_areas_of_512_mib_that_find_no_room_switch_kho_off(name):
    shape, area = WITHOUT_SCRATCH[name]
    outcome = chain(shape).outcome
    assert outcome.kind == "kho_disabled"
    assert outcome.message == f"KHO: Failed to reserve {area} scratch buffer"
