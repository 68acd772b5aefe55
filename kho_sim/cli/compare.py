"""``kho-sim compare``: two results, pair by pair."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kho_sim.base.units import show
from kho_sim.cli.completing import folders, keys
from kho_sim.cli.options import pairs
from kho_sim.layout import Column, of_terminal

if TYPE_CHECKING:
    from kho_sim.sweeps.compare import Comparison, Difference


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
@click.option("--all", "show_all", is_flag=True, help="Also show what is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verb(
    a: str,
    b: str | None,
    only_a: dict[str, str],
    only_b: dict[str, str],
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
    if as_json:
        head = {"schema": "kho-sim/compare", "schema_version": 1}
        click.echo(json.dumps(head | asdict(comparison), indent=2))
    else:
        _print(comparison, show_all)
    return 0


def _print(comparison: Comparison, show_all: bool) -> None:
    from kho_sim.sweeps.compare import PAIRS_MIN
    from kho_sim.sweeps.interval import CONFIDENCE

    paired_by = ", ".join(comparison.paired_by)
    click.echo(f"{comparison.pairs} pairs, by {paired_by}; B - A")
    if comparison.unpaired_a or comparison.unpaired_b:
        alone = f"{comparison.unpaired_a} of A, {comparison.unpaired_b} of B"
        click.echo(f"without a partner: {alone}")
    if not comparison.same_seeds:
        click.echo("the seeds differ: pairs do not share their random numbers")
    for outcome_a, outcome_b, count in comparison.outcomes:
        click.echo(f"  {count:>6} pairs: {outcome_a} -> {outcome_b}")
    shown = [
        one
        for one in comparison.differences
        if show_all or one.mean_difference or one.low or one.high
    ]
    if not shown:
        click.echo("no number differs")
        return
    columns = [
        Column("", left=True),
        *map(Column, ("A", "B", "B - A")),
        Column(f"{CONFIDENCE:.0%} interval (n)", left=True, wraps=True),
    ]
    for line in of_terminal().table(columns, [_cells(one, PAIRS_MIN) for one in shown]):
        click.echo(line, color=True)


def _cells(one: Difference, pairs_min: int) -> list[str]:
    bounds = f"fewer than {pairs_min} pairs"
    if one.low is not None and one.high is not None:
        bounds = f"{show(one.name, one.low)} to {show(one.name, one.high)}"
    numbers = (one.mean_a, one.mean_b, one.mean_difference)
    shown = [show(one.name, value) for value in numbers]
    return [one.name, *shown, f"{bounds} ({one.pairs})"]
