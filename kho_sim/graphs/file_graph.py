"""Files and sessions in the lineage: who made them, how far they went, where they were lost.

A file is a node once a handover, named for the kernel that it was handed to; one that was lost
before it was ever handed over is named for the kernel that lost it. Only a simulated trace names
files.
"""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from kho_sim.graphs.edges import (
    GIVEN_UP,
    GOES_ON,
    HITS,
    HOLDS,
    KEPT,
    LISTS,
    LOST,
    MAKES,
    connect,
)
from kho_sim.trace.records import CHAIN_ENDS, FileOutcome, Incident, PreservedFile
from kho_sim.trace.trace import Trace


def add_incidents(
    graph: nx.MultiDiGraph, trace: Trace, names: Mapping[int, str], branch: str
) -> None:
    """Add one node per incident, with the files that it lost: incident -hits-> kernel.

    A failure that only ends the chain is no node: the chain's end has it.
    """
    for number, row in enumerate(trace[Incident]):
        if (row.then == CHAIN_ENDS and not row.injected) or row.boot not in names:
            continue
        lost = [f for f in trace[FileOutcome] if f.incident == number and not f.kept]
        name = incident_name(branch, number)
        graph.add_node(
            name, kind="incident", branch=branch, boot=row.boot, incident=row.kind,
            injected=row.injected, message=row.message, then=row.then, files_lost=len(lost),
            bytes_lost=sum(file.size_bytes for file in lost),
        )  # fmt: skip
        graph.add_edge(name, names[row.boot], key=HITS, relation=HITS)


def add_files(graph: nx.MultiDiGraph, trace: Trace, names: Mapping[int, str], branch: str) -> None:
    """Add files and sessions to a branch whose kernels and handovers are there.

    handover -holds-> session -lists-> file (a reserve_mem area hangs on its handover); kernel
    -makes-> file; file -goes on-> the same file in the next handover, or -kept by-> the kernel that
    the chain ends with, or -given up-> the kernel that closed it, or -lost-> the incident (or end)
    that lost it. Edges have its ``bytes``.
    """
    handed: dict[int, dict[str, PreservedFile]] = {}
    for row in trace[PreservedFile]:
        handed.setdefault(row.boot, {})[row.name] = row
    for boot, files in handed.items():
        for row in files.values():
            _add_handed(graph, row, names, branch)
        for row in files.values():
            _add_file_outcome(graph, trace, row, handed.get(boot + 1), names, branch)
    for file in trace[FileOutcome]:
        if not file.kept and file.name not in handed.get(file.boot, {}) and file.boot in names:
            _add_never_handed(graph, file, names, branch)


def _add_handed(
    graph: nx.MultiDiGraph, row: PreservedFile, names: Mapping[int, str], branch: str
) -> None:
    handover = f"{branch}: handover to {row.boot}"
    holder = handover
    if row.session:
        holder = f"{branch}: session {row.session} to {row.boot}"
        if holder not in graph:
            graph.add_node(
                holder, kind="session", branch=branch, boot=row.boot, session=row.session,
                files=0, bytes=0,
            )  # fmt: skip
            connect(graph, handover, holder, HOLDS)
        graph.nodes[holder]["files"] += 1
        graph.nodes[holder]["bytes"] += row.size_bytes
    name = file_name(branch, row.name, row.boot)
    graph.add_node(
        name, kind="file", branch=branch, boot=row.boot, file=row.name, file_kind=row.kind,
        session=row.session, bytes=row.size_bytes, order=row.order, made_in=row.made_in,
    )  # fmt: skip
    connect(graph, holder, name, LISTS if row.session else HOLDS)
    if row.made_in == row.boot - 1 and row.made_in in names:
        connect(graph, names[row.made_in], name, MAKES, row.size_bytes)


def _add_file_outcome(
    graph: nx.MultiDiGraph,
    trace: Trace,
    row: PreservedFile,
    following: Mapping[str, PreservedFile] | None,
    names: Mapping[int, str],
    branch: str,
) -> None:
    name = file_name(branch, row.name, row.boot)
    after = (following or {}).get(row.name)
    if after is not None and after.made_in == row.made_in:
        connect(graph, name, file_name(branch, row.name, row.boot + 1), GOES_ON, row.size_bytes)
        return
    for file in trace[FileOutcome]:
        if (file.boot, file.name, file.kept) == (row.boot, row.name, False):
            target = _where_lost(graph, file, branch)
            connect(graph, name, target, LOST, row.size_bytes)
            return
    if row.boot in names:
        is_last = trace.outcome.boot == row.boot
        relation = KEPT if following is None and is_last else GIVEN_UP
        connect(graph, name, names[row.boot], relation, row.size_bytes)


def _add_never_handed(
    graph: nx.MultiDiGraph, file: FileOutcome, names: Mapping[int, str], branch: str
) -> None:
    name = f"{branch}: file {file.name} of {file.boot}"
    graph.add_node(
        name, kind="file", branch=branch, boot=file.boot, file=file.name, file_kind=file.kind,
        session=file.session, bytes=file.size_bytes, made_in=file.boot,
    )  # fmt: skip
    connect(graph, names[file.boot], name, MAKES, file.size_bytes)
    connect(graph, name, _where_lost(graph, file, branch), LOST, file.size_bytes)


def _where_lost(graph: nx.MultiDiGraph, file: FileOutcome, branch: str) -> str:
    """Return the incident's node, or the end of a chain that ended with it."""
    name = incident_name(branch, file.incident)
    return name if name in graph else f"{branch}: end"


def file_name(branch: str, name: str, boot: int) -> str:
    """Return the node of a file in the handover to a kernel."""
    return f"{branch}: file {name} to {boot}"


def incident_name(branch: str, number: int) -> str:
    """Return the node of an incident."""
    return f"{branch}: incident {number}"
