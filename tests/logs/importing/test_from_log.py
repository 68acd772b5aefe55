"""Boot logs become scenarios: what is read, where from, and that a run takes it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from kho_sim.base import requesters
from kho_sim.base.errors import TraceError
from kho_sim.builds import load_build
from kho_sim.chain.build import build_machine
from kho_sim.cli.app import call
from kho_sim.logs.importing import import_files, scenario_from_trace, scenario_text
from kho_sim.logs.reader import MemblockCall, read_boot_log_lines
from kho_sim.scenario import from_dict, loads
from tests.hand_made import with_records

GIB = 1 << 30
DATA = Path(__file__).with_name("data")


def imported(trace):
    return scenario_from_trace(trace)


def with_boot_log(trace, boot, **changes):
    logs = list(trace.extra["boots"])
    logs[boot] = replace(logs[boot], **changes)
    return replace(trace, extra={"boots": tuple(logs)})


def test_machine_build_and_workload_of_a_recorded_chain(read_recorded):
    scenario = imported(read_recorded("b-grow1-drop0-16G")).scenario
    kernel = scenario["kernel"]
    assert scenario["machine"]["cpus"] == 4
    assert kernel["image"] == 0x880000
    assert kernel["brk"] == 0x10000
    assert kernel["initrd"] == 0x33F000
    assert kernel["per_cpu_static"] == 129944
    assert "releases" not in kernel
    assert scenario["workload"] == [
        {"kind": "memfd", "count": 4, "size": 96 << 20, "grow": 1},
        {"kind": "anonymous", "size": GIB, "oom_score_adj": -1000},
    ]
    assert scenario["chain"]["boots"] == 9
    assert scenario["chain"]["workers"] == "emulated"


def test_the_cpu_says_whether_threads_run_as_on_hardware(read_recorded):
    trace = with_boot_log(read_recorded("machine-4G"), 0, cpu_model="AMD EPYC 9654")
    assert imported(trace).scenario["chain"]["workers"] == "parallel"
    unknown = with_boot_log(trace, 0, cpu_model="")
    assert "workers" not in imported(unknown).scenario["chain"]


def test_the_release_of_a_log_is_simulated(read_recorded):
    trace = read_recorded("machine-4G")
    found = imported(trace)
    assert found.scenario["kernel"]["release"] == "7.3"
    assert found.origins["kernel.release"].endswith("Linux version 7.3.4")
    assert "releases" not in found.scenario["kernel"]
    mixed = with_boot_log(with_boot_log(trace, 1, release="7.3-patch-v2"), 2, release="")
    found = imported(mixed)
    assert found.scenario["kernel"]["releases"] == [{}, *[{"release": "7.3-patch-v2"}] * 2]
    assert not found.notes
    later = with_boot_log(with_boot_log(trace, 0, release=""), 1, release="7.3.5")
    kernel = imported(later).scenario["kernel"]
    assert (kernel["release"], "releases" in kernel) == ("7.3", False)
    silent = trace
    for boot in range(3):
        silent = with_boot_log(silent, boot, release="")
    assert "release" not in imported(silent).scenario["kernel"]


def test_a_release_that_is_not_known_is_said(capsys):
    """A log from outside: a distribution's kernel."""
    assert call(["import", str(DATA / "release-6.8.log")]) == 0
    out, err = capsys.readouterr()
    assert loads(out).kernel.release == "6.16"
    note = (
        "release-6.8.log: kernel 6.8.0-29-generic, which is not known here (accepted: "
        "6.16, 6.17, 6.18, 6.19, 7.0, 7.1, 7.2, 7.3, 7.3-patch-v2, 7.4), is simulated as 6.16"
    )
    assert f"note: {note}\n" in err
    assert f"# {note}\n" in out
    assert "# release-6.8.log:1: Linux version 6.8.0-29-generic\n" in out


def test_a_release_that_is_not_known_is_said_once(read_recorded):
    trace = read_recorded("machine-4G")
    mixed = with_boot_log(trace, 0, release="6.1.0-9-amd64")
    for boot in (1, 2):
        mixed = with_boot_log(mixed, boot, release="99.0.1")
    notes = imported(mixed).notes
    assert [note.split(",")[0].split()[-1] for note in notes] == ["6.1.0-9-amd64", "99.0.1"]


