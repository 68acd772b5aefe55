"""``kho-sim verify``: simulates what real logs recorded, and compares."""

from __future__ import annotations

import json

import click

from kho_sim.cli.completing import files
from kho_sim.cli.say import say

STANDARD_INPUT = "/dev/stdin"


@click.command("verify")
@click.argument("logs", metavar="LOG...", shell_complete=files, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, not the table.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes; by default one a processor."
)
@click.option(
    "--explained",
    metavar="FILE",
    shell_complete=files,
    help="A YAML list of known differences, with reasons.",
)
@click.option(
    "--fail-on-any", is_flag=True, help="Also fail on facts that follow the page allocator."
)
def verb(
    logs: tuple[str, ...],
    as_json: bool,
    workers: int | None,
    explained: str | None,
    fail_on_any: bool,
) -> int:
    """Hold the simulator against the console LOGs of real kernels (plain, .gz or .xz).

    A LOG of - is standard input.

    Three comparisons: each early allocation replayed, single steps from the logged state, and the
    whole chain simulated from machine, command line, build and workload alone. A difference that
    is not among the --explained ones exits with 1, unless it is a fact that depends on where the
    page allocator put pages.
    """
    from kho_sim.layout import of_terminal
    from kho_sim.verification import read_explained, verify_logs

    known = read_explained(explained) if explained else []
    logs = tuple(STANDARD_INPUT if log == "-" else log for log in logs)
    found = verify_logs(logs, explained=known, workers=workers)
    for refused in found.refused:
        say(f"kho-sim: {refused.message}")
    if found.checks or as_json:
        text = json.dumps(found.document) if as_json else found.text(of_terminal())
        click.echo(text, color=True)
    if found.refused:
        return 3
    return 1 if found.failing(fail_on_any) else 0
