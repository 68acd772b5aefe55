"""The table of faults that struck, and of failures that came by themselves."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "time_ns": "int64",
    "kind": "string",
    "injected": "bool",
    "message": "string",
    "then": "string",
}


def incidents_table(trace: Trace) -> pd.DataFrame:
    """Return one row an incident, in the order in which they happened.

    Columns:
        boot int64: number of the kernel that it struck
        time_ns int64: since the chain began
        kind string: a kind of fault, or the outcome that the failure would be
        injected bool: whether it is a fault of the scenario
        message string: what the kernel prints
        then string: goes on, retry, cold boot or chain ends
    """
    return frame("incidents", trace.incident_records, COLUMNS)
