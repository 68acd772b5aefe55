"""The relations of a lineage, and how an edge is added."""

from __future__ import annotations

import networkx as nx

HANDS_OVER, INHERITS, MISSED, HOLDS = "hands over", "inherits", "missed by", "holds"
LISTS, MAKES, KEPT = "lists", "makes", "kept by"
GOES_ON, GIVEN_UP, LOST = "goes on", "given up", "lost"
HITS, FALLS_BACK, ENDS = "hits", "falls back to", "ends"


def connect(
    graph: nx.MultiDiGraph, source: str, target: str, relation: str, size_bytes: int | None = None
) -> None:
    """Add an edge; its relation is also its key, so two nodes have one edge of each at most."""
    weight = {} if size_bytes is None else {"bytes": size_bytes}
    graph.add_edge(source, target, key=relation, relation=relation, **weight)
