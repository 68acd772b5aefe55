"""Lineages: chains and radix trees as networkx graphs, and as GraphML and DOT files."""

from kho_sim.graphs.chain_graph import lineage_graph
from kho_sim.graphs.files import dot_text, write_graph
from kho_sim.graphs.tree_graph import tree_graph

__all__ = ["dot_text", "lineage_graph", "tree_graph", "write_graph"]
