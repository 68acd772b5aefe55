"""Facts of recorded logs, held against sums over other lines of the same log."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from kho_sim.base.extent import Extent, merged, subtracted, total_size
from kho_sim.logs.reader.assemble import boot_record, is_kho, scratch_areas

OUTCOMES = {
    "b-noext-8G-16M_16M_16M": ("boot_failed", 1, "Failed to allocate memmap for section 17"),
    "b-noext-8G-8M_16M_16M": ("boot_failed", 1, "Failed to allocate memmap for section 13"),
    "huge58-64G": ("kho_disabled", 0, "KHO: Failed to reserve nid 0 scratch buffer"),
    "huge62-64G": ("kho_disabled", 0, "KHO: Failed to reserve global scratch buffer"),
    "t6_4_2G": ("preserve_failed", 0, "System is deadlocked on memory"),
    "tinyext-8G-4M_8M_8M": (
        "load_refused",
        0,
        "kexec_file_load: Cannot assign requested address",
    ),
    "tinynoext-8G-8M_16M_16M": ("unknown", 1, ""),
    "tiny-64G-32M_32M_32M": ("unknown", 1, ""),
}
"""Of the recorded chains that did not come to their end."""


def test_how_the_recorded_chain_ended(recorded, recorded_name):
    last = len(recorded["boots"]) - 1
    expected = OUTCOMES.get(recorded_name, ("completed", last, ""))
    outcome = recorded.outcome
    assert (outcome.kind, outcome.boot, outcome.message) == expected


def test_every_line_of_a_known_kind_is_readable(recorded):
    provenance = recorded.provenance
    assert provenance["malformed_lines"] == 0
    assert provenance["unknown_lines"] < 250 * len(recorded["boots"])


def test_kernels_after_the_first_inherit(recorded):
    assert [boot.kind for boot in recorded["boots"][1:]] == ["kho"] * (len(recorded["boots"]) - 1)
    assert recorded["boots"][0].kind == "cold"


def test_printed_totals_of_the_tree_are_the_sums_of_its_keys(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        if not log.keys:
            continue
        counts: Counter[int] = Counter()
        for run in log.keys:
            counts[run.order] += (run.end - run.start) // (4096 << run.order)
        assert boot.preservations_by_order == tuple(sorted(counts.items()))
        assert boot.preservations == counts.total()
        assert boot.preserved_bytes == sum(run.end - run.start for run in log.keys)
        assert boot.radix_nodes == len(log.nodes)


def test_reservations_of_the_retrieval_are_the_keys_of_the_tree(recorded):
    for log in recorded.extra["boots"]:
        if log.keys and log.retrieved_count:
            assert log.retrieved_count == log.preservations
            assert log.retrieved_runs == log.keys


def test_a_kernel_that_prints_no_totals_shows_them_at_the_retrieval(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        if log.starts_late or not log.retrieved_count:
            continue
        silent = boot_record(replace(log, preservations=None, preserved_bytes=None))
        assert silent.preservations == boot.preservations
        assert silent.preserved_bytes == boot.preserved_bytes
        assert silent.preservations_by_order == boot.preservations_by_order


def test_printed_counts_are_the_rows_of_the_dumps(recorded):
    for log in recorded.extra["boots"]:
        rows = Counter((row.moment, row.array) for row in log.regions)
        for moment in {moment for moment, _ in rows}:
            counts = log.region_counts.get(moment)
            if counts is not None and not log.starts_late:
                assert rows[moment, "memory"] == counts.memory
                assert rows[moment, "reserved"] == counts.reserved


def test_extended_bytes_are_the_flagged_bytes_gained(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        flagged: Counter[str] = Counter()
        for row in log.regions:
            if row.array == "memory" and row.flags & 0x40:
                flagged[row.moment] += row.end - row.start
        if "after_extend" in flagged:
            gained = flagged["after_extend"] - flagged["before_extend"]
            assert boot.extended_bytes == gained


def test_busy_blocks_hold_all_keys_and_no_extended_memory(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        if not (log.keys and log.busy_blocks):
            continue
        gaps = [right - left for left, right in pairwise(boot.busy_blocks)]
        size = min(gaps, default=1 << 30)
        blocks = [(start, start + size) for start in boot.busy_blocks]
        occupied = [(run.start, run.end) for run in log.keys]
        occupied += [(address, address + 4096) for address in log.nodes]
        assert subtracted(occupied, blocks) == []
        assert all(any(s < e2 and s2 < e for s2, e2 in occupied) for s, e in blocks)


def test_calls_between_two_dumps_make_the_second_from_the_first(recorded):
    """Each answer, free and reservation is there, in order: the arrays of the kernel agree."""
    for log in recorded.extra["boots"]:
        last = [r for r in log.regions if r.moment == "before_retrieve" and r.array == "reserved"]
        if log.starts_late or not (log.dumps and last):
            continue
        reserved = [Extent(r.base, r.base + r.size) for r in log.dumps[-1].reserved]
        begun = False
        for call in log.calls:
            begun |= call.op == "dump" and call.base == len(log.dumps) - 1
            if not begun:
                continue
            if call.op == "regions" and call.caller == "before_retrieve":
                break
            start = call.result if call.op == "alloc" else call.base
            if call.op in ("alloc", "reserve") and start:
                assert not any(Extent(start, start + call.size).overlaps(r) for r in reserved)
                reserved.append(Extent(start, start + call.size))
            elif call.op == "free":
                reserved = subtracted(reserved, [(start, start + call.size)])
        assert merged(reserved) == merged((row.start, row.end) for row in last)


def test_memory_map_requests_cover_all_memory(recorded):
    """2 MiB of struct pages for each section with memory (kernel-facts 6.4)."""
    for log in recorded.extra["boots"]:
        if log.starts_late or not log.memblock_debug or log.panic:
            continue
        sections = {
            index
            for place in log.node_ranges
            for index in range(place.start >> 27, ((place.end - 1) >> 27) + 1)
        }
        single = sum(call.what == "memmap page" and call.result > 0 for call in log.calls)
        whole = sum(call.what == "memmap" and call.result > 0 for call in log.calls)
        assert whole + single // 512 == len(sections)


def test_scratch_areas_are_found_without_the_instrumentation(recorded):
    for log in recorded.extra["boots"]:
        bare = replace(log, scratch={}, out_starts=[], out_sizes=[])
        printed, found = scratch_areas(log), scratch_areas(bare)
        if found is None or printed is None:
            continue
        if is_kho(log):
            assert merged((s, s + n) for s, n in found) == merged((s, s + n) for s, n in printed)
        else:
            assert found == printed


def test_debugfs_shows_the_areas_that_the_kernel_printed(recorded):
    for log in recorded.extra["boots"]:
        if log.out_starts and log.scratch and log.reached_init:
            printed = tuple(log.scratch[index] for index in sorted(log.scratch))
            assert scratch_areas(replace(log, scratch={})) == printed


def test_gigantic_pages_are_as_many_as_the_kernel_says(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        pages = [page for page in recorded["gigantic"] if page.boot == boot.boot]
        if log.starts_late or not (log.regions or log.memblock_debug) or not log.huge_pages:
            continue
        assert len(pages) == boot.gigantic_pages_allocated
        assert all(page.start % (1 << 30) == 0 for page in pages)


@pytest.mark.parametrize(
    ("name", "reserved_bytes"),
    [("machine-64G", 0x4D24A006), ("machine-8G", 0xFE3D606)],
)
def test_kernel_reserved_bytes_of_kernel_facts_6_4(read_recorded, name, reserved_bytes):
    assert read_recorded(name)["boots"][0].kernel_reserved_bytes == reserved_bytes


def test_default_scratch_is_twice_what_the_kernel_reserved(read_recorded):
    """lowmem and global are 200% together, each rounded up to 4 MiB (kernel-facts 3.2)."""
    boot = read_recorded("machine-64G")["boots"][0]
    low, whole = boot.scratch_areas[0][1], boot.scratch_areas[1][1]
    assert 0 <= low + whole - 2 * boot.kernel_reserved_bytes < 2 * (4 << 20)


def test_requested_gigantic_pages_that_were_not_found(read_recorded):
    boots = read_recorded("huge30-noext-64G")["boots"]
    numbers = [(boot.gigantic_pages_requested, boot.gigantic_pages_allocated) for boot in boots]
    assert numbers == [(30, 30), (30, 0), (30, 0)]


def test_a_boot_without_extension_has_no_facts_of_it(read_recorded):
    for boot in read_recorded("huge30-noext-64G")["boots"][1:]:
        assert (boot.extended_bytes, boot.busy_blocks, boot.memory_regions_after) == (None,) * 3
        assert boot.preservations == 0x20C


def test_orders_above_0_are_counted(read_recorded):
    boot = read_recorded("b-thp-2x256M-16G")["boots"][1]
    assert boot.preservations_by_order == ((0, 12), (9, 256))


def test_the_array_that_doubled_is_among_the_calls(read_recorded):
    for log in read_recorded("seed-case1").extra["boots"]:
        (doubled,) = (call for call in log.calls if call.op == "double")
        assert (doubled.caller, doubled.size) == ("reserved", 256 * 24)


def test_a_log_buffer_that_did_not_fit_is_asked_for_again(read_recorded):
    rows = [
        (row.phase, row.what, row.failed)
        for row in read_recorded("tiny-8G-8M_16M_16M")["allocations"]
        if row.boot == 1 and row.what.startswith("log buffer")
    ]
    names = ("log buffer text", "log buffer desc", "log buffer info")
    assert rows == [("before", name, name == names[2]) for name in names] + [
        ("after", name, False) for name in names
    ]


def test_early_allocations_of_a_kho_boot_lie_in_scratch_until_it_is_extended(read_recorded):
    trace = read_recorded("machine-64G")
    areas = [(start, start + size) for start, size in trace["boots"][1].scratch_areas]
    for row in trace["allocations"]:
        if row.boot and row.phase == "before" and row.what != "real-mode trampoline":
            place = (row.address, row.address + row.size_bytes)
            assert total_size(subtracted([place], areas)) == 0
            assert row.source == "scratch"


def test_other_allocations_of_a_kho_boot_are_extended_memory_where_no_area_is(read_recorded):
    trace = read_recorded("machine-4G")
    areas = trace["boots"][1].scratch_areas
    seen = set()
    for row in trace["allocations"]:
        if row.boot and row.phase == "after" and row.address:
            last = row.address + max(row.size_bytes, 1) - 1
            inside = any(start <= last and row.address < start + size for start, size in areas)
            assert row.source == ("scratch" if inside else "extended")
            seen.add(row.source)
    assert seen == {"scratch", "extended"}


def test_no_request_of_a_roomy_machine_is_refused(read_recorded):
    boots = read_recorded("machine-8G")["boots"]
    assert [(boot.allocations, boot.failures) for boot in boots] == [(108, 0)] * 3


def test_areas_that_were_given_up_again_are_no_fact(read_recorded):
    assert read_recorded("huge62-64G")["boots"][0].scratch_areas is None


def test_hash_tables_are_as_large_as_the_kernel_says(recorded):
    for boot, log in zip(recorded["boots"], recorded.extra["boots"], strict=True):
        obtained = {
            row.what: row.size_bytes
            for row in recorded["allocations"]
            if row.boot == boot.boot and row.what.endswith(" hash") and not row.failed
        }
        if obtained:
            names = {"dentry hash": "Dentry cache", "inode hash": "Inode-cache"}
            assert obtained == {what: log.hash_bytes[name] for what, name in names.items()}


def test_boots_whose_first_lines_ran_over_say_so(read_recorded):
    trace = read_recorded("seed-case2")
    assert [log.starts_late for log in trace.extra["boots"]] == [False, True, True]
    assert trace["boots"][1].allocations is None
    assert trace["boots"][1].reserved_regions_after is not None


def test_the_header_of_a_recorded_log_is_kept(read_recorded):
    assert read_recorded("machine-8G").provenance["header"]["mem"] == "8G"
