"""``kho-sim plot``: figures of a stored run or sweep, a real log, a scenario, or a verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kho_sim.cli.completing import figures, files, folders, places
from kho_sim.cli.say import say
from kho_sim.cli.sources import is_advice, is_sweep, read_trace

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

    from kho_sim.trace.trace import Trace

FORMATS = ("png", "svg", "pdf")
GRAPH_ENDINGS = (".graphml", ".dot")


class Source(NamedTuple):
    """The thing to draw: a trace, a sweep or a document, its figures, and its provenance."""

    what: Any
    figures: Mapping[str, Callable[..., Figure]]
    provenance: Mapping[str, Any]


@click.command("plot")
@click.argument("source", metavar="DIR|LOG|SCENARIO|VERIFY.json", shell_complete=files)
@click.option(
    "-o", "--out", required=True, metavar="DIR", shell_complete=folders, help="Where the files go."
)
@click.option(
    "--figure",
    "names",
    metavar="NAME",
    shell_complete=figures,
    multiple=True,
    help="Only this one; may be repeated.",
)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="png", show_default=True,
    help="Of the files.",
)  # fmt: skip
@click.option(
    "--over",
    metavar="KEY",
    shell_complete=places,
    help="Of a sweep: the varied place along x.  [default: the one with most values]",
)
@click.option("--graphs", is_flag=True, help="Also write lineage and trees as GraphML and DOT.")
def verb(
    source: str, out: str, names: tuple[str, ...], kind: str, over: str | None, graphs: bool
) -> int:
    """Draw figures of SOURCE into a folder, and print the files' names.

    SOURCE is a stored run, sweep or advice, a real console log, a scenario (which is simulated
    first), or what verify --json printed. Without --figure all that SOURCE has the facts for are
    drawn.
    """
    from kho_sim.graphs import write_graph
    from kho_sim.plots import save

    opened = _open(Path(source), over)
    chosen = _chosen(opened, names)
    drawn_graphs = _graphs_of(opened.what) if graphs else {}
    drawn = _drawn(opened, chosen, asked=bool(names) or over is not None)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        path = folder / f"{name}.{kind}"
        save(figure, path, opened.provenance)
        click.echo(str(path))
    for name, graph in drawn_graphs.items():
        for ending in GRAPH_ENDINGS:
            path = folder / f"{name}{ending}"
            write_graph(graph, path)
            click.echo(str(path))
    return 0


def _open(path: Path, over: str | None) -> Source:
    """Find out what a path is. Raises InputError if it is nothing that can be drawn."""
    if is_sweep(path) and not is_advice(path):
        return _of_sweep(path, over)
    if over is not None:
        raise click.BadParameter(f"{path} is no sweep, so --over has nothing to choose from.")
    if is_advice(path):
        return _of_advice(path)
    if path.suffix == ".json":
        return _open_document(path)
    return _of_trace(read_trace(path))


def _of_advice(path: Path) -> Source:
    from kho_sim.plots import ADVICE_FIGURES
    from kho_sim.sweeps.advise import read_advice

    advice = read_advice(path)
    return Source(advice, ADVICE_FIGURES, {"source": "advice", "seeds": list(advice.seeds)})


def _of_sweep(path: Path, over: str | None) -> Source:
    from kho_sim.plots import AXIS_FIGURES, SWEEP_FIGURES
    from kho_sim.scenario import canonical_key
    from kho_sim.sweeps import open_sweep

    sweep = open_sweep(path)
    provenance = {
        "source": "sweep",
        "keys": sweep.keys,
        "scenario": sweep.manifest.get("scenario"),
    }
    figures = dict(SWEEP_FIGURES)
    if over is not None:
        figures = {n: partial(draw, over=canonical_key(over)) for n, draw in AXIS_FIGURES.items()}
    return Source(sweep, figures, provenance)


def _open_document(path: Path) -> Source:
    import json

    from kho_sim.base.errors import InputError
    from kho_sim.plots import VERIFY_FIGURES

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: this is no document of kho-sim verify")
    return Source(document, VERIFY_FIGURES, {"source": "verify"})


def _of_trace(trace: Trace) -> Source:
    from kho_sim.plots import TRACE_FIGURES, provenance_of

    return Source(trace, TRACE_FIGURES, provenance_of(trace))


def _chosen(source: Source, names: tuple[str, ...]) -> list[str]:
    from kho_sim.base.errors import nearest

    for name in names:
        if name not in source.figures:
            near = nearest(name, source.figures)
            hint = f" Did you mean {near}?" if near else ""
            known = ", ".join(source.figures)
            raise click.BadParameter(f"{name} is no figure of this; known: {known}.{hint}")
    return list(dict.fromkeys(names)) or list(source.figures)


def _drawn(source: Source, names: list[str], asked: bool) -> dict[str, Figure]:
    """Draw; a figure that the source lacks the facts for is an error only if it was asked for."""
    from kho_sim.base.errors import InputError

    figures = {}
    for name in names:
        try:
            figures[name] = source.figures[name](source.what)
        except InputError as error:
            if asked:
                raise
            say(f"{name} is left out: {error}")
    if not figures:
        raise InputError("there is nothing to draw")
    return figures


def _graphs_of(what: Any) -> dict[str, nx.Graph]:
    """Return the lineage of a trace, and the tree of each boot that has one."""
    from kho_sim.base.errors import InputError
    from kho_sim.graphs import lineage_graph, tree_graph
    from kho_sim.trace.records import TablePage
    from kho_sim.trace.trace import Trace

    if not isinstance(what, Trace):
        raise InputError("only a run, a log or a scenario has a lineage")
    boots = sorted({row.boot for row in what[TablePage]})
    return {
        "lineage": lineage_graph(what),
        **{f"tree-{boot}": tree_graph(what, boot) for boot in boots},
    }
