"""A sweep that is killed with SIGKILL, parent and all, goes on where it was and ends the same."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.sweeping import sweep
from tests.sweeps.conftest import PROGRAM, TINY, kill_after_a_part, parts, wait_for

AXES = {"kernel.extend.shift": range(22, 34), "chain.seed": range(12)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    from kho_sim.scenario import loads

    return sweep(loads(TINY), AXES, tmp_path_factory.mktemp("sweep") / "s", workers=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_twice_and_resumed_gives_the_same_tables(tmp_path, undisturbed, command, workers):
    directory = tmp_path / "s"
    for _ in range(2):
        kill_after_a_part(command(workers), directory)
    killed = Sweep(directory)
    runs_before = killed.runs()
    assert 0 < len(runs_before) < len(undisturbed.runs())
    finished_before = {
        name: (directory / "runs" / name).stat().st_mtime_ns for name in parts(directory)
    }
    subprocess.run(command(workers), check=True)
    assert killed.runs().equals(undisturbed.runs())
    assert killed.boots().equals(undisturbed.boots())
    assert {
        n: (directory / "runs" / n).stat().st_mtime_ns for n in finished_before
    } == finished_before


def test_workers_do_not_outlive_a_killed_parent(tmp_path, command):
    directory = tmp_path / "s"
    victim = subprocess.Popen(command(2), start_new_session=True)
    wait_for(lambda: parts(directory))
    victim.kill()
    victim.wait()
    wait_for(lambda: not processes_of_session(victim.pid))


def processes_of_session(session):
    """Return the processes that still run in a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            # pid (name) state parent group session ...; the name may have spaces.
            state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and int(its_session) == session and state != "Z":
            found.append(int(entry.name))
    return found


def test_termination_stops_cleanly_and_says_so(tmp_path, command):
    victim = subprocess.Popen(command(2), stderr=subprocess.PIPE, start_new_session=True)
    wait_for(lambda: parts(tmp_path / "s"))
    os.kill(victim.pid, signal.SIGTERM)
    _, errors = victim.communicate(timeout=60)
    assert b"SweepInterrupted: SIGTERM" in errors
    counts = Sweep(tmp_path / "s").counts()
    assert counts.keys() <= {"ok", "pending"}
    assert counts["ok"] > 0
    assert not list((tmp_path / "s" / "unfinished").iterdir())


def test_a_script_without_a_guard_is_refused_with_advice(tmp_path, command):
    unguarded = PROGRAM.replace('if __name__ == "__main__":', "if True:")
    assert unguarded != PROGRAM
    (tmp_path / "program.py").write_text(unguarded)
    done = subprocess.run(command(2), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert 'under if __name__ == "__main__"' in done.stderr.splitlines()[-1]
