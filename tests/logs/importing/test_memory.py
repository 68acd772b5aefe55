"""Whether a log has the whole memory map, and what its kernel left out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kho_sim.chain.build import build_machine, build_plan
from kho_sim.cli.app import call
from kho_sim.logs.importing import import_files
from kho_sim.logs.importing.memory import MAP_BEGINS

DATA = Path(__file__).with_name("data")
GIB = 1 << 30
KIB = 1 << 10


@pytest.mark.parametrize(
    ("name", "nodes_kib", "left_out_bytes"),
    [("mem-limit", 3145208, 13 * GIB), ("memmap", 8388088, 8 * GIB)],
)
def test_memory_that_the_kernel_left_out_is_left_out(name, nodes_kib, left_out_bytes):
    found = import_files([DATA / f"{name}.log"])
    limits = build_plan(found.to_scenario()).kernels[0].limits
    assert limits.seen(build_machine(found.to_scenario())).memory_bytes == nodes_kib * KIB
    assert found.disagreements == ()
    assert any(f"left out {left_out_bytes} bytes" in note for note in found.notes)


def test_a_cut_log_is_refused_with_what_is_missing(tmp_path, capsys):
    out = tmp_path / "mine.yaml"
    log = str(DATA / "cut-ring-buffer.log")
    assert call(["import", log, "-o", str(out)]) == 3
    errors = capsys.readouterr().err
    assert MAP_BEGINS in errors
    assert "Early memory node ranges: 0x1000-0x9f000, 0x100000-0x6ffff000" in errors
    assert "Memory: x/yK" in errors
    assert not out.exists()
    assert call(["import", log, "-o", str(out), "--lenient"]) == 0


def test_a_map_without_its_first_line_is_whole_if_the_kernel_counts_the_same(put):
    text = (DATA / "mem-limit.log").read_text().replace("mem=4G", "quiet")
    lines = [
        line for line in text.splitlines() if MAP_BEGINS not in line and "0x100000000" not in line
    ]
    assert import_files([put("whole.log", "\n".join(lines))]).disagreements == ()
    short = [line for line in lines if "Memory:" not in line and "node " not in line]
    (found,) = import_files([put("short.log", "\n".join(short))]).disagreements
    assert MAP_BEGINS in found.other


def test_recorded_logs_have_their_whole_map(recorded_path):
    for name in ("machine-1G", "machine-128G", "numa4-64G", "b-numa2-16G"):
        found = import_files([recorded_path(name)])
        assert found.disagreements == ()
        assert not any("left out" in note for note in found.notes)


def test_an_unknown_word_of_the_map_is_said(put):
    text = (DATA / "ordinary.log").read_text()
    text = text.replace("9fbff]  System RAM", "9fbff]  mystery RAM")
    (note, *_) = import_files([put("odd.log", text)]).notes
    assert "'mystery RAM' in the memory map is not known" in note
    known = text.replace("mystery RAM", "persistent (type 12)")
    assert not any("not known" in note for note in import_files([put("a.log", known)]).notes)


def test_a_map_that_nothing_counts_is_said_to_hide_lost_lines(put):
    lines = (DATA / "ordinary.log").read_text().splitlines()
    short = [line for line in lines if "0x0000000100000000" not in line]
    assert len(short) == len(lines) - 1
    found = import_files([put("short.log", "\n".join(short))])
    assert any("a lost line of it does not show" in note for note in found.notes)
    counted = import_files([DATA / "mem-limit.log"])
    assert not any("does not show" in note for note in counted.notes)


def test_a_map_that_stands_there_twice_is_taken_once(put):
    lines = (DATA / "ordinary.log").read_text().splitlines()
    twice = [line for line in lines for _ in range(1 + ("BIOS-e820" in line))]
    found = import_files([put("twice.log", "\n".join(twice))])
    plain = import_files([DATA / "ordinary.log"])
    assert found.scenario["machine"] == plain.scenario["machine"]
    assert any("more than once" in note for note in found.notes)


def test_an_initrd_that_the_log_does_not_show_is_said_to_be_the_builds(put, recorded_path):
    found = import_files([DATA / "ordinary.log"])
    assert any("the initrd of build 'lab' is taken" in note for note in found.notes)
    shown = import_files([recorded_path("machine-1G")])
    assert not any("the initrd of build" in note for note in shown.notes)
