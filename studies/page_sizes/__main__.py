"""``python -m studies.page_sizes``: which block size on arm64, and need it follow gigantic
pages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.scenario import from_dict
from kho_sim.sweeps import SweepInterrupted, sweep
from kho_sim.sweeps.progress import progress_reporter
from studies.page_sizes.cases import CPUS_OF, GIB, base_scenario, points
from studies.page_sizes.tables import page_sizes_table, study_table

FAILED, PARTIAL, SIGNALLED = 1, 4, 128
SMALL_BYTES = 64 * GIB


@click.command("page_sizes")
@click.option(
    "-o",
    "--out",
    default="runs/page-sizes",
    show_default=True,
    metavar="DIR",
    help="Where the runs are stored; the same command goes on where it was stopped.",
)
@click.option("--small", is_flag=True, help="Only machines up to 64 GiB.")
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes to use.")
@click.option("--results", metavar="DIR", help="Where the table goes; by default DIR/results.")
def command(out: str, small: bool, workers: int | None, results: str | None) -> None:
    """Try block sizes from 2 MiB to 8 GiB on arm64 hosts of each page size; write the table.

    Exits with 4 if a run failed.
    """
    cases = points(SMALL_BYTES if small else max(CPUS_OF))
    try:
        with progress_reporter() as progress:
            study = sweep(
                from_dict(base_scenario()), cases, out, workers=workers, progress=progress
            )
        rows, folder = study_table(study), Path(results or Path(out) / "results")
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "page_sizes.md") as file:
            file.write(f"{page_sizes_table(rows)}\n".encode())
        with atomic_write(folder / "study.csv") as file:
            rows.to_csv(file, index=False)
    except SweepInterrupted as stop:
        click.echo("stopped; all finished runs are stored. The same command goes on.", err=True)
        sys.exit(SIGNALLED + stop.signal_number)
    except (InputError, EngineError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    click.echo(page_sizes_table(rows))
    sys.exit(PARTIAL if set(study.counts()) != {"ok"} else 0)


if __name__ == "__main__":
    command()
