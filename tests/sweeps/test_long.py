"""What takes minutes: the issue's own sweep, disturbed in every way, and very many runs."""

import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kho_sim.scenario import load
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.sweeping import sweep
from tests.sweeps.conftest import PROGRAM, TINY, kill_after_a_part

pytestmark = pytest.mark.long

CASE = Path(__file__).parents[2] / "scenarios" / "seed-case-2.yaml"
AXES = {"kernel.extend.shift": range(21, 37), "chain.seed": range(5)}
GROWTH_MAX_KIB = 64 << 10


def test_the_second_case_of_the_patch_gives_the_same_tables_however_it_is_run(tmp_path, cluster):
    (tmp_path / "program.py").write_text(PROGRAM.replace("(22, 34)", "(21, 37)").replace("12", "5"))
    killed = tmp_path / "killed"
    words = [str(tmp_path / "program.py"), str(CASE), str(killed), "2"]
    for _ in range(2):
        kill_after_a_part([sys.executable, *words], killed)
    subprocess.run([sys.executable, *words], check=True)
    on_dask = sweep(load(CASE), AXES, tmp_path / "dask", scheduler=str(cluster[0]))
    serial = sweep(load(CASE), AXES, tmp_path / "serial", workers=1)
    assert serial.counts() == {"ok": 80}
    for other in (Sweep(killed), on_dask):
        assert other.runs().equals(serial.runs())
        assert other.boots().equals(serial.boots())


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path, tiny):
    peaks_kib = []

    def note(status):
        if status.done >= 1000 * (len(peaks_kib) + 1):
            peaks_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    axes = {"kernel.extend.shift": range(21, 31), "chain.seed": range(1000)}
    done = sweep(tiny, axes, tmp_path / "s", workers=1, progress=note)
    assert done.counts() == {"ok": 10_000}
    assert peaks_kib[-1] - peaks_kib[0] < GROWTH_MAX_KIB


MANY = 20_000
KILLS = 10
MEMORY_MAX_KIB = 500 << 10
DISK_MAX_BYTES_PER_RUN = 400
OPENING_MAX_S = 5
MANY_PROGRAM = """
import sys
from functools import partial
from kho_sim.sweeps import sweeping
from kho_sim.sweeps.driver import Driver
from tests.sweeps.faults import costs_nothing
if __name__ == "__main__":
    sweeping.Driver = partial(Driver, simulate=costs_nothing)
    axes = {"kernel.extend.shift": range(22, 32), "chain.seed": range(int(sys.argv[3]) // 10)}
    sweeping.sweep(sys.argv[1], axes, sys.argv[2], workers=int(sys.argv[4]))
"""


def test_very_many_runs_killed_ten_times_are_those_of_an_undisturbed_sweep(tmp_path):
    """Simulation is left out, so that what is tried is the sweep itself."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "program.py").write_text(MANY_PROGRAM)
    words = [sys.executable, *(str(tmp_path / name) for name in ("program.py", "tiny.yaml"))]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    draw, peaks_kib = random.Random(22), []
    for _ in range(KILLS):
        kill_after_a_part([*words, str(killed), str(MANY), "2"], killed, draw.random(), peaks_kib)
    assert 0 < Sweep(killed).counts()["ok"] < MANY
    for folder in (killed, whole):
        subprocess.run([*words, str(folder), str(MANY), "2"], check=True)
    assert max(peaks_kib) < MEMORY_MAX_KIB
    assert not list((killed / "unfinished").iterdir())
    stored_bytes = sum(path.stat().st_size for path in killed.rglob("*") if path.is_file())
    assert stored_bytes < DISK_MAX_BYTES_PER_RUN * MANY
    began = time.process_time()
    assert Sweep(killed).counts() == {"ok": MANY}
    assert time.process_time() - began < OPENING_MAX_S
    assert Sweep(killed).runs().equals(Sweep(whole).runs())
    assert Sweep(killed).boots().equals(Sweep(whole).boots())
