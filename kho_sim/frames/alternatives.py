"""The table of what-ifs: other ways to extend scratch, tried on what a boot inherits."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.trace import Trace

COLUMNS = {
    "boot": "int64",
    "strategy": "string",
    "shift": "int64",
    "busy_block_count": "int64",
    "extended_bytes": "int64",
    "digest_pages": "int64",
    "extend_ns": "int64",
    "early_ns": "int64",
    "memory_regions_after": "int64",
    "reserved_regions_before": "Int64",
    "reserved_regions_after": "Int64",
    "gigantic_pages_requested": "int64",
    "gigantic_pages_allocated": "int64",
    "allocations": "int64",
    "failures": "int64",
    "failures_avoided": "int64",
    "error": "string",
    "panic": "string",
}


def alternatives_table(trace: Trace) -> pd.DataFrame:
    """Return what each way to extend scratch would have made of each KHO boot, one row each.

    Columns:
        boot int64: number of the kernel
        strategy string: way to extend scratch
        shift int64: log2 of the block size in bytes
        busy_block_count int64: blocks left alone
        extended_bytes int64: bytes newly marked as scratch
        digest_pages int64: pages that the second tree took
        extend_ns int64: duration of the extension
        early_ns int64: duration of early boot, extension and retrieval included
        memory_regions_after int64: regions of memblock.memory after the extension
        reserved_regions_before Int64: regions of memblock.reserved before the retrieval
        reserved_regions_after Int64: and after it
        gigantic_pages_requested int64: boot-time 1 GiB pages asked for
        gigantic_pages_allocated int64: and obtained
        allocations int64: early allocations
        failures int64: those that failed
        failures_avoided int64: those that original scratch alone would have refused
        error string: what the kernel prints if the extension fails, else empty
        panic string: what it says if early boot kills it, else empty
    """
    return frame("alternatives", trace.alternative_records, COLUMNS)
