"""Graphs as files: GraphML for graph programs, DOT for Graphviz.

DOT is written here: names and labels are always quoted, so any text is safe in them. Left out:
layout; Graphviz does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import networkx as nx

from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.base.units import show

SHAPES = {
    "kernel": "box",
    "handover": "ellipse",
    "object": "note",
    "session": "folder",
    "file": "tab",
    "incident": "diamond",
    "end": "octagon",
}
TABLE_SHAPE = "box"
ENDINGS = (".graphml", ".dot", ".gv")


def write_graph(graph: nx.Graph, path: str | PathLike[str]) -> None:
    """Write a graph as .graphml or .dot, by the ending of ``path``.

    Raises: InputError for another ending, EngineError if the file cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"{path.name}: a graph is saved as .graphml or .dot")
    try:
        with atomic_write(path) as file:
            if ending == ".graphml":
                nx.write_graphml_xml(graph, file, named_key_ids=True)
            else:
                file.write(dot_text(graph).encode())
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror or error}") from error


def dot_text(graph: nx.Graph) -> str:
    """Return a graph in the DOT language, its attributes in the labels."""
    lines = ["digraph {", '  node [fontname="sans-serif", fontsize=10];']
    for name, data in graph.nodes(data=True):
        shape = SHAPES.get(str(data.get("kind")), TABLE_SHAPE)
        lines.append(f"  {_quoted(name)} [label={_quoted(_label(name, data))}, shape={shape}];")
    for source, target, data in graph.edges(data=True):
        label = _quoted(", ".join(_attribute_text(key, value) for key, value in data.items()))
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [label={label}];")
    return "\n".join([*lines, "}", ""])


def _label(name: str, data: Mapping[str, Any]) -> str:
    hidden = ("kind", "branch", "boot", "prefix", "level", "order")
    texts = [
        _attribute_text(key, value)
        for key, value in data.items()
        if key not in hidden and value != ""
    ]
    return "\n".join([name, *texts])


def _attribute_text(key: str, value: Any) -> str:
    shown = show(key, value)
    return shown if key == "relation" else f"{key.removesuffix('_bytes')} {shown}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
