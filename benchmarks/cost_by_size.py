"""What a chain costs from 64 GiB to 24 TiB: ``python -m benchmarks.cost_by_size`` (``make cost``).

Runs benchmarks/host_of_size.py at each size, prints the table and writes
docs/figures/cost-by-size.png.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.host_of_size import BOOTS, GIB, PROPORTION, SAME_LOAD, SMALLEST_GIB, Cost
from kho_sim.base.units import format_exact
from kho_sim.plots.style import BLUE, ORANGE, house_style, new_figure, save

SIZES_GIB = (SMALLEST_GIB, 192, 768, 3072, 12288, 24576)
COLOURS = {PROPORTION: BLUE, SAME_LOAD: ORANGE}
FIGURE = Path(__file__).parents[1] / "docs/figures/cost-by-size.png"

PANELS: dict[str, Callable[[Cost], float]] = {
    "CPU time a boot (ms)": lambda cost: cost.seconds / BOOTS * 1000,
    "CPU time a range (µs)": lambda cost: cost.seconds / cost.ranges * 1e6,
    "peak of memory, start-up included (MiB)": lambda cost: cost.peak_bytes / (1 << 20),
    "memory above start-up, a range (KiB)": lambda cost: (
        cost.bytes_above_start / cost.ranges / 1024
    ),
}


def measured() -> list[Cost]:
    """Run every host in a process of its own, and print a row for each."""
    print("| load | memory | ranges, four boots | CPU time a boot | a range | peak of memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    costs = []
    for shape in COLOURS:
        for gib in SIZES_GIB:
            command = [sys.executable, "-m", "benchmarks.host_of_size", shape, str(gib)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            cost = Cost(**json.loads(answer.stdout))
            costs.append(cost)
            print(
                f"| {shape} | {format_exact(gib * GIB)} | {cost.ranges:,} | "
                f"{cost.seconds / BOOTS:.2f} s | {cost.seconds / cost.ranges * 1e6:.0f} µs | "
                f"{cost.peak_bytes / GIB:.2f} GiB |",
                flush=True,
            )
    return costs


@house_style
def draw(costs: list[Cost]) -> Figure:
    """Return time and memory against the machine's size, as they are and for each range."""
    figure = new_figure(
        6.8,
        "What a boot costs the simulator, from 64 GiB to 24 TiB",
        "a range is an early allocation, a memblock region or a run of preserved pages; in "
        "proportion: host-12tib.yaml scaled; the same load: that of 64 GiB",
    )
    for axes, (title, value) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        axes.set_title(title)
        for shape, colour in COLOURS.items():
            own = [cost for cost in costs if cost.shape == shape]
            sizes, values = [cost.gib for cost in own], [value(cost) for cost in own]
            axes.plot(sizes, values, color=colour, marker="o", label=shape)
        _scales(axes, logarithmic="range" not in title)
    figure.axes[0].legend(title="load")
    return figure


def _scales(axes: Axes, logarithmic: bool) -> None:
    axes.grid(True)
    axes.set_xscale("log")
    axes.set_xticks(SIZES_GIB, [format_exact(gib * GIB) for gib in SIZES_GIB])
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    else:
        axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.minorticks_off()


if __name__ == "__main__":
    save(draw(measured()), FIGURE, {"source": "benchmarks/cost_by_size.py"})
