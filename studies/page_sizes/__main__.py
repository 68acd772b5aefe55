"""``python -m studies.page_sizes``: which block size on arm64, and need it follow gigantic
pages."""

from __future__ import annotations

import click

from kho_sim.scenario import from_dict
from kho_sim.sweeps import sweep
from kho_sim.sweeps.progress import progress_reporter
from studies.command import end, exits, results_folder, study_options, write_tables
from studies.page_sizes.cases import CPUS_OF, GIB, base_scenario, points
from studies.page_sizes.tables import page_sizes_table, study_table

SMALL_BYTES = 64 * GIB


@click.command("page_sizes")
@study_options("runs/page-sizes", "Only machines up to 64 GiB.")
def command(out: str, small: bool, workers: int | None, results: str | None) -> None:
    """Try block sizes from 2 MiB to 8 GiB on arm64 hosts of each page size; write the table.

    Exits with 4 if a run failed.
    """
    cases = points(SMALL_BYTES if small else max(CPUS_OF))
    with exits():
        with progress_reporter() as progress:
            study = sweep(
                from_dict(base_scenario()), cases, out, workers=workers, progress=progress
            )
        rows = study_table(study)
        write_tables(rows, {"page_sizes": page_sizes_table}, results_folder(out, results))
    click.echo(page_sizes_table(rows))
    end(study)


if __name__ == "__main__":
    command()
