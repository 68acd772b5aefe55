"""``kho-sim cost``: what KHO costs a host, and what to set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kho_sim.cli.options import pairs, read_scenario, write_text


@click.command("cost")
@click.argument("scenario")
@click.option(
    "-s",
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    callback=pairs,
    help="Another value in the scenario; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--html", metavar="FILE", help="Also write a page to send there.")
def verb(scenario: str, settings: dict[str, str], as_json: bool, html: str | None) -> int:
    """Say what KHO costs the host of SCENARIO, whether or not it ever updates.

    Side by side: as its first kernel is configured, with the least scratch with which a next kernel
    can still be loaded and boots, and with kho=off. The workload of the scenario has no part in it.
    """
    from kho_sim.host_cost import cost
    from kho_sim.host_cost.text import cost_text
    from kho_sim.layout import of_terminal

    found = cost(read_scenario(scenario, settings))
    if html is not None:
        from kho_sim.host_cost.page import cost_html

        write_text(Path(html), cost_html(found))
    if as_json:
        click.echo(json.dumps(found.document, indent=2))
    else:
        click.echo("\n".join(cost_text(found, of_terminal())), color=True)
    return 0
