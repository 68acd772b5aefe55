"""Bad frames against a chain whose takings are known."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from kho_sim.base.extent import merged, total_size
from kho_sim.chain import run_scenario
from kho_sim.scenario import loads
from studies.bad_memory.__main__ import command, frames_figure, frames_table
from studies.bad_memory.frames import GIGANTIC, LOADED, count_frames, handed_out

TEXT = """
machine: {memory: 16GiB, cpus: 4}
kernel: {command_line: "hugepagesz=1G hugepages=4"}
workload: [{kind: hugetlb, size: 1GiB, preserve: 1}]
chain: {boots: 4, twin: false}
"""


@pytest.fixture(scope="module")
def trace():
    return run_scenario(loads(TEXT))


@pytest.fixture(scope="module")
def rows(trace):
    return count_frames(trace, 4.0, 3000, seed=1)


def test_known_frames_are_those_of_all_kernels_before(rows):
    known = rows.groupby("boot")["known"].first()
    assert [*known] == pytest.approx([4, 8, 12], rel=0.05)


def test_frames_are_handed_out_by_share_of_memory(trace, rows):
    """Errors are anywhere, so each requester meets as many as it takes of memory."""
    (one,) = rows[(rows["boot"] == 3) & (rows["requester"] == GIGANTIC)].itertuples()
    taken = merged(extent for name, extent in handed_out(trace, 3) if name == GIGANTIC)
    assert total_size(taken) == 3 << 30, "one of four is preserved"
    assert one.replayed_late == pytest.approx(12 * 3 / 16, rel=0.06)
    assert one.told_as_busy == 0, "gigantic pages keep off original scratch"


def test_what_is_loaded_lies_in_scratch(rows):
    loaded = rows[rows["requester"] == LOADED]
    assert (loaded["replayed_late"] == loaded["told_as_busy"]).all()
    assert loaded["replayed_late"].sum() > 0


def test_equal_seeds_give_equal_rows(trace):
    first, second = (count_frames(trace, 4.0, 10, seed=2) for _ in range(2))
    assert first.equals(second)


def test_table_and_figure(rows):
    lines = frames_table(rows).splitlines()
    assert lines[2].startswith(f"| {GIGANTIC} |")
    assert lines[-1].startswith("| all |")
    late, busy = frames_figure(rows).axes[0].lines
    assert late.get_ydata()[-1] > busy.get_ydata()[-1] > 0


def test_the_command(tmp_path):
    done = CliRunner().invoke(command, ["--results", str(tmp_path), "--kernels", "3"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {"frames.md", "frames.png"}
