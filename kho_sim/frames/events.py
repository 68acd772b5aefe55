"""The table of what took time, and of messages."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "start_ns": "int64",
    "end_ns": "int64",
    "what": "string",
    "detail": "string",
}


def events_table(trace: Trace) -> pd.DataFrame:
    """Return phases and messages, one row each, in the order they ended.

    Columns:
        boot int64: number of the kernel
        start_ns int64: since the chain began
        end_ns int64: since the chain began; equal to start_ns for a message
        what string: name of the phase, or message
        detail string: text of the message
    """
    return frame("events", trace.event_records, COLUMNS)
