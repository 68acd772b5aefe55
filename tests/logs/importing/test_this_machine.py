"""--this-machine, --boots, --workload: from what a running kernel shows, in a made-up root."""

from __future__ import annotations

import bz2
import json
from pathlib import Path

import pytest

from kho_sim.base.errors import ScenarioError, TraceError
from kho_sim.chain.build import build_machine
from kho_sim.cli.app import call
from kho_sim.logs.importing import completed, import_files, import_this_machine
from kho_sim.logs.importing import this_machine as module
from kho_sim.scenario import load

MIB, GIB = 1 << 20, 1 << 30
BLOCK = 128 * MIB
MEMFD = "{kind: memfd, count: 2, size: 1GiB}"
ORDINARY = Path(__file__).with_name("data") / "ordinary.log"
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
00100000-bffdffff : System RAM
  01000000-0187efff : Kernel code
  01880000-018fffff : Kernel bss
  90000000-afffffff : Crash kernel
bffe0000-bfffffff : Reserved
100000000-23fffffff : System RAM
"""
HIDDEN = "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n"
LSMEM = """\
RANGE                                  SIZE  STATE REMOVABLE   BLOCK NODE
0x0000000000000000-0x00000000bfffffff    3G online       yes    0-23    0
0x0000000100000000-0x000000023fffffff    5G online       yes   32-71    1
0x0000000240000000-0x000000027fffffff    1G offline      yes   72-79    1

Memory block size:       128M
Total online memory:       8G
"""


@pytest.fixture
def root(tmp_path):
    """A folder with /proc, /sys and /dev; files that are not named are not there."""

    def make(**files: str) -> Path:
        names = {
            "log": "dev/kmsg",
            "iomem": "proc/iomem",
            "cmdline": "proc/cmdline",
            "release": "proc/sys/kernel/osrelease",
            "cpus": "sys/devices/system/cpu/possible",
        }
        for key, text in files.items():
            file = tmp_path / names[key]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return make


def put_blocks(root: Path, blocks: dict[int, int]) -> None:
    """Memory blocks that are online, and their nodes."""
    folder = root / "sys/devices/system/memory"
    folder.mkdir(parents=True)
    (folder / "block_size_bytes").write_text(f"{BLOCK:x}\n")
    for number, node in blocks.items():
        block = folder / f"memory{number}"
        block.mkdir()
        (block / "phys_index").write_text(f"{number:08x}\n")
        (block / "state").write_text("online\n" if node >= 0 else "offline\n")
        if node >= 0:
            link = root / f"sys/devices/system/node/node{node}/memory{number}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(block)


def as_records(log: Path) -> str:
    """The kernel's messages of a log as /dev/kmsg has them."""
    lines = [line.partition("] ")[2] for line in log.read_text().splitlines() if "] " in line]
    return "".join(f"6,{n},{n * 1000},-;{line}\n SUBSYSTEM=x\n" for n, line in enumerate(lines))


def test_the_kernels_log_tells_as_much_as_a_file_with_it(root):
    here = import_this_machine(root(log=as_records(ORDINARY), cmdline="other words", cpus="0-9\n"))
    file = import_files([ORDINARY])
    assert here.scenario["machine"] == file.scenario["machine"]
    assert here.scenario["kernel"] == file.scenario["kernel"]
    assert here.origins["machine.memory_map"].startswith("/dev/kmsg:")
    assert any("/proc/iomem is not there" in note for note in here.notes)


def test_what_everybody_may_read_is_enough_for_a_coarse_machine(root):
    folder = root(iomem=HIDDEN, cmdline="kho=on quiet\n", release="7.2.12\n", cpus="0-3,8-11\n")
    put_blocks(folder, {0: 0, 1: 0, 32: 1, 33: 1, 40: -1})
    here = import_this_machine(folder)
    machine = build_machine(here.to_scenario())
    assert machine.memory_bytes == 4 * BLOCK - 4096
    assert (machine.cpus, machine.nodes) == (8, (0, 1))
    assert here.scenario["kernel"] == {"command_line": "kho=on quiet", "release": "7.2"}
    assert any("/proc/iomem: all addresses are zero" in note for note in here.notes)
    assert any("/dev/kmsg is not there" in note for note in here.notes)


