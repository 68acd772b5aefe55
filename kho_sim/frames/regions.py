"""The table of memblock regions at named moments of each boot."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "moment": "string",
    "array": "string",
    "start": "int64",
    "end": "int64",
    "nid": "int64",
    "flags": "int64",
}


def regions_table(trace: Trace) -> pd.DataFrame:
    """Return the memblock regions, one row each, in address order within moment and array.

    Columns:
        boot int64: number of the kernel
        moment string: before_extend, after_extend, before_retrieve or after_retrieve
        array string: memory or reserved
        start int64: bytes
        end int64: bytes, half-open
        nid int64: node; -1 (reserved) or 64 (memory) is none
        flags int64: MEMBLOCK_* bits
    """
    return frame("regions", trace.region_records, COLUMNS)
