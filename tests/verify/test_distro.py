"""Chains of a distribution-like kernel with KASLR, on BIOS and EFI machines, from their logs."""

from __future__ import annotations

import pytest

from tests.verify.conftest import RECORDED, recorded_check, recorded_trace

NAMES = sorted(
    f"x86-distro/{path.name.removesuffix('.log.xz')}"
    for path in (RECORDED / "x86-distro").glob("*.log.xz")
)
BLIND = ("kernel_reserved_bytes", "scratch_areas", "gigantic_pages_allocated", "preservations")
RANDOM_PAGE = "x86-distro/edge-grow436-noext"
"""A log without memblock=debug whose CPUs' entry areas took one page table more than is likeliest
(kernel-facts-distro 3.5): its kernel-reserved bytes are one page off."""


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_is_as_it_was_recorded(name):
    """Outcome, placements, steps, and of the blind facts those that no thread's turn decides."""
    check = recorded_check(name)
    assert check.outcome.exact
    for boot in check.boots:
        assert boot.placements.exact == boot.placements.compared
        assert not [step for step, compared in boot.steps.items() if not compared.exact]
        off = [fact for fact in BLIND if fact in boot.facts and not boot.facts[fact].exact]
        assert off == (["kernel_reserved_bytes"] if name == RANDOM_PAGE else [])


def test_the_random_page_is_one_page():
    (first, *_) = recorded_check(RANDOM_PAGE).boots
    reserved = first.facts["kernel_reserved_bytes"]
    assert abs(reserved.predicted - reserved.observed) == 4096


@pytest.mark.parametrize("name", NAMES)
def test_kaslr_is_held_to_the_slots_of_original_scratch(name):
    """Without it the kernel lies where kexec put it."""
    lines = {boot.boot: boot.command_line for boot in recorded_trace(name)["boots"]}
    for boot in recorded_check(name).boots:
        if boot.kind == "kho":
            step = "kernel_address" if "nokaslr" in lines[boot.boot] else "kernel_slot"
            assert boot.steps[step].exact
            assert {"kernel_address", "kernel_slot"} & set(boot.steps) == {step}


def test_regions_before_the_retrieval_are_nearly_always_exact():
    found = [
        boot.facts["reserved_regions_before"].exact
        for name in NAMES
        for boot in recorded_check(name).boots
    ]
    assert sum(found) >= 0.85 * len(found)
