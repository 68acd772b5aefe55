"""The table of preserved files, as each handover lists them."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "name": "string",
    "kind": "string",
    "session": "string",
    "size_bytes": "int64",
    "order": "int64",
    "made_in": "int64",
}


def files_table(trace: Trace) -> pd.DataFrame:
    """Return one row a file (or reserve_mem area) and handover; a log does not name them.

    Columns:
        boot int64: number of the kernel that it was handed to, whether that found it or not
        name string: unique in its chain
        kind string: memfd, hugetlb or reserve_mem
        session string: LUO's, empty for an area
        size_bytes int64: of its data
        order int64: of its largest folio
        made_in int64: number of the kernel that made it
    """
    return frame("files", trace.file_records, COLUMNS)
