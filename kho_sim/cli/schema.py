"""``kho-sim schema``: what scenario files and JSON documents can say, for editors and programs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kho_sim.cli.completing import files, schema_names
from kho_sim.cli.options import write_text


@click.command("schema")
@click.argument("name", required=False, shell_complete=schema_names)
@click.option("--list", "listed", is_flag=True, help="List the names of schemas instead.")
@click.option(
    "-o", "--out", metavar="FILE", shell_complete=files, help="A file instead of standard output."
)
def verb(name: str | None, listed: bool, out: str | None) -> int:
    """Print the JSON Schema NAME: of scenario files by default, or of a document that --json prints
    or that a stored folder holds."""
    from kho_sim.schemas import SCHEMAS, schema_of

    if listed:
        width = max(map(len, SCHEMAS))
        for one, what in SCHEMAS.items():
            click.echo(f"{one:{width}}  {what}")
        return 0
    text = json.dumps(schema_of(name or "scenario"), indent=2)
    if out is None:
        click.echo(text)
    else:
        write_text(Path(out), text)
    return 0
