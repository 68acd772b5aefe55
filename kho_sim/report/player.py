"""The chain as the page plays it: memory of each boot at each step, with and without the extension.

Layers of ranges that several steps or boots have in common are on the page once. Left out: single
ranges where there are more than a map could show (``ranges``), which the tables have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, merged
from kho_sim.report.ranges import MOST_RANGES, layer
from kho_sim.steps import BootSteps, Step, steps_of
from kho_sim.steps.requests import Caller
from kho_sim.trace.trace import Trace

MOST_BYTES = 3_000_000
"""Size of the data of a page; with more, layers are made coarser."""
LEAST_RANGES = 40
NODES = range(64)


@dataclass(frozen=True)
class BootSentences:
    """The sentences of a boot, for readers without scripts as well."""

    boot: int
    heading: str
    steps: list[tuple[str, str, list[list[str]]]]
    """(name, heading, sentences of each chain)."""


@dataclass(frozen=True)
class Player:
    """What the page needs to play a chain."""

    sides: tuple[str, ...]
    """The names of the chains: the trace itself, then its twin."""
    sentences: list[BootSentences]
    data: str
    """JSON that is safe inside of a script element."""


def player(trace: Trace, sides: tuple[str, ...]) -> Player | None:
    """Return what plays a trace and its twin; None if no memory regions are recorded."""
    most = MOST_RANGES
    while True:
        found = _player(trace, sides, most)
        if found is None or len(found.data) <= MOST_BYTES or most <= LEAST_RANGES:
            return found
        most = max(most // 2, LEAST_RANGES)


def _player(trace: Trace, sides: tuple[str, ...], most: int) -> Player | None:
    """Boot by boot through both chains at once, so that no more than two boots are held."""
    table, memory = _Table(most), _Memory()
    chains = [steps_of(one) for one in (trace, trace.twin)[: len(sides)] if one is not None]
    boots, sentences = [], []
    for pair in zip_longest(*chains):
        for one in filter(None, pair):
            memory.see(one)
        first = next(filter(None, pair))
        boots.append(
            {
                "boot": first.boot.boot,
                "name": _name(first),
                "sides": [table.boot(one) if one else None for one in pair],
            }
        )
        sentences.append(BootSentences(first.boot.boot, _name(first), list(_sentences(pair))))
    if not memory.known:
        return None
    document = {
        "sides": sides, **memory.document(table), "boots": boots, "layers": table.layers,
        "callers": table.callers, "colours": _colours(table.callers),
    }  # fmt: skip
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    return Player(sides, sentences, text.replace("<", "\\u003c"))


def _colours(callers: Sequence[str]) -> list[str]:
    """Return the colour that each caller has in all figures; pages in use that are gigantic have
    that of the memory map."""
    from kho_sim.plots.caller_colours import looks_of
    from kho_sim.plots.style import GREEN

    looks = looks_of(callers)
    return [GREEN if what == requesters.GIGANTIC_PAGE else looks[what].colour for what in callers]


def _name(boot_steps: BootSteps) -> str:
    boot = boot_steps.boot
    release = f", release {boot.release}" if boot.release else ""
    return f"boot {boot.boot} ({'cold' if boot.kind == 'cold' else 'KHO'}){release}"


def _sentences(pair: tuple[BootSteps | None, ...]) -> Iterator[tuple[str, str, list[list[str]]]]:
    """Yield each step that either chain has, with the sentences of each."""
    found: dict[str, tuple[str, list[list[str]]]] = {}
    for side, boot_steps in enumerate(pair):
        for step in boot_steps.steps if boot_steps else ():
            texts = found.setdefault(step.name, (step.heading, [[] for _ in pair]))[1]
            texts[side] = list(step.sentences)
    order = max((boot_steps.names for boot_steps in pair if boot_steps), key=len)
    for name in dict.fromkeys((*order, *found)):
        yield name, *found[name]


@dataclass
class _Memory:
    """The memory of the machine and its nodes, as any boot saw them."""

    pieces: list[Extent] = field(default_factory=list)
    nodes: dict[int, list[Extent]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        return bool(self.pieces)

    def see(self, boot_steps: BootSteps) -> None:
        """Add the regions of a boot."""
        regions = boot_steps.recorded.array("memory", "after_retrieve")
        self.pieces = merged([*self.pieces, *((one.start, one.end) for one in regions)])
        for nid in {one.nid for one in regions} & set(NODES):
            of_node = [(one.start, one.end) for one in regions if one.nid == nid]
            self.nodes[nid] = merged([*self.nodes.get(nid, []), *of_node])

    def document(self, table: _Table) -> dict[str, Any]:
        """Return the axis (addresses and their places from 0 to 1), and the nodes."""
        from kho_sim.plots.address_axis import AddressAxis

        axis = AddressAxis.over(self.pieces)
        return {
            "addresses": [edge for piece in axis.pieces for edge in piece],
            "places": [round(edge, 9) for edge in axis.edges],
            "memory": table.layer(self.pieces),
            "nodes": {nid: table.layer(found) for nid, found in sorted(self.nodes.items())},
        }


@dataclass
class _Table:
    """Layers and names that the page has once, by their numbers."""

    most: int
    layers: list[dict[str, Any]] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def layer(self, ranges: Iterable[tuple[int, int]], items: list[int] | None = None) -> int:
        """Return the number of a layer, which is added if it is new."""
        found = layer(ranges, items, self.most)
        key = json.dumps(found)
        if key not in self._numbers:
            self._numbers[key] = len(self.layers)
            self.layers.append(found)
        return self._numbers[key]

    def boot(self, boot_steps: BootSteps) -> dict[str, Any]:
        """Return a boot of one chain: its steps, and what is the same in all of them."""
        recorded = boot_steps.recorded
        spans, block_bytes = boot_steps.busy
        return {
            "preserved": self.layer(merged((run.start, run.end) for run in recorded.preserved)),
            "tree": self.layer(
                (page, page + boot_steps.page_bytes) for page in sorted(recorded.tree_pages)
            ),
            "busy": self.layer(spans),
            "block": block_bytes,
            "steps": [self._step(boot_steps, step) for step in boot_steps.steps],
        }

    def _step(self, boot_steps: BootSteps, step: Step) -> dict[str, Any]:
        memory = boot_steps.recorded.memory(step.moment)
        reserved = boot_steps.recorded.reserved(step.moment)
        return {
            "name": step.name,
            "heading": step.heading,
            "memory": {kind: self.layer(found) for kind, found in memory.items() if found},
            "reserved": self.layer(reserved) if reserved else None,
            "callers": [self._caller(one) for one in boot_steps.callers.get(step.name, [])],
        }

    def _caller(self, caller: Caller) -> list[int]:
        """Return [name, requests, bytes, refused, avoided, layer]."""
        if caller.what not in self.callers:
            self.callers.append(caller.what)
        runs = sorted(caller.runs)
        return [
            self.callers.index(caller.what), caller.requests, caller.served_bytes, caller.failed,
            caller.avoided,
            self.layer([run[:2] for run in runs], [run.size_bytes for run in runs]),
        ]  # fmt: skip
