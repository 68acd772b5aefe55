"""Words that a scenario uses for things of the model: the schema and the model agree on them here.

A test holds each list to the model's registry of that name.
"""

from __future__ import annotations

ARM64 = "arm64"
PLATFORMS = ("x86_64", ARM64)
"""The first is the default."""
PAGE_SIZES = {"x86_64": (4096,), ARM64: (4096, 16384, 65536)}
"""Platform -> the sizes that its kernels can have pages of, in bytes."""
PLATFORM_FIRMWARES = {
    "x86_64": ("qemu-pc", "qemu-q35", "ovmf-q35"),
    ARM64: ("qemu-virt", "qemu-virt-uefi"),
}
"""Platform -> its kinds of firmware; the first is the default."""
FIRMWARES = tuple(name for names in PLATFORM_FIRMWARES.values() for name in names)
PLATFORM_BUILDS = {"x86_64": "lab", ARM64: "arm64-lab"}
"""Platform -> the build that its kernels have by default."""
EFI_MEMORY = (
    "conventional",
    "loader code",
    "loader data",
    "boot code",
    "boot data",
    "runtime code",
    "runtime data",
    "acpi reclaim",
    "acpi nvs",
    "mmio",
    "mmio port",
    "pal code",
    "persistent",
    "unaccepted",
    "unusable",
)
"""Types of an EFI memory map beside ``reserved``."""
MEMORY_KINDS = ("usable", "reserved", "nomap", *EFI_MEMORY)
"""Kinds of range in an explicit memory map; the first is the default, nomap is of arm64."""
USABLE_MEMORY = ("usable", *EFI_MEMORY[:5])
"""Those that a kernel has as memory once it runs."""
STRATEGIES = (
    "blocks",
    "none",
    "reserve-early",
    "blocks-skip",
    "scaled-blocks",
    "largest-gaps",
    "leave-scratch-only",
    "gigantic-blocks",
    "blocks-collapsed",
    "gaps-by-memory",
    "bounded-blocks",
    "separate-flag",
)
RETRIEVALS = (
    "per-key",
    "one-call",
    "collect-runs",
    "two-pass",
    "two-pass-runs",
    "skip-at-free",
    "parallel",
)
"""The first is the default."""
WORKLOADS = (
    "memfd",
    "guest_memfd",
    "hugetlb",
    "anonymous",
    "pinned",
    "page_cache",
    "unmovable",
    "vms",
    "reserve_mem",
)
OOM_ADJUSTMENTS = (-1000, 1000)
"""The least and the most of oom_score_adj, in thousandths of all memory; the OOM killer spares
processes with the least, as it does init."""
WORKERS = ("drawn", "parallel", "emulated", "sequential")
"""Ways in which the workers of deferred initialisation take turns."""
HANDOVER_PARTS = ("luo", "memfd", "reserve_mem", "metadata")
"""Parts of a handover that have a version of their own, beside KHO's."""
OUTCOMES = (
    "completed",
    "kho_disabled",
    "load_refused",
    "preserve_failed",
    "boot_failed",
    "panicked",
)
"""The kinds of outcome that a chain can have: those of the contract, and that of a kernel which
dies while it serves (only a fault of the scenario does that)."""
