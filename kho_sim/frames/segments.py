"""The table of kexec segments."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {"boot": "int64", "what": "string", "start": "int64", "size_bytes": "int64"}


def segments_table(trace: Trace) -> pd.DataFrame:
    """Return where each kernel placed its successor in scratch, one row a segment, in load order.

    Columns:
        boot int64: number of the kernel that loads
        what string: which segment
        start int64: bytes
        size_bytes int64: bytes
    """
    return frame("segments", trace.segment_records, COLUMNS)
