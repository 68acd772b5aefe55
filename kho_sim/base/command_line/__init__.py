"""The kernel's command line, read as the kernel reads it. A base room: every other may use it."""

from kho_sim.base.command_line.areas import CmaRequest, MovableCore
from kho_sim.base.command_line.crashkernel import (
    Crashkernel,
    CrashkernelRange,
    CrashRequest,
    crash_request,
)
from kho_sim.base.command_line.hugepages import HugepageRequest, HugetlbCma
from kho_sim.base.command_line.line import CommandLine
from kho_sim.base.command_line.memory_map import MemoryEdit
from kho_sim.base.command_line.options import (
    OptionRules,
    ReserveMem,
    ScratchRequest,
    Swiotlb,
)
from kho_sim.base.command_line.parse import parse_command_line
from kho_sim.base.command_line.remarks import Remark

__all__ = [
    "CmaRequest",
    "CommandLine",
    "CrashRequest",
    "Crashkernel",
    "CrashkernelRange",
    "HugepageRequest",
    "HugetlbCma",
    "MemoryEdit",
    "MovableCore",
    "OptionRules",
    "Remark",
    "ReserveMem",
    "ScratchRequest",
    "Swiotlb",
    "crash_request",
    "parse_command_line",
]
