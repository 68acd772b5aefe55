"""``kho-sim explain``: what a scenario will do, boot by boot, or one boot step by step."""

from __future__ import annotations

import click

from kho_sim.cli.completing import files, steps
from kho_sim.cli.say import show


@click.command("explain")
@click.argument("scenario", shell_complete=files, metavar="SCENARIO")
@click.option("--boot", type=click.IntRange(min=0), help="One boot, step by step.")
@click.option(
    "--step",
    shell_complete=steps,
    help="One step of --boot: before, walk, digest, marks, early, scratch or retrieve.",
)
def verb(scenario: str, boot: int | None, step: str | None) -> int:
    """Show boot by boot what SCENARIO will do, by running it, and the assumptions behind it; or
    the steps of one boot."""
    from kho_sim.base.errors import nearest
    from kho_sim.chain import explain_scenario
    from kho_sim.layout import of_terminal
    from kho_sim.steps import STEPS, step_text

    if step is not None and step not in STEPS:
        near = nearest(step, STEPS)
        hint = f"; nearest: {near}" if near else ""
        raise click.BadParameter(f"'{step}' is no step; known: {', '.join(STEPS)}{hint}.")
    if step is not None and boot is None:
        raise click.UsageError("--step is a step of one boot; add --boot N.")
    explained = explain_scenario(scenario)
    if boot is None:
        show(str(explained))
    else:
        click.echo(step_text(explained.trace, boot, step or "", of_terminal()), color=True)
    return 0
