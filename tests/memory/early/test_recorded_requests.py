"""Early boots of real kernels: each request, in its order, and the address that answered it."""

from __future__ import annotations

import pytest

from tests.memory.early.recorded import (
    modelled_boot,
    modelled_requests,
    recorded_log,
    recorded_requests,
)

SCRATCH_ONLY = ("tinynoext-8G-64M_64M_64M", 1, 8)
"""A KHO boot that never extends scratch: hashes and bounce buffers shrink until they fit."""


@pytest.mark.parametrize(
    ("name", "boot", "machine"),
    [
        ("machine-1G", 0, (1,)),
        ("machine-8G", 0, (8,)),
        ("numa2-16G-huge", 0, (16, 4, 2)),
        (*SCRATCH_ONLY[:2], SCRATCH_ONLY[2:]),
    ],
)
def test_a_boot_asks_for_what_the_real_kernel_asked_for_and_gets_it_there(name, boot, machine):
    modelled = modelled_requests(modelled_boot(name, boot, *machine))
    for position, pair in enumerate(zip(modelled, recorded_requests(name, boot), strict=True)):
        assert pair[0] == pair[1], f"request {position}"


def test_a_boot_within_scratch_leaves_both_arrays_as_the_real_kernel_did():
    name, boot, gib = SCRATCH_ONLY
    memblock = modelled_boot(name, boot, gib).memblock
    for array, regions in (("memory", memblock.memory), ("reserved", memblock.reserved)):
        told = [
            (row.start, row.end, row.nid, row.flags)
            for row in recorded_log(name, boot).regions
            if row.array == array and row.moment == "before_retrieve"
        ]
        assert [(r.base, r.end, r.nid, r.flags) for r in regions] == told
