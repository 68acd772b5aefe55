"""Instructions for each count of work: one set, fitted to what a laboratory kernel counted.

416 steps of 26 recorded chains (strategies, README): dry runs, extensions and retrievals under pure
emulation with ``-icount``. Least squares of the relative error, no rate below zero. Each step is
met within 11 %, half of them within 1 %; ``tests/verify`` holds a part of them. Instructions are no
time: caches, TLB and memory latency are not in them.
"""

from __future__ import annotations

from dataclasses import fields

from kho_sim.base.work import Work

INSTRUCTIONS: dict[str, float] = {
    "keys_walked": 54.0,
    "tables_walked": 466.0,
    "words_scanned": 6.85,
    "keys_added": 159.0,
    "tables_allocated": 3688.0,
    "ranges_marked": 0.0,
    "regions_moved": 7.9,
    "ranges_reserved": 110.0,
    "ranges_isolated": 258.0,
    "regions_passed": 13.2,
    "gaps_compared": 20.9,
    "orders_set": 60.0,
    "pages_initialised": 55.9,
    "tree_lookups": 159.0,
}
"""By the names of ``Work``'s fields; those that no recorded step has are left out. A mark
costs what its walks do. A look-up is taken as a key that is added: assumed."""


def instructions(work: Work) -> int:
    """Return the instructions of that much work, as far as they were counted."""
    counts = (getattr(work, f.name) * INSTRUCTIONS.get(f.name, 0.0) for f in fields(Work))
    total: float = sum(counts)
    return round(total)
