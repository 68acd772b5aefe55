"""Lineage: what must hold for any chain, and what single chains must show."""

from __future__ import annotations

from collections import Counter
from functools import cache

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.chain import run_scenario
from kho_sim.graphs import lineage_graph, write_graph
from kho_sim.scenario import loads
from kho_sim.trace.records import Boot, Outcome, PreservedRun
from kho_sim.trace.trace import Trace
from tests.hand_made import with_records
from tests.plots.traces import recorded, simulated, small

PAGE = 4096
TRACES = [
    pytest.param(lambda: simulated("hypervisor"), id="hypervisor"),
    pytest.param(lambda: simulated("growing-kernel"), id="growing-kernel"),
    pytest.param(small, id="small"),
    pytest.param(lambda: recorded("chain10-16G"), id="chain10-16G"),
    pytest.param(lambda: recorded("b-noext-8G-16M_16M_16M"), id="b-noext-8G"),
]


def nodes(graph: nx.MultiDiGraph, kind: str, branch: str = "chain") -> dict[str, dict]:
    return {
        name: data
        for name, data in graph.nodes(data=True)
        if (data["kind"], data["branch"]) == (kind, branch)
    }


def edges(graph: nx.MultiDiGraph, relation: str) -> list[tuple[str, str, dict]]:
    return [edge for edge in graph.edges(data=True) if edge[2]["relation"] == relation]


@pytest.mark.parametrize("trace", TRACES)
def test_every_kernel_but_the_first_has_one_forebear(trace) -> None:
    graph = lineage_graph(trace())
    forward = graph.edge_subgraph(edge for edge in graph.edges(keys=True) if edge[2] != "given up")
    assert nx.is_directed_acyclic_graph(forward)
    kernels = {**nodes(graph, "kernel"), **nodes(graph, "kernel", "twin")}
    roots = [name for name in kernels if graph.nodes[name]["boot_kind"] == "cold"]
    assert len(roots) == 1
    for name in kernels:
        inherited = [e for e in graph.in_edges(name, keys=True) if e[2] == "inherits"]
        assert len(inherited) == (name not in roots)
        assert nx.has_path(graph, roots[0], name)
    ends = nodes(graph, "end") | nodes(graph, "end", "twin")
    assert all(graph.in_degree(name) >= 1 for name in ends)


@pytest.mark.parametrize("trace", TRACES)
def test_what_a_handover_holds_is_what_the_boot_inherited(trace) -> None:
    chain = trace()
    graph = lineage_graph(chain)
    facts = {boot.boot: boot for boot in chain["boots"]}
    held: Counter[int] = Counter()
    for data in nodes(graph, "object").values():
        held[data["boot"]] += data["bytes"]
        by_order = dict(facts[data["boot"]].preservations_by_order)
        assert data["keys"] == by_order[data["order"]]
    assert all(facts[boot].preserved_bytes == size for boot, size in held.items())
    assert set(held) == {b.boot for b in chain["boots"] if b.preserved_bytes}


def test_the_twin_leaves_at_the_cold_kernel_and_loses_what_the_chain_keeps() -> None:
    graph = lineage_graph(simulated("growing-kernel"))
    assert set(nodes(graph, "kernel", "twin")) == {f"twin: kernel {n}" for n in (1, 2, 3)}
    cold = "chain: kernel 0"
    leaving = {target for _, target, key in graph.out_edges(cold, keys=True) if key == "hands over"}
    assert leaving == {"chain: handover to 1", "twin: handover to 1"}
    lost = edges(graph, "lost")
    assert {target for _, target, _ in lost} == {"twin: end"}
    held = sum(d["bytes"] for d in nodes(graph, "object", "twin").values() if d["boot"] == 3)
    objects = [data for source, _, data in lost if graph.nodes[source]["kind"] == "object"]
    assert sum(data["bytes"] for data in objects) == held > 0


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[list[set[int]]], bool]:
    """Per KHO boot the pages of two orders, disjoint, and whether the last kernel died."""
    count = draw(st.integers(1, 4))
    boots = []
    for _ in range(count):
        pages = draw(st.sets(st.integers(0, 30), max_size=20))
        split = draw(st.integers(0, 30))
        boots.append([{p for p in pages if p < split}, {p for p in pages if p >= split}])
    return boots, draw(st.booleans())


def trace_of(boots: list[list[set[int]]], fatal: bool) -> Trace:
    records = [Boot(boot=0, kind="cold")]
    runs = []
    for number, orders in enumerate(boots, start=1):
        records.append(Boot(boot=number, kind="kho"))
        runs += [
            PreservedRun(boot=number, order=order, start=page * PAGE, end=(page + 1) * PAGE)
            for order, pages in enumerate(orders)
            for page in sorted(pages)
        ]
    kind = "boot_failed" if fatal else "completed"
    return Trace(
        provenance={},
        outcome=Outcome(kind=kind, boot=len(boots)),
        records={Boot: records, PreservedRun: runs},
    )