def test_image_and_brk_are_told_apart_by_memblock_lines_alone(read_recorded):
    trace = read_recorded("machine-64G")
    scenario = imported(with_boot_log(trace, 0, iomem=[])).scenario
    assert (scenario["kernel"]["image"], scenario["kernel"]["brk"]) == (0x87F000, 0x10000)


def test_nodes_of_srat_cut_the_memory_map(read_recorded):
    machine = build_machine(from_dict(imported(read_recorded("numa4-64G")).scenario))
    borders = [0, 0x440000000, 0x840000000, 0xC40000000, 0x1040000000]
    assert machine.nodes == (0, 1, 2, 3)
    for nid, (start, end) in enumerate(pairwise(borders)):
        assert machine.node_of(max(start, 4096)) == machine.node_of(end - 1) == nid
    # The kernel counts the entries of the firmware's map, which knows no nodes.
    assert len(machine.firmware) == 8


def test_a_later_kernel_whose_command_line_is_longer_is_an_override(read_recorded):
    trace = read_recorded("chain10-16G")
    releases = imported(trace).scenario["kernel"]["releases"]
    assert releases[:10] == [{}] * 10
    assert releases[10]["command_line"] == trace["boots"][10].command_line


def test_switches_of_the_recorder_become_the_strategy(read_recorded):
    assert imported(read_recorded("shift21-64G-2x1G")).scenario["kernel"]["extend"] == {"shift": 21}
    extend = imported(read_recorded("huge30-noext-64G")).scenario["kernel"]["extend"]
    assert extend == {"strategy": "none"}
    assert "extend" not in imported(read_recorded("machine-4G")).scenario["kernel"]


def test_nothing_that_came_out_of_the_chain_is_read(read_recorded):
    trace = read_recorded("machine-4G")
    came_out = ("kernel_reserved_bytes", "preservations", "busy_blocks", "extended_bytes")
    blank = dict.fromkeys(came_out)
    boots = tuple(replace(boot, **blank) for boot in trace["boots"])
    without = with_records(trace, boots=boots, preserved=(), tree_pages=())
    assert imported(without).scenario == imported(trace).scenario


def test_load_sizes_are_found_where_the_recorded_build_does_not_explain_them(read_recorded):
    trace = read_recorded("machine-4G")
    default = load_build()
    assert not {"init_size", "purgatory"} & imported(trace).scenario["kernel"].keys()
    moved = trace
    for boot in (1, 2):
        log = trace.extra["boots"][boot]
        iomem = [
            row._replace(start=row.start - (2 << 20), end=row.end - (2 << 20)) for row in log.iomem
        ]
        initrd = log.initrd._replace(
            start=log.initrd.start - (2 << 20), end=log.initrd.end - (2 << 20)
        )
        moved = with_boot_log(moved, boot, iomem=iomem, initrd=initrd)
    kernel = imported(moved).scenario["kernel"]
    assert kernel["purgatory"] == default.purgatory_bytes
    # 2 MiB lower, because a kernel of more than 0xbf9000 bytes does not fit above.
    assert default.init_size_bytes < kernel["init_size"] <= 0xBFA000


def test_an_early_allocation_of_another_build_becomes_part_of_the_kernel(read_recorded):
    trace = read_recorded("machine-4G")
    driver = MemblockCall(
        op="alloc", caller="my_driver_init", size=8192, align=4096, nid=0, result=1 << 30,
        function="memblock_alloc_try_nid", phase="after",
        what=requesters.other("my_driver_init"),
    )  # fmt: skip
    given_back = driver._replace(caller="probe", size=4096, result=2 << 30)
    free = MemblockCall(op="free", base=2 << 30, size=4096)
    calls = [*trace.extra["boots"][0].calls, driver, given_back, free]
    scenario = imported(with_boot_log(trace, 0, calls=calls)).scenario
    (early,) = scenario["kernel"]["early"]
    assert (early["what"], early["phase"]) == ("other: my_driver_init", "after")
    assert not early["required"]
    assert (early["size"], early["align"], early["node"]) == (8192, 4096, 0)
    assert from_dict(scenario).kernel.early[0].size == 8192


def test_the_recorded_builds_have_no_early_allocation_of_their_own(read_recorded):
    for name in ("machine-64G", "numa4-64G", "seed-case1", "b-machine-8G"):
        assert "early" not in imported(read_recorded(name)).scenario["kernel"]


