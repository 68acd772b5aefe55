"""``kho-sim import``: a real machine becomes a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kho_sim.base.files import atomic_write

if TYPE_CHECKING:
    from kho_sim.logs.importing import ImportedScenario


@click.command("import")
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@click.option(
    "-o", "--out", metavar="SCENARIO", help="Write it there; to standard output if not given."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--lenient", is_flag=True, help="Where sources disagree take the first, instead of failing."
)
def verb(logs: tuple[str, ...], out: str | None, force: bool, lenient: bool) -> int:
    """Make a scenario of what LOGs have about a machine, alone or together.

    Known, by their content: boot logs (plain, .gz, .xz), /proc/iomem, lsmem -J -b, /proc/zoneinfo,
    and of debugfs memblock/memory, kho/out/scratch_len. Every value in the scenario names where it
    is from. Sources that disagree exit with 3 and nothing is written.
    """
    from kho_sim.logs.importing import import_files
    from kho_sim.scenario.notes import notes_of

    if out is not None and Path(out).exists() and not force:
        raise click.UsageError(f"'{out}' is there already; --force overwrites it.")
    imported = import_files(logs)
    for note in imported.notes:
        click.echo(f"note: {note}", err=True)
    _show_disagreements(imported)
    if imported.disagreements and not lenient:
        return 3
    for remark in notes_of(imported.to_scenario(lenient=lenient)):
        click.echo(f"note: {remark}", err=True)
    text = imported.to_yaml()
    if out is None:
        click.echo(text, nl=False)
    else:
        with atomic_write(Path(out)) as file:
            file.write(text.encode())
        click.echo(f"written to {out}", err=True)
    return 0


def _show_disagreements(imported: ImportedScenario) -> None:
    for found in imported.disagreements:
        click.echo(f"sources disagree on {found.key}:", err=True)
        click.echo(f"  {found.taken_origin}: {found.taken}", err=True)
        click.echo(f"  {found.other_origin}: {found.other}", err=True)
