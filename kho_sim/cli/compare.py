"""``kho-sim compare``: two results, pair by pair."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kho_sim.base.units import show
from kho_sim.cli.completing import files, folders, keys
from kho_sim.cli.options import pairs
from kho_sim.cli.say import say
from kho_sim.layout import Column, of_terminal

if TYPE_CHECKING:
    from kho_sim.sweeps.compare import Comparison, Difference


TOO_FEW = "too few"


@click.command("compare")
@click.argument("a", metavar="A", shell_complete=folders)
@click.argument("b", metavar="B", shell_complete=folders, required=False)
@click.option(
    "--a",
    "only_a",
    metavar="KEY=VALUE",
    multiple=True,
    callback=pairs,
    shell_complete=keys,
    help="Of A only the runs with this value; may be repeated.",
)
@click.option(
    "--b",
    "only_b",
    metavar="KEY=VALUE",
    multiple=True,
    callback=pairs,
    shell_complete=keys,
    help="Of B only the runs with this value; may be repeated.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    shell_complete=files,
    help="Also draw the differences there: png, svg, pdf.",
)
@click.option("--all", "show_all", is_flag=True, help="Also show what is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verb(
    a: str,
    b: str | None,
    only_a: dict[str, str],
    only_b: dict[str, str],
    out: str | None,
    show_all: bool,
    as_json: bool,
) -> int:
    """Compare what is stored in A and B, sweeps or runs (or values inside A, by --a and --b).

    Runs are paired by all parameters that both sides vary, but for those named by --a and --b.
    """
    from kho_sim.sweeps.compare import compare
    from kho_sim.sweeps.results import stored_runs

    runs_a = stored_runs(a)
    runs_b = runs_a if b is None else stored_runs(b)
    comparison = compare(runs_a, runs_b, only_a=only_a, only_b=only_b)
    if out is not None:
        _draw(comparison, Path(out), _names(a, b or a, only_a, only_b))
    if as_json:
        head = {"schema": "kho-sim/compare", "schema_version": 1}
        click.echo(json.dumps(head | _document(comparison), indent=2))
    else:
        _print(comparison, show_all)
    return 0


def _names(a: str, b: str, only_a: dict[str, str], only_b: dict[str, str]) -> dict[str, str]:
    """Return what is compared in words: the values that were chosen, else the folders."""
    chosen = {"A": (Path(a), only_a), "B": (Path(b), only_b)}
    return {
        side: ", ".join(f"{key}={value}" for key, value in only.items()) or path.name
        for side, (path, only) in chosen.items()
    }


def _draw(comparison: Comparison, path: Path, names: dict[str, str]) -> None:
    from kho_sim.plots import paired_differences, save

    save(paired_differences(comparison, names), path, {"source": "compare", **names})
    say(f"drawn: {path}")


def _document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values, without the differences of single pairs."""
    document = asdict(comparison)
    for one in document["differences"]:
        del one["deltas"]
    return document


def _print(comparison: Comparison, show_all: bool) -> None:
    from kho_sim.base.units import counted, plural
    from kho_sim.sweeps.compare import PAIRS_MIN
    from kho_sim.sweeps.interval import CONFIDENCE

    paired_by = ", ".join(comparison.paired_by)
    click.echo(f"{counted(comparison.pairs, 'pair')}, by {paired_by}; B - A")
    if comparison.unpaired_a or comparison.unpaired_b:
        alone = f"{comparison.unpaired_a} of A, {comparison.unpaired_b} of B"
        click.echo(f"without a partner: {alone}")
    if not comparison.same_seeds:
        click.echo("the seeds differ: pairs do not share their random numbers")
    for outcome_a, outcome_b, count in comparison.outcomes:
        click.echo(f"  {count:>6,} {plural(count, 'pair')}: {outcome_a} -> {outcome_b}")
    shown = [one for one in comparison.differences if show_all or any(one.deltas)]
    if not shown:
        click.echo("no number differs")
    columns = [
        Column("", left=True),
        *map(Column, ("A", "B", "B - A")),
        Column(f"{CONFIDENCE:.0%} interval (n)", left=True, wraps=True),
    ]
    layout = of_terminal()
    cells = [_cells(one) for one in shown]
    lines = layout.table(columns, cells) if shown else []
    if any(row[-1].startswith(TOO_FEW) for row in cells):
        lines += layout.wrapped(f"{TOO_FEW}: fewer than {PAIRS_MIN} pairs have no interval")
    same = [one.name for one in comparison.differences if one not in shown]
    if same:
        lines += layout.wrapped(f"the same in every pair: {', '.join(same)}", indent=2)
    for line in lines:
        click.echo(line, color=True)


def _cells(one: Difference) -> list[str]:
    bounds = TOO_FEW
    if one.low is not None and one.high is not None:
        bounds = f"{show(one.name, one.low)} to {show(one.name, one.high)}"
    numbers = (one.mean_a, one.mean_b, one.mean_difference)
    shown = [show(one.name, value) for value in numbers]
    return [one.name, *shown, f"{bounds} ({one.pairs})"]
