"""``kho-sim explain``: what a scenario will do, boot by boot."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("scenario")
def verb(scenario: str) -> int:
    """Say what SCENARIO reserves, marks and preserves at each boot.

    It is told by the code that runs it.
    """
    from kho_sim.chain import explain_scenario
    from kho_sim.cli.expectations import load_expecting

    click.echo(explain_scenario(load_expecting(scenario)))
    return 0
