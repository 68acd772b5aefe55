"""The table of gigantic pages that each boot has."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {"boot": "int64", "start": "int64", "nid": "int64", "preserved": "bool"}


def gigantic_table(trace: Trace) -> pd.DataFrame:
    """Return the 1 GiB pages of each boot, allocated early or handed on, one row each.

    Columns:
        boot int64: number of the kernel
        start int64: bytes
        nid int64: node that it was allocated on, -1 is unknown
        preserved bool: whether the kernel was handed it
    """
    return frame("gigantic", trace.gigantic_records, COLUMNS)
