"""Counts of work beside the instructions that a laboratory kernel counted for the same step.

Under ``-icount`` the time stamp counter counts instructions (strategies, README): of each dry run's
walk and digest, of the extension, and of the retrieval. The model repeats each from the recorded
state. Left out: boots whose log does not show the state, and what early boot does in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kho_sim.base.work import Work
from kho_sim.kho.extend import retrieval_beside
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve import RetrieveOptions, Retriever, retriever_of
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.facts import DryRun
from kho_sim.memory.memblock import Memblock
from kho_sim.scenario import from_dict
from kho_sim.scenario.spec import Kernel
from kho_sim.trace.trace import Trace
from kho_sim.verification.logged_state import chain_areas, memblock_at, tree_of
from kho_sim.verification.strategies import extend_as_logged


class Cost(NamedTuple):
    """One step of one boot: the model's counts, and the instructions that were recorded."""

    boot: int
    step: str
    work: Work
    instructions: int


def costs_of(trace: Trace) -> Iterator[Cost]:
    """Yield the steps of a recorded chain whose instructions the log tells."""
    scenario = from_dict(scenario_from_trace(trace).scenario)
    areas = chain_areas(trace)
    logs: tuple[BootLog, ...] = trace.extra["boots"]
    for log in logs:
        tree = tree_of(trace, log.boot)
        before = memblock_at(log, "before_extend", areas, kho=True)
        late = memblock_at(log, "before_retrieve", areas, kho=True)
        if tree is None or before is None or late is None or log.costs is None:
            continue
        kernel = scenario.kernel.at(log.boot)
        retriever = retriever_of(retrieval_beside(kernel.extend.strategy, kernel.retrieval))
        for line in log.dry_runs:
            yield _dry_run(log.boot, line, before.copy(), tree.freeze())
        if log.extend_cycles is not None:
            work = _extend(before, tree.freeze(), kernel, retriever)
            yield Cost(log.boot, "extend", work, log.extend_cycles)
        options = RetrieveOptions(reserved=retriever.reserve_first is not None)
        done = retriever.retrieve(late, tree.freeze(), options)
        yield Cost(log.boot, "retrieve", done.work + done.parallel_work, log.costs.retrieve)


def _extend(
    memblock: Memblock, tree: FrozenRadixTree, kernel: Kernel, retriever: Retriever
) -> Work:
    first = retriever.reserve_first(memblock, tree).work if retriever.reserve_first else Work()
    moved = memblock.regions_moved
    done = extend_as_logged(memblock, tree, kernel.extend.strategy, kernel.extend.shift)
    return first + done.work + Work(regions_moved=memblock.regions_moved - moved)


def _dry_run(boot: int, line: DryRun, memblock: Memblock, tree: FrozenRadixTree) -> Cost:
    """The walk and the digest, without marks and without the walk that finds the gaps."""
    way = "blocks-skip" if line.skips else "blocks"
    done = extend_as_logged(memblock, tree, way, line.shift)
    digest_words = done.digest_pages * memblock.geometry.page_bytes // 8
    work = Work(
        keys_walked=done.work.keys_walked - len(done.busy),
        tables_walked=done.work.tables_walked - done.digest_pages,
        words_scanned=done.work.words_scanned - digest_words,
        keys_added=done.work.keys_added,
        tables_allocated=done.digest_pages,
    )
    return Cost(boot, f"dry run of {way}, shift {line.shift}", work, line.instructions)
