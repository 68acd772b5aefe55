"""The early boot of one kernel: every memblock allocation of kernel-facts section 6, in its
order."""

from kho_sim.memory.early.boot import EarlyBoot, NamedArea
from kho_sim.memory.early.options import BootOptions
from kho_sim.memory.early.requests import BootPanic, Refusal, Requests
from kho_sim.memory.early.rows import Request, RequestRows

__all__ = [
    "BootOptions",
    "BootPanic",
    "EarlyBoot",
    "NamedArea",
    "Refusal",
    "Request",
    "RequestRows",
    "Requests",
]
