"""Each retrieval as a loop over keys, without runs: what memblock is asked for, in its order."""

from kho_sim.kho.key import decode_key
from kho_sim.memory.memblock import RSRV_NOINIT


def keys_of(incoming):
    """(address, bytes) of each key in walk order."""
    page_bytes = incoming.geometry.page_bytes
    decoded = (decode_key(key, incoming.geometry) for key in incoming.walk())
    return [(phys, page_bytes << order) for phys, order in decoded]


def runs_of_keys(incoming):
    """The same with neighbours joined."""
    runs = []
    for phys, size in keys_of(incoming):
        if runs and sum(runs[-1]) == phys:
            runs[-1] = (runs[-1][0], runs[-1][1] + size)
        else:
            runs.append((phys, size))
    return runs


def until_it_fails(calls):
    """How many calls were made, and the last errno."""
    made = errno = 0
    for call in calls:
        made += 1
        errno = call()
        if errno:
            break
    return made, errno


def per_key(memblock, incoming):
    def both(phys, size):
        return memblock.reserve(phys, size) or memblock.mark_noinit(phys, size)

    return until_it_fails(lambda k=k: both(*k) for k in keys_of(incoming))


def one_call(memblock, incoming):
    return _with_flag(memblock, keys_of(incoming))


def collect_runs(memblock, incoming):
    return _with_flag(memblock, runs_of_keys(incoming))


def skip_at_free(memblock, incoming):
    return 0, 0


def two_pass(memblock, incoming):
    """Tables plain, keys with the flag, as a walk meets them; then the tables are given back."""
    page_bytes, calls = incoming.geometry.page_bytes, []

    def leaf(key):
        phys, order = decode_key(key, incoming.geometry)
        calls.append(lambda: memblock.reserve(phys, page_bytes << order, flags=RSRV_NOINIT))

    incoming.walk(leaf, lambda page: calls.append(lambda: memblock.reserve(page, page_bytes)))
    return until_it_fails(calls)


def two_pass_runs(memblock, incoming):
    """The same; a run of keys waits until one comes that is no neighbour."""
    page_bytes, calls, run = incoming.geometry.page_bytes, [], []

    def flush():
        if run:
            start, end = run
            calls.append(lambda: memblock.reserve(start, end - start, flags=RSRV_NOINIT))
            run.clear()

    def leaf(key):
        phys, order = decode_key(key, incoming.geometry)
        if not run or run[1] != phys:
            flush()
            run[:] = [phys, phys]
        run[1] += page_bytes << order

    incoming.walk(leaf, lambda page: calls.append(lambda: memblock.reserve(page, page_bytes)))
    flush()
    return until_it_fails(calls)


def _with_flag(memblock, ranges):
    return until_it_fails(lambda r=r: memblock.reserve(*r, flags=RSRV_NOINIT) for r in ranges)


NAIVE = {
    "per-key": per_key,
    "one-call": one_call,
    "collect-runs": collect_runs,
    "two-pass": two_pass,
    "two-pass-runs": two_pass_runs,
    "skip-at-free": skip_at_free,
    "parallel": collect_runs,
}
"""Each returns how many memblock calls reserve something, and the last errno."""
