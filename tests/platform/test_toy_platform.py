"""A platform that is nothing like x86: the generic rooms must not know the difference.

Memory begins at 1 GiB, pages have 16 KiB, there is neither BIOS nor first MiB, kexec places two
pieces, and the page allocator has one zone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from kho_sim.base.command_line import Crashkernel, HugepageRequest, ReserveMem, ScratchRequest
from kho_sim.base.errors import ScenarioError
from kho_sim.base.extent import Extent, round_up
from kho_sim.base.words import PLATFORM_BUILDS
from kho_sim.builds import load_build
from kho_sim.chain.build import build_kernel
from kho_sim.chain.timing.leaving import jump_phase
from kho_sim.kernel.boot import KernelSetup, boot_memory
from kho_sim.kho.handover import Handover, KhoData
from kho_sim.kho.load import LoadRefused, place_kernel
from kho_sim.kho.radix import RadixTree
from kho_sim.machine import Machine
from kho_sim.machine.machine import FirmwareRange
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.kaslr import NO_KASLR
from kho_sim.platform.loader import LoadedKernel, LoadRequest, Segment
from kho_sim.platform.options import option_rules
from kho_sim.platform.platform import Platform
from kho_sim.platform.rules import EarlyRules, Step, ZoneLimit
from kho_sim.releases import load_release
from kho_sim.scenario import spec

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
PAGE = 16 * KIB
MACHINE = Machine((FirmwareRange(GIB, 3 * GIB),), cpu_nodes=(0, 0), page_bytes=PAGE)
BUILD = replace(load_build(), image_bytes=4 * MIB, initrd_bytes=MIB, swiotlb_bytes=4 * MIB)
X86_REQUESTS = {
    "real-mode trampoline",
    "direct map probe",
    "direct map page",
    "hpet resource",
    "ioapic resource",
    "e820 resources",
    "cpu entry area table",
}


class Toy:
    """See ``platform.Platform``."""

    name = "toy"
    geometry = Geometry(page_shift=14, section_shift=27, max_order=11, third_level_pages=False)
    address_bits = 40
    command_line_max_bytes = 100
    init_moves = boot_moves = unpacks_image = False
    boot_loader_end = 2 * GIB

    def zones(self, machine, build):
        return (ZoneLimit("All", 0, machine.end_of_memory),)

    def early_rules(self, machine):
        return EarlyRules(
            low_address=2 * GIB - 1,
            memmap_address=GIB,
            memmap_origin=0,
            memmap_upper_tables=(),
            physical_address_bits=40,
            per_cpu_atom_bytes=PAGE,
            cma_align_bytes=2 * MIB,
            crash_low_end=2 * GIB,
            crash_align_bytes=2 * MIB,
            crash_high_end=1 << 48,
            crash_low_bytes=128 * MIB,
            crash_low_holds_bounce_buffers=False,
        )

    def load_cold(self, machine, build, kaslr=NO_KASLR):
        return LoadedKernel(Extent(GIB, GIB + build.image_bytes))

    def moved_in_scratch(self, loaded, areas, build, kaslr):
        return loaded

    def before_extension(self, boot):
        yield Step("memory", boot.add_memory, "memblock_add()")
        yield Step("limit", partial(self._limit, boot), "bootmem_init()")
        yield Step("KHO", boot.populate_kho, "kho_populate()")
        yield Step("kernel image", boot.reserve_image, "memblock_reserve()")
        yield Step("nodes", boot.initialise_nodes, "numa_init()")
        yield Step("crash kernel", boot.reserve_crash_kernel, "arch_reserve_crashkernel()")

    def after_extension(self, boot):
        yield from boot.steps_of_start_kernel()
        bounce = partial(boot.allocate_bounce_buffers, boot.build.swiotlb_bytes)
        yield Step("bounce buffers", bounce, "swiotlb_init()")

    def kexec_segments(self, request):
        return (
            Segment("tree", PAGE, PAGE),
            Segment("kernel", request.build.image_bytes, 2 * MIB),
        )

    def hardware_table_bytes(self, machine):
        return ()

    def pages_to_load(self, boot):
        return 0

    def load_kexec(self, placed, request):
        at = {place.name: place.extent for place in placed}
        return LoadedKernel(at["kernel"], None, at["tree"], by_kexec=True)

    def _limit(self, boot):
        boot.memblock.current_limit = boot.machine.end_of_memory


TOY: Platform = Toy()
SETUP = KernelSetup(
    TOY,
    BUILD,
    BootOptions(
        command_line_bytes=20,
        log_buffer_bytes=MIB,
        crashkernel=(Crashkernel(8 * MIB),),
        reserve_mem=(ReserveMem(PAGE // 2, 64, "half"),),
    ),
    scratch=ScratchRequest(0, 64 * MIB, 32 * MIB, 32 * MIB),
)


def cold():
    booted = boot_memory(MACHINE, SETUP, None)
    assert not booted.panic
    return booted


def sizes(boot: EarlyBoot, what: str) -> list[tuple[int, int]]:
    """(bytes, alignment) of the requests of that name."""
    return [(r.size_bytes, r.align_bytes) for r in boot.requests.rows if r.what == what]


def test_a_cold_boot_asks_for_nothing_of_x86():
    early = cold().early
    assert not {row.what for row in early.requests.rows} & X86_REQUESTS
    assert min(region.base for region in early.memblock.reserved) == GIB
    assert not any(row.failed for row in early.requests.rows)


def test_generic_requests_follow_the_pages_and_rules_of_the_platform():
    early = cold().early
    assert not sizes(early, "memmap")
    assert sizes(early, "memmap page") == [(PAGE, PAGE)] * 16 * 32
    assert sizes(early, "vmemmap table") == [(PAGE, PAGE)]
    assert sizes(early, "section root") == [(PAGE, 64)]
    unit = round_up(BUILD.per_cpu_static_bytes + BUILD.per_cpu_dynamic_bytes, PAGE)
    assert sizes(early, "per-cpu units") == [(2 * unit, PAGE)]
    assert sizes(early, "crash kernel") == [(8 * MIB, 2 * MIB)]
    assert sizes(early, "reserve_mem half") == [(PAGE // 2, 64)]
    assert sizes(early, "swiotlb slots") == [(round_up(2048 * 24, PAGE), PAGE)]
    buffers = next(row for row in early.requests.rows if row.what == "swiotlb")
    assert buffers.address + buffers.size_bytes <= 2 * GIB
    assert buffers.align_bytes == PAGE


def test_gigantic_pages_are_those_above_the_highest_order():
    """32 MiB is order 11 here: the page allocator's business."""
    wanted = (HugepageRequest(32 * MIB, 2), HugepageRequest(64 * MIB, 3))
    setup = replace(SETUP, options=replace(SETUP.options, hugepages=wanted))
    early = boot_memory(MACHINE, setup, None).early
    assert sizes(early, "gigantic page") == [(64 * MIB, 64 * MIB)] * 3


