"""``kho_scratch=``: how large the first kernel of a chain makes its scratch areas.

Source: kho_parse_scratch_size(), kernel/liveupdate/kexec_handover.c; kernel-facts 3.1.
"""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base.command_line.options import ScratchRequest
from kho_sim.base.units import memparse

_UINT_MAX = (1 << 32) - 1


def read_scratch(value: str, before: ScratchRequest) -> tuple[ScratchRequest, str] | None:
    """Return the request after this value, and what the kernel prints; None if it is malformed."""
    if value.endswith("%"):
        return _read_scale(value, before)
    sizes, rest = [], value
    for index in range(3):
        if index:
            if not rest.startswith(","):
                return None
            rest = rest[1:]
        size_bytes, after = memparse(rest)
        if after == rest:
            return None
        sizes.append(size_bytes)
        rest = after
    if sum(sizes) % (1 << 64) == 0 or rest:
        return None
    lowmem, global_, pernode = (size_bytes >> 20 for size_bytes in sizes)
    message = f"KHO: scratch areas: lowmem: {lowmem}MiB global: {global_}MiB pernode: {pernode}MiB"
    return ScratchRequest(0, *sizes), message


def _read_scale(value: str, before: ScratchRequest) -> tuple[ScratchRequest, str] | None:
    digits = value[:-1].removeprefix("+").removesuffix("\n")
    if len(value) > 11 or not (digits.isascii() and digits.isdigit()):
        return None
    percent = int(digits)
    if percent > _UINT_MAX:
        return None
    # The kernel prints the unsigned number as a signed one.
    printed = percent if percent <= _UINT_MAX >> 1 else percent - _UINT_MAX - 1
    return replace(before, scale_percent=percent), f"KHO: scratch scale is {printed}%"
