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
class ReserveMem:
    """One valid ``reserve_mem=size:align:name``."""

    size_bytes: int
    align_bytes: int
    name: str


@dataclass(frozen=True, slots=True)
class Crashkernel:
    """One ``crashkernel=size[@offset]`` or ``size,kind``: '' (plain), 'high', 'low' or 'cma'."""

    size_bytes: int
    offset_bytes: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Swiotlb:
    """``swiotlb=``: None slabs is the kernel's default of 64 MiB (a slab has 2 KiB)."""

    slabs: int | None = None
    force: bool = False
    noforce: bool = False
