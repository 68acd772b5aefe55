"""Where crash kernels and contiguous areas lie, by hand: kernel-facts-distro section 6."""

from __future__ import annotations

import pytest

from kho_sim.base.command_line import CmaRequest, parse_command_line
from kho_sim.base.extent import Extent
from kho_sim.chain.build import build_plan
from kho_sim.chain.chain import run_plan
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.scenario import from_dict
from kho_sim.trace.records import Allocation
from kho_sim.trace.trace import Trace
from tests.memory.boots import early_boot

MIB, GIB = 1 << 20, 1 << 30
CRASH = ("crash kernel", "crash kernel low", "crash kernel cma area")
CMA = ("cma area", "hugetlb cma area")


def boot(text: str, gib: int = 8, nodes: int = 1) -> EarlyBoot:
    """A cold boot of QEMU's pc, with 3 GiB below 4 GiB, after all early steps."""
    line = parse_command_line(text)
    options = BootOptions(
        crashkernel=line.crashkernel,
        cma=line.cma or CmaRequest(),
        hugetlb_cma=line.hugetlb_cma,
        hugepages=line.hugepages(nodes),
    )
    shares = [gib * GIB // nodes] * nodes if nodes > 1 else ()
    early = early_boot(qemu_machine(gib * GIB, cpus=2, node_bytes=shares), options=options)
    early.before_extension()
    early.after_extension()
    return early


def placed(early: EarlyBoot, names: tuple[str, ...]) -> list[tuple[int, int]]:
    return [(r.address, r.size_bytes) for r in early.requests.rows if r.what in names]


def chain(text: str, gib: int = 8, boots: int = 2) -> Trace:
    scenario = from_dict(
        {
            "machine": {"memory": f"{gib}GiB", "cpus": 2},
            "kernel": {"command_line": text},
            "chain": {"boots": boots, "twin": False},
        }
    )
    return run_plan(build_plan(scenario), {})


@pytest.mark.parametrize(
    ("text", "above", "low_bytes"),
    [
        ("crashkernel=256M", False, 0),
        ("crashkernel=4G", True, 256 * MIB),
        ("crashkernel=512M,high", True, 256 * MIB),
        ("crashkernel=512M,high crashkernel=64M,low", True, 64 * MIB),
        ("crashkernel=512M,high crashkernel=0,low", True, 0),
        ("crashkernel=4G-:256M", False, 0),
    ],
)
def test_a_crash_kernel_above_4_gib_has_a_part_below(text, above, low_bytes):
    early = boot(text, gib=16)
    (start, size), *low = placed(early, CRASH)
    assert start % (16 * MIB) == 0
    assert (start >= 4 * GIB) is above
    assert [size for _, size in low] == ([low_bytes] if low_bytes else [])
    assert all(start + size <= 4 * GIB and start % (16 * MIB) == 0 for start, size in low)
    said = f"crashkernel reserved: {start:#018x} - {start + size:#018x} ({size // MIB} MB)"
    assert said in early.messages
    assert not any(row.failed for row in early.requests.rows)


def test_bounce_buffers_enlarge_the_low_part():
    line = "crashkernel=512M,high swiotlb=262144"
    (low,) = [r for r in chain(line, 16, 1)[Allocation] if r.what == "crash kernel low"]
    assert low.size_bytes == 512 * MIB + 8 * MIB


def test_a_crash_kernel_with_a_place_lies_there_or_nowhere():
    assert placed(boot("crashkernel=256M@512M"), CRASH) == [(512 * MIB, 256 * MIB)]
    for taken in ("crashkernel=256M@16M", "crashkernel=256M@520M"):
        early = boot(taken)
        assert placed(early, CRASH) == [(0, 256 * MIB)]
        assert "crashkernel reservation failed - memory is in use." in early.messages


def test_without_room_for_the_low_part_nothing_is_reserved():
    early = boot("crashkernel=1G,high crashkernel=3G,low")
    assert "cannot allocate crashkernel low memory (size:0xc0000000)" in early.messages
    assert early.memblock.kern_size() == boot("").memblock.kern_size()


def test_a_range_that_does_not_fit_the_machine_reserves_nothing():
    early = boot("crashkernel=64G-:512M")
    assert placed(early, CRASH) == []
    assert "crashkernel size resulted in zero bytes" in early.messages


def test_a_kho_boot_has_no_crash_kernel_where_original_scratch_has_no_room():
    """Recorded: crashkernel=256M with kho_scratch=64M,128M,128M; boot goes on without kdump."""
    trace = chain("crashkernel=256M kho_scratch=64M,128M,128M")
    assert trace.outcome.kind == "completed"
    rows = [(r.boot, r.failed) for r in trace[Allocation] if r.what == "crash kernel"]
    assert rows == [(0, False), (1, True)]
    said = [e.detail for e in trace["events"] if "cannot allocate crashkernel" in e.detail]
    assert said == ["cannot allocate crashkernel (size:0x10000000)"]


def test_default_scratch_has_room_for_the_crash_kernel_of_later_boots():
    plain, crash = (chain(text, 16)["boots"] for text in ("", "crashkernel=512M,high"))
    sizes = [[size for _, size in boots[0].scratch_areas] for boots in (plain, crash)]
    assert [b - a for a, b in zip(*sizes, strict=True)] == [512 * MIB, 1024 * MIB, 0]
    assert not crash[1].failures


# Contiguous areas


def test_an_area_lies_right_above_4_gib_if_there_is_memory():
    assert placed(boot("cma=250M"), CMA) == [(4 * GIB, 252 * MIB)]
    assert placed(boot("cma=250M@1G-2G"), CMA)[0][0] + 252 * MIB == 2 * GIB
    ((start, _),) = placed(boot("cma=64M", gib=2), CMA)
    assert 2 * GIB - 256 * MIB < start < 2 * GIB


def test_areas_count_as_the_kernels_own_and_are_cma_later():
    early = boot("cma=256M crashkernel=128M crashkernel=32M,cma")
    assert early.cma_areas == [
        Extent(4 * GIB, 4 * GIB + 256 * MIB),
        Extent(4 * GIB + 256 * MIB, 4 * GIB + 288 * MIB),
    ]
    grown = early.memblock.kern_size() - boot("").memblock.kern_size()
    assert grown == (256 + 128 + 32) * MIB


@pytest.mark.parametrize(
    ("text", "nodes", "areas"),
    [
        ("hugetlb_cma=2G", 1, [(4 * GIB, 2 * GIB)]),
        ("hugetlb_cma=1536M", 1, [(4 * GIB, 2 * GIB)]),
        ("hugetlb_cma=25%", 1, [(4 * GIB, 4 * GIB)]),
        ("hugetlb_cma=2G", 2, [(4 * GIB, GIB), (9 * GIB, GIB)]),
        ("hugetlb_cma=1:2G,5:1G", 2, [(9 * GIB, 2 * GIB)]),
        ("hugetlb_cma=0:512M,1:1G", 2, [(9 * GIB, GIB)]),
        ("hugetlb_cma=512M", 1, []),
    ],
)
def test_hugetlb_areas_are_whole_gigantic_pages_of_their_node(text, nodes, areas):
    early = boot(text, gib=16, nodes=nodes)
    assert placed(early, CMA) == areas
    assert early.cma_areas == [Extent(start, start + size) for start, size in areas]


def test_with_hugetlb_areas_no_gigantic_page_is_taken_at_boot():
    early = boot("hugetlb_cma=2G hugepagesz=1G hugepages=4", gib=16)
    assert early.gigantic.pages == []
    assert "HugeTLB: hugetlb_cma is enabled, skip boot time allocation" in early.messages


def test_a_machine_whose_areas_leave_no_room_for_scratch_has_no_kho():
    """Recorded: 8 GiB with hugetlb_cma=2G."""
    trace = chain("hugetlb_cma=2G")
    assert (trace.outcome.kind, trace.outcome.boot) == ("kho_disabled", 0)
    assert trace.outcome.message == "KHO: Failed to reserve global scratch buffer"


def test_hugetlb_areas_are_found_again_at_their_place():
    trace = chain("hugetlb_cma=2G kho_scratch=128M,256M,256M", boots=3)
    rows = [r.address for r in trace[Allocation] if r.what == "hugetlb cma area"]
    assert rows == [4 * GIB] * 3
    assert trace.outcome.kind == "completed"
