"""``python -m studies.bad_memory``: known-bad frames that are handed out before they are known."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
from matplotlib.figure import Figure

from kho_sim.base.files import atomic_write
from kho_sim.base.units import format_size
from kho_sim.layout import markdown
from kho_sim.plots.sizes import label_counts
from kho_sim.plots.style import SERIES, house_style, new_figure, save
from studies.bad_memory.frames import FRAMES_PER_DAY, KERNELS, WAYS, run_ways

SEEDS = 6
NAMES = tuple(way.name for way in WAYS)


@click.command("bad_memory")
@click.option("--results", default="runs/bad_memory", metavar="DIR", help="Where results go.")
@click.option("--kernels", default=KERNELS, metavar="N", help="Kernels of the chain.")
@click.option("--seeds", default=SEEDS, metavar="N", help="Chains of each way.")
def command(results: str, kernels: int, seeds: int) -> None:
    """Count bad frames over a chain of 21 kernels on a 64 GiB host: a table, a figure."""
    frames, boots = run_ways(range(seeds), kernels)
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    table = frames_table(frames, boots)
    with atomic_write(folder / "frames.md") as file:
        file.write(f"{table}\n".encode())
    save(frames_figure(frames, boots), folder / "frames.png", {})
    click.echo(table)


def frames_table(frames: pd.DataFrame, boots: pd.DataFrame) -> str:
    """Return bad frames by requester and way, all boots of a chain together, and what the last
    kernel's extension was worth."""
    seeds, last = boots["seed"].nunique(), boots[boots["boot"] == boots["boot"].max()]
    taken = frames[frames["requester"] != ""]
    sums = taken.pivot_table(
        index="requester", columns="way", values="frames", aggfunc="sum", fill_value=0
    ).reindex(columns=list(NAMES), fill_value=0)
    sums = (sums / seeds).sort_values(NAMES[0], ascending=False)
    body = [[str(name), *(f"{value:.1f}" for value in row)] for name, row in sums.iterrows()]
    body.append(["all", *(f"{value:.1f}" for value in sums.sum())])
    of_way = (
        last.groupby("way")[["extended_bytes", "gigantic_pages_allocated"]].mean().loc[[*NAMES]]
    )
    sizes = [format_size(int(value)) for value in of_way["extended_bytes"]]
    body.append(["extended by the last kernel", *sizes])
    pages = [f"{value:.1f}" for value in of_way["gigantic_pages_allocated"]]
    body.append(["gigantic pages of the last kernel", *pages])
    return markdown(["handed to", *NAMES], body, right_from=1)


@house_style
def frames_figure(frames: pd.DataFrame, boots: pd.DataFrame) -> Figure:
    """Draw known-bad frames that were handed out so far, by boot, and what was extended."""
    seeds = boots["seed"].nunique()
    figure = new_figure(
        3.8,
        "Known-bad frames that early boot hands out again, and the price of telling it",
        f"64 GiB, {boots['boot'].nunique()} updates, {7 * FRAMES_PER_DAY:g} new bad frames each "
        f"(assumed); mean of {seeds} chains",
    )
    left, right = figure.subplots(1, 2)
    taken = frames[frames["requester"] != ""]
    for name, colour in zip(NAMES, SERIES, strict=False):
        numbers = sorted(boots["boot"].unique())
        by_boot = taken[taken["way"] == name].groupby("boot")["frames"].sum() / seeds
        left.plot(
            numbers, by_boot.reindex(numbers, fill_value=0).cumsum(), color=colour, marker="."
        )
        extended = boots[boots["way"] == name].groupby("boot")["extended_bytes"].mean() / (1 << 30)
        right.plot(numbers, extended, color=colour, marker=".", label=name)
    left.set_ylabel("frames handed out so far")
    right.set_ylabel("extended (GiB)")
    for axes in (left, right):
        axes.grid(axis="y")
        axes.set_ylim(0)
        axes.set_xlabel("kernel of the chain")
        label_counts(axes.xaxis)
    figure.legend(loc="outside lower left", ncols=len(NAMES))
    return figure


if __name__ == "__main__":
    command()
