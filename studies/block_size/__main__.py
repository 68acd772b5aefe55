"""``python -m studies.block_size``: which block size, on which machine, for which workload."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kho_sim.base.errors import EngineError, InputError
from kho_sim.sweeps import Sweep, SweepInterrupted
from kho_sim.sweeps.progress import progress_reporter
from studies.block_size.cases import MACHINES, WORKLOADS
from studies.block_size.page import write_results
from studies.block_size.running import run_study

FAILED, PARTIAL, SIGNALLED = 1, 4, 128


@click.command("block_size")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    default="runs/study",
    show_default=True,
    metavar="DIR",
    help="Where the runs are stored; the same command goes on where it was stopped.",
)
@click.option("--small", is_flag=True, help="Only machines up to 64 GiB: a few minutes.")
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    metavar="NAME",
    help="Only this workload; may be repeated.",
)
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes to use.")
@click.option(
    "--results",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where tables and figures go; by default DIR/results of --out.",
)
def command(
    out: str, small: bool, workloads: tuple[str, ...], workers: int | None, results: str | None
) -> None:
    """Run the study of block sizes and strategies, and write its tables and figures.

    Four workloads on machines from 1 GiB to 12 TiB, at each last boot every block size from 64 KiB
    to 64 GiB and every strategy, on the same inherited memory. Exits with 4 if a run failed.
    """
    try:
        study = _run(out, small, workloads or tuple(WORKLOADS), workers)
        folder = Path(results or Path(out) / "results")
        written = write_results(study, folder)
    except SweepInterrupted as stop:
        click.echo("stopped; all finished runs are stored. The same command goes on.", err=True)
        sys.exit(SIGNALLED + stop.signal_number)
    except (InputError, EngineError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    click.echo("The largest blocks that recover a share of what can be recovered, the worst case:")
    click.echo((folder / "choice.md").read_text(encoding="utf-8"))
    for path in written:
        click.echo(str(path))
    sys.exit(PARTIAL if set(study.counts()) != {"ok"} else 0)


def _run(out: str, small: bool, workloads: tuple[str, ...], workers: int | None) -> Sweep:
    machines = tuple(machine for machine in MACHINES if machine.is_small or not small)
    with progress_reporter() as progress:
        return run_study(
            out, machines=machines, workloads=workloads, workers=workers, progress=progress
        )


if __name__ == "__main__":
    command()
