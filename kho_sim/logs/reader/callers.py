"""Names for early allocations, from the kernel function that asked and what it asked for.

The names are those of the table in kernel-facts section 6.1. Most functions ask for one thing; the
few that ask for several are told apart by size, alignment or what was asked before.
"""

from __future__ import annotations

from dataclasses import dataclass

SCRATCH_CALLERS = ("kho_memory_init", "kho_reserve_scratch")
DIGEST_CALLER = "kho_radix_alloc_node"
HUGETLB_CALLERS = ("__alloc_bootmem_huge_page", "alloc_bootmem_huge_page")
PANICKING_CALLERS = ("__memblock_alloc_or_panic", "memblock_alloc_or_panic")
RETRIEVAL_CALLERS = ("kho_preserved_memory_reserve", "kho_mem_deserialize", "deserialize_bitmap")

NAMES = {
    "reserve_real_mode": "real-mode trampoline",
    "init_mem_mapping": "direct map probe",
    "alloc_low_pages": "direct map table",
    "init_cpu_entry_area_ptes": "entry area table",
    "spp_getpage": "entry area table",
    "sparse_index_alloc": "section roots",
    "sparse_init_nid": "usage map",
    "pcpu_build_alloc_info": "percpu group info",
    "pcpu_embed_first_chunk": "percpu area list",
    "pcpu_fc_alloc": "percpu units",
    "start_kernel": "unknown parameters",
    "print_unknown_bootoptions": "unknown parameters",
    "__alloc_bootmem_huge_page": "gigantic page",
    "alloc_bootmem_huge_page": "gigantic page",
    DIGEST_CALLER: "digest page",
}
"""Functions that ask for one thing only."""

LATE_CALLERS = frozenset(
    HUGETLB_CALLERS
    + SCRATCH_CALLERS
    + (
        "alloc_large_system_hash",
        "memmap_alloc",
        "pcpu_build_alloc_info",
        "pcpu_embed_first_chunk",
        "pcpu_fc_alloc",
        "sparse_index_alloc",
        "sparse_init_nid",
        "spp_getpage",
        "start_kernel",
        "swiotlb_init_remap",
    )
)
"""Functions that ask only after the extension step ("A" in kernel-facts 6.1)."""

SECTION_BYTES = 2 << 20
"""Memory map of one section; smaller requests of memmap_alloc() are tables or single pages."""
DESCRIPTOR_SHARE = (24, 32)
INFO_SHARE = (88, 32)
"""Bytes of printk descriptors and infos for 32 bytes of log buffer (kernel-facts 6.1, 12-14)."""


@dataclass(slots=True)
class Namer:
    """Names the requests of one boot; keeps what it needs of those before."""

    hashes_done: int = 0
    """Large hash tables whose message was printed."""
    _log_buffer_bytes: int = 0
    _section_refused: bool = False
    _percpu_seen: bool = False
    _sections_seen: bool = False

    def name(self, caller: str, phase: str, size: int, align: int, max_address: int) -> str:
        """Return what a request is for; '' for a function that the table does not know."""
        self._percpu_seen |= caller.startswith("pcpu_")
        self._sections_seen |= caller == "sparse_index_alloc"
        if caller in NAMES:
            return NAMES[caller]
        if caller in PANICKING_CALLERS:
            return self._small(phase)
        if caller in SCRATCH_CALLERS:
            return "scratch descriptors" if align == 4096 else "scratch area"
        match caller:
            case "setup_log_buf":
                return self._log_buffer(size)
            case "memmap_alloc":
                return self._memmap(size)
            case "alloc_large_system_hash":
                return ("dentry hash", "inode hash", "hash")[min(self.hashes_done, 2)]
            case "swiotlb_init_remap":
                return _swiotlb(align, max_address)
        return ""

    def refused(self, what: str) -> None:
        """Take note that a request had no answer: a section without a 2 MiB block takes pages."""
        if what == "memmap":
            self._section_refused = True

    def _small(self, phase: str) -> str:
        if phase == "before":
            return "resources"
        if not self._sections_seen:
            return "section root array"
        return "percpu metadata" if self._percpu_seen else "command line"

    def _log_buffer(self, size: int) -> str:
        for share, name in ((DESCRIPTOR_SHARE, "desc"), (INFO_SHARE, "info")):
            if self._log_buffer_bytes and size * share[1] == self._log_buffer_bytes * share[0]:
                return f"log buffer {name}"
        self._log_buffer_bytes = size
        return "log buffer text"

    def _memmap(self, size: int) -> str:
        if size >= SECTION_BYTES:
            self._section_refused = False
            return "memmap"
        return "memmap page" if self._section_refused else "vmemmap table"


def _swiotlb(align: int, max_address: int) -> str:
    if max_address:
        return "swiotlb"
    return "swiotlb slots" if align == 4096 else "swiotlb areas"