@settings(max_examples=80, deadline=None)
@given(chains())
def test_every_preserved_page_goes_on_is_given_up_or_is_lost(drawn) -> None:
    boots, died = drawn
    graph = lineage_graph(trace_of(boots, died))
    for number, orders in enumerate(boots, start=1):
        after = boots[number] if number < len(boots) else None
        for order, pages in enumerate(orders):
            name = f"chain: order {order} to {number}"
            assert (name in graph) == bool(pages)
            if not pages:
                continue
            outcomes = {
                (key, target): data["bytes"] // PAGE
                for _, target, key, data in graph.out_edges(name, keys=True, data=True)
            }
            wanted = {}
            if after is not None:
                for other, kept in enumerate(after):
                    wanted["goes on", f"chain: order {other} to {number + 1}"] = len(pages & kept)
                gone = len(pages - after[0] - after[1])
                wanted["given up", f"chain: kernel {number}"] = gone
            elif died:
                wanted["lost", "chain: end"] = len(pages)
            assert outcomes == {one: count for one, count in wanted.items() if count}


def test_a_log_that_begins_late_has_no_handover_out_of_nowhere() -> None:
    trace = trace_of([[{1}, {2}]], fatal=False)
    graph = lineage_graph(with_records(trace, boots=trace["boots"][1:]))
    assert not nodes(graph, "handover")
    assert set(nodes(graph, "kernel")) == {"chain: kernel 1"}


@cache
def faulty(*faults: str) -> Trace:
    text = f"""
machine: {{memory: 4GiB, cpus: 2}}
kernel: {{command_line: "kho_scratch=64M,128M,64M", extend: {{shift: 26}}}}
workload:
- {{kind: memfd, count: 2, size: 1MiB, grow: 1, drop: 1, session: host}}
- {{kind: vms, count: 2, size: 1MiB, arrivals_per_hour: 1, lifetime: 2h, session: guests}}
- {{kind: reserve_mem, size: 64KiB, name: log}}
chain: {{boots: 5, seed: 5, on_failure: cold_boot}}
faults: [{", ".join(faults)}]
"""
    return run_scenario(loads(text))


ALL_FAULTS = (
    "{kind: load, boot: 0}",
    "{kind: fdt, boot: 1}",
    "{kind: panic, boot: 2, phase: initcalls}",
    "{kind: panic, boot: 4, phase: serve}",
)


@pytest.mark.parametrize("branch", ["chain", "twin"])
@pytest.mark.parametrize("faults", [(), ALL_FAULTS], ids=["sound", "faulty"])
def test_every_file_has_a_maker_and_one_file_outcome(faults: tuple[str, ...], branch: str) -> None:
    trace = faulty(*faults)
    graph = lineage_graph(trace)
    chain = trace if branch == "chain" else trace.twin
    files = nodes(graph, "file", branch)
    assert len(files) >= len(chain["files"]) > 10
    for name, data in files.items():
        inwards = [key for *_, key in graph.in_edges(name, keys=True)]
        assert inwards.count("makes") + inwards.count("goes on") == 1
        ((_, target, file),) = graph.out_edges(name, keys=True)
        assert file in ("goes on", "given up", "kept by", "lost")
        assert graph.nodes[target]["kind"] in ("file", "kernel", "incident", "end")
        assert graph.edges[name, target, file]["bytes"] == data["bytes"]
    lost = sum(file == "lost" for name in files for *_, file in graph.out_edges(name, keys=True))
    assert lost == sum(not file.kept for file in chain["file_outcomes"])


def test_sessions_list_the_files_of_their_handover() -> None:
    trace = faulty(*ALL_FAULTS)
    graph = lineage_graph(trace)
    for name, data in nodes(graph, "session").items():
        rows = [
            row
            for row in trace["files"]
            if (row.boot, row.session) == (data["boot"], data["session"])
        ]
        assert (data["files"], data["bytes"]) == (len(rows), sum(row.size_bytes for row in rows))
        assert graph.out_degree(name) == len(rows)
    areas = [d for d in nodes(graph, "file").values() if d["file_kind"] == "reserve_mem"]
    assert {d["session"] for d in areas} == {""}


def test_a_fall_back_is_a_branch_of_its_own_and_a_lost_handover_is_missed() -> None:
    trace = faulty(*ALL_FAULTS)
    graph = lineage_graph(trace)
    (fallen,) = edges(graph, "falls back to")[:1]
    assert fallen[:2] == ("chain: kernel 2", "chain: kernel 3")
    assert set(nodes(graph, "kernel", "chain, fall-back 1")) == {
        "chain: kernel 3",
        "chain: kernel 4",
    }
    missed = {target for _, target, _ in edges(graph, "missed by")}
    assert missed == {"chain: kernel 1", "twin: kernel 1"}
    incident = graph.nodes["chain: incident 2"]
    assert (incident["incident"], incident["then"], incident["boot"]) == ("panic", "cold boot", 2)
    handed = [row for row in trace["files"] if row.boot == 2]
    assert incident["files_lost"] == len(handed)
    assert incident["bytes_lost"] == sum(row.size_bytes for row in handed)
    objects = [name for name, d in nodes(graph, "object").items() if d["boot"] == 2]
    assert objects
    assert all(graph.has_edge(name, "chain: incident 2", "lost") for name in objects)


def test_a_faulty_lineage_can_be_written(tmp_path) -> None:
    graph = lineage_graph(faulty(*ALL_FAULTS))
    for ending in ("graphml", "dot"):
        write_graph(graph, tmp_path / f"lineage.{ending}")
    again = nx.read_graphml(tmp_path / "lineage.graphml")
    assert set(again) == set(graph)
    assert "vms1/0" in (tmp_path / "lineage.dot").read_text()
