"""What a kernel says when it dies in early boot: each request that it cannot do without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.builds import EarlyRequest, load_build
from kho_sim.memory.early import BootOptions, BootPanic, EarlyBoot, Refusal
from kho_sim.platform.firmware.e820 import qemu_machine
from tests.memory.boots import early_boot

GIB = 1 << 30
FOR_EVER = 1 << 20
OR_PANIC = "__memblock_alloc_or_panic: Failed to allocate {} bytes"
PER_CPU = "pcpu_alloc: Failed to allocate {} bytes"
NO_AREAS = "Failed to initialize percpu areas."


def struck(*refusals: Refusal, gib: int = 8) -> EarlyBoot:
    """A cold boot of 4 CPUs whose requests of these names find nothing."""
    extra = (
        EarlyRequest("early driver", 100, phase="before"),
        EarlyRequest("late driver", 200, align_bytes=4096, nid=0),
    )
    build = replace(load_build(), early=extra)
    machine = qemu_machine(gib * GIB, cpus=4)
    early = early_boot(machine, build, BootOptions(command_line_bytes=140))
    early.requests.refusals = refusals
    early.before_extension()
    early.after_extension()
    return early


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("direct map page", "alloc_low_pages: cannot alloc memory"),
        ("node data", "Cannot allocate 12480 bytes for node 0 data"),
        ("hpet resource", OR_PANIC.format(73)),
        ("ioapic resource", OR_PANIC.format(75)),
        ("e820 resources", OR_PANIC.format(9 * 64)),
        ("early driver", "early driver: Failed to allocate 100 bytes"),
        ("section root array", "memory_present: Failed to allocate 1048576 bytes"),
        ("section root", "sparse_index_alloc: Failed to allocate 4096 bytes nid=0"),
        ("usage map", "Failed to allocate usemap for node 0"),
        ("vmemmap table", "Failed to allocate memmap for section 0"),
        ("command line", OR_PANIC.format(141)),
        ("per-cpu group info", NO_AREAS),
        ("per-cpu areas", NO_AREAS),
        ("per-cpu units", NO_AREAS),
        ("per-cpu group offsets", PER_CPU.format(8)),
        ("per-cpu group sizes", PER_CPU.format(8)),
        ("per-cpu unit map", PER_CPU.format(16)),
        ("per-cpu unit offsets", PER_CPU.format(32)),
        ("per-cpu chunk slots", PER_CPU.format(0x150)),
        ("per-cpu chunk", PER_CPU.format(0x88)),
        ("per-cpu allocation map", PER_CPU.format(0x400)),
        ("per-cpu boundary map", PER_CPU.format(0x408)),
        ("per-cpu page blocks", PER_CPU.format(0x100)),
        ("dentry hash", "Failed to allocate Dentry cache hash table"),
        ("inode hash", "Failed to allocate Inode-cache hash table"),
        ("cpu entry area table", OR_PANIC.format(4096)),
        ("late driver", "late driver: Failed to allocate 200 bytes"),
    ],
)
def test_a_kernel_dies_with_the_words_of_the_step_that_it_dies_in(what, message):
    with pytest.raises(BootPanic) as death:
        struck(Refusal(what, 1, FOR_EVER))
    assert str(death.value) == message


@pytest.mark.parametrize(
    ("refusals", "gib", "section"),
    [
        ((Refusal("vmemmap table", 4),), 80, 512),
        ((Refusal("memmap", 3), Refusal("vmemmap table", 4)), 8, 2),
        ((Refusal("memmap", 3), Refusal("memmap page", 512)), 8, 2),
    ],
)
def test_a_kernel_without_a_memmap_names_the_section(refusals, gib, section):
    with pytest.raises(BootPanic) as death:
        struck(*refusals, gib=gib)
    assert str(death.value) == f"Failed to allocate memmap for section {section}"


@pytest.mark.parametrize(
    "what", ["real-mode trampoline", "direct map probe", "unknown parameters", "log buffer text",
             "swiotlb", "swiotlb slots", "swiotlb areas"]
)  # fmt: skip
def test_a_kernel_lives_without(what):
    early = struck(Refusal(what, 1, FOR_EVER))
    assert early.requests.rows[-1].what == "late driver"


def test_extra_requests_come_last_in_their_phase_and_as_the_build_says():
    rows = [row for row in struck().requests.rows if row.phase == "before"]
    assert (rows[-1].what, rows[-1].size_bytes, rows[-1].align_bytes) == ("early driver", 100, 64)
    last = struck().requests.rows[-1]
    assert (last.what, last.size_bytes, last.align_bytes) == ("late driver", 200, 4096)
    assert (rows[-1].nid, last.nid) == (-1, 0)
