"""Early memory that its owners preserve: safe outside of scratch, lost inside of it."""

import pytest

import kho_sim as ks
from kho_sim.base.extent import Extent
from kho_sim.scenario import with_values
from kho_sim.trace.headline import headline

MIB = 1 << 20
TABLES = {"what": "iommu tables", "size": "2MiB", "align": 4096, "preserve": True}
DEBUG = {"kernel.config": {"kexec_handover_debug": True}}
LATE = [{}, {"command_line": "kho_scratch=64M,512M,512M reserve_mem=4M:4096:late"}]

HOST = ks.loads("""
machine: {memory: 8GiB, cpus: 2}
kernel: {command_line: "kho_scratch=64M,512M,512M"}
workload:
- {kind: memfd, size: 16MiB}
chain: {boots: 4, twin: false}
""")


def run(**values):
    return ks.run(with_values(HOST, {key.replace("__", "."): one for key, one in values.items()}))


def said(trace, kind):
    return [(row.boot, row.message) for row in trace["incidents"] if row.kind == kind]


def in_scratch(trace, boot):
    (row,) = [row for row in trace["allocations"] if (row.boot, row.what) == (boot, "iommu tables")]
    scratch = [Extent(start, start + size) for start, size in trace["boots"][boot].scratch_areas]
    return any(area.overlaps(Extent(row.address, row.address + row.size_bytes)) for area in scratch)


def handed(trace):
    return [(row.boot, row.kind, row.size_bytes) for row in trace["files"] if row.kind == "early"]


def test_without_the_extension_it_lies_in_scratch_and_the_next_kernel_boots_over_it() -> None:
    trace = run(kernel__early=[TABLES], kernel__extend={"strategy": "none"})
    assert [in_scratch(trace, boot) for boot in range(4)] == [False, True, True, True]
    assert handed(trace) == [(boot, "early", 2 * MIB) for boot in (1, 2, 3)]
    found = said(trace, "overwritten")
    assert [boot for boot, _ in found] == [2, 3]
    assert "2 MiB of 2 MiB preserved in scratch, from 0x" in found[0][1]
    assert headline(trace).colour == "amber"
    assert "overwritten in scratch at boots 2-3" in headline(trace).verdict
    lost = [(row.boot, row.size_bytes) for row in trace["file_outcomes"] if not row.kept]
    assert lost == [(2, 2 * MIB), (3, 2 * MIB)]


OUTSIDE = {"machine.memory": "16GiB", "kernel.command_line": "kho_scratch=64M,64M,64M"}


def test_outside_of_scratch_it_stays() -> None:
    """Small areas near the top leave room above them for all of the next kernel's early memory."""
    trace = run(kernel__early=[TABLES], **OUTSIDE)
    assert [in_scratch(trace, boot) for boot in range(4)] == [False] * 4
    assert handed(trace) == [(boot, "early", 2 * MIB) for boot in (1, 2, 3)]
    assert not trace["incidents"]
    plain = run(**OUTSIDE)["boots"][2]
    assert trace["boots"][2].preserved_bytes - plain.preserved_bytes == 2 * MIB + 4096


def test_what_comes_before_the_extension_lies_in_scratch_in_any_case() -> None:
    trace = run(kernel__early=[{**TABLES, "phase": "before"}])
    assert [boot for boot, _ in said(trace, "overwritten")] == [2, 3]


def test_a_debug_option_refuses_it_and_the_kernel_goes_on() -> None:
    trace = run(kernel__early=[TABLES], kernel__extend={"strategy": "none"}, **DEBUG)
    assert trace.outcome.kind == "completed"
    assert said(trace, "overwritten") == []
    refused = said(trace, "in_scratch")
    assert [boot for boot, _ in refused] == [1, 2]
    assert refused[0][1].endswith("in scratch: -EINVAL")
    assert handed(trace) == [(1, "early", 2 * MIB)]


def test_a_debug_option_changes_nothing_outside_of_scratch() -> None:
    early = {"kernel__early": [TABLES], **OUTSIDE}
    assert run(**early, **DEBUG).digest == run(**early).digest


@pytest.mark.parametrize("debug", [False, True])
def test_a_named_area_that_a_later_kernel_makes_in_scratch_is_lost_as_well(debug: bool) -> None:
    trace = run(
        kernel__releases=LATE, kernel__extend={"strategy": "none"}, **(DEBUG if debug else {})
    )
    assert trace.outcome.kind == "completed"
    if debug:
        assert [boot for boot, _ in said(trace, "in_scratch")] == [1, 2]
    else:
        ((boot, message),) = said(trace, "overwritten")
        assert (boot, message[:5]) == (2, "late:")


def lost_of_64_mib(*early):
    """Let the third kernel ask for other early memory than those before it."""
    large = {**TABLES, "size": "64MiB"}
    releases = [{"early": [large]}, {"early": [large]}, {"early": list(early)}]
    trace = run(kernel__releases=releases, kernel__extend={"strategy": "none"})
    return [message.split(", ")[0] for _, message in said(trace, "overwritten")]


def test_only_what_was_written_over_is_lost() -> None:
    """A kernel that asks for less reaches less far down in scratch."""
    other = {"what": "other", "size": "16MiB", "align": 4096}
    assert lost_of_64_mib() == []
    (part,) = lost_of_64_mib(other)
    assert part == "early0/iommu tables: 16 MiB of 64 MiB preserved in scratch"
