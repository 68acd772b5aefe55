"""The kernel's command line, read as the kernel reads it. A base room: every other may use it."""

from kho_sim.base.command_line.hugepages import HugepageRequest, HugetlbCma
from kho_sim.base.command_line.options import (
    Crashkernel,
    ReserveMem,
    ScratchRequest,
    Swiotlb,
)
from kho_sim.base.command_line.parse import CommandLine, parse_command_line
from kho_sim.base.command_line.remarks import Remark

__all__ = [
    "CommandLine",
    "Crashkernel",
    "HugepageRequest",
    "HugetlbCma",
    "Remark",
    "ReserveMem",
    "ScratchRequest",
    "Swiotlb",
    "parse_command_line",
]
