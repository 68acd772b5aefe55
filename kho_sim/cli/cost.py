"""``kho-sim cost``: what KHO costs a host, and what to set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kho_sim.cli.completing import files
from kho_sim.cli.options import read_scenario, settings_option, write_text
from kho_sim.cli.say import say
from kho_sim.cli.sources import show_gaps

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario


@click.command("cost")
@click.argument("scenario", shell_complete=files, required=False)
@click.option("--this-machine", is_flag=True, help="Read the machine that the command runs on.")
@settings_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--html", metavar="FILE", shell_complete=files, help="Also write a page to send there."
)
def verb(
    scenario: str | None,
    this_machine: bool,
    settings: dict[str, str],
    as_json: bool,
    html: str | None,
) -> int:
    """Say what KHO costs the host of SCENARIO, or this machine, whether or not it ever updates.

    Side by side: as its first kernel is configured, with the least scratch with which a next kernel
    can still be loaded and boots, and with kho=off. The workload of the scenario has no part in it.
    What --this-machine could not read is a note; where its sources disagree nothing is said, and
    import --this-machine --lenient makes a scenario of those that come first.
    """
    from kho_sim.host_cost import cost
    from kho_sim.host_cost.text import cost_text
    from kho_sim.layout import of_terminal

    if (scenario is not None) is this_machine:
        raise click.UsageError("Name a scenario, or use --this-machine: one of both.")
    host = _this_machine(settings) if scenario is None else read_scenario(scenario, settings)
    found = cost(host)
    if html is not None:
        from kho_sim.host_cost.page import cost_html

        write_text(Path(html), cost_html(found))
    if as_json:
        click.echo(json.dumps(found.document, indent=2))
    else:
        click.echo("\n".join(cost_text(found, of_terminal())), color=True)
    return 0


def _this_machine(settings: dict[str, str]) -> Scenario:
    """Return this machine with the values of ``-s``, and say what is not known of it."""
    from kho_sim.logs.importing import import_this_machine
    from kho_sim.scenario import with_values
    from kho_sim.scenario.notes import notes_of

    imported = import_this_machine()
    show_gaps(imported)
    scenario = with_values(imported.to_scenario(), settings, "-s")
    for remark in notes_of(scenario):
        say(f"note: {remark}")
    return scenario
