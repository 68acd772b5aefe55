"""Areas as texts, and the scenarios that have them."""

import pytest

from kho_sim.base.command_line import parse_command_line
from kho_sim.scenario import loads, with_values
from kho_sim.sweeps.advise.areas import (
    Areas,
    parse_areas,
    step_bytes_of,
    with_scratch,
    with_strategy,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    "text", ["8M,16M,16M", "8MiB,16M,0x1000000", "7M,13M,16M", "8M,15M,16384K"]
)
def test_sizes_are_rounded_up_to_steps_of_4_mib(text):
    assert parse_areas(text) == Areas(2, 4, 4)
    assert parse_areas(str(parse_areas(text))) == Areas(2, 4, 4)


@pytest.mark.parametrize("text", ["", "200%", "8M", "8M,16M", "8M,16M,16M,1M", "8M,sixteen,1M"])
def test_what_is_no_three_sizes_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_areas(text)


def test_the_total_counts_each_node():
    assert Areas(2, 4, 4).total_bytes(1) == 40 * MIB
    assert Areas(2, 4, 4).total_bytes(3) == 72 * MIB


@pytest.mark.parametrize(("page", "step_mib"), [("4KiB", 4), ("16KiB", 32), ("64KiB", 512)])
def test_steps_are_those_that_the_kernel_rounds_to(page, step_mib):
    scenario = loads(f"machine: {{platform: arm64, memory: 64GiB}}\nkernel: {{page_size: {page}}}")
    step = step_bytes_of(scenario)
    assert step == step_mib * MIB
    areas = parse_areas("8M,600M,1M", step)
    assert areas.total_bytes(1) % step == 0
    grown = areas.with_area(2, 3)
    assert (grown.step_bytes, str(grown).split(",")[2]) == (step, f"{3 * step_mib}M")


@pytest.mark.parametrize(
    "command_line",
    [
        "",
        "quiet kho_scratch=300%",
        "kho_scratch=1M,1M,1M kho_scratch=300% loglevel=7",
        'console="a kho_scratch=1G,1G,1G b" quiet -- kho_scratch=9M,9M,9M',
    ],
)
def test_the_kernel_reads_these_areas_whatever_was_there(command_line):
    scenario = loads("machine: {memory: 1GiB}")
    scenario = with_values(scenario, {"kernel.command_line": command_line or "''"})
    changed = with_values(scenario, with_scratch(scenario, Areas(2, 4, 5)))
    line = changed.kernel.command_line
    read = parse_command_line(line).kho_scratch
    assert (read.scale_percent, read.lowmem_bytes) == (0, 8 * MIB)
    assert (read.global_bytes, read.pernode_bytes) == (16 * MIB, 20 * MIB)
    assert ('"a kho_scratch=1G,1G,1G b"' in line) == ('"a kho' in command_line)
    default = with_values(scenario, with_scratch(scenario, None)).kernel.command_line
    assert parse_command_line(default).kho_scratch.scale_percent == 200


def test_the_first_kernels_own_command_line_is_the_one_to_change():
    scenario = loads(
        "machine: {memory: 1GiB}\n"
        "kernel: {command_line: a, releases: [{command_line: b, extend: {shift: 20}}, {}]}\n"
    )
    changed = with_values(scenario, with_scratch(scenario, Areas(1, 1, 3)))
    assert changed.kernel.at(0).command_line == "kho_scratch=4M,4M,12M b"
    assert changed.kernel.at(1).command_line == "a"
    extended = with_values(scenario, with_strategy(scenario, "none", 28))
    assert {extended.kernel.at(n).extend.shift for n in range(3)} == {28}
    assert {extended.kernel.at(n).extend.strategy for n in range(3)} == {"none"}
