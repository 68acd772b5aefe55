"""``kho-sim check``: everything that is wrong with scenarios, without running them."""

from __future__ import annotations

import click


@click.command("check")
@click.argument("scenarios", nargs=-1, required=True)
def verb(scenarios: tuple[str, ...]) -> int:
    """Read and resolve each SCENARIO and report every error at once.

    An error is a line file:line:column: path: message on standard error.
    """
    from kho_sim.base.errors import ScenarioError
    from kho_sim.chain.build import build_plan
    from kho_sim.cli.expectations import load_expecting

    code = 0
    for path in scenarios:
        try:
            plan = build_plan(load_expecting(path))
        except ScenarioError as error:
            code = 3
            for problem in error.problems:
                click.echo(str(problem), err=True)
        else:
            click.echo(f"{path}: fine, {plan.boots} boot{'s' * (plan.boots != 1)}")
    return code
