"""LUO's own state in preserved memory: fixed objects, sessions, and the blocks that list files.

Models kernel/liveupdate/luo_*.c and kho_block.c (kernel-facts 10.1). How the lists are laid out is
the release's (``releases/``), and so is how many records they can have.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.memory.pages import Run
from kho_sim.releases import ListLayout, LuoLayout, Release


@dataclass
class Session:
    """An outgoing session: how many files it lists, and the pages of its list."""

    files: int = 0
    blocks: list[tuple[Run, int]] = field(default_factory=list)


class LiveUpdate:
    """The outgoing side of one kernel: what exists before any file, then sessions and files.

    FDT, metadata and FLB header are never given back by the next kernel; ``pages`` and the blocks
    that list sessions and files are, when it reads the sessions. A release without LUO has the FDT
    alone.
    """

    def __init__(self, outgoing: Outgoing, release: Release):
        self.outgoing = outgoing
        self._page_bytes = outgoing.pages.geometry.page_bytes
        self._luo = release.luo
        self.has_metadata = release.kexec_metadata
        self.sessions: dict[str, Session] = {}
        self.pages: list[tuple[Run, int]] = []
        self.fdt_address = 0
        self.session_blocks: list[tuple[Run, int]] = []

    @property
    def has_device(self) -> bool:
        """Tell whether user space can preserve anything."""
        return self._luo is not None

    @property
    def layout(self) -> LuoLayout:
        """The layout of the lists. Raises PreserveFailed in a release without LUO."""
        if self._luo is None:
            raise PreserveFailed("open liveupdate: No such file or directory")
        return self._luo

    def start_kho(self) -> None:
        """Make the FDT page, and the kexec metadata where there are any: kho_init()."""
        self.fdt_address = self.outgoing.allocate_preserved()[0].first_pfn * self._page_bytes
        if self.has_metadata:
            self.outgoing.allocate_preserved()

    def start_luo(self) -> None:
        """Make LUO's state, the array of sessions and the FLB header where there are any:
        luo_late_startup()."""
        if not self.has_device:
            return
        self.pages += _blocks(self.outgoing.allocate_preserved(), 0)
        if self.layout.sessions_at_start:
            self.pages += self._new_block(self.layout.sessions)
        if self.layout.flb:
            self.outgoing.allocate_preserved()

    def add_file(self, session_name: str) -> None:
        """Make room in a session's list of files for one more; the session begins with its first.

        Raises PreserveFailed: -ENOMEM or -ENOSPC if a list is full, or without a page for it.
        """
        layout, session = self.layout, self.sessions.get(session_name)
        if session is None:
            if self._is_full(len(self.sessions), layout.sessions):
                raise PreserveFailed("-ENOMEM" if layout.sessions_at_start else "-ENOSPC")
            session = self.sessions[session_name] = Session()
            self._grow_sessions()
        if self._is_full(session.files, layout.files):
            raise PreserveFailed("-ENOSPC")
        if self._fills_blocks(session.files, layout.files):
            session.blocks += self._new_block(layout.files)
        session.files += 1

    def remove_file(self, session_name: str) -> None:
        """Take the last file off a session's list; a block that only it needed is given back."""
        session = self.sessions[session_name]
        session.files -= 1
        if self._fills_blocks(session.files, self.layout.files):
            self._give_back(session.blocks)

    def remove_session(self, session_name: str) -> None:
        """Take a session without files off the list. Source: luo_session_remove()."""
        del self.sessions[session_name]
        if self.layout.sessions_at_start:
            return
        if self._fills_blocks(len(self.sessions), self.layout.sessions):
            self._give_back(self.session_blocks)

    def state_pages(self) -> tuple[tuple[Run, int], ...]:
        """Return pages and orders that the next kernel frees once it has read the sessions."""
        blocks = [block for session in self.sessions.values() for block in session.blocks]
        return (*self.pages, *self.session_blocks, *blocks)

    def _grow_sessions(self) -> None:
        if self.layout.sessions_at_start:
            return
        if self._fills_blocks(len(self.sessions) - 1, self.layout.sessions):
            self.session_blocks += self._new_block(self.layout.sessions)

    def _new_block(self, layout: ListLayout) -> list[tuple[Run, int]]:
        order = layout.block_order(self._page_bytes)
        return _blocks(self.outgoing.allocate_preserved(1, order), order)

    def _fills_blocks(self, records: int, layout: ListLayout) -> bool:
        """Tell whether so many records leave no room in their last block."""
        return records % layout.records_per_block(self._page_bytes) == 0

    def _is_full(self, records: int, layout: ListLayout) -> bool:
        return records >= layout.records_max(self._page_bytes)

    def _give_back(self, blocks: list[tuple[Run, int]]) -> None:
        run, order = blocks.pop()
        self.outgoing.free_preserved([run], order)


def _blocks(runs: list[Run], order: int) -> list[tuple[Run, int]]:
    return [(run, order) for run in runs]