def test_an_efi_map_keeps_its_types():
    stamp = "[    0.000000]"
    parts = (
        ("Conventional Memory", 0, 0xA0000),
        ("Boot Data", 0x100000, 0x800000),
        ("Conventional Memory", 0x800000, 0x80000000),
        ("Reserved", 0xFE000000, 0xFE010000),
    )
    lines = [f"{stamp} Linux version 6.18.0 (gcc)\n"]
    lines += [
        f"{stamp} efi: mem{n:02}: [{kind:19}|   ] range=[{start:#018x}-{end - 1:#018x}] (0MB)\n"
        for n, (kind, start, end) in enumerate(parts)
    ]
    lines.append(f"{stamp} CPU topo: Allowing 8 present CPUs plus 0 hotplug CPUs\n")
    machine = imported(read_boot_log_lines(map(str.encode, lines), "efi")).scenario["machine"]
    assert machine["memory_map"] == [
        {"start": 0, "end": 0xA0000, "kind": "conventional"},
        {"start": 0x100000, "end": 0x800000, "kind": "boot data"},
        {"start": 0x800000, "end": 0x80000000, "kind": "conventional"},
        {"start": 0xFE000000, "end": 0xFE010000, "kind": "reserved"},
    ]
    assert machine["cpus"] == 8


def test_a_log_without_a_memory_map_is_refused():
    trace = read_boot_log_lines([b"[    0.0] Linux version 7.3.4 (gcc)\n"], "short")
    with pytest.raises(TraceError, match="short: no memory map"):
        scenario_from_trace(trace)


@pytest.mark.parametrize(
    "words", ["obs.boots=x obs.nmfd=-1 obs.mfd=q obs.noise=z obs_shift=", "obs.boots=99999999999"]
)
def test_words_that_are_no_numbers_are_passed_over(read_recorded, words):
    trace = with_boot_log(read_recorded("machine-4G"), 0, command_line=f"kho=on {words}")
    scenario = imported(trace).scenario
    assert "workload" not in scenario
    assert scenario["chain"]["boots"] == 3


def test_the_file_is_the_same_scenario_and_says_where_each_value_is_from(recorded_path):
    found = import_files([recorded_path("numa4-64G")])
    text = scenario_text(found)
    assert loads(text) == from_dict(found.scenario)
    lines = text.splitlines()
    for number, line in enumerate(lines):
        key = line.strip().partition(":")[0]
        if key in ("cpus", "memory_map", "command_line", "image", "brk", "initrd", "boots"):
            assert lines[number - 1].strip().startswith("# numa4-64G.log.xz:")


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x85", "\xa0", "\ufeff", "\U0001f600", '"', "\\"]
)
def test_the_file_keeps_every_character_of_a_command_line(put, odd):
    lines = "[    0.000000] Linux version 7.3.4 (gcc)\n"
    lines += f"[    0.000000] Command line: kho=on {odd} x{odd}y\n"
    lines += "[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff]  System RAM\n"
    found = import_files([put("my.log", lines)])
    assert found.scenario["kernel"]["command_line"] == f"kho=on {odd} x{odd}y"
    assert loads(scenario_text(found)) == from_dict(found.scenario)


def test_an_origin_is_the_line_of_the_log(recorded_path, read_recorded, put):
    lines = "nothing\n" * 4 + "[    0.000000] Linux version 7.3.4 (gcc)\n"
    lines += "[    0.000000] Command line: kho=on obs.nmfd=1 obs.mfd=1M\n"
    lines += "[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff]  System RAM\n"
    origins = import_files([put("my.log", lines)]).origins
    assert origins["kernel.command_line"].startswith("my.log:6: ")
    assert origins["machine.memory_map"].startswith("my.log:7: ")


def test_the_verb_writes_what_run_takes(recorded_path, tmp_path, capsys):
    out = tmp_path / "mine.yaml"
    assert call(["import", recorded_path("machine-1G"), "-o", str(out)]) == 0
    assert call(["import", recorded_path("machine-1G"), "-o", str(out)]) == 2
    assert call(["import", recorded_path("machine-4G"), "-o", str(out), "--force"]) == 0
    assert yaml.safe_load(out.read_text())["description"] == "imported from machine-4G.log.xz"
    assert list(tmp_path.iterdir()) == [out]
    capsys.readouterr()
    changed = ["-s", "kernel.extend.shift=24", "-s", "kernel.command_line=kho=on kho_scratch=50%"]
    assert call(["run", str(out), "--json", *changed]) == 0
