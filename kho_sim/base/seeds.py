"""Random streams by name: one more draw in one place never reshuffles another.

A stream's seed comes from the chain's seed and names (the workload, the boot), never from what is
varied in a comparison (block shift, strategy), so runs that differ only in that are paired.
"""

from __future__ import annotations

import random


def stream(seed: int, *names: object) -> random.Random:
    """Return the generator of that name: the same numbers on any machine and in any process."""
    return random.Random("/".join(str(part) for part in (seed, *names)))
