"""What early boot does when something does not fit, or is asked for on one node only."""

from dataclasses import replace

import pytest

from kho_sim.base.command_line import Crashkernel, HugepageRequest, ReserveMem
from kho_sim.builds import load_build
from kho_sim.memory.early import BootOptions, BootPanic
from kho_sim.memory.early.bounce import allocate_bounce_buffers
from kho_sim.memory.early.gigantic import allocate_gigantic_pages
from kho_sim.memory.early.hashes import allocate_early_hashes
from kho_sim.memory.early.log_buffer import allocate_log_buffer, wanted_bytes
from kho_sim.memory.early.requests import Requests
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import PAGES_4K
from tests.memory.boots import early_boot, handover_at

MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096


def requests(*memory):
    """Requests to a memblock with this memory: (start, end, node)."""
    memblock = Memblock()
    for start, end, nid in memory:
        memblock.add(start, end - start, nid)
    memblock.current_limit = memblock.end_of_dram()
    return Requests(memblock)


def boot(memory=4 * GIB, handover=None, build=None, cpus=2, **options):
    machine = qemu_machine(memory, cpus=cpus)
    options = BootOptions(command_line_bytes=50, **options)
    early = early_boot(machine, build, options, handover)
    early.before_extension()
    early.after_extension()
    return early


def rows(early, what):
    return [row for row in early.requests.rows if row.what == what]


# Gigantic pages


def test_gigantic_pages_of_one_node_come_from_that_node_only():
    asked = requests((GIB, 4 * GIB, 0), (4 * GIB, 6 * GIB, 1))
    wanted = (HugepageRequest(2 * MIB, 9), HugepageRequest(GIB, 4, ((0, 1), (1, 3))))
    result = allocate_gigantic_pages(asked, BootOptions(hugepages=wanted), (0, 1), True)
    assert result.pages == [(3 * GIB, 0), (5 * GIB, 1), (4 * GIB, 1)]
    assert result.messages == [
        "HugeTLB: allocating 3 of page size 1.00 GiB failed node1.  Only allocated 2 hugepages."
    ]
    refused = asked.rows[-1]
    assert (refused.failed, refused.count) == (True, 1)
    noinit = [region for region in asked.memblock.reserved if region.flags & RSRV_NOINIT]
    assert sum(region.size for region in noinit) == 3 * (GIB - PAGE)


def test_gigantic_pages_of_any_node_take_turns_and_stop_at_the_first_failure():
    asked = requests((GIB, 3 * GIB, 0), (4 * GIB, 5 * GIB, 1))
    result = allocate_gigantic_pages(
        asked, BootOptions(hugepages=(HugepageRequest(GIB, 7),)), (0, 1), True
    )
    assert result.pages == [(2 * GIB, 0), (4 * GIB, 1), (GIB, 0)]
    assert asked.rows[-1].count == 4, "the refusal stands for all that are missing"
    assert result.messages == [
        "HugeTLB: allocating 7 of page size 1.00 GiB failed.  Only allocated 3 hugepages."
    ]


def test_pages_that_were_handed_over_count_towards_hugepages():
    per_node = HugepageRequest(GIB, 3, ((0, 3),))
    options = BootOptions(
        hugepages=(per_node, HugepageRequest(GIB, 2), HugepageRequest(2 * MIB, 8))
    )
    kept = replace(options, gigantic_kept=((GIB, 5),))
    assert [request.count for request in kept.hugepages_to_make()] == [3, 0, 8]
    assert options.gigantic_pages(PAGES_4K) == kept.gigantic_pages(PAGES_4K) == 5, "as asked for"


# Buffers and tables


def test_bounce_buffers_end_at_the_smallest_size():
    asked = requests((MIB, MIB + 64 * PAGE, 0))
    messages = allocate_bounce_buffers(asked, 4 * MIB, 2, 0xFFFFFFFF)
    assert [row.size_bytes for row in asked.rows] == [4 * MIB, 2 * MIB, MIB]
    assert messages == [
        f"swiotlb_memblock_alloc: Failed to allocate {size} bytes tlb structure"
        for size in (4 * MIB, 2 * MIB, MIB)
    ]


def test_bounce_buffers_without_room_for_their_slots():
    asked = requests((MIB, 2 * MIB, 0))
    messages = allocate_bounce_buffers(asked, MIB, 2, 0xFFFFFFFF)
    assert messages == ["swiotlb_init_remap: Failed to allocate 12288 bytes align=0x1000"]


def test_hash_tables_are_halved_and_then_fatal():
    asked = requests((MIB, MIB + 3 * PAGE, 0))
    pages = (64 * MIB) // PAGE
    assert allocate_early_hashes(asked, pages) == {"dentry hash": 2 * PAGE, "inode hash": PAGE}
    with pytest.raises(BootPanic, match="Failed to allocate Dentry cache hash table"):
        allocate_early_hashes(asked, pages)


