"""Files of a running machine, alone and together."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import TraceError
from kho_sim.chain.build import build_machine
from kho_sim.cli.app import call
from kho_sim.logs.importing import import_files
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    NODE_RANGES,
    Source,
    combine,
)
from kho_sim.logs.importing.sources import read_source
from kho_sim.machine.machine import FirmwareRange, NodeRange
from kho_sim.scenario import from_dict

MIB = 1 << 20
BLOCK = 128 * MIB

ZONEINFO = """\
Node 0, zone    DMA32
  per-node stats
      nr_inactive_anon 1234
  pages free     700000
        boost    0
        spanned  1048575
        present  786302
        managed  700000
  pagesets
    cpu: 0
              count: 10
    cpu: 1
              count: 10
  start_pfn:           1
Node 0, zone   Normal
  pages free     1
        spanned  {normal}
        present  {normal}
  pagesets
    cpu: 0
    cpu: 1
    cpu: 2
    cpu: 3
  start_pfn:           1048576
Node 0, zone  Movable
  pages free     0
        spanned  0
        present  0
"""
MEMBLOCK = """\
   0: 0x0000000000001000..0x000000000009efff    0 NONE
   1: 0x0000000000100000..0x00000000bffdffff    0 NONE
   2: 0x0000000100000000..0x000000023fffffff    0 NONE
   3: 0x0000000240000000..0x000000043fffffff    1 NONE
