"""A named area of ``reserve_mem=``: early boot reserves it, preservation follows by itself."""

from __future__ import annotations

from kho_sim.chain.workload.base import Workload


class NamedMemory(Workload):
    """``build`` puts it on each kernel's command line; nothing is left to do at run time."""
