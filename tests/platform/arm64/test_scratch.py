"""The default size of scratch: the table and the lines of kernel-facts-arm64, section 4."""

from __future__ import annotations

import pytest

from tests.platform.arm64.machines import MIB, areas_mib, cold_boot

TABLE = [
    ("1GiB", 1, 52.7, [108, 4, 40]),
    ("2GiB", 2, 73.3, [148, 4, 76]),
    ("3GiB", 2, 96.3, [196, 4, 112]),
    ("4GiB", 4, 175.2, [192, 160, 148]),
    ("8GiB", 4, 253.2, [192, 316, 292]),
    ("16GiB", 4, 409.2, [192, 628, 580]),
    ("64GiB", 4, 1345.5, [192, 2500, 2308]),
    ("256GiB", 4, 4898, [192, 9608, 9220]),
]
WITH_LOG_BUFFER = [
    ("4GiB", [192, 304, 148]),
    ("8GiB", [192, 460, 292]),
    ("16GiB", [192, 772, 580]),
    ("64GiB", [192, 2644, 2308]),
]


@pytest.mark.parametrize(("memory", "cpus", "reserved_mib", "areas"), TABLE)
def test_scratch_is_twice_what_the_kernel_reserves(memory, cpus, reserved_mib, areas):
    booted = cold_boot(memory, cpus)
    assert areas_mib(booted) == areas
    assert booted.reservation.kernel_reserved_bytes / MIB == pytest.approx(reserved_mib, rel=6e-4)


@pytest.mark.long
def test_scratch_of_a_terabyte():
    booted = cold_boot("1TiB", 4)
    assert areas_mib(booted) == [192, 37648, 36876]
    assert booted.reservation.kernel_reserved_bytes // MIB == 18918


@pytest.mark.parametrize(("memory", "areas"), WITH_LOG_BUFFER)
def test_a_log_buffer_counts_for_the_global_area(memory, areas):
    assert areas_mib(cold_boot(memory, 4, "log_buf_len=16M")) == areas


@pytest.mark.parametrize(
    ("memory", "cpus", "line", "areas"),
    [
        ("2GiB", 2, "", [96, 32, 32]),
        ("4GiB", 2, "", [192, 64, 64]),
        ("8GiB", 4, "log_buf_len=16M", [192, 256, 96]),
    ],
)
def test_pages_of_16_kib_round_to_32_mib(memory, cpus, line, areas):
    assert areas_mib(cold_boot(memory, cpus, line, "16KiB")) == areas


@pytest.mark.parametrize("memory", ["8GiB", "16GiB", "64GiB"])
def test_pages_of_64_kib_round_to_512_mib(memory):
    assert areas_mib(cold_boot(memory, 4, "", "64KiB")) == [1536, 512, 512]


@pytest.mark.parametrize("memory", ["2GiB", "4GiB"])
def test_small_machines_have_no_room_for_areas_of_512_mib(memory):
    booted = cold_boot(memory, 2, "", "64KiB")
    assert not booted.scratch_areas
    assert booted.reservation.messages[0].startswith("KHO: Failed to reserve")
    assert areas_mib(cold_boot("4GiB", 2, "cma=0", "64KiB")) == [512, 512, 512]


def test_explicit_sizes_are_rounded_too():
    assert areas_mib(cold_boot("8GiB", 2, "kho_scratch=64M,64M,64M", "64KiB")) == [512] * 3
