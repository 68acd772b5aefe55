"""The study's results as files: tables in Markdown, all rows as CSV, and the figures."""

from __future__ import annotations

from pathlib import Path

from kho_sim.base.errors import EngineError
from kho_sim.base.files import atomic_write
from kho_sim.plots.style import save
from kho_sim.sweeps import Sweep
from studies.block_size.figures import prices, recovered
from studies.block_size.running import study_table
from studies.block_size.tables import choice_table, recovered_table, strategies_table

TABLES = {"recovered": recovered_table, "strategies": strategies_table, "choice": choice_table}
FIGURES = {"recovered": recovered, "prices": prices}


def write_results(study: Sweep, folder: str | Path) -> list[Path]:
    """Write ``NAME.md`` for each of ``TABLES``, ``NAME.png`` for each of ``FIGURES``, and
    ``study.csv``.

    Raises EngineError if the folder cannot be written.
    """
    folder = Path(folder)
    rows = study_table(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, table in TABLES.items():
            written.append(folder / f"{name}.md")
            with atomic_write(written[-1]) as file:
                file.write(f"{table(rows)}\n".encode())
        for name, figure in FIGURES.items():
            written.append(folder / f"{name}.png")
            save(figure(rows), written[-1], {"study": study.manifest["fingerprint"]})
        written.append(folder / "study.csv")
        with atomic_write(written[-1]) as file:
            rows.to_csv(file, index=False)
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror or error}") from error
    return written
