"""The only value that crosses a kexec.

What the next kernel knows of the last one is what lies in preserved memory, in the tree that says
which memory that is, and in the places that kexec chose. ``Handover`` holds just that, frozen: a
later kernel that needs more has to be handed it in preserved pages, as in the real world.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from kho_sim.base.extent import Extent
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.versions import Versions
from kho_sim.memory.early import NamedArea
from kho_sim.memory.pages import Run, Runs
from kho_sim.platform.loader import LoadedKernel


class Folios(NamedTuple):
    """Folios of one order, in file order."""

    runs: Runs
    order: int

    @classmethod
    def of(cls, runs: Iterable[Run], order: int) -> Folios:
        """Return folios that lie in these runs."""
        return cls(Runs.of(runs).joined(order), order)

    @property
    def number(self) -> int:
        return self.runs.block_count()

    @property
    def pages(self) -> int:
        return self.number << self.order

    def extents(self, page_shift: int) -> list[Extent]:
        """Return the bytes that they take, ascending; what touches is one."""
        return [
            Extent(start << page_shift, end << page_shift)
            for start, end in self.runs.extents(self.order)
        ]

    def addresses(self, page_shift: int) -> list[int]:
        """Return where each of them begins, in file order."""
        return [pfn << page_shift for run in self.runs for pfn in run.pfns(self.order)]


def by_order(data: Iterable[Folios]) -> list[Folios]:
    """Return the same folios in the same order, with all that follow each other in one order as
    one."""
    return [
        Folios(Runs.chained([part.runs for part in parts], order), order)
        for order, parts in groupby(data, key=attrgetter("order"))
    ]


@dataclass(frozen=True, slots=True)
class HandedObject:
    """A preserved object as its record describes it.

    ``session`` is '' for an object of the kernel's own, which KHO's FDT lists in place of a
    session. ``data``: its folios in their order. ``record``: the page that describes it.
    ``metadata``: the order-0 pages (record, folio array, array chunks) which the next kernel frees
    once it has read them.
    """

    name: str
    kind: str
    session: str
    size_bytes: int
    data: tuple[Folios, ...]
    record: Run
    metadata: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class KhoData:
    """What KHO's FDT and the scratch descriptors say, and where they lie.

    ``compatible``: the version of its format, as the FDT's root names it.
    """

    compatible: str
    fdt_address: int
    descriptors_address: int
    scratch_areas: tuple[tuple[int, int], ...]
    """(start, size) in array order."""
    named_areas: tuple[NamedArea, ...] = ()
    """The ``reserve_mem=`` areas that the FDT lists."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a handover when its kernel reads it; nothing by default.

    ``fdt``: the version found in place of KHO's, '' if there is no FDT at its address.
    ``sound_areas``: entries at the head of the descriptors that can be used; all if None.
    ``map_found``: whether the FDT says where the root of the preserved memory map is.
    """

    fdt: str | None = None
    sound_areas: int | None = None
    map_found: bool = True


UNDAMAGED = Damage()
NO_VERSIONS = Versions()


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything that a kernel leaves to the next.

    ``loaded`` is the next kernel itself, ``tree`` its incoming tree, ``objects`` those of sessions
    in the order in which they were preserved, then the kernel's own. ``luo_pages``: the order-0 and
    larger pages of LUO's own state that are freed when sessions are read, as (run, order).
    ``versions``: those of all parts but KHO's own, which is in ``kho``. ``bad_frames``: addresses
    of frames with uncorrectable errors, in the order in which they were found.
    """

    loaded: LoadedKernel
    kho: KhoData
    tree: FrozenRadixTree
    objects: tuple[HandedObject, ...]
    luo_pages: tuple[tuple[Run, int], ...]
    release: str
    kexec_count: int
    versions: Versions = NO_VERSIONS
    damage: Damage = UNDAMAGED
    bad_frames: tuple[int, ...] = ()

    def gigantic_pages(self) -> dict[int, int]:
        """Return the gigantic pages among what is handed over: address -> size in bytes."""
        geometry = self.tree.geometry
        return {
            address: geometry.page_bytes << folios.order
            for handed in self.objects
            for folios in handed.data
            if folios.order > geometry.max_order
            for address in folios.addresses(geometry.page_shift)
        }
