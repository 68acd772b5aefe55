"""What mem=, memmap=, nr_cpus=, maxcpus= and numa=off leave of a machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.command_line.memory_map import FORGET, KEEP_OFF, LIMIT, USE, MemoryEdit
from kho_sim.base.errors import ScenarioError
from kho_sim.base.extent import Extent
from kho_sim.chain.build import build_plan
from kho_sim.chain.chain import run_plan
from kho_sim.machine import FirmwareRange, Machine, MachineLimits
from kho_sim.machine.limits import edited
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.scenario import from_dict
from kho_sim.trace.records import Allocation
from kho_sim.trace.trace import Trace

MIB, GIB = 1 << 20, 1 << 30


def seen(text: str, machine: Machine) -> Machine:
    return MachineLimits.of(parse_command_line(text)).seen(machine)


def machine(gib: int = 8, nodes: int = 1, cpus: int = 8) -> Machine:
    """QEMU's q35: 2 GiB below 4 GiB, the rest above."""
    shares = [gib * GIB // nodes] * nodes if nodes > 1 else ()
    return qemu_machine(gib * GIB, cpus=cpus, node_bytes=shares, firmware="qemu-q35")


def chain(first: str, second: str | None = None, boots: int = 2, gib: int = 8) -> Trace:
    """A chain in which the last kernel may have a command line of its own."""
    kernel = {"command_line": first}
    if second is not None:
        kernel["releases"] = [{}] * (boots - 1) + [{"command_line": second}]
    scenario = from_dict(
        {
            "machine": {"memory": f"{gib}GiB", "cpus": 8, "firmware": "qemu-q35"},
            "kernel": kernel,
            "workload": [{"kind": "memfd", "count": 2, "size": "16MiB"}],
            "chain": {"boots": boots, "twin": False},
        }
    )
    return run_plan(build_plan(scenario), {})


def test_mem_takes_all_memory_above_it_away_and_nothing_else():
    """Recorded: mem=4G on q35 with 8 GiB; 10 entries of the firmware, 9 of the kernel."""
    whole = machine()
    cut = seen("mem=4G", whole)
    assert cut.memory == (Extent(0x1000, 0x9F000), Extent(MIB, 0x7FFE0000))
    assert (len(cut.firmware), len(cut.map_first_seen)) == (9, 10)
    assert seen("mem=64G", whole).memory == whole.memory
    assert seen("mem=1G", whole).end_of_memory == GIB
    assert seen("quiet", whole) is whole


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("memmap=1G$4G", 0x7FFE0000, (5 * GIB, 10 * GIB)),
        ("memmap=1G!9G", 0x7FFE0000, (4 * GIB, 9 * GIB)),
        ("memmap=1G#9G,2G!4G", 0x7FFE0000, (6 * GIB, 9 * GIB)),
        ("memmap=1G@10G", 0x7FFE0000, (4 * GIB, 11 * GIB)),
        ("memmap=4G@0xb0000000", 0x7FFE0000, (4 * GIB, 10 * GIB)),
        ("memmap=6G", 0x7FFE0000, (4 * GIB, 6 * GIB)),
        ("memmap=1G@10G mem=5G", 0x7FFE0000, (4 * GIB, 5 * GIB)),
        ("mem=5G memmap=1G@5G", 0x7FFE0000, (4 * GIB, 6 * GIB)),
        ("memmap=exactmap memmap=2G@1M memmap=1G@4G", 0x80100000, (4 * GIB, 5 * GIB)),
    ],
)
def test_memmap_edits_the_map_in_the_order_of_the_line(text, low, high):
    memory = seen(text, machine()).memory
    assert low in {part.end for part in memory}
    assert memory[-1] == high


ROOM = st.integers(0, 40)
EDITS = st.builds(
    lambda kind, start, size: MemoryEdit(kind, start, start + size),
    st.sampled_from([LIMIT, FORGET, USE, KEEP_OFF]),
    ROOM,
    st.integers(1, 12),
)


