"""The table of boots: one kernel a row, with the facts that the contract names."""

from __future__ import annotations

import pandas as pd

from kho_sim.frames.columns import frame
from kho_sim.trace.records import FACTS
from kho_sim.trace.trace import Trace

SEQUENCES = ("scratch_areas", "preservations_by_order", "busy_blocks")

COLUMNS = {"boot": "int64", "kind": "string", "release": "string", "command_line": "string"} | {
    name: "object" if name in SEQUENCES else "Int64" for name in FACTS
}


def boots_table(trace: Trace) -> pd.DataFrame:
    """Return the kernels of the chain, one row a boot, in order. Unknown facts are missing values.

    Columns:
        boot int64: number of the kernel, 0 is the cold one
        kind string: cold or kho
        release string: kernel release, empty if unknown
        command_line string: as the kernel got it, empty if unknown
        kernel_reserved_bytes Int64: what the default scratch size is a percentage of
        scratch_areas object: tuple of (start, size) in bytes, in array order
        preservations Int64: keys of the incoming tree
        preservations_by_order object: tuple of (order, count), ascending
        preserved_bytes Int64: memory behind these keys
        radix_nodes Int64: pages of the incoming tree
        busy_blocks object: start addresses, ascending, to be read like a tuple
        extended_bytes Int64: bytes newly marked as scratch
        digest_pages Int64: pages that the second tree took
        extend_ns Int64: duration of the extension
        memory_regions_before Int64: regions of memblock.memory before the extension
        memory_regions_after Int64: and after it
        reserved_regions_before Int64: regions of memblock.reserved before the retrieval
        reserved_regions_after Int64: and after it
        gigantic_pages_requested Int64: boot-time 1 GiB pages asked for
        gigantic_pages_allocated Int64: and obtained
        allocations Int64: early allocations
        failures Int64: those that failed
        failures_avoided Int64: those that original scratch alone would have refused
    """
    return frame("boots", trace.boot_records, COLUMNS)
