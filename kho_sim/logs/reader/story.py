"""The early requests of one boot, recognised by what they ask for and by where they come.

A request is of the first kind, from the present stage of the boot on, whose form it has and whose
place this is (``kinds``). The caller's name is a hint only: a kind that knows the caller goes
first, and needs no place. A request of no kind is named by its caller (``requesters.other``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kho_sim.base import requesters
from kho_sim.logs.reader.facts import BootLog, MemblockCall
from kho_sim.logs.reader.kinds import ANY_NAMED_MEMORY, ANY_NODE_SCRATCH, Kind
from kho_sim.logs.reader.progress import Progress
from kho_sim.logs.reader.stages import Stages, stages_of

Found = tuple[int, Kind]
"""A kind, and the number of its stage."""


@dataclass(slots=True)
class Story:
    """How far one boot has come. ``late``: the architecture's setup is over, so that of what comes
    before the extension only the extension's own pages are left."""

    log: BootLog
    late: bool = False
    progress: Progress = field(init=False)
    _stage: int = 0

    def __post_init__(self) -> None:
        self.progress = Progress(self.log)

    def recognise(self, call: MemblockCall) -> MemblockCall:
        """Return the request with its name and phase; it counts as answered until ``refused``."""
        found = self._find(call)
        self.progress.begun = True
        if found is None:
            what = requesters.other(call.caller) if call.caller else requesters.LOST_REQUEST
            return call._replace(what=what, phase="after" if self.late else "before")
        self._stage, kind = found
        phase = "before" if self._stage < len(self._stages.before) else "after"
        self.late |= phase == "after"
        named = call._replace(what=self._name(kind, call), phase=phase)
        self.progress.note(named)
        return named

    @property
    def _stages(self) -> Stages:
        return stages_of(self.log.architecture)

    def _find(self, call: MemblockCall) -> Found | None:
        """Kinds that know the caller may be of any stage, as a log may have lost lines."""
        before, after = self._stages
        fitting = [
            (stage, kind)
            for stage, kinds in enumerate(before + after)
            for kind in kinds
            if kind.fits(call, self.log.geometry)
            and not 0 < kind.times <= self.progress.count(kind.name)
        ]
        first = max(self._stage, len(before) - 1) if self.late else self._stage
        ahead = [found for found in fitting if found[0] >= first]
        hinted = [found for found in fitting if call.caller in found[1].callers]
        hinted_ahead = [found for found in ahead if call.caller in found[1].callers]
        return (
            self._first_in_place(hinted_ahead, call)
            or next(iter(hinted_ahead or hinted), None)
            or self._first_in_place(ahead, call)
        )

    def _first_in_place(self, found: Iterable[Found], call: MemblockCall) -> Found | None:
        return next((each for each in found if each[1].may_come(self.progress, call)), None)

    def _name(self, kind: Kind, call: MemblockCall) -> str:
        if kind.name == ANY_NODE_SCRATCH:
            return requesters.node_scratch(call.nid)
        return self.progress.named_memory(call) if kind.name == ANY_NAMED_MEMORY else kind.name