def test_a_log_that_lost_its_beginning_is_left_out_with_a_note(root):
    lines = as_records(ORDINARY).splitlines(keepends=True)
    kept = "".join(line for line in lines if "e820" not in line and "Linux version" not in line)
    here = import_this_machine(root(log=kept, iomem=IOMEM))
    assert here.origins["machine.memory_map"].startswith("/proc/iomem:")
    assert any("has lost its first lines" in note for note in here.notes)


def test_what_is_for_root_only_is_said(root, monkeypatch):
    def refuses(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "open", refuses)
    here = import_this_machine(root(log="", iomem=IOMEM))
    said = "/dev/kmsg: Operation not permitted; the kernel shows it to root only"
    assert any(note.endswith(said) for note in here.notes)


def test_without_any_memory_it_is_refused_with_the_reasons(root):
    with pytest.raises(TraceError, match=r"of this machine: .*iomem is not there"):
        import_this_machine(root(cmdline="quiet"))


def test_a_crash_kernel_in_iomem_is_memory(put):
    found = import_files([put("iomem", IOMEM)])
    memory = build_machine(found.to_scenario()).memory
    assert (MIB, 0xBFFE0000) in memory


# Completion


def test_boots_and_workload_complete_what_no_log_tells(tmp_path, capsys):
    out = tmp_path / "mine.yaml"
    arguments = ["import", str(ORDINARY), "-o", str(out), "--boots", "5", "--workload", MEMFD]
    assert call(arguments) == 0
    notes = capsys.readouterr().err
    assert "add a workload" not in notes
    assert "nothing says how many" not in notes
    scenario = load(out)
    assert scenario.chain.boots == 5
    assert [(e.kind, e.count, e.size) for e in scenario.workload] == [("memfd", 2, GIB)]
    assert "# --workload" in out.read_text()


@pytest.mark.parametrize(
    "text", [MEMFD, f"[{MEMFD}]", f"- {MEMFD}", "- kind: memfd\n  count: 2\n  size: 1GiB"]
)
def test_a_workload_is_an_entry_a_list_or_a_file(text, put):
    plain = import_files([ORDINARY])
    for given in (text, put("workload.yaml", text)):
        (entry,) = completed(plain, workload=given).to_scenario().workload
        assert (entry.kind, entry.size) == ("memfd", GIB)
    assert completed(plain).scenario == plain.scenario


@pytest.mark.parametrize(
    "text", ["[{kind: memfd", "{kind: memfd, size: [}", "no-such-file", "- 'a"]
)
def test_a_workload_that_cannot_be_read_says_what_is_accepted(text):
    with pytest.raises(ScenarioError, match="accepted: "):
        completed(import_files([ORDINARY]), workload=text)


def test_a_workload_that_no_scenario_can_have_is_named(capsys):
    assert call(["import", str(ORDINARY), "--workload", "{kind: memfds}"]) == 3
    assert "memfds" in capsys.readouterr().err


def test_sources_and_this_machine_are_one_of_both(monkeypatch, root, capsys):
    folder = root(iomem=IOMEM)
    monkeypatch.setattr(module.import_this_machine, "__defaults__", (folder,))
    assert call(["import"]) == 2
    assert call(["import", str(ORDINARY), "--this-machine"]) == 2
    assert call(["import", "--this-machine", "--boots", "2"]) == 0
    assert "memory_map" in capsys.readouterr().out


def test_the_cost_of_this_machine_is_that_of_its_scenario(monkeypatch, root, tmp_path, capsys):
    folder = root(iomem=IOMEM, cmdline="kho=on foo.bar=1\n", release="7.3.4\n", cpus="0-3\n")
    monkeypatch.setattr(module.import_this_machine, "__defaults__", (folder,))
    assert call(["cost", "--this-machine", "--json"]) == 0
    here, said = capsys.readouterr()
    assert "note: this machine: /dev/kmsg is not there" in said
    file = tmp_path / "here.yaml"
    assert call(["import", "--this-machine", "-o", str(file)]) == 0
    assert call(["cost", str(file), "--json"]) == 0
    costs = [json.loads(text) for text in (here, capsys.readouterr().out)]
    for name in ("memory_bytes", "configured", "least_scratch", "off"):
        assert costs[0][name] == costs[1][name], name
    assert costs[0]["configured"]["kho_enabled"]


