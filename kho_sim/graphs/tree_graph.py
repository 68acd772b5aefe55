"""The radix tree that a boot inherited, as a graph: one node per table page, one edge per slot."""

from __future__ import annotations

import networkx as nx

from kho_sim.base.errors import TraceError
from kho_sim.base.words import PLATFORMS
from kho_sim.kho.radix import RadixTree
from kho_sim.platform.geometry import PAGES_4K, Geometry
from kho_sim.platform.platform import platform_of
from kho_sim.trace.records import PreservedRun, TablePage
from kho_sim.trace.trace import Trace


def tree_graph(trace: Trace, boot: int) -> nx.DiGraph:
    """Return the incoming tree of a boot; nodes are named by level and prefix, as in 'L0:1f'.

    The graph's own attributes: ``root_level``, and ``leaf_keys``, how many a leaf has room for.
    Nodes: ``level`` (that of the root, 0 for leaves), ``prefix`` (hexadecimal text, up to 41 bits),
    ``address`` of the page (hexadecimal text), ``keys`` below it; leaves also ``order`` of their
    keys (the lowest, if leaf 0 holds several). Edges: ``slot`` in the parent's table.
    Raises: TraceError if the trace has no tree for that boot, or keys and pages of different trees.
    """
    runs = [(r.order, r.start, r.end) for r in trace[PreservedRun].where(boot=boot)]
    pages = [row.address for row in trace[TablePage] if row.boot == boot]
    if not pages:
        raise TraceError(f"this trace has no incoming radix tree for boot {boot}")
    try:
        tree = RadixTree.from_runs(runs, pages, _geometry_of(trace))
    except ValueError as error:
        raise TraceError(f"boot {boot}: keys and table pages do not agree: {error}") from error
    slot_bits, leaf_keys = tree.geometry.table_shift, 1 << tree.geometry.leaf_shift
    graph = nx.DiGraph(
        boot=boot, digest=trace.digest, root_level=tree.root_level, leaf_keys=leaf_keys
    )
    for table, bits in tree.walk_tables():
        graph.add_node(
            _name(table.level, table.prefix), level=table.level, prefix=f"{table.prefix:x}",
            address=f"{table.address:#x}", keys=bits.bit_count(),
        )  # fmt: skip
        if table.level < tree.root_level:
            parent = _name(table.level + 1, table.prefix >> slot_bits)
            slot = table.prefix % (1 << slot_bits)
            graph.add_edge(parent, _name(table.level, table.prefix), slot=slot)
        if table.level == 0 and bits:
            orders = [span.order for span in tree.spans(table.prefix, bits)]
            graph.nodes[_name(0, table.prefix)]["order"] = min(orders)
    _sum_keys(graph)
    return graph


def _sum_keys(graph: nx.DiGraph) -> None:
    """Give inner tables the sum of the keys below them."""
    for level in range(1, graph.graph["root_level"] + 1):
        for name, data in graph.nodes(data=True):
            if data["level"] == level:
                data["keys"] = sum(graph.nodes[child]["keys"] for child in graph.successors(name))


def _geometry_of(trace: Trace) -> Geometry:
    """Return the geometry of the chain's kernels: by its log, or by its scenario."""
    logs = trace.extra.get("boots")
    if logs:
        geometry: Geometry = logs[0].geometry
        return geometry
    scenario = trace.provenance.get("scenario") or {}
    name = scenario.get("machine", {}).get("platform", PLATFORMS[0])
    page_bytes = scenario.get("kernel", {}).get("page_size", PAGES_4K.page_bytes)
    return platform_of(name, page_bytes).geometry


def _name(level: int, prefix: int) -> str:
    return f"L{level}:{prefix:x}"
