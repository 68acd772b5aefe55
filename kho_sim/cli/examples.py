"""``kho-sim examples``: the scenarios that come with the package."""

from __future__ import annotations

from pathlib import Path

import click

from kho_sim.cli.completing import example_names, files
from kho_sim.cli.options import write_text
from kho_sim.cli.say import show


@click.command("examples")
@click.argument("name", shell_complete=example_names, required=False)
@click.option(
    "-o", "--out", metavar="FILE", shell_complete=files, help="Copy it there; needs NAME."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def verb(name: str | None, out: str | None, force: bool) -> int:
    """List the scenarios that come with kho_sim, or print the one that is called NAME.

    A copy is an ordinary scenario: change it, and hand it to check, explain or run. The schema that
    lets an editor complete its keys is put beside it.
    """
    from kho_sim.scenario.shipped import shipped_scenario

    if name is None:
        if out is not None:
            raise click.UsageError("Which one goes there? Name it, as in: examples NAME -o FILE.")
        for line in _lines():
            show(line)
        return 0
    file = shipped_scenario(name)
    text = file.read_text(encoding="utf-8").rstrip("\n")
    if out is None:
        click.echo(text)
    elif Path(out).exists() and not force:
        raise click.UsageError(f"'{out}' is there already; --force overwrites it.")
    else:
        write_text(Path(out), text)
        _copy_schema(file, Path(out))
    return 0


def _copy_schema(shipped: Path, copy: Path) -> None:
    """Put the schema that a copy's first line names to editors beside it, if there is none."""
    from kho_sim.scenario.shipped import SCHEMA_FILE

    beside = copy.with_name(SCHEMA_FILE)
    if not beside.exists():
        write_text(beside, shipped.with_name(SCHEMA_FILE).read_text(encoding="utf-8").rstrip("\n"))


def _lines() -> list[str]:
    """Return each name with the first line of its description."""
    from kho_sim.scenario import load
    from kho_sim.scenario.shipped import shipped_scenarios

    files = shipped_scenarios()
    width = max(map(len, files), default=0)
    firsts = {
        name: (load(file).description.splitlines() or [""])[0] for name, file in files.items()
    }
    return [f"{name:{width}}  {first}".rstrip() for name, first in firsts.items()]
