"""What takes minutes: the issue's own sweep, disturbed in every way, and ten thousand runs."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kho_sim.scenario import load
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.sweeping import sweep
from tests.sweeps.conftest import PROGRAM, kill_after_a_part

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
