"""Preserved objects: what a kernel hands on, one file per kind, over one live outgoing tree."""

from kho_sim.kho.preserve.early_memory import EarlyMemory
from kho_sim.kho.preserve.guest_memfd import GuestMemfd
from kho_sim.kho.preserve.hugetlb import Hugetlb
from kho_sim.kho.preserve.kind import Home, LiveObject, NewObject, PreservedKind
from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.kho.preserve.memfd import Memfd
from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.kho.preserve.reserve_mem import ReserveMem

__all__ = [
    "KINDS",
    "Home",
    "LiveObject",
    "LiveUpdate",
    "NewObject",
    "Outgoing",
    "PreserveFailed",
    "PreservedKind",
]

KINDS: dict[str, PreservedKind] = {
    "memfd": Memfd(),
    "guest_memfd": GuestMemfd(),
    "hugetlb": Hugetlb(),
    "reserve_mem": ReserveMem(),
    "early": EarlyMemory(),
}
"""By the name that scenarios and traces use."""
