"""``kho-sim explain``: what a scenario will do, boot by boot."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("scenario")
def verb(scenario: str) -> int:
    """Show boot by boot what SCENARIO will do, by running it, and the assumptions behind it."""
    from kho_sim.chain import explain_scenario

    click.echo(str(explain_scenario(scenario)))
    return 0
