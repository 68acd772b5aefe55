"""``kho-sim import``: a real machine becomes a scenario."""

from __future__ import annotations

from pathlib import Path

import click

from kho_sim.base.files import atomic_write
from kho_sim.cli.completing import files
from kho_sim.cli.say import say
from kho_sim.cli.sources import show_gaps

MOST_BOOTS = 10_000


@click.command("import")
@click.argument("sources", metavar="SOURCE...", shell_complete=files, nargs=-1)
@click.option("--this-machine", is_flag=True, help="Read the machine that the command runs on.")
@click.option(
    "--boots", type=click.IntRange(1, MOST_BOOTS), metavar="N", help="Kernels of the chain."
)
@click.option(
    "--workload",
    metavar="YAML",
    shell_complete=files,
    help="What is handed on: an entry or a list of them, or a file with it.",
)
@click.option(
    "-o",
    "--out",
    metavar="SCENARIO",
    shell_complete=files,
    help="Write it there; to standard output if not given.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--lenient", is_flag=True, help="Where sources disagree take the first, instead of failing."
)
def verb(
    sources: tuple[str, ...],
    this_machine: bool,
    boots: int | None,
    workload: str | None,
    out: str | None,
    force: bool,
    lenient: bool,
) -> int:
    """Make a scenario of what SOURCEs have about a machine, alone or together.

    Known, by their content: boot logs (plain, .gz, .xz, .bz2), /proc/iomem, lsmem (text or -J -b),
    /proc/zoneinfo, and of debugfs memblock/memory, kho/out/scratch_len. Every value in the scenario
    names where it is from. Sources that disagree exit with 3 and nothing is written.
    """
    from kho_sim.logs.importing import completed, import_files, import_this_machine
    from kho_sim.scenario.notes import notes_of

    if out is not None and Path(out).exists() and not force:
        raise click.UsageError(f"'{out}' is there already; --force overwrites it.")
    if bool(sources) is this_machine:
        raise click.UsageError("Name sources, or use --this-machine: one of both.")
    imported = import_this_machine() if this_machine else import_files(sources)
    imported = completed(imported, boots, workload)
    show_gaps(imported)
    if imported.disagreements and not lenient:
        return 3
    for remark in notes_of(imported.to_scenario(lenient=lenient)):
        say(f"note: {remark}")
    text = imported.to_yaml()
    if out is None:
        click.echo(text, nl=False)
    else:
        with atomic_write(Path(out)) as file:
            file.write(text.encode())
        say(f"written to {out}")
    return 0