def test_scratch_is_aligned_to_the_highest_order_and_low_memory_ends_where_the_platform_says():
    (low, low_size), (_, size), *_ = cold().scratch_areas
    assert low + low_size <= 2 * GIB
    assert low % (32 * MIB) == 0
    assert (low_size, size) == (64 * MIB, 32 * MIB)
    odd = replace(SETUP, scratch=ScratchRequest(0, MIB, MIB, MIB))
    assert {size for _, size in boot_memory(MACHINE, odd, None).scratch_areas} == {32 * MIB}


def test_a_kernel_is_loaded_and_boots_from_its_scratch():
    areas = cold().scratch_areas
    request = LoadRequest(BUILD, 20)
    placed = place_kernel(TOY, areas, request)
    assert not isinstance(placed, LoadRefused)
    assert [place.name for place in placed] == ["descriptors", "tree", "kernel"]
    assert {place.size_bytes % PAGE for place in placed} == {0}
    handover = Handover(
        loaded=TOY.load_kexec(placed, request),
        kho=KhoData(load_release().kho_compatible, 0, placed[0].start, areas),
        tree=RadixTree().freeze(),
        objects=(),
        luo_pages=(),
        release="7.3",
        kexec_count=1,
    )
    second = boot_memory(MACHINE, replace(SETUP, strategy="none"), handover)
    assert not second.panic
    assert second.early.revived
    assert {row.source for row in second.early.requests.rows} == {"scratch"}
    image = handover.loaded.image
    assert any(r.base <= image.start < r.end for r in second.early.memblock.reserved)


def test_an_image_is_unpacked_where_the_platform_says_so():
    def unpacked(platform):
        phase = jump_phase(load_release(), (), replace(SETUP, platform=platform), {})
        return phase.parts[0].counts["decompressed_bytes"]

    packed = Toy()
    packed.unpacks_image = True
    assert (unpacked(TOY), unpacked(packed)) == (0, BUILD.image_bytes)


def test_a_kernel_needs_memory_where_the_platform_starts_it(monkeypatch):
    monkeypatch.setitem(PLATFORM_BUILDS, "toy", "arm64-lab")
    monkeypatch.setattr("kho_sim.chain.build.option_rules", lambda *_: option_rules("arm64", PAGE))
    above = Machine((FirmwareRange(GIB, 4 * GIB),), cpu_nodes=(0,), page_bytes=PAGE)
    kernel = spec.Kernel(command_line="memmap=1G$1G")
    with pytest.raises(ScenarioError, match="accepted: at least 64MiB in one piece below 2GiB"):
        build_kernel(kernel, TOY, above, [], (0, 0))
    anywhere = Toy()
    anywhere.boot_loader_end = 1 << anywhere.address_bits
    assert build_kernel(kernel, anywhere, above, [], (0, 0)).platform is anywhere


@pytest.mark.parametrize(
    ("size", "text"), [(64 * MIB, "64.0 MiB"), (128 * MIB, "128 MiB"), (GIB, "1.00 GiB")]
)
def test_a_shortfall_is_said_in_three_digits(size, text):
    setup = replace(SETUP, options=BootOptions(hugepages=(HugepageRequest(size, 99),)))
    messages = boot_memory(MACHINE, setup, None).early.messages
    assert any(f"allocating 99 of page size {text} failed" in message for message in messages)
