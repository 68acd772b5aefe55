"""``python -m studies.bad_memory``: known-bad frames that are handed out before they are known."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
from matplotlib.figure import Figure

from kho_sim.base.files import atomic_write
from kho_sim.chain import run_scenario
from kho_sim.layout import markdown
from kho_sim.plots.sizes import label_counts
from kho_sim.plots.style import BLUE, VERMILION, house_style, new_figure, save
from kho_sim.scenario import from_dict
from studies.bad_memory.frames import count_frames

GIB = 1 << 30
KERNELS = 21
ERRORS_PER_KERNEL = 3.0
"""Assumed: no rate of a fleet is published. Counts are in proportion to it."""
REPLICATES = 2000
MACHINE = {
    "machine": {"memory": 64 * GIB, "cpus": 12},
    "kernel": {"command_line": "hugepagesz=1G hugepages=24"},
    "workload": [
        {"kind": "hugetlb", "size": "1GiB", "preserve": 8},
        {"kind": "memfd", "count": 4, "size": "256MiB"},
    ],
    "chain": {"boots": KERNELS, "uptime": "168h", "twin": False},
    "sources": ["assumed: a hypervisor that is updated weekly"],
}


@click.command("bad_memory")
@click.option("--results", default="runs/bad_memory", metavar="DIR", help="Where results go.")
@click.option("--kernels", default=KERNELS, metavar="N", help="Kernels of the chain.")
def command(results: str, kernels: int) -> None:
    """Count bad frames over a chain of 21 kernels on a 64 GiB host: a table, a figure."""
    chain = {**MACHINE["chain"], "boots": kernels}  # type: ignore[dict-item]
    trace = run_scenario(from_dict({**MACHINE, "chain": chain}))
    rows = count_frames(trace, ERRORS_PER_KERNEL, REPLICATES, seed=0)
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "frames.md") as file:
        file.write(f"{frames_table(rows)}\n".encode())
    save(frames_figure(rows), folder / "frames.png", {})
    click.echo(frames_table(rows))


def frames_table(rows: pd.DataFrame) -> str:
    """Return bad frames by requester, all boots together, the largest first."""
    sums = rows.groupby("requester")[["replayed_late", "told_as_busy"]].sum()
    sums = sums.sort_values("replayed_late", ascending=False)
    shown = [(str(name), row) for name, row in sums.iterrows() if row["replayed_late"] >= 0.005]
    shown.append(("all", sums.sum()))
    heads = ["handed to", "replayed late", "told as busy"]
    body = [[name, *(f"{value:.2f}" for value in row)] for name, row in shown]
    return markdown(heads, body, right_from=1)


@house_style
def frames_figure(rows: pd.DataFrame) -> Figure:
    """Draw known-bad frames that were handed out so far, by boot."""
    by_boot = rows.groupby("boot")[["replayed_late", "told_as_busy"]].sum().cumsum()
    figure = new_figure(
        3.6,
        "Known-bad frames that early boot hands out again, so far",
        f"64 GiB, {len(by_boot)} updates, {ERRORS_PER_KERNEL:g} new bad frames a kernel (assumed); "
        f"mean of {REPLICATES} draws",
    )
    axes = figure.subplots()
    for column, colour, text, height in (
        ("replayed_late", VERMILION, "forgotten, or replayed late", 8),
        ("told_as_busy", BLUE, "told to the extension as busy", 8),
    ):
        axes.plot(by_boot.index, by_boot[column], color=colour, marker=".")
        end = (by_boot.index[-1], by_boot[column].iloc[-1])
        axes.annotate(
            f"{text}: {end[1]:.3g}", end, (-6, height), textcoords="offset points", ha="right",
            color=colour,
        )  # fmt: skip
    axes.grid(axis="y")
    axes.set_ylim(0, 1.12 * float(by_boot["replayed_late"].max()))
    axes.set_xlabel("kernel of the chain")
    axes.set_ylabel("frames")
    label_counts(axes.xaxis)
    return figure


if __name__ == "__main__":
    command()
