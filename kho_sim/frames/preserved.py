"""The table of preserved memory, as each boot found it in its incoming tree."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {"boot": "int64", "order": "int64", "start": "int64", "end": "int64"}


def preserved_table(trace: Trace) -> pd.DataFrame:
    """Return runs of neighbouring keys of one order, in walk order.

    Columns:
        boot int64: number of the kernel that found them
        order int64: page order of each key in the run
        start int64: bytes
        end int64: bytes, half-open
    """
    return frame("preserved", trace.preserved_records, COLUMNS)
