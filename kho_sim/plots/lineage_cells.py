"""Contents of handovers, for the figure of the lineage: cells in columns, and flows between them.

A column is a session where the trace names files, else an order of the preserved memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kho_sim.base.units import counted, format_size

if TYPE_CHECKING:
    import networkx as nx

MOST_COLUMNS = 5
OTHERS, AREAS = "other sessions", "reserve_mem"
NAMES_WIDTH = 25


@dataclass
class Cell:
    """The contents of one handover in one column, and their outcome.

    ``handed`` is False for files that were lost before they were handed on. ``goes_on`` maps a
    column to the bytes that are in it in the next handover.
    """

    boot: int
    column: str
    handed: bool = True
    text: str = ""
    size_bytes: int = 0
    goes_on: dict[str, int] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    """'lost', 'given up' or 'kept by' -> how much, in words."""


def cells_of(graph: nx.MultiDiGraph, branch: str) -> list[Cell]:
    """Return the cells of a branch: of its files if they are known, else of orders."""
    files = [(n, d) for n, d in graph.nodes(data=True) if _is(d, "file", branch)]
    return _file_cells(graph, files) if files else list(_order_cells(graph, branch))


def columns_of(cells: Iterable[Cell]) -> list[str]:
    """Return the columns that are in use, orders ascending, sessions as they come."""
    names = list(dict.fromkeys(cell.column for cell in cells))
    by_order = all(name.startswith("order ") for name in names)
    return sorted(names, key=lambda name: int(name.split()[1])) if by_order else names


def _is(data: dict[str, Any], kind: str, branch: str) -> bool:
    return (data["kind"], data["branch"]) == (kind, branch)


def _order_cells(graph: nx.MultiDiGraph, branch: str) -> Iterator[Cell]:
    for name, data in graph.nodes(data=True):
        if not _is(data, "object", branch):
            continue
        keys, runs = counted(data["keys"], "key"), counted(data["runs"], "run")
        text = f"{keys}, {format_size(data['bytes'])}\nin {runs}"
        column = f"order {data['order']}"
        cell = Cell(data["boot"], column, text=text, size_bytes=data["bytes"])
        for _, target, edge in graph.out_edges(name, data=True):
            if edge["relation"] == "goes on":
                cell.goes_on[f"order {graph.nodes[target]['order']}"] = edge["bytes"]
            else:
                cell.ends[edge["relation"]] = format_size(edge["bytes"])
        yield cell


def _file_cells(graph: nx.MultiDiGraph, files: list[tuple[str, dict[str, Any]]]) -> list[Cell]:
    sessions = list(dict.fromkeys(data["session"] or AREAS for _, data in files))
    shown = sessions if len(sessions) <= MOST_COLUMNS else sessions[: MOST_COLUMNS - 1]
    groups: dict[tuple[int, str, bool], list[tuple[str, dict[str, Any]]]] = {}
    for name, data in files:
        session = data["session"] or AREAS
        place = (data["boot"], session if session in shown else OTHERS, "order" in data)
        groups.setdefault(place, []).append((name, data))
    return [_file_cell(graph, place, group) for place, group in sorted(groups.items(), key=_row)]


def _row(item: tuple[tuple[int, str, bool], Any]) -> int:
    return item[0][0]


def _file_cell(
    graph: nx.MultiDiGraph, place: tuple[int, str, bool], files: list[tuple[str, dict[str, Any]]]
) -> Cell:
    boot, column, handed = place
    cell = Cell(boot, column, handed, size_bytes=sum(data["bytes"] for _, data in files))
    what = "area" if column == AREAS else "file"
    outcomes: dict[str, list[int]] = {}
    for name, data in files:
        for _, _, edge in graph.out_edges(name, data=True):
            outcomes.setdefault(edge["relation"], []).append(data["bytes"])
    for relation, sizes in outcomes.items():
        if relation == "goes on":
            cell.goes_on[column] = sum(sizes)
        else:
            cell.ends[relation] = _amount(sizes, what)
    new = sum(data["made_in"] == boot - 1 for _, data in files) if handed else 0
    made = f", {new} new" if 0 < new < len(files) else ", new" if new else ""
    amount = _amount([data["bytes"] for _, data in files], what)
    cell.text = f"{amount}{made}\n{_names([data['file'] for _, data in files])}"
    return cell


def _amount(sizes: list[int], what: str) -> str:
    return f"{counted(len(sizes), what)}, {format_size(sum(sizes))}"


def _names(names: list[str]) -> str:
    """Return as many names as fit, then how many more there are."""
    for count in range(len(names), 0, -1):
        more = f", ... {len(names) - count} more" if count < len(names) else ""
        text = ", ".join(names[:count]) + more
        if len(text) <= NAMES_WIDTH:
            return text
    return f"{names[0][: NAMES_WIDTH - 12]} ..., {len(names) - 1} more"
