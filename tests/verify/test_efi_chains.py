"""Whole chains on EFI, simulated from what their logs say of the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kho_sim.base.extent import Extent, intersected, merged, total_size
from kho_sim.builds import load_build
from kho_sim.chain.build import build_of
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kernel.bring_up import free_image_parts
from kho_sim.logs.reader import read_boot_log
from kho_sim.memory.pages import OutOfMemory, PageAllocator
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.rules import ZoneLimit
from kho_sim.scenario import loads
from kho_sim.verification.log_check import check_trace
from tests.memory.boots import X86, early_boot

RECORDED = Path(__file__).parents[1] / "recorded" / "x86-distro"
MIB = 1 << 20
DISTRO = load_build("distro")


FOLLOWS_REUSE = {"reserved_regions_after"}
"""Facts that depend on which single pages were free where the kernel's own pages went."""


@pytest.mark.parametrize("name", ["d-efi-4G-nokaslr", "d-efi-8G-scratch-tiny"])
def test_a_chain_is_as_it_was_recorded(name):
    """Busy blocks included: files of the first kernel lie in what its image has given back."""
    check = check_trace(read_boot_log(RECORDED / f"{name}.log.xz"))
    assert check.outcome.exact
    for boot in check.boots:
        wrong = {fact for fact, value in boot.facts.items() if not value.exact}
        assert wrong <= FOLLOWS_REUSE, boot.boot
        assert boot.placements.exact == boot.placements.compared
        assert all(step.exact for step in boot.steps.values())


def test_parts_of_an_image_are_inside_of_it_and_apart():
    image = Extent(32 * MIB, 32 * MIB + DISTRO.image_bytes)
    parts = DISTRO.sections.freed(image)
    assert len(merged(parts)) == len(parts) == 4
    assert all(image.clip(part) == part and part.size for part in parts)


def test_the_parts_of_an_image_are_all_that_is_given_away():
    early = early_boot(qemu_machine(512 * MIB, cpus=1), DISTRO)
    zones = [ZoneLimit("DMA32", 0, 1 << 32)]
    pages = PageAllocator([(0, 512 * MIB, 0)], [], [1], zones=zones, kho_boot=False)
    pages.open([(0, 512 * MIB)])
    free_image_parts(pages, BootedMemory(early))
    parts = DISTRO.sections.freed(early.loaded.image)
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(total_size(parts) >> 12)
    got = [Extent(*run.extent()) for run in short.value.allocated]
    there = [Extent(start >> 12, end >> 12) for start, end in parts]
    assert intersected(got, there) == merged(got)
    assert total_size(there) - total_size(got) == 2  # what the zone keeps for the worst case


def test_another_image_has_no_known_sections():
    text = "machine: {{memory: 4GiB}}\nkernel: {{build: distro{}}}\n"
    kernel = loads(text.format("")).kernel.at(0)
    assert build_of(kernel, X86).sections == DISTRO.sections
    kernel = loads(text.format(", image: 30MiB")).kernel.at(0)
    other = build_of(kernel, X86)
    assert other.sections is None
    assert not any(key.startswith("sections") for key in other.sources)
    assert replace(other, sections=DISTRO.sections).sections
