"""Early boot against recorded cold boots: kernel-reserved bytes and scratch areas to the byte.

Numbers: kernel-facts sections 3.3 and 6.4 (machine-*, huge50-64G, numa2-16G; log_buf_len=8M), and
the small facts of section 6.2 and 6.3.
"""

from dataclasses import replace

import pytest

from kho_sim.base.command_line import ScratchRequest, parse_command_line
from kho_sim.builds import EarlyRequest, load_build
from kho_sim.kho.scratch import kernel_reserved_bytes, reserve_scratch
from kho_sim.memory.early import BootOptions, BootPanic, Requests
from kho_sim.memory.early.hashes import table_bytes
from kho_sim.memory.early.percpu import unit_layout
from kho_sim.memory.memblock import KHO_SCRATCH, Memblock
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import Geometry
from kho_sim.releases import load_release
from tests.memory.boots import early_boot, handover_at

GIB = 1 << 30
MIB = 1 << 20
RULES = load_release("7.3").scratch
RECORDED = (
    "console=ttyS0 panic=-1 kho=on liveupdate=on nokaslr log_buf_len=8M obs.stage=0 obs.boots=3 "
    "obs.nmfd=2 obs.mfd={mfd} {more}obs_dump{debug}"
)


def boot(memory, cpus=4, nodes=1, more="", mfd="1M", debug=" memblock=debug", **options):
    """Boot a recorded machine cold, up to scratch."""
    shares = [memory // nodes] * nodes
    machine = qemu_machine(memory, cpus=cpus, node_bytes=shares)
    line = parse_command_line(RECORDED.format(mfd=mfd, more=more, debug=debug))
    options = BootOptions(
        command_line_bytes=line.length,
        log_buffer_bytes=line.log_buf_len or 0,
        hugepages=line.hugepages(nodes),
        unknown_words=("nokaslr",),
        **options,
    )
    early = early_boot(machine, options=options)
    early.before_extension()
    early.after_extension()
    return early


def scratch(early):
    return reserve_scratch(
        early.requests,
        ScratchRequest(),
        early.machine.nodes,
        early.rules.low_address,
        RULES,
    )


@pytest.mark.parametrize(
    ("memory", "areas"),
    [
        (1, [(0x33C00000, 0x8800000), (0x3C400000, 0), (0x2B800000, 0x8400000)]),
        (4, [(0xB2400000, 0x9800000), (0x12B400000, 0xDC00000), (0x11D000000, 0xE400000)]),
        (64, [(0xB2400000, 0x9800000), (0xF66800000, 0x91000000), (0xEE0400000, 0x86400000)]),
    ],
)
def test_default_scratch_is_where_real_kernels_put_it(memory, areas):
    assert list(scratch(boot(memory * GIB)).areas) == areas


def test_scratch_lies_below_fifty_gigantic_pages():
    early = boot(64 * GIB, cpus=12, more="hugepagesz=1G hugepages=50 ")
    areas = scratch(early).areas
    assert areas[1:] == ((0x2E6400000, 0x91000000), (0x260000000, 0x86400000))
    assert early.gigantic.pages[0] == (0xFC0000000, 0)
    assert early.gigantic.pages[-1] == (0x380000000, 0)
    assert len(early.memblock.reserved) == 142  # "after retrieve: reserved.cnt 142" in seed-case1
    assert early.memblock.array_pages()["reserved"] == (0x103DAE4000, 0x2000)


def test_two_nodes_get_an_area_each():
    areas = scratch(boot(16 * GIB, nodes=2, mfd="64M")).areas
    assert areas[1:] == (
        (0x410800000, 0x25000000),
        (0x226000000, 0x11C00000),
        (0x3FBC00000, 0x14C00000),
    )


@pytest.mark.parametrize(("memory", "total"), [(64, 0x4D24A006), (8, 0xFE3D606)])
def test_kernel_reserved_bytes_are_exact(memory, total):
    assert kernel_reserved_bytes(boot(memory * GIB).memblock, RULES) == total


def test_without_a_log_buffer_36_mib_less_are_reserved():
    early = boot(GIB)
    late = early_boot(early.machine, options=BootOptions(command_line_bytes=140))
    late.before_extension()
    late.after_extension()
    difference = kernel_reserved_bytes(early.memblock, RULES)
    difference -= kernel_reserved_bytes(late.memblock, RULES)
    assert 36 * MIB - 4096 < difference < 36 * MIB + 4096


@pytest.mark.parametrize(
    ("groups", "unit", "per_atom"),
    [
        ([2], MIB, 2),
        ([4], MIB // 2, 4),
        ([12], MIB // 4, 8),
        ([2, 2], MIB, 2),
        ([1] * 4, 2 * MIB, 1),
    ],
)
def test_per_cpu_units_share_atoms_as_recorded(groups, unit, per_atom):
    layout = unit_layout(load_build(), groups, 4096, 2 * MIB)
    assert (layout.unit_bytes, layout.units_per_atom, layout.kept_bytes) == (
        unit,
        per_atom,
        0x27000,
    )


@pytest.mark.parametrize(("memory", "dentry", "inode"), [(16, 16, 8), (64, 64, 32), (128, 64, 32)])
def test_hash_tables_grow_slower_above_64_gib(memory, dentry, inode):
    pages = memory * GIB // 4096 - 20000
    sizes = [table_bytes(Geometry(), pages, scale) // MIB for scale in (13, 14)]
    assert sizes == [dentry, inode]


def kho_boot(scratch_bytes, build=None):
    """Boot a 64 GiB machine that inherits three areas of these sizes."""
    machine = qemu_machine(64 * GIB, cpus=4)
    starts = (0xB2400000, 0xF66800000, 0xEE0400000)
    areas = zip(starts, scratch_bytes, strict=True)
    handover = handover_at(0xB2600000, 0xB2400000, 0xB23F0000, 0xB23F1000, areas)
    options = BootOptions(command_line_bytes=150, log_buffer_bytes=8 * MIB)
    return early_boot(machine, build, options, handover)


def test_a_kho_boot_allocates_from_scratch_only():
    early = kho_boot((0x9800000, 0x91000000, 0x86400000))
    early.before_extension()
    early.after_extension()
    assert {row.source for row in early.requests.rows if row.phase == "after"} == {"scratch"}
    assert early.memblock.scratch_bytes() == 0x9800000 + 0x91000000 + 0x86400000


def test_a_log_buffer_that_does_not_fit_waits_until_after_the_extension():
    """tiny-64G-8M_16M_16M: the 22 MiB block fails, the buffer comes later from extended memory."""
    early = kho_boot((24 * MIB, 16 * MIB, 16 * MIB))
    early.before_extension()
    assert "printk: log_buf_len: 23068672 info bytes not available" in early.messages
    early.memblock.mark_kho_scratch(0, early.memblock.end_of_dram())
    early.after_extension()
    assert [row.address for row in early.requests.rows if row.what == "log buffer info"][-1]


def test_a_memmap_that_fits_nowhere_kills_the_kernel():
    early = kho_boot((64 * MIB, 64 * MIB, 64 * MIB))
    early.before_extension()
    with pytest.raises(BootPanic, match="Failed to allocate memmap for section"):
        early.after_extension()
    why = early.requests.rows[-1].why
    assert why.endswith("KiB of scratch free, the largest piece 3 KiB, 4 KiB asked")


def test_what_gives_way_in_tight_scratch():
    """tinynoext-8G-64M_64M_64M: hashes halve, swiotlb shrinks, the kernel lives."""
    machine = qemu_machine(8 * GIB, cpus=4)
    areas = ((0xBC000000 - 64 * MIB, 64 * MIB), (0x234000000, 64 * MIB), (0x230000000, 64 * MIB))
    handover = handover_at(0xBA000000, 0xB9000000, 0xB8001000, 0xB8000000, areas)
    options = BootOptions(command_line_bytes=150, log_buffer_bytes=8 * MIB)
    early = early_boot(machine, options=options, handover=handover)
    early.before_extension()
    early.after_extension()
    assert any("SWIOTLB bounce buffer size adjusted 32768 -> " in line for line in early.messages)
    got = [row.size_bytes for row in early.requests.rows if row.what == "inode hash"]
    assert got[0] == 4 * MIB
    assert got[-1] < 4 * MIB


def test_required_extra_memory_kills_and_optional_does_not():
    for required in (True, False):
        extra = EarlyRequest("driver tables", 8 * GIB, required=required)
        early = kho_boot((0x9800000, 0x91000000, 0x86400000), replace(load_build(), early=(extra,)))
        early.before_extension()
        if required:
            with pytest.raises(BootPanic, match="driver tables: Failed to allocate 8589934592"):
                early.after_extension()
        else:
            early.after_extension()
            assert early.requests.rows[-1].failed
            assert "asked" in early.requests.rows[-1].why


def test_reserve_failure_gives_everything_back():
    """huge58-64G: the node's area does not fit, KHO goes off, nothing stays reserved."""
    early = boot(64 * GIB, cpus=12, more="hugepagesz=1G hugepages=58 ", debug="")
    before = list(early.memblock.reserved)
    result = scratch(early)
    assert result.messages[0] == "KHO: Failed to reserve nid 0 scratch buffer"
    assert list(early.memblock.reserved) == before
    assert not any(r.flags & KHO_SCRATCH for r in early.memblock.memory)


def test_a_refusal_of_the_counterfactual_ends_with_the_next_free():
    """4 of 8 pages are taken; the counterfactual refuses 5, until the 4 are given back."""
    memblock = Memblock()
    memblock.add(0x100000, 64 * 4096, 0)
    memblock.mark_kho_scratch(0x100000, 8 * 4096)
    memblock.scratch_only = True
    requests = Requests(memblock)
    block = requests.alloc("kept for a while", 4 * 4096, 4096)
    requests.start_counterfactual()
    memblock.mark_kho_scratch(0x100000, 64 * 4096)
    for _ in range(2):
        requests.alloc("large", 5 * 4096, 4096)
    for _ in range(2):
        requests.alloc("small", 4 * 4096, 4096)
    requests.free(block, 0, 4 * 4096)
    requests.alloc("not refused any more", 4 * 4096, 4096)
    assert [row.avoided for row in requests.rows] == [False, True, True, False, True, False]
    assert requests.counterfactual.reserved_size() == 8 * 4096
