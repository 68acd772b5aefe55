"""A scenario that is over in milliseconds, sweeps to kill, and a Dask cluster on loopback."""

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kho_sim.scenario import loads
from kho_sim.sweeps.engine import Dask

TINY = """
machine: {memory: 1GiB, cpus: 1}
kernel: {extend: {shift: 24}}
workload:
- {kind: memfd, count: 1, size: 64KiB}
chain: {boots: 2, seed: 5, twin: false}
"""

PROGRAM = """
import sys
from kho_sim.sweeps.sweeping import sweep
if __name__ == "__main__":
    axes = {"kernel.extend.shift": range(22, 34), "chain.seed": range(12)}
    sweep(sys.argv[1], axes, sys.argv[2], workers=int(sys.argv[3]))
"""


@pytest.fixture
def tiny():
    return loads(TINY)


@pytest.fixture
def command(tmp_path):
    """Return the command of a sweep into ``tmp_path/s`` by some workers."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "program.py").write_text(PROGRAM)

    def command_for(workers):
        names = [str(tmp_path / name) for name in ("program.py", "tiny.yaml", "s")]
        return [sys.executable, *names, str(workers)]

    return command_for


def kill_after_a_part(command, directory, seconds=0, peaks_kib=None):
    """Begin a sweep and kill it, parent and all, some time after it has stored something more.

    The most memory that it had is added to ``peaks_kib``.
    """
    had = parts(directory)
    victim = subprocess.Popen(command, start_new_session=True)
    wait_for(lambda: parts(directory) - had or victim.poll() is not None)
    time.sleep(seconds)
    assert victim.poll() is None, "it ended before it could be killed"
    if peaks_kib is not None:
        status = Path(f"/proc/{victim.pid}/status").read_text()
        peaks_kib.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]))
    victim.kill()
    victim.wait()


def parts(directory):
    return {path.name for path in (directory / "runs").glob("*.parquet")}


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
WORKER = ["--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file"]


def start_worker(file, *words):
    """Start one more worker of a scheduler; by default without a nanny, so that it stays dead."""
    module = [sys.executable, "-m", "distributed.cli.dask_worker", *WORKER, str(file)]
    local = ["--local-directory", str(file.parent)]
    return subprocess.Popen([*module, *local, *(words or ["--no-nanny"])], **QUIET)


@pytest.fixture
def scheduler(tmp_path):
    """Yield the file of a scheduler, and its process as the first of a list that is ended."""
    file = tmp_path / "scheduler.json"
    module = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    words = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    started = [subprocess.Popen([*module, *words], **QUIET)]
    try:
        wait_for(file.exists)
        yield file, started
    finally:
        # The workers first: a nanny ends what it watches over.
        for process in reversed(started):
            process.terminate()
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            process.wait()


@pytest.fixture
def cluster(scheduler):
    """Yield the scheduler's file, and its process with those of two workers."""
    file, started = scheduler
    started += [start_worker(file), start_worker(file)]
    wait_for(lambda: workers_at(file) == 2)
    return file, started


def workers_at(file):
    engine = Dask(str(file))
    try:
        return engine.slots()
    finally:
        engine.close()
