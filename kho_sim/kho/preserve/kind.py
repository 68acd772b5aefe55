"""What a kind of preserved object is: how it is made, handed on, found again and closed.

A kind is one class, and its instance a line in ``KINDS``; it keeps no state. What it makes belongs
to the kernel that it is made in; what it hands on is frozen, and all that the next kernel knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kho_sim.kho.handover import Folios, HandedObject
from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.memory.early import NamedArea
from kho_sim.memory.pages import PageAllocator, Run


class NewObject(NamedTuple):
    """What is asked for: bytes in all, of folios (or pages of a pool) of ``folio_bytes``.

    ``session`` is the LUO session that will preserve it.
    """

    name: str
    size_bytes: int
    folio_bytes: int
    session: str


@dataclass
class LiveObject:
    """An object that is alive in a kernel: its folios, in their order inside of it.

    ``session`` is '' for one of the kernel's own, which no user opens and none can close.
    """

    name: str
    kind: str
    size_bytes: int
    data: list[Folios] = field(default_factory=list)
    session: str = "session"
    index: list[Run] = field(default_factory=list)
    """Kernel pages that go when the object is closed."""
    hole_bytes: int = 0
    """Bytes at its end that were never written; ``size_bytes`` counts them."""

    @property
    def folios(self) -> int:
        return sum(folios.number for folios in self.data)

    @property
    def pages(self) -> int:
        return sum(folios.pages for folios in self.data)

    @classmethod
    def of(cls, handed: HandedObject) -> LiveObject:
        """Return an object as it was handed over."""
        return cls(handed.name, handed.kind, handed.size_bytes, list(handed.data), handed.session)

    def handed(self, record: Run, metadata: Sequence[Run] = ()) -> HandedObject:
        """Return what is handed on of it: the page that describes it, and those that are freed."""
        return HandedObject(
            name=self.name,
            kind=self.kind,
            session=self.session,
            size_bytes=self.size_bytes,
            data=tuple(self.data),
            record=record,
            metadata=tuple(metadata),
        )


class Home(Protocol):
    """The kernel that objects live in, as far as a kind may know it.

    ``named_areas``: what early boot has reserved for ``reserve_mem=`` and can be handed on.
    """

    @property
    def pages(self) -> PageAllocator: ...

    @property
    def named_areas(self) -> Mapping[str, NamedArea]: ...

    def pool_of(self, page_bytes: int) -> list[int]:
        """Return the free huge pages of a size (addresses): a live list."""


class PreservedKind(Protocol):
    """The five steps of an object's life, which may run in as many kernels."""

    name: str
    """What scenarios and traces call the kind."""

    def create(self, home: Home, wanted: NewObject) -> LiveObject:
        """Make a new object, all of its memory in use. Raises OutOfMemory, with nothing kept."""

    def preserve(self, luo: LiveUpdate, live: LiveObject) -> HandedObject:
        """Preserve an object in its session; return what the next kernel will find of it.

        Raises PreserveFailed, with nothing of it preserved.
        """

    def unpreserve(self, luo: LiveUpdate, handed: HandedObject) -> None:
        """Take back the preservation of the object that its session lists last; it stays open."""

    def retrieve(self, home: Home, handed: HandedObject) -> LiveObject | None:
        """Find an object again in the next kernel, or None if that one does not ask for it.

        Its ``metadata`` is still there; whoever retrieves objects frees it afterwards. Raises
        OutOfMemory.
        """

    def close(self, home: Home, live: LiveObject) -> None:
        """Give the object's memory up."""
