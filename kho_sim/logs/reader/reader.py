"""Reads the lines of a chain's console and gives each boot what is its own.

A boot begins at its kernel's `Linux version`. Where a kernel's first lines are lost (its ring
buffer ran over), the first message of a known kind after the jump begins it. The flood of
reservations at the retrieval never leaves the inner loop; all other lines go by their first word
(``dispatch``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kho_sim.base.errors import TraceError
from kho_sim.base.words import ARM64
from kho_sim.logs.reader.arm64_lines import BOOTING, architecture_of, foreign_architecture_of
from kho_sim.logs.reader.calls import CallReader
from kho_sim.logs.reader.clean import Message, clean
from kho_sim.logs.reader.dispatch import FAILURES, FIRST_WORDS, HANDLERS
from kho_sim.logs.reader.facts import GEOMETRIES, BootLog
from kho_sim.logs.reader.kept import KEPT_LIMIT, LOOK_LINES, kept_facts
from kho_sim.trace.records import Event

_VERSION = re.compile(r"Linux version (\d[\w.+~-]*) \(")
_FLOOD = re.compile(
    rb"reserve: \[0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\] "
    rb"nid=-1 flags=0 kho_preserved_memory_reserve"
)
SHOWN_LINES, SHOWN_CHARACTERS = 3, 80
"""What is shown of a file that is no boot log."""
EVENT_LIMIT = 400
"""Characters of a message that an event keeps."""


@dataclass(slots=True)
class ChainReader:
    """The boots of one chain, as far as its log was read."""

    name: str = "log"
    """That of its file."""
    boots: list[BootLog] = field(default_factory=list)
    lines: int = 0
    unknown_lines: int = 0
    first_unknown: list[str] = field(default_factory=list)
    malformed_lines: int = 0
    header: object = None
    calls: CallReader = field(default_factory=lambda: CallReader(BootLog(boot=-1)))
    _kept_before: int = 0
    """Facts of the boots before this one."""
    _now_ns: int = 0
    _boot_began_ns: int = 0
    _stamped: bool = False
    """Whether the kernel of this boot prints time stamps."""
    _announced: str = ""
    """The architecture of the kernel whose version comes next, if a line before it says so."""

    @property
    def log(self) -> BootLog:
        """The boot that the current line belongs to."""
        return self.calls.log

    def read(self, raw_lines: Iterable[bytes]) -> None:
        """Read all lines; what cannot be understood is counted."""
        flood = _FLOOD.search
        for raw in raw_lines:
            self.lines += 1
            if not self.lines % LOOK_LINES:
                self._look_at_what_is_kept()
            match = flood(raw) if b"kho_preserved_memory" in raw else None
            if match is None:
                self._read_line(raw)
                continue
            start, last = int(match[1], 16), int(match[2], 16)
            if start > last:
                self.malformed_lines += 1
                continue
            if self._between_boots():
                self._begin("", starts_late=True)
            self.calls.retrieved(start, last + 1)

    def event(self, what: str, detail: str, took_ns: int = 0) -> None:
        """Keep something that happened in this boot and ended at the time of this line."""
        self.log.events.append(
            Event(
                boot=self.log.boot,
                start_ns=max(self._now_ns - took_ns, self._boot_began_ns),
                end_ns=self._now_ns,
                what=what,
                detail=detail[:EVENT_LIMIT],
            )
        )

    def _look_at_what_is_kept(self) -> None:
        if self.boots and self._kept_before + kept_facts(self.log) > KEPT_LIMIT:
            raise TraceError(
                f"{self.name}: more than {KEPT_LIMIT:,} facts of {len(self.boots)} boots would "
                f"have to be kept, up to line {self.lines:,}; accepted: fewer, as of a part of it"
            )

    def _read_line(self, raw: bytes) -> None:
        if self.lines == 1 and raw.startswith(b"# {"):
            self.header = _header(raw)
            return
        for message in clean(raw):
            if message.text.startswith("Booting") and BOOTING.match(message.text):
                self._announced = ARM64
            if "Linux version " in message.text and (release := self._new_release(message)):
                self._begin(release, starts_late=False)
                self._learn_architecture(message.text)
            if message.stamp_ns is not None:
                self._now_ns = max(self._now_ns, self._boot_began_ns + message.stamp_ns)
                self._stamped = True
            self._read_message(message.text)

    def _read_message(self, text: str) -> None:
        word, _, rest = text.lstrip().partition(" ")
        handler = HANDLERS.get(_without_index(word))
        if handler is None:
            if self.boots and any(words in text for words in FAILURES):
                self.event("message", text)
            elif "Linux version " not in text:
                self._pass_over(text)
            return
        if self._between_boots():
            if not self.boots and word not in FIRST_WORDS:
                self._pass_over(text)
                return
            self._begin("", starts_late=True)
        try:
            handler(self, word, rest)
        except (ValueError, IndexError):
            self.malformed_lines += 1

    def _pass_over(self, text: str) -> None:
        self.unknown_lines += 1
        if text.strip() and len(self.first_unknown) < SHOWN_LINES:
            self.first_unknown.append(text[:SHOWN_CHARACTERS])

    def _new_release(self, message: Message) -> str:
        """Return the release if this is the first message of a kernel, else ''.

        User space can show /proc/version too. The kernel's own line begins the message, and has a
        time stamp if others of that boot have one; only the firmware may have left its line open.
        """
        found = _VERSION.search(message.text)
        if found is None:
            return ""
        is_own = not found.start() and (message.stamp_ns is not None or not self._stamped)
        return found[1] if is_own or self._between_boots() else ""

    def _between_boots(self) -> bool:
        return not self.boots or self.log.jumped

    def _learn_architecture(self, version: str) -> None:
        """The pages of an arm64 chain keep their size; a kernel of x86 has others."""
        architecture = self._announced or architecture_of(version)
        self.log.foreign_architecture = "" if architecture else foreign_architecture_of(version)
        if architecture != self.log.architecture:
            self.log.architecture = architecture
            self.log.geometry = GEOMETRIES[architecture]
        self._announced = ""

    def _begin(self, release: str, starts_late: bool) -> None:
        self.calls.refuse()
        log = BootLog(boot=len(self.boots), release=release, starts_late=starts_late)
        if self.boots:
            self._kept_before += kept_facts(self.log)
            log.architecture, log.geometry = self.log.architecture, self.log.geometry
        self.boots.append(log)
        self.calls = CallReader(log)
        self._boot_began_ns = self._now_ns
        self._stamped = False


def _without_index(word: str) -> str:
    """`memory[0x0]` is read as `memory[`, `NODE_DATA(0)` as `NODE_DATA(`."""
    array, indexed, _ = word.partition("[0x")
    if indexed:
        return array + "["
    return "NODE_DATA(" if word.startswith("NODE_DATA(") else word


def _header(raw: bytes) -> object:
    try:
        return json.loads(raw[1:])
    except (ValueError, RecursionError):
        return None
