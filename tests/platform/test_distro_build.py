"""The distribution-like build: what its kernels reserve, byte for byte, and in which order.

The sum is that of kernel-facts-distro 2, written down again here from the section's text.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.base import requesters as names
from kho_sim.base.extent import Extent
from kho_sim.builds import load_build
from kho_sim.logs.reader import read_boot_log
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.memory.early.sparse import section_root_array_bytes
from kho_sim.memory.memblock import RSRV_KERN
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.loader import LoadedKernel
from kho_sim.platform.x86_64 import X86_64
from tests.memory.early.recorded import LOGS

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
LINE_BYTES = 157
DISTRO = load_build("distro")


def cold_boot(
    gib,
    cpus,
    *,
    nodes=1,
    levels=5,
    distances=False,
    log=0,
    line_bytes=LINE_BYTES,
    loaded=None,
):
    """Return the early memory of a first kernel on q35; without ``loaded`` it lies where it was
    linked for, and has nokaslr."""
    size = gib * GIB
    machine = replace(
        qemu_machine(size, cpus=cpus, node_bytes=[size // nodes] * nodes, firmware="qemu-q35"),
        page_table_levels=levels,
        has_node_distances=distances,
    )
    unknown_words = () if loaded else ("nokaslr",)
    options = BootOptions(line_bytes, log_buffer_bytes=log, unknown_words=unknown_words)
    platform = X86_64()
    loaded = loaded or platform.load_cold(machine, DISTRO)
    early = EarlyBoot(platform, machine, DISTRO, options, loaded)
    early.before_extension()
    early.after_extension()
    return early


def reserved_bytes(early):
    reserved = early.memblock.reserved
    return sum(region.size for region in reserved if region.flags & RSRV_KERN)


def expected_bytes(gib, cpus, *, nodes=1, levels=5, distances=False, log=0):
    """Section 2 of the facts, without KASLR and without what options add."""
    is_high = gib > 2
    high_sections = (gib - 2) * 8 if is_high else 0
    sections = 16 + high_sections
    windows = {0, *(section // 512 for section in range(32, 32 + high_sections))}
    roots = {0, *(section // 128 for section in range(32, 32 + high_sections))}
    entries = 10 if is_high else 9
    atom_units = {1: 1, 2: 2, 4: 4, 8: 8, 16: 8}[cpus // nodes]
    slots = {1: 23, 2: 22, 4: 21, 8: 20}[atom_units]
    hash_bytes = {2: 2, 8: 8, 64: 64}[gib] * 3 * MIB // 2 if nodes == 1 else 0
    early = 0x7000 + 0x1400000 + 0x11000 + 0x4AF000 + (2 * 4096 if is_high else 0)
    log_bytes = log + log // 32 * 112
    nodes_bytes = 0x2B080 * nodes + (nodes**2 if distances else 0)
    listed = 0x49 + 0x4B + 64 * (entries + 1) + 104 * entries + 32 * (3 if is_high else 2)
    tables = (3 if levels == 5 else 2) + len(windows) - 1
    sparse = (0x200000 if levels == 5 else 0x8000) + 4096 * len(roots)
    sparse += 88 * sections + 2 * MIB * sections + 4096 * tables
    per_cpu = cpus * 0x31000 + 16 * nodes + 12 * cpus + 16 * slots
    per_cpu += 0x88 + 0x100 + 0x108 + 0x40 + 0x88 + 0x380 + 0x388 + 0xE0 + 8 * (nodes + 1)
    entry_areas = 4096 * (2 + -(-59 * cpus // 512))
    swiotlb = 64 * MIB + 0xC0000 + 16 * cpus if is_high else 0
    lines = 2 * (LINE_BYTES + 1)
    return (
        early + log_bytes + nodes_bytes + listed + sparse
        + lines + per_cpu + hash_bytes + entry_areas + swiotlb
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gib", "cpus", "others"),
    [
        (2, 1, {}),
        (2, 1, {"levels": 4}),
        (8, 1, {}),
        (8, 4, {}),
        (8, 4, {"levels": 4}),
        (8, 4, {"log": 16 * MIB}),
        (8, 8, {}),
        (8, 16, {}),
        (8, 4, {"nodes": 2}),
        (8, 4, {"nodes": 2, "distances": True}),
        (64, 4, {}),
        (64, 4, {"levels": 4}),
    ],
)
def test_what_a_first_kernel_reserves(gib, cpus, others):
    assert reserved_bytes(cold_boot(gib, cpus, **others)) == expected_bytes(gib, cpus, **others)


@pytest.mark.parametrize(
    ("levels", "build", "size"),
    [(5, "distro", 2 * MIB), (4, "distro", 32 * KIB), (5, "lab", MIB), (4, "lab", 16 * KIB)],
)
def test_section_roots_follow_from_addresses_and_records(levels, build, size):
    """kernel-facts-distro 1 [22]."""
    machine = replace(qemu_machine(GIB, cpus=1), page_table_levels=levels)
    rules = X86_64().early_rules(machine)
    assert section_root_array_bytes(Geometry(), load_build(build), rules) == size


@pytest.mark.parametrize(("gib", "count"), [(2, 2), (8, 3)])
def test_nosave_regions_are_the_gaps_of_memory(gib, count):
    asked = [row.what for row in cold_boot(gib, 1).requests.rows]
    assert asked.count(names.NOSAVE_REGION) == count


def test_masks_are_longer_with_more_cpus():
    rows = cold_boot(8, 65).requests.rows
    assert [row.size_bytes for row in rows if row.what == names.CPUMASK] == [16, 16]


@pytest.mark.parametrize(
    ("name", "cpus", "others"),
    [
        ("d-q35-8G-nola57", 2, {"levels": 4}),
        ("d-q35-numa2-8G-dist", 4, {"nodes": 2, "distances": True}),
    ],
)
def test_requests_are_those_of_a_recorded_boot(name, cpus, others):
    """Each request and its answer up to the entry areas, which KASLR places at random."""
    log = read_boot_log(LOGS / "x86-distro" / f"{name}.log.xz").extra["boots"][0]
    asked = [
        (call.what, call.size, call.align if call.function else 64, call.result)
        for call in log.calls
        if call.op == "alloc"
    ]
    end = [what for what, *_ in asked].index(names.ENTRY_AREA_TABLE)
    image = next(
        region
        for region in log.dumps[0].reserved
        if region.flags & RSRV_KERN and region.size > DISTRO.image_bytes
    )
    loaded = LoadedKernel(Extent(image.base, image.end - DISTRO.brk_bytes), log.initrd)
    line_bytes = len(log.command_line)
    early = cold_boot(8, cpus, log=16 * MIB, line_bytes=line_bytes, loaded=loaded, **others)
    modelled = [
        (row.what, row.size_bytes, row.align_bytes, row.address) for row in early.requests.rows
    ]
    for position, pair in enumerate(zip(modelled, asked[:end], strict=False)):
        assert pair[0] == pair[1], f"request {position}"
    assert modelled[end][0] == names.ENTRY_AREA_TABLE
