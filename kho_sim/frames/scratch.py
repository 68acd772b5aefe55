"""The table of scratch areas."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "area": "int64",
    "start": "int64",
    "end": "int64",
    "size_bytes": "int64",
}


def scratch_table(trace: Trace) -> pd.DataFrame:
    """Return the original scratch areas of each boot that has any, in array order.

    Columns:
        boot int64: number of the kernel
        area int64: index in the scratch array
        start int64: bytes
        end int64: bytes, half-open
        size_bytes int64: end - start
    """
    rows = (
        {
            "boot": boot.boot,
            "area": area,
            "start": start,
            "end": start + size_bytes,
            "size_bytes": size_bytes,
        }
        for boot in trace.boot_records
        for area, (start, size_bytes) in enumerate(boot.scratch_areas or ())
    )
    return frame("scratch", rows, COLUMNS)
