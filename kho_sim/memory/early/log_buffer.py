"""The kernel's log buffer: steps 12 to 14, and 32, of kernel-facts section 6."""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.builds import Build
from kho_sim.memory.early.options import BootOptions
from kho_sim.memory.early.requests import Requests

RECORD_BYTES = 32
"""One descriptor and one info a 32 bytes of text."""
DESCRIPTOR_BYTES = 24
INFO_BYTES = 88


def wanted_bytes(options: BootOptions, build: Build, cpus: int, late: bool) -> int:
    """Return the size to allocate, 0 for the built-in buffer.

    Without ``log_buf_len=`` the late call sizes the buffer for the CPUs: only if they add more than
    half of the built-in buffer (18 CPUs or more).
    """
    if options.log_buffer_bytes or not late:
        return options.log_buffer_bytes
    extra = (cpus - 1) * build.log_buffer_per_cpu_bytes
    if extra <= build.default_log_buffer_bytes // 2:
        return 0
    return 1 << (extra + build.default_log_buffer_bytes - 1).bit_length()


def allocate_log_buffer(requests: Requests, text_bytes: int) -> tuple[bool, list[str]]:
    """Allocate text, descriptors and infos, all or nothing; return (done, messages)."""
    records = text_bytes // RECORD_BYTES
    pieces = (
        ("text", requesters.LOG_BUFFER_TEXT, text_bytes),
        ("desc", requesters.LOG_BUFFER_DESCRIPTORS, records * DESCRIPTOR_BYTES),
        ("info", requesters.LOG_BUFFER_INFOS, records * INFO_BYTES),
    )
    blocks: list[tuple[int, int]] = []
    for name, what, size in pieces:
        block = requests.alloc(what, size, 8)
        if not block:
            for address, length in reversed(blocks):
                requests.free(address, 0, length)
            return False, [f"printk: log_buf_len: {size} {name} bytes not available"]
        blocks.append((block, size))
    return True, []
