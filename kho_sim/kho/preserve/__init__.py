"""Preserved objects: what a kernel hands on, one file per kind, over one live outgoing tree."""

from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.kho.preserve.memfd import FilePages, preserve_file, unpreserve_file
from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.kho.preserve.reserve_mem import preserve_area

__all__ = [
    "FilePages",
    "LiveUpdate",
    "Outgoing",
    "PreserveFailed",
    "preserve_area",
    "preserve_file",
    "unpreserve_file",
]
