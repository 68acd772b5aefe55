"""``python -m studies.retrieval.recorded LOG...``: recorded instructions against predicted ones.

For logs of a kernel under ``-icount``, whose time stamp counter counts instructions: each step of
the extension and of the retrieval, repeated by the model from the state that the log shows, with
the one set of rates (``kho_sim.rates.INSTRUCTIONS``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pandas as pd

from kho_sim.base.files import atomic_write
from kho_sim.layout import markdown
from kho_sim.logs.reader import read_boot_log
from kho_sim.rates import instructions
from kho_sim.verification.costs import costs_of
from studies.command import exits

DRY_RUN = "dry runs"


@click.command("recorded")
@click.argument("logs", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option("--results", metavar="DIR", help="Where the table goes, beside the terminal.")
def command(logs: tuple[str, ...], results: str | None) -> None:
    """Print a row for each log and step; write recorded.md to --results."""
    with exits():
        table = recorded_table(pd.DataFrame(steps_of(map(Path, logs))))
        if results:
            Path(results).mkdir(parents=True, exist_ok=True)
            with atomic_write(Path(results) / "recorded.md") as file:
                file.write(f"{table}\n".encode())
    click.echo(table)


def steps_of(logs: Iterable[Path]) -> Iterator[dict[str, object]]:
    """Yield one row per recorded step: log, step, instructions, predicted."""
    for path in logs:
        for cost in costs_of(read_boot_log(path)):
            yield {
                "log": path.name.removesuffix(".log.xz"),
                "step": cost.step if cost.step in ("extend", "retrieve") else DRY_RUN,
                "instructions": cost.instructions,
                "predicted": instructions(cost.work),
            }


def recorded_table(rows: pd.DataFrame) -> str:
    """Return how many steps a log has of a kind, their instructions in millions, and predicted by
    recorded, from the least to the most."""
    body = []
    for (log, step), group in rows.groupby(["log", "step"], sort=False):
        ratios = group["predicted"] / group["instructions"]
        recorded, predicted = (
            f"{group[name].mean() / 1e6:,.3f}" for name in ("instructions", "predicted")
        )
        body.append(
            [str(log), str(step), str(len(group)), recorded, predicted,
             f"{ratios.min():.2f} to {ratios.max():.2f}"]
        )  # fmt: skip
    ratios = rows["predicted"] / rows["instructions"]
    body.append(["all", "", str(len(rows)), "", "", f"{ratios.min():.2f} to {ratios.max():.2f}"])
    heads = ["log", "step", "steps", "recorded (M)", "predicted (M)", "predicted by recorded"]
    return markdown(heads, body, right_from=2)


if __name__ == "__main__":
    command()
