"""The table of what each incident did to the files that were to outlive their kernel."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "incident": "int64",
    "boot": "int64",
    "name": "string",
    "kind": "string",
    "session": "string",
    "size_bytes": "int64",
    "kept": "bool",
}


def file_outcomes_table(trace: Trace) -> pd.DataFrame:
    """Return one row an incident and file that was at risk in it.

    Columns:
        incident int64: row of the table of incidents
        boot int64: number of the kernel that it struck
        name string: of the file
        kind string: memfd, hugetlb or reserve_mem
        session string: LUO's, empty for an area
        size_bytes int64: of its data
        kept bool: whether it survived
    """
    return frame("file_outcomes", trace.file_outcome_records, COLUMNS)
