"""What every way to retrieve is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.memory.memblock import Memblock


@dataclass(frozen=True, slots=True)
class RetrieveOptions:
    """``cpus``: CPUs of the machine. ``reserved``: a first pass has reserved everything.
    ``sizes_have_64_bits``, ``struct_pages_deferred``: as the kernel's release has it (``Release``),
    for Linux's own retrieval."""

    cpus: int = 1
    reserved: bool = False
    sizes_have_64_bits: bool = True
    struct_pages_deferred: bool = True


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a retrieval did.

    ``regions_before``, ``regions_after``: regions of memblock.reserved. ``ranges``: memblock calls
    that reserved something. ``skipped``: preserved memory that is not reserved, and that the page
    allocator must not be given either. ``threads`` share ``parallel_work``; ``work`` is done by one
    CPU. ``error`` is memblock's message if its array could not grow, else ''.
    """

    regions_before: int
    regions_after: int
    work: Work = field(default_factory=Work)
    error: str = ""
    skipped: tuple[Extent, ...] = ()
    threads: int = 1
    parallel_work: Work = field(default_factory=Work)


class FirstPass(NamedTuple):
    """What a pass before all other early allocations did; ``error`` as in ``Retrieval``."""

    work: Work
    error: str = ""


Retrieve = Callable[[Memblock, FrozenRadixTree, RetrieveOptions], Retrieval]
"""Retrieve what was preserved, last of all in early boot."""
ReserveFirst = Callable[[Memblock, FrozenRadixTree], FirstPass]
"""Reserve what was preserved and the pages of the tree, right before the extension."""


class Retriever(NamedTuple):
    """A way to retrieve.

    ``reserve_first``: its first pass, if it has one. ``early_form``: for one without, the name of
    the retrieval that takes its place where an extension needs everything reserved.
    """

    retrieve: Retrieve
    reserve_first: ReserveFirst | None = None
    early_form: str = "two-pass"
