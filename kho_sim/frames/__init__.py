"""Traces as pandas DataFrames: one file and one function a table, dtypes fixed.

Text columns have pandas' string dtype. Numbers that may be unknown are Int64 with missing values,
others int64. Sizes and addresses are bytes, times nanoseconds, ranges half-open.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from kho_sim.frames.allocations import allocations_table
from kho_sim.frames.alternatives import alternatives_table
from kho_sim.frames.boots import boots_table
from kho_sim.frames.events import events_table
from kho_sim.frames.failures import failures_table
from kho_sim.frames.file_outcomes import file_outcomes_table
from kho_sim.frames.files import files_table
from kho_sim.frames.gigantic import gigantic_table
from kho_sim.frames.incidents import incidents_table
from kho_sim.frames.preserved import preserved_table
from kho_sim.frames.regions import regions_table
from kho_sim.frames.scratch import scratch_table
from kho_sim.frames.segments import segments_table
from kho_sim.frames.tree_pages import tree_pages_table
from kho_sim.trace.trace import Trace

TABLES: dict[str, Callable[[Trace], pd.DataFrame]] = {
    "boots": boots_table,
    "allocations": allocations_table,
    "failures": failures_table,
    "regions": regions_table,
    "preserved": preserved_table,
    "tree_pages": tree_pages_table,
    "gigantic": gigantic_table,
    "segments": segments_table,
    "events": events_table,
    "files": files_table,
    "incidents": incidents_table,
    "file_outcomes": file_outcomes_table,
    "scratch": scratch_table,
    "alternatives": alternatives_table,
}
"""Every table by its name, which is also its file's name in a stored run."""

__all__ = [
    "TABLES",
    "allocations_table",
    "alternatives_table",
    "boots_table",
    "events_table",
    "failures_table",
    "file_outcomes_table",
    "files_table",
    "gigantic_table",
    "incidents_table",
    "preserved_table",
    "regions_table",
    "scratch_table",
    "segments_table",
    "tree_pages_table",
]
