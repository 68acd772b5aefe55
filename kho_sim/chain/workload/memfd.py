"""Files that the first kernel makes and every kernel hands on: memfds and guest_memfds."""

from __future__ import annotations

from typing import TypeVar

from kho_sim.chain.workload.base import Host, Workload
from kho_sim.scenario import workloads

F = TypeVar("F", bound=workloads.Files)


class _Files(Workload[F]):
    """``count`` files of ``size``; later kernels close the oldest ``drop`` and make ``grow`` new
    ones.

    The order is that of the recorded chains: retrieve, close, make, and in the end preserve all.
    """

    kind: str
    """Their kind among the preserved ones."""

    def __init__(self, section: F, number: int, seed: int):
        super().__init__(section, number, seed)
        self._alive: list[str] = []
        self._made = 0
        self._begun = False

    @property
    def folio(self) -> int | None:
        """Bytes of a folio; None: one page."""
        return None

    @property
    def hole_bytes(self) -> int:
        """Bytes of each file that are not written."""
        return 0

    def arrive(self, kernel: Host) -> None:
        asked = self.section
        if not asked.preserve or asked.at == "every":
            self._alive = [name for name in self._alive if name in kernel.memory.files]
            self._make(kernel, asked.count)
        elif not self._begun:
            self._make(kernel, asked.count)
        else:
            dropped, self._alive = self._alive[: asked.drop], self._alive[asked.drop :]
            files = kernel.memory.files
            for name in dropped:
                if name in files:
                    kernel.memory.close(name)
            lost = [name for name in self._alive if name not in files]
            if asked.preserve_when == "made":
                kernel.preserve([name for name in self._alive if name in files])
            for name in lost:
                self._create(kernel, name)
            self._make(kernel, asked.grow)
        self._begun = True

    def to_preserve(self, kernel: Host) -> list[str]:
        if not self.section.preserve or self.section.preserve_when == "made":
            return []
        return list(self._alive)

    def lasting(self, kernel: Host) -> list[str]:
        return list(self._alive) if self.section.preserve else []

    def _make(self, kernel: Host, count: int) -> None:
        for _ in range(count):
            name = f"{self.name}/{self._made}"
            self._made += 1
            self._create(kernel, name)
            self._alive.append(name)

    def _create(self, kernel: Host, name: str) -> None:
        asked = self.section
        kernel.memory.create(
            self.kind, name, asked.size, self.folio, asked.session, self.hole_bytes
        )
        if self.section.preserve and self.section.preserve_when == "made":
            kernel.preserve([name])


class Memfds(_Files[workloads.Memfd]):
    """Memfds, which may have large folios."""

    kind = "memfd"

    @property
    def folio(self) -> int | None:
        return self.section.folio

    @property
    def hole_bytes(self) -> int:
        written = self.section.written
        return 0 if written is None else self.section.size - written


class GuestMemfds(_Files[workloads.GuestMemfd]):
    """Guest memory in single pages."""

    kind = "guest_memfd"
