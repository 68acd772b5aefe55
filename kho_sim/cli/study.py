"""``kho-sim study``: which block size, on which machine, for which workload."""

from __future__ import annotations

from pathlib import Path

import click

from kho_sim.cli.sweep import PARTIAL


@click.command("study", short_help="Compare block sizes and strategies over machines.")
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
def verb(
    out: str, small: bool, workloads: tuple[str, ...], workers: int | None, results: str | None
) -> int:
    """Run the study of block sizes and ways to extend scratch, and write its tables and figures.

    Four workloads on machines from 1 GiB to 12 TiB, at each last boot every block size from 64 KiB
    to 64 GiB and every strategy, on the same inherited memory.
    """
    from kho_sim.cli.sweep import stopped_exit_code
    from kho_sim.study import MACHINES, WORKLOADS, run_study
    from kho_sim.study.page import write_results
    from kho_sim.sweeps.progress import progress_reporter

    machines = tuple(machine for machine in MACHINES if machine.is_small or not small)
    try:
        with progress_reporter() as progress:
            study = run_study(
                out,
                machines=machines,
                workloads=workloads or tuple(WORKLOADS),
                workers=workers,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        click.echo("stopped; all finished runs are stored. The same command goes on.", err=True)
        return stopped_exit_code(stop)
    folder = Path(results or Path(out) / "results")
    written = write_results(study, folder)
    click.echo("The largest blocks that recover a share of what can be recovered, the worst case:")
    click.echo((folder / "choice.md").read_text(encoding="utf-8"))
    for path in written:
        click.echo(str(path))
    return PARTIAL if set(study.counts()) != {"ok"} else 0