def test_the_cost_of_this_machine_takes_other_values(monkeypatch, root, capsys):
    folder = root(iomem=IOMEM, cmdline="kho=on\n", cpus="0-3\n")
    monkeypatch.setattr(module.import_this_machine, "__defaults__", (folder,))
    words = ["-s", "kernel.command_line=kho=on kho_scratch=16M,32M,32M", "--json"]
    assert call(["cost", "--this-machine", *words]) == 0
    assert json.loads(capsys.readouterr().out)["configured"]["scratch_bytes"] == 80 * MIB


def test_a_scenario_and_this_machine_are_one_of_both_for_cost(capsys):
    assert call(["cost"]) == 2
    assert call(["cost", "mine.yaml", "--this-machine"]) == 2
    assert "one of both" in capsys.readouterr().err


# Files in other forms


def test_lsmem_text_is_read(put):
    found = import_files([put("lsmem.txt", LSMEM)])
    assert found.scenario["machine"]["memory_map"] == [
        {"start": 0, "end": 3 * GIB},
        {"start": 4 * GIB, "end": 9 * GIB, "node": 1},
    ]


def test_lsmem_text_that_lost_a_word_says_which_command_is_better(put):
    with pytest.raises(TraceError, match="use lsmem -J -b -o RANGE,SIZE,STATE,NODE"):
        import_files([put("lsmem.txt", LSMEM.replace("    3G", ""))])


def test_a_log_in_bzip2_is_read(tmp_path):
    packed = tmp_path / "boot.log.bz2"
    packed.write_bytes(bz2.compress(ORDINARY.read_bytes()))
    assert (
        import_files([packed]).scenario["machine"] == import_files([ORDINARY]).scenario["machine"]
    )
    data = packed.read_bytes()
    packed.write_bytes(data[:40] + bytes([data[40] ^ 0xFF]) + data[41:])
    with pytest.raises(TraceError, match="corrupted"):
        import_files([packed])


@pytest.mark.parametrize(
    ("magic", "command"), [(b"\x28\xb5\x2f\xfd", "zstd -d"), (b"PK\x03\x04", "unzip")]
)
def test_a_log_in_another_compression_names_what_unpacks_it(tmp_path, magic, command):
    packed = tmp_path / "boot.log.z"
    packed.write_bytes(magic + b"\0" * 40)
    with pytest.raises(TraceError, match=f"first run {command} boot.log.z"):
        import_files([packed])


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("6.12.0-100.fc41.ppc64le (mockbuild@x) (gcc (GCC) 14)", "ppc64le"),
        ("6.6.1 (build@x) (riscv64-linux-gnu-gcc 12) #1", "riscv64"),
        ("6.6.1 (build@x) (arm-linux-gnueabihf-gcc 12) #1", "arm"),
    ],
)
def test_a_log_of_another_architecture_is_refused_by_its_name(put, version, named):
    text = ORDINARY.read_text().replace("7.3.0 (build@host)", version)
    assert version in text
    with pytest.raises(TraceError, match=f"for {named}; accepted: x86_64, arm64"):
        import_files([put("other.log", text)])


def test_the_name_of_a_builder_is_no_architecture(put):
    text = ORDINARY.read_text().replace("build@host", "build@riscv64-arm-linux")
    assert import_files([put("mine.log", text)]).scenario["machine"]


def test_json_of_lsmem_is_still_read(put):
    rows = [{"range": f"0x0-{GIB - 1:#x}", "state": "online"}]
    found = import_files([put("l", json.dumps({"memory": rows}))])
    assert found.scenario["machine"]["memory_map"] == [{"start": 0, "end": GIB}]
