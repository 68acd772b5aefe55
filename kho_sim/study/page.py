"""The study's results as files: tables in Markdown, all rows as CSV, and the figures."""

from __future__ import annotations

from pathlib import Path

from kho_sim.base.errors import EngineError
from kho_sim.plots.study import study_prices, study_recovered
from kho_sim.plots.style import save
from kho_sim.study.running import study_table
from kho_sim.study.tables import choice_table, recovered_table, ways_table
from kho_sim.sweeps import Sweep

TABLES = {"recovered": recovered_table, "ways": ways_table, "choice": choice_table}
FIGURES = {"recovered": study_recovered, "prices": study_prices}


def write_results(study: Sweep, folder: str | Path) -> list[Path]:
    """Write ``NAME.md`` for each of ``TABLES``, ``NAME.png`` for each of ``FIGURES``, and
    ``study.csv``.

    Raises EngineError if the folder can not be written.
    """
    folder = Path(folder)
    rows = study_table(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, table in TABLES.items():
            written.append(folder / f"{name}.md")
            written[-1].write_text(table(rows), encoding="utf-8")
        for name, figure in FIGURES.items():
            written.append(folder / f"{name}.png")
            save(figure(rows), written[-1], {"study": study.manifest["fingerprint"]})
        written.append(folder / "study.csv")
        rows.to_csv(written[-1], index=False)
    except OSError as error:
        raise EngineError(f"{folder} can not be written: {error.strerror or error}") from error
    return written
