"""A chain as a graph: kernels, what they handed over, what of it went on, and where it was lost.

Nodes have a ``kind``: 'kernel', 'handover', 'object' (the preserved memory of one order in one
handover), 'session', 'file', 'incident' or 'end'. Edges have a ``relation``, which is also their
key. The twin is a second branch that leaves at the cold kernel, which both have in common; kernels
after a cold boot through firmware are a branch of their own. Left out: what a kernel allocates for
itself.
"""

from __future__ import annotations

import networkx as nx

from kho_sim.base.extent import Extent, intersected, merged, subtracted, total_size
from kho_sim.graphs.edges import (
    ENDS,
    FALLS_BACK,
    GIVEN_UP,
    GOES_ON,
    HANDS_OVER,
    HOLDS,
    INHERITS,
    LOST,
    MISSED,
    connect,
)
from kho_sim.graphs.file_graph import add_files, add_incidents, incident_name
from kho_sim.trace.records import COLD_BOOT, Boot, Incident, PreservedFile, PreservedRun
from kho_sim.trace.trace import Trace

MAIN, TWIN = "chain", "twin"
"""The branches: the trace itself, and its twin without the extension. After the n-th cold boot
of either the branch is 'chain, fall-back n'."""

BOOT_FACTS = ("extended_bytes", "failures", "failures_avoided", "gigantic_pages_allocated")
HANDOVER_FACTS = ("preservations", "preserved_bytes", "radix_nodes")


def lineage_graph(trace: Trace) -> nx.MultiDiGraph:
    """Return the chain of a trace, and that of its twin, as one directed graph without cycles.

    kernel -hands over-> handover -inherits-> kernel; handover -holds-> object; object -goes on->
    object of the next handover, with ``bytes`` that both cover; object -given up-> the kernel that
    did not hand these ``bytes`` on; object -lost-> the incident, or the end of the chain, that cost
    it; last kernel -ends-> end. A handover that its kernel did not find is -missed by-> it; a
    kernel that is followed by a reset -falls back to-> the next. Files, sessions and incidents: see
    ``file_graph``. Sizes are bytes. What a log does not record is no attribute.
    """
    graph = nx.MultiDiGraph(digest=trace.digest)
    _add_branch(graph, trace, MAIN, shared=())
    if trace.twin is not None:
        _add_branch(graph, trace.twin, TWIN, _shared_kernels(trace, trace.twin))
    return graph


def _shared_kernels(trace: Trace, twin: Trace) -> tuple[int, ...]:
    """The first kernel extends nothing, so it is one and the same in both chains."""
    both = zip(trace[Boot][:1], twin[Boot][:1], strict=False)
    return tuple(a.boot for a, b in both if a == b and a.kind == "cold")


def _add_branch(graph: nx.MultiDiGraph, trace: Trace, branch: str, shared: tuple[int, ...]) -> None:
    names = {
        boot.boot: f"{MAIN if boot.boot in shared else branch}: kernel {boot.boot}"
        for boot in trace[Boot]
    }
    part = branch
    after_reset = [row.boot + 1 for row in trace[Incident] if row.then == COLD_BOOT]
    for boot in trace[Boot]:
        if boot.boot in after_reset:
            part = f"{branch}, fall-back {after_reset.index(boot.boot) + 1}"
        if boot.boot not in shared:
            _add_kernel(graph, names[boot.boot], boot, part)
        if boot.boot in after_reset:
            connect(graph, names[boot.boot - 1], names[boot.boot], FALLS_BACK)
    objects: dict[int, dict[int, list[Extent]]] = {}
    handed = {row.boot for row in trace[PreservedFile]}
    for boot in trace[Boot]:
        if (boot.kind == "kho" or boot.boot in handed) and boot.boot - 1 in names:
            objects[boot.boot] = _objects_of(trace, boot.boot)
            _add_handover(graph, names, boot, branch, objects[boot.boot], handed)
    for number, held in objects.items():
        if number + 1 in objects:
            _add_file_outcomes(graph, names[number], branch, number, held, objects[number + 1])
    add_incidents(graph, trace, names, branch)
    _add_end(graph, names, trace, branch, objects)
    add_files(graph, trace, names, branch)


