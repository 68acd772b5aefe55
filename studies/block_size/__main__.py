"""``python -m studies.block_size``: which block size, on which machine, for which workload."""

from __future__ import annotations

import click

from kho_sim.sweeps import Sweep
from kho_sim.sweeps.progress import progress_reporter
from studies.block_size.cases import MACHINES, WORKLOADS
from studies.block_size.page import write_results
from studies.block_size.running import run_study
from studies.command import end, exits, results_folder, study_options


@click.command("block_size")
@study_options("runs/study", "Only machines up to 64 GiB: a few minutes.")
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    metavar="NAME",
    help="Only this workload; may be repeated.",
)
def command(
    out: str, small: bool, workloads: tuple[str, ...], workers: int | None, results: str | None
) -> None:
    """Run the study of block sizes and strategies, and write its tables and figures.

    Four workloads on machines from 1 GiB to 12 TiB, at each last boot every block size from 64 KiB
    to 64 GiB and every strategy, on the same inherited memory. Exits with 4 if a run failed.
    """
    with exits():
        study = _run(out, small, workloads or tuple(WORKLOADS), workers)
        folder = results_folder(out, results)
        written = write_results(study, folder)
    click.echo("The largest blocks that recover a share of what can be recovered, the worst case:")
    click.echo((folder / "choice.md").read_text(encoding="utf-8"))
    for path in written:
        click.echo(str(path))
    end(study)


def _run(out: str, small: bool, workloads: tuple[str, ...], workers: int | None) -> Sweep:
    machines = tuple(machine for machine in MACHINES if machine.is_small or not small)
    with progress_reporter() as progress:
        return run_study(
            out, machines=machines, workloads=workloads, workers=workers, progress=progress
        )


if __name__ == "__main__":
    command()
