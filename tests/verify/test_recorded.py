"""The simulator against every recorded log: placements, steps, blind facts, outcomes."""

from __future__ import annotations

import pytest

from kho_sim.verification import failing, outdated, totals

LANDED = ("kernel_address", "initrd_address", "descriptors_address", "setup_data_address")
MEMBLOCK_DEBUG = "memblock=debug"


def test_nothing_differs_but_what_is_explained(check, explained):
    unknown = failing([check], explained)
    assert not unknown, "\n".join(map(str, unknown))


def test_facts_that_follow_the_page_allocator_are_nearly_always_close(all_checks):
    """Which boots are not is left to the page allocator's own tests: threads interleave."""
    for name, row in totals(all_checks)["facts"].items():
        assert row.get("close", row["exact"]) >= 0.9 * row["compared"], (name, row)


def test_gigantic_pages_are_as_many_as_in_the_real_kernels(all_checks):
    row = totals(all_checks)["facts"]["gigantic_pages_allocated"]
    assert row["exact"] >= 0.98 * row["compared"]


def test_a_log_with_memblock_lines_has_its_allocations_compared(check, read_recorded):
    trace = read_recorded(check.log.removesuffix(".log.xz"))
    for boot, record, log in zip(check.boots, trace["boots"], trace.extra["boots"], strict=True):
        if MEMBLOCK_DEBUG in record.command_line and not log.starts_late:
            # Every boot makes over 40 requests beside one for each 128 MiB of memory.
            assert boot.placements.compared > 40
            assert not boot.placements.left_out


def test_every_kho_boot_has_its_tree_and_its_load_compared(check, read_recorded):
    trace = read_recorded(check.log.removesuffix(".log.xz"))
    for boot, log in zip(check.boots, trace.extra["boots"], strict=True):
        if boot.kind == "kho" and log.nodes:
            assert boot.steps.keys() >= {"radix_nodes", *LANDED}
        if boot.kind == "kho" and log.nodes and not log.extension_off:
            assert {"busy_blocks", "extended_bytes", "regions_after"} <= boot.steps.keys()


@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("kernel_reserved_bytes", 30),
        ("scratch_areas", 90),
        ("preservations", 55),
        ("gigantic_pages_allocated", 90),
    ],
)
def test_the_recorded_logs_tell_these_facts_often(all_checks, name, at_least):
    assert totals(all_checks)["facts"][name]["compared"] >= at_least


def test_no_explained_difference_is_outdated(all_checks, explained):
    differences = [found for check in all_checks for found in check.differences()]
    assert outdated(explained, differences) == []
