"""LUO's own state in preserved memory: fixed objects, sessions, and the blocks that list files.

Models kernel/liveupdate/luo_*.c and kho_block.c of Linux 7.3 (kernel-facts 10.1), and the layout of
the seed patch's own kernel, which kept sessions in one 64 KiB array and the files of a session in
an 8 KiB one (kernel-facts 10.3, an inference from the patch's counts).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.kho.preserve.outgoing import Outgoing
from kho_sim.memory.pages import Run


@dataclass(frozen=True, slots=True)
class LuoLayout:
    """How a release lays out LUO's lists.

    A release either has one session array, allocated at start (``session_array_order``), or grows
    blocks of ``sessions_per_block``; the same for the files of each session.
    """

    release: str
    session_array_order: int | None
    sessions_per_block: int
    files_order: int
    files_per_block: int


LAYOUTS = {
    "7.3": LuoLayout("7.3", None, 51, 0, 63),
    "seed": LuoLayout("seed", 4, 65536 // 80, 1, 8192 // 64),
}


@dataclass
class Session:
    """An outgoing session: how many files it lists, and the pages of its list."""

    files: int = 0
    blocks: list[tuple[Run, int]] = field(default_factory=list)


class LiveUpdate:
    """The outgoing side of one kernel: what exists before any file, then sessions and files.

    FDT, metadata and FLB header are never given back by the next kernel; ``pages`` and the blocks
    that list sessions and files are, when it reads the sessions.
    """

    def __init__(self, outgoing: Outgoing, layout: LuoLayout):
        self.outgoing = outgoing
        self.layout = layout
        self.sessions: dict[str, Session] = {}
        self.pages: list[tuple[Run, int]] = []
        self.session_blocks: list[tuple[Run, int]] = []

    def start_kho(self) -> None:
        """kho_init(): the FDT page and the kexec metadata."""
        self.outgoing.allocate_preserved()
        self.outgoing.allocate_preserved()

    def start_luo(self) -> None:
        """luo_late_startup(): LUO's state, the array of sessions where there is one, the FLB
        header."""
        self.pages += _blocks(self.outgoing.allocate_preserved(), 0)
        if self.layout.session_array_order is not None:
            order = self.layout.session_array_order
            self.pages += _blocks(self.outgoing.allocate_preserved(1, order), order)
        self.outgoing.allocate_preserved()

    def add_file(self, session_name: str) -> None:
        """Make room in a session's list of files for one more; the session begins with its
        first."""
        session = self.sessions.get(session_name)
        if session is None:
            session = self.sessions[session_name] = Session()
            self._grow_sessions()
        if session.files % self.layout.files_per_block == 0:
            order = self.layout.files_order
            session.blocks += _blocks(self.outgoing.allocate_preserved(1, order), order)
        session.files += 1

    def remove_file(self, session_name: str) -> None:
        """Take the last file off a session's list; a block that only it needed is given back."""
        session = self.sessions[session_name]
        session.files -= 1
        if session.files % self.layout.files_per_block == 0:
            self._give_back(session.blocks)

    def remove_session(self, session_name: str) -> None:
        """Take a session without files off the list. Source: luo_session_remove()."""
        del self.sessions[session_name]
        if self.session_blocks and len(self.sessions) % self.layout.sessions_per_block == 0:
            self._give_back(self.session_blocks)

    def state_pages(self) -> tuple[tuple[Run, int], ...]:
        """All pages, with their order, that the next kernel frees once it has read the sessions."""
        blocks = [block for session in self.sessions.values() for block in session.blocks]
        return (*self.pages, *self.session_blocks, *blocks)

    def _grow_sessions(self) -> None:
        if self.layout.session_array_order is not None:
            return
        if (len(self.sessions) - 1) % self.layout.sessions_per_block == 0:
            self.session_blocks += _blocks(self.outgoing.allocate_preserved(), 0)

    def _give_back(self, blocks: list[tuple[Run, int]]) -> None:
        run, order = blocks.pop()
        self.outgoing.free_preserved([run], order)


def _blocks(runs: list[Run], order: int) -> list[tuple[Run, int]]:
    return [(run, order) for run in runs]
