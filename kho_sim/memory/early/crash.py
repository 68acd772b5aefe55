"""The crash kernel's memory: ``crashkernel=`` in all its forms.

It is reserved before the extension, in every kernel anew. In a KHO boot it has to fit in original
scratch; where it does not, boot goes on without it, though gigabytes are free after the extension.
Left out: the kernel that is loaded there. Where the area of ``,cma`` lies is assumed to follow the
rule of ``cma=``.

Source: kernel-facts-distro section 6.
"""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.command_line import Crashkernel, CrashRequest, crash_request
from kho_sim.base.extent import Extent
from kho_sim.memory.early.cma import declare_area
from kho_sim.memory.early.requests import Requests, Window
from kho_sim.platform.rules import EarlyRules

MIB = 1 << 20
BOUNCE_BUFFER_SPARE_BYTES = 8 * MIB
"""What a crash kernel needs in low memory beside its bounce buffers."""


def reserve_crash_kernel(
    requests: Requests, options: tuple[Crashkernel, ...], rules: EarlyRules, swiotlb_bytes: int
) -> tuple[list[Extent], list[str]]:
    """Reserve memory for a crash kernel; return its CMA areas and what the kernel prints.

    ``swiotlb_bytes``: bounce buffers of this kernel, which a crash kernel would want as well.
    Source: reserve_crashkernel_generic().
    """
    wanted = crash_request(options, requests.memblock.memory_size())
    if not wanted.size_bytes:
        return [], ["crashkernel size resulted in zero bytes"] if options else []
    align = rules.crash_align_bytes
    start = requests.alloc_in_windows(
        requesters.CRASH_KERNEL, wanted.size_bytes, align, _windows(wanted, rules)
    )
    if not start:
        return [], [_failure(wanted)]
    messages = []
    low = _low_bytes(wanted, rules, swiotlb_bytes) if start >= rules.crash_low_end else 0
    if low:
        window = [Window(0, rules.crash_low_end)]
        low_start = requests.alloc_in_windows(requesters.CRASH_KERNEL_LOW, low, align, window)
        if not low_start:
            requests.free(start, 0, wanted.size_bytes)
            return [], [f"cannot allocate crashkernel low memory (size:{low:#x})"]
        end = low_start + low
        messages.append(
            f"crashkernel low memory reserved: {low_start:#010x} - {end:#010x} ({low // MIB} MB)"
        )
    end = start + wanted.size_bytes
    messages.append(
        f"crashkernel reserved: {start:#018x} - {end:#018x} ({wanted.size_bytes // MIB} MB)"
    )
    areas = _reserve_cma(requests, wanted, messages)
    return areas, messages


def _windows(wanted: CrashRequest, rules: EarlyRules) -> list[Window]:
    """Return where it may lie, in the order in which that is tried."""
    if wanted.offset_bytes:
        return [Window(wanted.offset_bytes, wanted.offset_bytes + wanted.size_bytes)]
    low = Window(0, rules.crash_low_end)
    high = Window(rules.crash_low_end, rules.crash_high_end)
    return [high, low] if wanted.high_first else [low, high]


def _low_bytes(wanted: CrashRequest, rules: EarlyRules, swiotlb_bytes: int) -> int:
    """Return the part in low memory that goes with a crash kernel above."""
    if wanted.offset_bytes:
        return 0
    if wanted.low_bytes is not None:
        return wanted.low_bytes
    spare = swiotlb_bytes + BOUNCE_BUFFER_SPARE_BYTES if rules.crash_low_holds_bounce_buffers else 0
    return max(rules.crash_low_bytes, spare)


def _failure(wanted: CrashRequest) -> str:
    if wanted.offset_bytes:
        return "crashkernel reservation failed - memory is in use."
    return f"cannot allocate crashkernel (size:{wanted.size_bytes:#x})"


def _reserve_cma(requests: Requests, wanted: CrashRequest, messages: list[str]) -> list[Extent]:
    if not wanted.cma_bytes:
        return []
    align = requests.geometry.scratch_align_bytes
    area = declare_area(requests, requesters.CRASH_KERNEL_CMA, wanted.cma_bytes, align)
    if area is None:
        messages.append(f"crashkernel CMA reservation failed: {wanted.cma_bytes // MIB} MB")
        return []
    messages.append(f"crashkernel CMA reserved: {area.size // MIB} MB in 1 range")
    return [area]
