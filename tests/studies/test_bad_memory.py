"""The study of bad memory on a short chain, from the chains to its page."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from studies.bad_memory.__main__ import command, frames_figure, frames_table
from studies.bad_memory.frames import WAYS, run_ways


@pytest.fixture(scope="module")
def results():
    return run_ways(range(2), 4)


def test_each_way_has_the_same_frames(results):
    frames, boots = results
    assert set(boots["way"]) == {way.name for way in WAYS}
    known = frames.groupby(["way", "seed", "boot"])["frames"].sum().unstack("way")
    assert (known.nunique(axis=1) == 1).all()


def test_only_scratch_hands_out_what_was_told(results):
    frames, _ = results
    told = frames[(frames["way"] != WAYS[0].name) & (frames["requester"] != "")]
    assert told["in_scratch"].all()


def test_table_and_figure(results):
    lines = frames_table(*results).splitlines()
    assert lines[-3].startswith("| all |")
    late, *busy = frames_figure(*results).axes[0].lines
    assert all(late.get_ydata()[-1] >= line.get_ydata()[-1] for line in busy)


def test_the_command(tmp_path):
    options = ["--results", str(tmp_path), "--kernels", "3", "--seeds", "1"]
    done = CliRunner().invoke(command, options)
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {"frames.md", "frames.png"}
