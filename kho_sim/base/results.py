"""The names of a run's results: its outcome, and the numbers of its summary.

Scenarios name them in ``expect:``, the command line in ``--fail-on``, traces and sweeps in their
tables. Left out: how the numbers are obtained (``trace/summary``).
"""

from __future__ import annotations

SUMMARY: dict[str, str] = {
    "boots": "kernels that were booted, the cold one and one that died included",
    "boots_without_extension": "the same of the twin",
    "outcome_without_extension": "how the twin ended, one of the outcomes",
    "failures": "early allocations that failed, over all boots",
    "failures_without_extension": "the same of the twin",
    "failures_avoided": "early allocations that original scratch alone would have refused",
    "extended_bytes_min": "smallest extension of a KHO boot",
    "extended_bytes_max": "largest extension of a KHO boot",
    "extend_ns_max": "longest extension step",
    "kernel_boot_ns_max": "longest boot of a kernel, from its entry to its init",
    "blackout_ns_max": "longest blackout, over all boots that ended one",
    "digest_pages_max": "most pages that a second tree took",
    "gigantic_pages_requested_min": "fewest gigantic pages that a KHO boot's command line asks for",
    "gigantic_pages_allocated_min": "fewest gigantic pages of a KHO boot, those handed on included",
    "gigantic_pages_without_extension_min": "the fewest in a KHO boot of the twin",
    "preservations_max": "most keys in an incoming tree",
    "preserved_bytes_max": "most memory handed over at once",
    "radix_nodes_max": "most pages of an incoming tree",
    "busy_blocks_max": "most blocks that an extension had to leave out",
    "memory_regions_max": "most memblock.memory regions around an extension",
    "reserved_regions_max": "most memblock.reserved regions around a retrieval",
    "faults": "faults of the scenario that struck",
    "cold_boots": "kernels after the first one that began without scratch of a kernel before them",
    "firmware_resets": "times that the machine went through firmware after its first boot",
    "updates_retried": "times that a refused update was tried again",
    "files_lost": "files that were to outlive their kernel and did not, over all incidents",
    "bytes_lost": "data in these files",
    "files_lost_without_extension": "the same number of files in the twin",
    "bytes_lost_without_extension": "data in these",
    "processes_killed": "processes that the OOM killer ended, over all boots",
    "processes_killed_without_extension": "the same number in the twin",
}
"""Every name that a summary can have, and what it is, over the KHO boots unless said otherwise."""

SHORT_NAMES = {"blackout": "blackout_ns_max", "kernel_boot": "kernel_boot_ns_max"}
"""What expectations and conditions may say in place of the name of a summary."""

RESULTS = ("outcome", *SUMMARY, *SHORT_NAMES)
"""Every name that an expectation or a condition can have."""
