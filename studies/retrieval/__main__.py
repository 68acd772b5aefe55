"""``python -m studies.retrieval``: which part of KHO's early work costs, and what takes it away."""

from __future__ import annotations

import click

from kho_sim.plots.style import save
from kho_sim.scenario import from_dict
from kho_sim.sweeps import sweep
from kho_sim.sweeps.progress import progress_reporter
from studies.command import end, exits, results_folder, study_options, write_tables
from studies.retrieval.cases import CASES, MACHINES, SMALL_BYTES, base_scenario, points_of
from studies.retrieval.figures import cost
from studies.retrieval.tables import (
    blackout_table,
    cost_table,
    early_table,
    recovered_table,
    study_table,
)

TABLES = {
    "cost": cost_table,
    "recovered": recovered_table,
    "early": early_table,
    "blackout": blackout_table,
}


@click.command("retrieval")
@study_options("runs/retrieval", "Only machines up to 16 GiB.")
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(tuple(CASES)),
    help="Only this workload; may be repeated.",
)
def command(
    out: str, small: bool, names: tuple[str, ...], workers: int | None, results: str | None
) -> None:
    """Try every extension with every retrieval at the last boot of each case; write the tables
    and the figure.

    Exits with 4 if a run failed.
    """
    machines = [one for one in MACHINES if one.memory_bytes <= SMALL_BYTES or not small]
    with exits():
        with progress_reporter() as progress:
            study = sweep(
                from_dict(base_scenario()),
                points_of(names or tuple(CASES), machines),
                out,
                workers=workers,
                progress=progress,
            )
        rows = study_table(study)
        folder = results_folder(out, results)
        write_tables(rows, TABLES, folder)
        save(cost(rows), folder / "cost.png", {})
    click.echo(cost_table(rows))
    end(study)


if __name__ == "__main__":
    command()
