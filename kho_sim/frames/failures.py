"""The table of early allocations that failed, with the extension and without it."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.summary import FAILURE_FIELDS, failures
from kho_sim.trace.trace import Trace

COLUMNS = {
    "extended": "bool",
    "boot": "int64",
    "sequence": "int64",
    "phase": "string",
    "what": "string",
    "size_bytes": "int64",
    "align_bytes": "int64",
    "nid": "int64",
    "count": "int64",
    "why": "string",
}


def failures_table(trace: Trace) -> pd.DataFrame:
    """Return the early allocations that failed, first of the trace, then of its twin.

    Columns:
        extended bool: True for the trace itself, False for its twin without the extension
        boot int64: number of the kernel
        sequence int64: place among the allocations of that boot
        phase string: before or after the extension
        what string: who asked
        size_bytes int64: bytes of one
        align_bytes int64: alignment asked for
        nid int64: node asked for, -1 is any
        count int64: equal requests that were refused together
        why string: why it did not fit
    """
    rows = (
        {"extended": extended, **{name: getattr(row, name) for name in FAILURE_FIELDS}}
        for extended, row in failures(trace)
    )
    return frame("failures", rows, COLUMNS)
