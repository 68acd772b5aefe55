"""The table of early allocations."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "sequence": "int64",
    "phase": "string",
    "what": "string",
    "size_bytes": "int64",
    "align_bytes": "int64",
    "nid": "int64",
    "min_address": "int64",
    "max_address": "uint64",
    "count": "int64",
    "address": "int64",
    "source": "string",
    "failed": "bool",
    "avoided": "bool",
    "why": "string",
}


def allocations_table(trace: Trace) -> pd.DataFrame:
    """Return the early allocations, one row each (or one for ``count`` refused together), in order.

    Columns:
        boot int64: number of the kernel
        sequence int64: counts from 0 in each boot
        phase string: before or after the extension
        what string: who asked
        size_bytes int64: bytes of one
        align_bytes int64: alignment asked for
        nid int64: node asked for, -1 is any
        min_address int64: lower limit, 0 is none
        max_address uint64: upper limit, 0 is the default; up to 2^64 - 1
        count int64: equal requests that the row stands for
        address int64: where it is, 0 if it failed
        source string: memory, scratch or extended; empty if it failed or if unknown
        failed bool: whether it failed
        avoided bool: whether original scratch alone would have refused it
        why string: for a failure, why it did not fit
    """
    return frame("allocations", trace.allocation_records, COLUMNS)
