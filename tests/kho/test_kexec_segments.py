"""The pieces of the next kernel: their sizes, alignments and lowest addresses (kernel-facts
11.1)."""

from dataclasses import replace

from kho_sim.builds import load_build
from kho_sim.kho.load import source_page_count
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.loader import LoadRequest, Placement, Segment
from kho_sim.platform.x86_64 import X86_64

PAGE = 4096
MIB = 1 << 20


def test_every_segment_of_a_bzimage():
    build = replace(
        load_build(),
        purgatory_bytes=0x5000,
        init_size_bytes=9 * MIB,
        initrd_bytes=0x1234,
        image_bytes=1,
    )
    assert X86_64().kexec_segments(LoadRequest(build, command_line_bytes=10)) == (
        Segment("purgatory", 0x5000, PAGE, 0x3000),
        # 4096 + "10 characters" + NUL + 30, rounded up to 16, and three setup_data of 48 bytes
        Segment("boot_params", 4144 + 3 * 48, PAGE, 0x3000),
        Segment("kernel", 9 * MIB, 2 * MIB, 0x1000000),
        Segment("initrd", 0x1234, PAGE, 0x1000000),
    )


def test_source_pages_count_the_entries_of_all_segments():
    """600 pages and two destinations are 602 entries: two indirection pages."""
    placements = [Placement("kernel", 0, 400 * PAGE), Placement("initrd", 0, 200 * PAGE)]
    assert source_page_count(Geometry(), placements) == 600 + 2
    assert isinstance(source_page_count(Geometry(), placements), int)
