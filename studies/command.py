"""What the command lines of all studies share: their options, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
import pandas as pd

from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.cli.options import SIGNAL_EXIT_BASE, Command, together
from kho_sim.sweeps import Sweep, SweepInterrupted

FAILED, PARTIAL = 1, 4
Table = Callable[[pd.DataFrame], str]


def study_options(out: str, small: str) -> Callable[[Command], Command]:
    """Give a command ``--out`` (by default ``out``), ``--small`` with its text, ``--workers`` and
    ``--results``."""
    return together(
        click.option(
            "-o",
            "--out",
            type=click.Path(file_okay=False),
            default=out,
            show_default=True,
            metavar="DIR",
            help="Where the runs are stored; the same command goes on where it was stopped.",
        ),
        click.option("--small", is_flag=True, help=small),
        click.option(
            "--workers", type=click.IntRange(min=0), metavar="N", help="Processes to use."
        ),
        click.option(
            "--results",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Where results go; by default DIR/results of --out.",
        ),
    )


@contextmanager
def exits() -> Iterator[None]:
    """End with a message and an exit code where a study ends before its time: 1 for what cannot be
    run, read or written, 128 and the signal's number for one that was stopped."""
    try:
        yield
    except SweepInterrupted as stop:
        click.echo("stopped; all finished runs are stored. The same command goes on.", err=True)
        sys.exit(SIGNAL_EXIT_BASE + stop.signal_number)
    except (InputError, EngineError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)


def end(study: Sweep) -> NoReturn:
    """Exit with 4 if a run failed, else with 0."""
    sys.exit(PARTIAL if set(study.counts()) != {"ok"} else 0)


def results_folder(out: str, results: str | None) -> Path:
    """Return where results go, ``--results`` or a folder beside the runs; make it."""
    folder = Path(results or Path(out) / "results")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_tables(rows: pd.DataFrame, tables: Mapping[str, Table], folder: Path) -> None:
    """Write ``NAME.md`` for each table and all rows as ``study.csv``. Raises OSError."""
    for name, table in tables.items():
        with atomic_write(folder / f"{name}.md") as file:
            file.write(f"{table(rows)}\n".encode())
    with atomic_write(folder / "study.csv") as file:
        rows.to_csv(file, index=False)