def _add_kernel(graph: nx.MultiDiGraph, name: str, boot: Boot, branch: str) -> None:
    known = {fact: value for fact in BOOT_FACTS if (value := getattr(boot, fact)) is not None}
    graph.add_node(
        name, kind="kernel", branch=branch, boot=boot.boot, boot_kind=boot.kind,
        release=boot.release, **known,
    )  # fmt: skip


def _objects_of(trace: Trace, boot: int) -> dict[int, list[Extent]]:
    runs: dict[int, list[tuple[int, int]]] = {}
    for run in trace[PreservedRun]:
        if run.boot == boot:
            runs.setdefault(run.order, []).append((run.start, run.end))
    return {order: merged(extents) for order, extents in sorted(runs.items())}


def _add_handover(
    graph: nx.MultiDiGraph,
    names: dict[int, str],
    boot: Boot,
    branch: str,
    objects: dict[int, list[Extent]],
    handed: set[int],
) -> None:
    """``handed``: the kernels of which it is known what files they were handed."""
    name = _handover_name(branch, boot.boot)
    known = {fact: value for fact in HANDOVER_FACTS if (value := getattr(boot, fact)) is not None}
    graph.add_node(name, kind="handover", branch=branch, boot=boot.boot, **known)
    connect(graph, names[boot.boot - 1], name, HANDS_OVER)
    found = boot.kind == "kho" and (boot.preservations is not None or boot.boot not in handed)
    connect(graph, name, names[boot.boot], INHERITS if found else MISSED)
    keys = dict(boot.preservations_by_order or ())
    for order, extents in objects.items():
        size = total_size(extents)
        graph.add_node(
            _object_name(branch, boot.boot, order), kind="object", branch=branch, boot=boot.boot,
            order=order, runs=len(extents), bytes=size, keys=keys.get(order, size >> (12 + order)),
        )  # fmt: skip
        connect(graph, name, _object_name(branch, boot.boot, order), HOLDS)


def _add_file_outcomes(
    graph: nx.MultiDiGraph,
    kernel: str,
    branch: str,
    boot: int,
    held: dict[int, list[Extent]],
    following: dict[int, list[Extent]],
) -> None:
    """Connect the objects that a kernel inherited with those that it handed on."""
    handed_on = merged(extent for extents in following.values() for extent in extents)
    for order, extents in held.items():
        name = _object_name(branch, boot, order)
        for next_order, next_extents in following.items():
            both = total_size(intersected(extents, next_extents))
            if both:
                connect(graph, name, _object_name(branch, boot + 1, next_order), GOES_ON, both)
        given_up = total_size(subtracted(extents, handed_on))
        if given_up:
            connect(graph, name, kernel, GIVEN_UP, given_up)


def _add_end(
    graph: nx.MultiDiGraph,
    names: dict[int, str],
    trace: Trace,
    branch: str,
    objects: dict[int, dict[int, list[Extent]]],
) -> None:
    outcome = trace.outcome
    end = f"{branch}: end"
    graph.add_node(
        end, kind="end", branch=branch, boot=outcome.boot, outcome=outcome.kind,
        message=outcome.message,
    )  # fmt: skip
    if outcome.boot in names:
        connect(graph, names[outcome.boot], end, ENDS)
    lost_at = {outcome.boot: end} if outcome.kind in ("boot_failed", "panicked") else {}
    for number, row in enumerate(trace[Incident]):
        if row.then == COLD_BOOT:
            lost_at[row.boot] = incident_name(branch, number)
    for boot, target in lost_at.items():
        for order, extents in objects.get(boot, {}).items():
            connect(graph, _object_name(branch, boot, order), target, LOST, total_size(extents))


def _handover_name(branch: str, boot: int) -> str:
    return f"{branch}: handover to {boot}"


def _object_name(branch: str, boot: int, order: int) -> str:
    return f"{branch}: order {order} to {boot}"