@given(st.lists(st.sampled_from("ur-"), min_size=1, max_size=40), st.lists(EDITS, max_size=5))
def test_edits_are_what_they_do_to_each_byte(kinds, edits):
    """A naive model: one word for each byte of a small map."""
    names = {"u": "usable", "r": "reserved"}
    firmware = [FirmwareRange(at, at + 1, names[k]) for at, k in enumerate(kinds) if k in names]
    bytes_ = {part.start: part.kind for part in firmware}
    for kind, start, end in edits:
        if kind == LIMIT:
            bytes_ = {at: k for at, k in bytes_.items() if k != "usable" or at < start}
        elif kind == FORGET:
            bytes_ = {}
        elif kind == USE:
            bytes_ = {**dict.fromkeys(range(start, end), "usable"), **bytes_}
        else:
            bytes_.update(dict.fromkeys(range(start, end), "reserved"))
    result = edited(firmware, edits)
    assert {at: part.kind for part in result for at in range(part.start, part.end)} == bytes_
    assert list(result) == sorted(result)


def test_nodes_that_lose_their_memory_are_gone():
    """Two nodes of 4 GiB: node 1 begins at 6 GiB."""
    whole = machine(8, nodes=2)
    assert seen("mem=5G", whole).nodes == (0,)
    assert seen("mem=5G", whole).cpus_of(0) == 8
    assert seen("mem=7G", whole).nodes == (0, 1)
    assert seen("mem=7G", whole).node_spans[-1].end == 7 * GIB
    apart = seen("numa=off", whole)
    assert (apart.nodes, apart.cpus_of(0), apart.memory) == ((0,), 8, whole.memory)


def test_cpus_that_are_not_allowed_do_not_exist_and_others_only_wait():
    limits = MachineLimits.of(parse_command_line("nr_cpus=6 maxcpus=2"))
    assert limits.seen(machine()).cpus == 6
    assert limits.running(machine()).cpus == 2
    assert MachineLimits.of(parse_command_line("maxcpus=0")).running(machine()).cpus == 1
    assert MachineLimits.of(parse_command_line("nr_cpus=99")).running(machine()) == machine()


def test_per_cpu_memory_follows_the_possible_cpus():
    def units(text):
        (row,) = chain(text, boots=1)[Allocation].where(what="per-cpu units")
        maps = next(iter(chain(text, boots=1)[Allocation].where(what="per-cpu unit map")))
        return row.size_bytes, maps.size_bytes

    assert units("nr_cpus=2") == units("nr_cpus=2 maxcpus=1") != units("")
    assert units("maxcpus=1") == units("")


def test_without_memory_above_4_gib_there_are_no_bounce_buffers_and_no_global_scratch():
    """Recorded: mem=4G on q35 with 8 GiB."""
    trace = chain("mem=4G")
    assert trace.outcome.kind == "completed"
    assert not list(trace[Allocation].where(what="swiotlb"))
    assert trace["boots"][0].scratch_areas[1][1] == 0


def test_scratch_stays_memory_for_a_kernel_that_sees_less():
    trace = chain("kho_scratch=64M,64M,128M", "kho_scratch=64M,64M,128M memmap=1G$9G")
    assert trace.outcome.kind == "completed"
    assert trace["boots"][1].scratch_areas == trace["boots"][0].scratch_areas
    assert max(start for start, _ in trace["boots"][1].scratch_areas) >= 9 * GIB


def test_preserved_memory_that_the_next_kernel_does_not_see_is_its_end():
    trace = chain("", "mem=4G")
    assert (trace.outcome.kind, trace.outcome.boot) == ("boot_failed", 1)
    assert "is no memory to this kernel" in trace.outcome.message


@pytest.mark.parametrize("text", ["mem=1M", "mem=32M", "memmap=exactmap", "memmap=8G$1M"])
def test_a_line_that_leaves_no_memory_is_refused_in_words(text):
    with pytest.raises(ScenarioError, match="leave no memory for a kernel; accepted"):
        chain(text)
