"""``kho-sim schema``: what a scenario file can say, for editors."""

from __future__ import annotations

import json

import click


@click.command("schema")
def verb() -> int:
    """Print the JSON Schema of scenario files."""
    from kho_sim.scenario import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return 0
