"""``python -m studies.retrieval``: which part of KHO's early work costs, and what takes it away."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.scenario import from_dict
from kho_sim.sweeps import SweepInterrupted, sweep
from kho_sim.sweeps.progress import progress_reporter
from studies.retrieval.cases import CASES, LARGE_BYTES, MACHINES, base_scenario, points_of
from studies.retrieval.tables import cost_table, recovered_table, study_table

FAILED, PARTIAL, SIGNALLED = 1, 4, 128
TABLES = {"cost": cost_table, "recovered": recovered_table}


@click.command("retrieval")
@click.option(
    "-o",
    "--out",
    default="runs/retrieval",
    show_default=True,
    metavar="DIR",
    help="Where the runs are stored; the same command goes on where it was stopped.",
)
@click.option("--small", is_flag=True, help="Only machines up to 64 GiB.")
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(tuple(CASES)),
    help="Only this workload; may be repeated.",
)
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes to use.")
@click.option("--results", metavar="DIR", help="Where tables go; by default DIR/results of --out.")
def command(
    out: str, small: bool, names: tuple[str, ...], workers: int | None, results: str | None
) -> None:
    """Try every extension with every retrieval at the last boot of each case; write the tables.

    Exits with 4 if a run failed.
    """
    machines = [one for one in MACHINES if one.memory_bytes <= LARGE_BYTES or not small]
    try:
        with progress_reporter() as progress:
            study = sweep(
                from_dict(base_scenario()),
                points_of(names or tuple(CASES), machines),
                out,
                workers=workers,
                progress=progress,
            )
        rows, folder = study_table(study), Path(results or Path(out) / "results")
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in TABLES.items():
            with atomic_write(folder / f"{name}.md") as file:
                file.write(f"{table(rows)}\n".encode())
        with atomic_write(folder / "study.csv") as file:
            rows.to_csv(file, index=False)
    except SweepInterrupted as stop:
        click.echo("stopped; all finished runs are stored. The same command goes on.", err=True)
        sys.exit(SIGNALLED + stop.signal_number)
    except (InputError, EngineError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    click.echo(cost_table(rows))
    sys.exit(PARTIAL if set(study.counts()) != {"ok"} else 0)


if __name__ == "__main__":
    command()
