"""The radix tree as a graph, and graphs as files."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest

from kho_sim.base.errors import EngineError, InputError, TraceError
from kho_sim.graphs import dot_text, lineage_graph, tree_graph, write_graph
from tests.hand_made import with_records
from tests.plots.traces import recorded, simulated, small


@pytest.mark.parametrize(
    "trace",
    [lambda: simulated("hypervisor"), lambda: recorded("chain10-16G")],
    ids=["hypervisor", "chain10-16G"],
)
def test_the_tree_is_a_tree_of_six_levels_with_all_keys_and_pages(trace) -> None:
    chain = trace()
    boot = chain["boots"][1]
    graph = tree_graph(chain, 1)
    assert nx.is_arborescence(graph)
    assert len(graph) == boot.radix_nodes
    assert nx.dag_longest_path_length(graph) == 5
    (root,) = [name for name, degree in graph.in_degree() if degree == 0]
    assert graph.nodes[root]["level"] == 5
    leaves = [data for _, data in graph.nodes(data=True) if data["level"] == 0]
    assert graph.nodes[root]["keys"] == boot.preservations == sum(d["keys"] for d in leaves)
    pages = {data["address"] for _, data in graph.nodes(data=True)}
    assert pages == {f"{row.address:#x}" for row in chain["tree_pages"] if row.boot == 1}


def test_slots_say_where_in_the_parent_a_table_hangs() -> None:
    graph = tree_graph(simulated("hypervisor"), 1)
    for above, below, data in graph.edges(data=True):
        upper, lower = (int(graph.nodes[name]["prefix"], 16) for name in (above, below))
        assert upper * 512 + data["slot"] == lower
        assert 0 <= data["slot"] < 512


def test_a_boot_without_a_tree_or_with_half_a_tree_is_refused() -> None:
    with pytest.raises(TraceError, match="no incoming radix tree for boot 0"):
        tree_graph(small(), 0)
    half = with_records(small(), tree_pages=small()["tree_pages"][1:])
    with pytest.raises(TraceError, match="do not agree"):
        tree_graph(half, 1)


def test_graphml_is_read_back_as_the_same_graph(tmp_path: Path) -> None:
    for name, graph in (("lineage", lineage_graph(small())), ("tree", tree_graph(small(), 1))):
        write_graph(graph, tmp_path / f"{name}.graphml")
        again = nx.read_graphml(tmp_path / f"{name}.graphml")
        assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
        assert sorted(again.edges()) == sorted(graph.edges())


def test_dot_has_a_line_a_node_and_an_edge_and_quotes_any_text(tmp_path: Path) -> None:
    graph = lineage_graph(small())
    write_graph(graph, tmp_path / "lineage.dot")
    lines = (tmp_path / "lineage.dot").read_text().splitlines()
    assert sum(" -> " in line for line in lines) == graph.number_of_edges()
    assert sum("shape=" in line for line in lines) == graph.number_of_nodes()
    hostile = nx.DiGraph()
    hostile.add_node('a"];\nb -> c\\', kind="kernel", message="x\ny")
    (line,) = [line for line in dot_text(hostile).splitlines() if "shape" in line]
    assert line.startswith('  "a\\"];\\nb -> c\\\\" [label="a\\"];')


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.graphml or \.dot"):
        write_graph(lineage_graph(small()), tmp_path / "lineage.txt")
    with pytest.raises(EngineError, match="cannot be written"):
        write_graph(lineage_graph(small()), tmp_path / "nowhere" / "lineage.dot")
