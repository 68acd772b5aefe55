"""The kernel's command line, read as the kernel reads it. A base room: every other may use it."""

from kho_sim.base.command_line.hugepages import HugepageRequest, HugetlbCma
from kho_sim.base.command_line.parse import (
    CommandLine,
    Crashkernel,
    ReserveMem,
    ScratchRequest,
    Swiotlb,
    parse_command_line,
)

__all__ = [
    "CommandLine",
    "Crashkernel",
    "HugepageRequest",
    "HugetlbCma",
    "ReserveMem",
    "ScratchRequest",
    "Swiotlb",
    "parse_command_line",
]
