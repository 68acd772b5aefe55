"""The contracts of plug-ins, as checks that their authors can run.

``python -m kho_sim.contracts NAME... [--import MODULE]`` holds extension strategies,
retrievals and kinds of workload to
what their family keeps to; MODULE registers them, if they are not installed. A check raises
AssertionError with a sentence. Left out: what needs a naive model to compare with; the package's
own members are held to those by its tests. PYTEST_DONT_REWRITE: a plug-in of pytest's is in the
package, and its rewriting would put values below each sentence.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product

from kho_sim.base import plugins
from kho_sim.base.errors import KhoSimError
from kho_sim.base.extent import Extent, merged, subtracted
from kho_sim.chain import run_scenario
from kho_sim.chain.workload import WORKLOADS
from kho_sim.kho.extend import (
    STRATEGIES,
    Extend,
    ExtendOptions,
    Extension,
    Strategy,
    extend_scratch,
    strategy_of,
)
from kho_sim.kho.radix import FrozenRadixTree, RadixTree
from kho_sim.kho.retrieve import (
    RETRIEVALS,
    Retrieval,
    Retrieve,
    RetrieveOptions,
    Retriever,
    retriever_of,
)
from kho_sim.memory.failing_marks import FailingMarks
from kho_sim.memory.memblock import KHO_SCRATCH, KHO_SCRATCH_EXT, RSRV_NOINIT
from kho_sim.platform.geometry import ARM64_GEOMETRIES, PAGES_4K
from kho_sim.scenario import loads

SCRATCH_PAGES = 256
GEOMETRIES = (PAGES_4K, *ARM64_GEOMETRIES.values())
"""Page sizes that machines have by turns."""
MACHINES = 30
SHIFTS = (12, 16, 21, 27, 30)
CHAIN = """
machine: {{memory: 2GiB, cpus: 2}}
chain: {{boots: 4, uptime: 3h, on_failure: cold_boot}}
faults: [{{kind: panic, boot: 2, phase: serve}}]
workload: [{entry}]
"""
"""Four kernels; the third of them dies while it serves, and the last one begins anew."""


def check_strategy(strategy: str | Extend) -> None:
    """Hold an extension strategy, by name or as a function, to its contract on random machines.

    Nothing that must survive becomes allocatable; flags are only added; it reports the bytes that
    it marked and a block shift no larger than asked for; a second time marks nothing; the incoming
    tree is only read; pages of a tree of its own are given back; a mark that fails is reported.
    Raises AssertionError; KeyError for a name that nobody has.
    """
    entry = strategy_of(strategy) if isinstance(strategy, str) else Strategy(strategy)
    for number, shift in product(range(MACHINES), SHIFTS):
        machine = _Machine.draw(number)
        shift = max(shift, machine.memblock.geometry.page_shift)
        _check_extension(machine, entry, shift, f"machine {number}, shift {shift}")
    for number in range(MACHINES):
        _check_failing_mark(number, entry)


def check_retrieval(retrieval: str | Retrieve) -> None:
    """Hold a way to retrieve, by name or as a function, to its contract on random machines.

    In the end all that was preserved, and no page of the incoming tree, is reserved with the NOINIT
    flag or named as skipped; what was reserved before stays as it was; a first pass reserves both;
    it reports the regions there are; a second time changes nothing; the tree is only read.
    Raises AssertionError; KeyError for a name that nobody has.
    """
    named = isinstance(retrieval, str)
    entry = retriever_of(retrieval) if named else Retriever(retrieval)  # type: ignore[arg-type]
    for number in range(MACHINES):
        _check_retrieval(_Machine.draw(number), entry, f"machine {number}")


def check_workload(kind: str, entry: str = "") -> None:
    """Hold a kind of workload to its contract, in a chain of four kernels of which one panics.

    ``entry``: its entry in a scenario, as YAML; by default its kind, and ``size: 1MiB`` if it has a
    size. The chain is simulated twice, with the invariants of the model checked at every boot: it
    gets to its end, no kernel serves longer than its uptime, and both runs are equal.
    Raises AssertionError; KeyError for a kind that nobody has.
    """
    scenario = loads(CHAIN.format(entry=entry or _smallest_entry(kind)))
    assert scenario.workload[0].kind == kind, f"{entry} is no workload of kind '{kind}'"
    try:
        first, second = run_scenario(scenario), run_scenario(scenario)
    except (KeyError, TypeError, AttributeError) as error:
        raise AssertionError(f"it does not run: {error!r}") from error
    assert first.outcome.kind == "completed", f"the chain ends with: {first.outcome.message}"
    for event in first["events"]:
        served_ns = event.end_ns - event.start_ns
        longest_ns = scenario.chain.uptime
        assert event.what != "serve" or served_ns <= longest_ns, (
            f"boot {event.boot} serves {served_ns} ns in place of {longest_ns}"
        )
    assert first.digest == second.digest, "the same scenario gives two results"


@dataclass
class _Machine:
    """Early memory of a KHO boot: scratch, preserved pages, and the tree that records them."""

    memblock: FailingMarks
    incoming: FrozenRadixTree
    pages_out: int = 0

    @classmethod
    def draw(cls, number: int) -> _Machine:
        """Return a random machine: free and preserved memory by turns, then scratch."""
        drawn, geometry = random.Random(number), GEOMETRIES[number % len(GEOMETRIES)]
        memblock, page_bytes = FailingMarks(geometry), geometry.page_bytes
        memblock.scratch_only = True
        start = end = drawn.randrange(1, 512) * page_bytes
        free_pages: list[int] = []
        preserved: list[tuple[int, int]] = []
        for stretch in range(drawn.randrange(4, 40)):
            count = drawn.randrange(1, 1 << drawn.randrange(1, 9))
            if stretch % 2:
                preserved.append((end // page_bytes, count))
            else:
                free_pages += range(end, end + count * page_bytes, page_bytes)
            end += count * page_bytes
        scratch_bytes = SCRATCH_PAGES * page_bytes
        memblock.add(start, end + scratch_bytes - start)
        memblock.mark_kho_scratch(end, scratch_bytes)
        table_pages = iter(drawn.sample(free_pages, len(free_pages)))
        tree = RadixTree(lambda: next(table_pages, 0), geometry=geometry)
        for first_pfn, count in preserved:
            tree.add_pages(first_pfn, count)
        return cls(memblock, tree.freeze())

    @property
    def page_bytes(self) -> int:
        return self.memblock.geometry.page_bytes

    def extend(self, strategy: Strategy, shift: int) -> Extension:
        if strategy.needs_reserved:
            self.reserve_first(RETRIEVALS["two-pass"])
        return extend_scratch(
            strategy, self.memblock, self.incoming, ExtendOptions(shift), self._take, self._give
        )

    def reserve_first(self, retriever: Retriever) -> bool:
        """Run the first pass of a retrieval; return whether it has one, and reserved everything."""
        if retriever.reserve_first is None:
            return False
        return not retriever.reserve_first(self.memblock, self.incoming).error

    def retrieve(self, retriever: Retriever, reserved: bool) -> Retrieval:
        options = RetrieveOptions(cpus=2, reserved=reserved)
        return retriever.retrieve(self.memblock, self.incoming, options)

    def must_survive(self) -> list[Extent]:
        """Return preserved memory, and the pages of the incoming tree."""
        tables = (Extent(table, table + self.page_bytes) for table in self.incoming.table_pages())
        return sorted([*self.incoming.preserved_extents(), *tables])

    def allocatable(self) -> list[Extent]:
        """Return what an early allocation may get."""
        ranges = self.memblock.free_ranges()
        return [Extent(gap.start, gap.end) for gap in ranges if gap.flags & KHO_SCRATCH]

    def _take(self) -> int:
        address = self.memblock.alloc_range_nid(self.page_bytes, self.page_bytes, 0, 0, -1, False)
        self.pages_out += bool(address)
        return address

    def _give(self, address: int) -> None:
        self.memblock.phys_free(address, self.page_bytes)
        self.pages_out -= 1


def _check_extension(machine: _Machine, strategy: Strategy, shift: int, place: str) -> None:
    memblock = machine.memblock
    before, scratch_before = memblock.memory[:], memblock.scratch_bytes()
    runs, tables = list(machine.incoming.runs()), machine.incoming.table_pages()
    extension = machine.extend(strategy, shift)
    for kept in machine.must_survive():
        taken = [free for free in machine.allocatable() if free.overlaps(kept)]
        assert not taken, f"{place}: {kept} has to survive, but {taken[0]} can be allocated"
    for old, new in product(before, memblock.memory):
        if old.base < new.end and new.base < old.end:
            flags = (KHO_SCRATCH, KHO_SCRATCH | KHO_SCRATCH_EXT)
            added = new.flags in (old.flags, *(old.flags | more for more in flags))
            added = added and new.nid == old.nid
            assert added, f"{place}: {old} became {new}"
    marked = memblock.scratch_bytes() - scratch_before
    reported = extension.extended_bytes
    assert reported == marked, f"{place}: {marked} bytes were marked, but it reports {reported}"
    assert 0 < extension.shift <= shift, f"{place}: it reports shift {extension.shift}"
    assert not machine.pages_out, f"{place}: {machine.pages_out} pages were not given back"
    unread = (list(machine.incoming.runs()), machine.incoming.table_pages()) == (runs, tables)
    assert unread, f"{place}: the incoming tree was changed"
    if not extension.error:
        again = machine.extend(strategy, shift).extended_bytes
        assert not again, f"{place}: a second time marks {again} bytes"
    memblock.check()


def _check_retrieval(machine: _Machine, retriever: Retriever, place: str) -> None:
    memblock, incoming = machine.memblock, machine.incoming
    kept, before = incoming.preserved_extents(), [(r.base, r.end) for r in memblock.reserved]
    runs, tables = list(incoming.runs()), incoming.table_pages()
    reserved = machine.reserve_first(retriever)
    if reserved:
        left = subtracted(machine.must_survive(), [(r.base, r.end) for r in memblock.reserved])
        assert not left, f"{place}: the first pass leaves {left[:1]}"
    regions = len(memblock.reserved)
    retrieval = machine.retrieve(retriever, reserved)
    assert not retrieval.error, f"{place}: it ends with {retrieval.error!r}"
    after = memblock.reserved[:]
    counts = (retrieval.regions_before, retrieval.regions_after)
    assert counts == (regions, len(after)), f"{place}: it reports {counts} regions"
    protected = [(r.base, r.end) for r in after if r.flags & RSRV_NOINIT]
    held = merged([*protected, *retrieval.skipped])
    assert not subtracted(kept, held), f"{place}: {subtracted(kept, held)[:1]} is not kept"
    assert not subtracted(held, kept), f"{place}: {subtracted(held, kept)[:1]} is kept as well"
    others = merged((r.base, r.end) for r in after if not r.flags & RSRV_NOINIT)
    assert others == merged(before), f"{place}: {before} was reserved, now {others}"
    unread = (list(incoming.runs()), incoming.table_pages()) == (runs, tables)
    assert unread, f"{place}: the incoming tree was changed"
    machine.retrieve(retriever, reserved)
    assert [*memblock.reserved] == [*after], f"{place}: a second time changes memblock.reserved"
    memblock.check()


def _check_failing_mark(number: int, strategy: Strategy) -> None:
    """Check that a step of which every mark fails reports it, and counts no mark."""
    marks = _Machine.draw(number).extend(strategy, SHIFTS[-1]).work.ranges_marked
    machine = _Machine.draw(number)
    machine.memblock.marks_left = 0
    extension = machine.extend(strategy, SHIFTS[-1])
    place = f"machine {number}, where marking fails"
    assert not extension.work.ranges_marked, f"{place}: it counts a mark"
    assert not extension.extended_bytes, f"{place}: it reports {extension.extended_bytes} bytes"
    assert extension.error or not marks, f"{place}: it reports no error"


def _smallest_entry(kind: str) -> str:
    plugin = plugins.WORKLOADS.get(kind)
    sized = plugin is None or "size" in plugin.section.model_fields
    return f"{{kind: {kind}, size: 1MiB}}" if sized else f"{{kind: {kind}}}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names; return 0, 1 for a broken contract, 2 for wrong usage."""
    parser = argparse.ArgumentParser("python -m kho_sim.contracts", description=__doc__)
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a strategy, a retrieval, a workload"
    )
    parser.add_argument("--import", dest="module", help="the module that registers them")
    parser.add_argument("--entry", default="", help="a workload's entry in a scenario, as YAML")
    asked = parser.parse_args(arguments)
    if asked.module:
        import_module(asked.module)
    return max(_report(name, asked.entry) for name in asked.names)


def _report(name: str, entry: str) -> int:
    try:
        if name in STRATEGIES or plugins.STRATEGIES.get(name):
            check_strategy(name)
        elif name in RETRIEVALS or plugins.RETRIEVALS.get(name):
            check_retrieval(name)
        elif name in WORKLOADS or plugins.WORKLOADS.get(name):
            check_workload(name, entry)
        else:
            sys.stderr.write(f"{name}: nobody has registered or installed it\n")
            return 2
    except (AssertionError, KhoSimError) as broken:
        sys.stdout.write(f"{name}: breaks its contract: {broken}\n")
        return 1
    sys.stdout.write(f"{name}: keeps its contract\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
