"""Too little memory is told as that: no damaged store, no hang, no traceback, no crash."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kho_sim.base.pool import ensure_pool_works
from kho_sim.base.shortage import ensure_limit, ensure_room, is_shortage
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.worker import _failure

LOGS = Path(__file__).parents[1] / "recorded"
SCENARIO = """
machine: {memory: 2GiB}
workload: [{kind: memfd, size: 5MiB, count: 3, grow: 1, drop: 1}]
chain: {boots: 3}
"""
VERBS = {
    "run": "run s.yaml -o ran",
    "sweep": "sweep s.yaml -x chain.seed=0..9 --workers 2 -o swept",
    "sweep here": "sweep s.yaml -x chain.seed=0..9 --workers 1 -o swept",
    "report": "report stored -o page.html",
    "report sweep": "report stored-sweep",
    "plot": "plot stored -o figures",
    "compare": "compare stored stored",
    "verify": f"verify {LOGS}/seed-case1.log.xz {LOGS}/tiny-8G-8M_16M_16M.log.xz --json",
}
EVERY = [(verb, limit_mib) for limit_mib in (150, 250, 350, 550) for verb in VERBS]
QUICK = [("run", 250), ("sweep", 350), ("plot", 520), ("verify", 150)]
"""Of each kind that once went wrong, one: a crash on the way out, a pool that hung, OpenBLAS that
ends the process with exit code 1, an interrupt that nobody sent."""


def kho_sim(line, folder, limit_mib=None):
    def limit():
        if limit_mib is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit_mib << 20, limit_mib << 20))

    words = [sys.executable, "-m", "kho_sim", *line.split()]
    return subprocess.run(
        words,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        timeout=200,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("little")
    (made / "s.yaml").write_text(SCENARIO)
    for line in ("run s.yaml -o stored", "sweep s.yaml -x chain.seed=0,1 -o stored-sweep"):
        assert kho_sim(line, made).returncode == 0
    return made


@pytest.mark.parametrize(
    ("verb", "limit_mib"),
    [
        *QUICK,
        *(pytest.param(*one, marks=pytest.mark.long) for one in EVERY if one not in QUICK),
    ],
)
def test_too_little_memory_is_told_as_that(folder, tmp_path, verb, limit_mib):
    for name in ("s.yaml", "stored", "stored-sweep"):
        (tmp_path / name).symlink_to(folder / name)
    done = kho_sim(VERBS[verb], tmp_path, limit_mib)
    assert done.returncode in (0, 5), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == 5:
        told = f"there is not enough memory for this; ulimit -v allows {limit_mib} MiB"
        assert done.stderr.splitlines()[-1] == f"kho-sim: {told}"
    assert kho_sim(VERBS[verb], tmp_path).returncode == 0
    if "sweep " in VERBS[verb]:
        assert Sweep(tmp_path / "swept").counts() == {"ok": 10}


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (ImportError("x.so: failed to map segment from shared object"), True),
        (ImportError("x.so: cannot create shared object descriptor"), True),
        (ImportError("x.so: cannot allocate symbol search list"), True),
        (ImportError("x.so: undefined symbol: f"), False),
        (RuntimeError("can't start new thread"), True),
        (caused(ValueError("no part"), MemoryError()), True),
        (OSError(28, "No space left on device"), False),
        (ImportError("No module named x"), False),
        (SystemError("error return without exception set"), False),
    ],
)
def test_a_shortage_is_known_in_each_of_its_forms(error, short):
    assert is_shortage(error) is short


def test_a_limit_is_asked_for_before_it_is_met(monkeypatch):
    ensure_room(1 << 62)
    ensure_limit(1 << 62)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 40, 1 << 40))
    ensure_limit(1 << 40)
    ensure_room(1 << 30)
    assert is_shortage(SystemError("error return without exception set"))
    with pytest.raises(MemoryError):
        ensure_limit((1 << 40) + 1)
    with pytest.raises(MemoryError):
        ensure_room(1 << 40)


MODELS = """
import resource
import pydantic
from kho_sim.base import shortage
limit_bytes = shortage._mapped_bytes() + (40 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
try:
    import kho_sim.scenario.section
except MemoryError:
    print("short")
"""


def test_models_are_not_begun_where_pydantic_would_abort():
    done = subprocess.run(
        [sys.executable, "-c", MODELS], capture_output=True, text=True, check=True
    )
    assert done.stdout == "short\n"


class Pool:
    """As much of a pool as says whether its own thread lives."""

    _broken = False

    def __init__(self, alive):
        self._executor_manager_thread = self
        self.is_alive = lambda: alive


def test_a_pool_whose_own_thread_died_is_noticed():
    ensure_pool_works(Pool(True))
    with pytest.raises(MemoryError):
        ensure_pool_works(Pool(False))


def test_a_run_that_got_no_memory_says_what_to_do():
    assert "--retry failed" in _failure("id", MemoryError()).message
    assert _failure("id", ValueError("else")).message == "else"
