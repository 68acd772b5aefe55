"""HVO, KFENCE, bounce buffers: what they take of early memory (kernel-facts-distro 1 and 7)."""

from __future__ import annotations

from collections import Counter

import pytest

from kho_sim.base.command_line import HugepageRequest
from kho_sim.builds import load_build
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.platform.firmware.e820 import qemu_machine
from tests.memory.boots import early_boot

MIB, GIB = 1 << 20, 1 << 30
MEMMAP = ("memmap tail page", "memmap page", "vmemmap table", "memmap")


def boot(gib: int = 16, nodes: int = 1, **options) -> EarlyBoot:
    shares = [gib * GIB // nodes] * nodes if nodes > 1 else ()
    machine = qemu_machine(gib * GIB, cpus=2, node_bytes=shares)
    early = early_boot(machine, load_build("distro"), BootOptions(**options))
    early.before_extension()
    early.after_extension()
    return early


def counts(early: EarlyBoot) -> dict[str, int]:
    found = Counter(row.what for row in early.requests.rows if row.what in MEMMAP)
    return {name: found[name] for name in MEMMAP if found[name]}


@pytest.mark.parametrize(
    ("pages", "nodes", "tails"), [(((4, ()),), 1, 1), (((3, ((0, 1), (1, 2))),), 2, 2)]
)
def test_gigantic_pages_share_the_struct_pages_of_their_tails(pages, nodes, tails):
    """Recorded: 4 pages take 1 + 36 pages in place of 64 MiB, before all other struct pages."""
    hugepages = tuple(HugepageRequest(GIB, count, by_node) for count, by_node in pages)
    plain = boot(nodes=nodes, hugepages=hugepages)
    shared = boot(nodes=nodes, hugepages=hugepages, optimises_memmap=True)
    count = sum(request.count for request in hugepages)
    assert counts(shared) == {
        "memmap tail page": tails,
        "memmap page": count,
        "vmemmap table": counts(plain)["vmemmap table"] + 8 * count,
        "memmap": counts(plain)["memmap"] - 8 * count,
    }
    saved = plain.memblock.kern_size() - shared.memblock.kern_size()
    assert saved == count * 16 * MIB - 4096 * (tails + 9 * count)


def test_without_gigantic_pages_nothing_is_shared():
    hugepages = (HugepageRequest(2 * MIB, 64),)
    assert counts(boot(hugepages=hugepages, optimises_memmap=True)) == counts(boot())


def test_kfence_takes_its_pool_only_if_it_samples():
    """Recorded: 2 MiB for 255 objects, then 288 KiB; byte for byte in what scratch follows."""
    sampling = boot(kfence_interval=100)
    rows = [(r.what, r.size_bytes) for r in sampling.requests.rows if "kfence" in r.what]
    assert rows == [("kfence pool", 2 * MIB), ("kfence metadata", 0x48000)]
    assert sampling.requests.rows[-1].what == "kfence metadata"
    grown = sampling.memblock.kern_size() - boot().memblock.kern_size()
    assert grown == 2 * MIB + 0x48000


@pytest.mark.parametrize(("gib", "forced", "buffers"), [(8, False, 1), (2, False, 0), (2, True, 1)])
def test_bounce_buffers_are_there_for_high_memory_or_where_they_are_forced(gib, forced, buffers):
    early = boot(gib, forces_bounce_buffers=forced)
    assert [row.what for row in early.requests.rows].count("swiotlb") == buffers
