"""What single options ask for, as values."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SCRATCH_PERCENT = 200
"""scratch_scale, kernel/liveupdate/kexec_handover.c."""


@dataclass(frozen=True, slots=True)
class ScratchRequest:
    """What ``kho_scratch=`` asked for. A ``scale_percent`` other than 0 overrides the sizes."""

    scale_percent: int = DEFAULT_SCRATCH_PERCENT
    lowmem_bytes: int = 0
    global_bytes: int = 0
    pernode_bytes: int = 0


@dataclass(frozen=True, slots=True)
class OptionRules:
    """What reading a command line depends on besides the line: a platform and its page size.

    ``hugepage_sizes``: of hugetlb pages, ascending; ``default_hugepage_bytes`` is one of them.
    ``hugepage_options_max``: the kernel has room for so many options of hugetlb
    (HUGE_MAX_CMDLINE_ARGS); the next one is malformed. ``modelled``: options that the model of this
    platform follows, though others do not.
    """

    hugepage_sizes: tuple[int, ...] = (2 << 20, 1 << 30)
    default_hugepage_bytes: int = 2 << 20
    hugepage_options_max: int = 5
    modelled: frozenset[str] = frozenset()


X86_64_RULES = OptionRules()


@dataclass(frozen=True, slots=True)
class ReserveMem:
    """One valid ``reserve_mem=size:align:name``."""

    size_bytes: int
    align_bytes: int
    name: str


@dataclass(frozen=True, slots=True)
class Swiotlb:
    """``swiotlb=``: None slabs is the kernel's default of 64 MiB (a slab has 2 KiB)."""

    slabs: int | None = None
    force: bool = False
    noforce: bool = False