@pytest.mark.parametrize(
    ("cpus", "late", "expected"), [(17, True, 0), (18, True, 1 << 18), (18, False, 0)]
)
def test_many_cpus_get_a_larger_log_buffer_late(cpus, late, expected):
    assert wanted_bytes(BootOptions(), load_build(), cpus, late) == expected


@pytest.mark.parametrize(("room", "refused"), [(0, "text"), (1, "desc"), (2, "info")])
def test_a_log_buffer_is_all_or_nothing(room, refused):
    sizes = {"text": 1 << 18, "desc": 24 << 13, "info": 88 << 13}
    space = sum(list(sizes.values())[:room])
    asked = requests((MIB, MIB + space + PAGE, 0))
    done, messages = allocate_log_buffer(asked, 1 << 18)
    assert not done
    assert messages == [f"printk: log_buf_len: {sizes[refused]} {refused} bytes not available"]
    assert asked.memblock.reserved_size() == 0


# Whole boots


def test_a_kernel_without_an_initrd_reserves_none():
    with_initrd, without = boot(), boot(build=replace(load_build(), initrd_bytes=0))
    taken = with_initrd.memblock.kern_size() - without.memblock.kern_size()
    assert taken == -(-load_build().initrd_bytes // PAGE) * PAGE


@pytest.mark.parametrize(("megabytes", "where"), [(256, "low"), (5000, "high"), (60000, "none")])
def test_a_crash_kernel_goes_below_4_gib_if_it_fits(megabytes, where):
    early = boot(16 * GIB, crashkernel=(Crashkernel(megabytes * MIB),))
    tried = rows(early, "crash kernel")
    assert [row.failed for row in tried] == [where == "none"]
    assert (tried[-1].address >= 4 * GIB) is (where == "high")
    failed = f"cannot allocate crashkernel (size:{megabytes * MIB:#x})" in early.messages
    assert failed is (where == "none")


def test_named_memory_that_does_not_fit_is_said_and_left_out():
    areas = (ReserveMem(8 * MIB, 4 * MIB, "small"), ReserveMem(64 * GIB, PAGE, "large"))
    early = boot(reserve_mem=areas)
    assert [(area.name, area.size_bytes) for area in early.named_areas] == [("small", 8 * MIB)]
    assert early.named_areas[0].start % (4 * MIB) == 0
    assert "reserve_mem: could not reserve large" in early.messages


def test_named_memory_that_was_handed_over_is_found_again():
    """Its scratch is 600 MiB below 3 GiB, so all of early boot fits."""
    first = boot(reserve_mem=(ReserveMem(8 * MIB, 4 * MIB, "kept"),))
    kept = first.named_areas[0]
    scratch = (0x80000000, 600 * MIB)
    handover = handover_at(
        0x80200000, 0x81000000, 0x80001000, 0x80000000, (scratch, (0, 0)), named_areas=(kept,)
    )
    areas = (ReserveMem(8 * MIB, 4 * MIB, "kept"), ReserveMem(MIB, PAGE, "new"))
    again = boot(handover=handover, reserve_mem=areas)
    assert again.named_areas[0] == kept
    assert [row.what for row in again.requests.rows if "reserve_mem" in row.what] == [
        "reserve_mem new"
    ]


def test_words_that_nobody_knows_cost_nothing_in_the_end():
    plain, strange = boot(), boot(unknown_words=("nokaslr", "obs.boots=3"))
    assert rows(strange, "unknown parameters")[0].size_bytes == 8 + 12 + 1
    assert plain.memblock.kern_size() == strange.memblock.kern_size()


def test_a_huge_trampoline_is_given_up():
    early = boot(build=replace(load_build(), trampoline_bytes=MIB))
    assert early.messages[0] == "No sub-1M memory is available for the trampoline"


def test_two_mib_of_direct_map_probe_that_are_not_there():
    """All scratch is smaller than the probe: said, and the boot goes on with pages of the brk."""
    areas = ((0x80000000, MIB), (0x90000000, MIB))
    build = replace(load_build(), initrd_bytes=0)
    handover = handover_at(0xA0000000, 0, 0xA2000000, 0xA2001000, areas, build=build)
    early = early_boot(qemu_machine(4 * GIB, cpus=2), build, handover=handover)
    early.before_extension()
    assert "Failed to release memory for alloc_low_pages()" in early.messages
    assert not rows(early, "direct map page")


def test_without_pages_for_the_direct_map_a_cold_boot_dies():
    """All memory above 4 GiB is taken before."""
    machine = qemu_machine(4 * GIB, cpus=2)
    early = early_boot(machine)
    early.memblock.reserve(4 * GIB, GIB)
    with pytest.raises(BootPanic, match="alloc_low_pages: cannot alloc memory"):
        early.before_extension()