"""


def lsmem(*ranges, **more) -> str:
    rows = [
        {
            "range": f"0x{start:016x}-0x{end - 1:016x}",
            "size": end - start,
            "state": "online",
            "removable": True,
            "block": f"{start // BLOCK}-{end // BLOCK - 1}",
            **more,
        }
        for start, end in ranges
    ]
    return json.dumps({"memory": rows})


def machine_of(imported):
    return build_machine(from_dict(imported.scenario))


def test_iomem_gives_the_machine_that_the_boot_log_gives(iomem, put, recorded_path):
    ours = machine_of(import_files([put("iomem", iomem("machine-64G"))]))
    logs = machine_of(import_files([recorded_path("machine-64G")]))
    assert ours.memory == logs.memory
    assert [entry.kind for entry in ours.firmware] == [entry.kind for entry in logs.firmware]


def test_what_iomem_has_reserved_inside_of_memory_is_cut_out():
    found = import_files([Path(__file__).with_name("data") / "iomem-nested-reserved"])
    assert found.scenario["machine"]["memory_map"] == [
        {"start": 0x1000, "end": 0x9FC00},
        {"start": 0x100000, "end": 0x2730000},
        {"start": 0x2730000, "end": 0x3B10000, "kind": "reserved"},
        {"start": 0x3B10000, "end": 0xBFFE0000},
        {"start": 0x100000000, "end": 0x140000000},
    ]
    assert found.notes == (
        "iomem-nested-reserved: 20840448 bytes reserved inside of System RAM are cut out of it",
        "nothing says how many CPUs there are; 4",
        "nothing says which release the kernel is of; 7.3",
    )
    found.to_scenario()


def test_iomem_gives_the_size_of_the_kernel(iomem, put):
    assert (
        import_files([put("iomem", iomem("b-machine-8G"))]).scenario["kernel"]["image"] == 0x880000
    )


def test_the_size_of_the_kernel_is_in_whole_pages(put):
    text = "00001000-3fffffff : System RAM\n  01000000-013d1e17 : Kernel code\n"
    text += "  01839000-0187e123 : Kernel bss\n"
    assert import_files([put("iomem", text)]).scenario["kernel"]["image"] == 0x87F000


def test_iomem_that_hides_its_addresses_is_refused_with_the_reason(put, capsys):
    hidden = put("iomem", "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n")
    with pytest.raises(TraceError, match="root only"):
        import_files([hidden])
    assert call(["import", hidden]) == 3
    assert "root only" in capsys.readouterr().err


def test_zoneinfo_adds_cpus_and_checks_the_pages(iomem, put):
    ram = put("iomem", iomem("machine-4G"))
    pages = (0x140000000 - 0x100000000) // 4096
    fitting = import_files([put("zoneinfo", ZONEINFO.format(normal=pages)), ram])
    assert fitting.scenario["machine"]["cpus"] == 4
    assert fitting.disagreements == ()
    (found,) = import_files(
        [put("zoneinfo", ZONEINFO.format(normal=pages - 512)), ram]
    ).disagreements
    assert found.key == MEMORY_MAP
    assert found.other == f"{786302 + pages - 512} pages"


def test_memblock_of_debugfs_gives_memory_and_nodes(put):
    machine = machine_of(import_files([put("memory", MEMBLOCK)]))
    assert machine.nodes == (0, 1)
    assert machine.end_of_memory == 0x440000000
    assert machine.node_of(0x23FFFFFFF) == 0
    assert machine.node_of(0x240000000) == 1


def test_lsmem_gives_blocks_and_their_nodes(put):
    text = lsmem((0, 24 * BLOCK), (32 * BLOCK, 64 * BLOCK))
    imported = import_files([put("lsmem.json", text)])
    assert imported.scenario["machine"]["memory_map"] == [
        {"start": 0, "end": 24 * BLOCK},
        {"start": 32 * BLOCK, "end": 64 * BLOCK},
    ]
    assert "whole blocks" in imported.notes[0]
    assert machine_of(import_files([put("l", lsmem((0, 8 * BLOCK), node=0))])).nodes == (0,)


@pytest.mark.parametrize(
    "text",
    [
        '{"memory": [{"range": "x"}]}',
        '{"memory": [{"range": "0x0-0xfff", "size": "1G"}]}',
        '{"memory": []}',
    ],
)
def test_damaged_lsmem_is_refused(put, text):
    with pytest.raises(TraceError, match="lsmem"):
        import_files([put("lsmem.json", text)])


def test_sources_that_agree_to_their_grain_are_no_disagreement(iomem, put, recorded_path):
    blocks = lsmem((0, 24 * BLOCK), (32 * BLOCK, 32 * BLOCK + (61 << 30)))
    files = [recorded_path("machine-64G"), put("iomem", iomem("machine-64G")), put("lsmem", blocks)]
    assert import_files(files).disagreements == ()


def test_sources_that_disagree_are_shown_and_not_averaged(
    iomem, put, recorded_path, capsys, tmp_path
):
    log, other = recorded_path("machine-64G"), put("iomem", iomem("machine-4G"))
    (found,) = import_files([other, log]).disagreements
    assert found.key == MEMORY_MAP
    assert found.taken_origin.startswith("machine-64G.log.xz:")
    assert found.other_origin.startswith("iomem:")
    out = tmp_path / "mine.yaml"
    assert call(["import", log, other, "-o", str(out)]) == 3
    assert not out.exists()
    errors = capsys.readouterr().err
    assert "0x100000000-0x1040000000" in errors
    assert "0x100000000-0x140000000" in errors
    assert call(["import", log, other, "-o", str(out), "--lenient"]) == 0


def test_nodes_that_two_sources_place_differently_disagree(put, recorded_path):
    moved = MEMBLOCK.replace("23fffffff", "33fffffff").replace(
        "0000000240000000", "0000000340000000"
    )
    assert import_files([recorded_path("b-numa2-16G"), put("memory", MEMBLOCK)]).disagreements == ()
    found = import_files([recorded_path("b-numa2-16G"), put("memory", moved)]).disagreements
    assert [each.key for each in found] == [NODE_RANGES]


def test_scratch_sizes_of_a_running_kernel_become_its_option(iomem, put):
    ram = put("iomem", iomem("machine-4G"))
    sizes = put("scratch_len", "0x9800000\n0xdc00000\n0xe400000\n")
    places = put("scratch_phys", "0xb2400000\n0x12b400000\n0x11d000000\n")
    line = import_files([ram, sizes, places]).scenario["kernel"]["command_line"]
    assert line == f"kho=on kho_scratch={0x9800000 >> 10}K,{0xDC00000 >> 10}K,{0xE400000 >> 10}K"


def test_lines_of_blanks_are_no_sizes(put):
    for text in ("0x98\n \n0xdc\n\t\n0xe4\n", " \n0x98\n0xdc\n0xe4\n  "):
        kind, source = read_source(put("scratch_len", text))
        assert (kind, source.findings[0].value) == ("scratch", [0x98, 0xDC, 0xE4])


def test_the_command_line_of_a_boot_log_wins_over_scratch_sizes(put, recorded_path):
    sizes = put("scratch_len", "0x9800000\n0xdc00000\n0xe400000\n")
    line = import_files([sizes, recorded_path("machine-4G")]).scenario["kernel"]["command_line"]
    assert "kho_scratch" not in line


@pytest.mark.parametrize("text", ["", "hello\n", "{}", "[1, 2]\n", "\x00\x01"])
def test_a_file_of_no_known_kind_is_refused(put, text):
    with pytest.raises(TraceError):
        import_files([put("what", text)])


def test_files_without_memory_make_no_machine(put):
    with pytest.raises(TraceError, match="nothing here tells the memory"):
        import_files([put("scratch_len", "0x9800000\n0xdc00000\n0xe400000\n")])


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(TraceError, match="nowhere"):
        import_files([str(tmp_path / "nowhere")])


@st.composite
def maps_and_nodes(draw):
    """A memory map in MiB, and node spans that neither overlap nor have to cover it."""
    edges = sorted(draw(st.sets(st.integers(1, 60), min_size=2, max_size=8)))
    ranges = [FirmwareRange(a * MIB, b * MIB) for a, b in list(pairwise(edges))[::2]]
    cuts = sorted(draw(st.sets(st.integers(0, 64), min_size=2, max_size=6)))
    parts = list(pairwise(cuts))
    kept = draw(st.lists(st.sampled_from(parts), unique=True, min_size=1))
    spans = [NodeRange(a * MIB, b * MIB, number % 3) for number, (a, b) in enumerate(sorted(kept))]
    return ranges, spans


@given(maps_and_nodes())
@example(
    (
        [FirmwareRange(MIB, 9 * MIB)],
        [NodeRange(2 * MIB, 3 * MIB, 0), NodeRange(5 * MIB, 6 * MIB, 1)],
    )
)
@settings(max_examples=60, deadline=None)
def test_cutting_at_node_borders_agrees_with_asking_for_each_mebibyte(case):
    ranges, spans = case
    source = Source("s")
    source.say(MEMORY_MAP, ranges, "map")
    source.say(NODE_RANGES, spans, "nodes")
    entries = combine([source], "").scenario["machine"]["memory_map"]
    node_of = {
        mebibyte: entry.get("node", 0)
        for entry in entries
        for mebibyte in range(entry["start"] // MIB, entry["end"] // MIB)
    }
    memory = [m for part in ranges for m in range(part.start // MIB, part.end // MIB)]
    assert sorted(node_of) == memory
    claimed = {m: nid for start, end, nid in spans for m in range(start // MIB, end // MIB)}
    for mebibyte in memory:
        if mebibyte in claimed:
            assert node_of[mebibyte] == claimed[mebibyte]
