"""The table of the pages that the incoming radix trees are made of."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {"boot": "int64", "address": "int64"}


def tree_pages_table(trace: Trace) -> pd.DataFrame:
    """Return the pages of each incoming tree, in walk order.

    Columns:
        boot int64: number of the kernel that found the tree
        address int64: start of the page in bytes
    """
    return frame("tree_pages", trace.table_records, COLUMNS)
