"""What a chain costs, from 64 GiB to 24 TiB: ``python -m benchmarks.cost_by_size`` (``make cost``).

Two shapes of host are run at each size. "in proportion" is scenarios/host-12tib.yaml scaled: more
memory is more gigantic pages, more scattered 4 KiB pages, more CPUs. "the same load" is what 64 GiB
hold of it, on ever larger machines. Each run is a process of its own, for its CPU time and its peak
of memory. Writes docs/figures/cost-by-size.png and prints the table.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.plots.style import BLUE, ORANGE, house_style, new_figure, save
from kho_sim.units import format_exact

GIB = 1 << 30
SIZES_GIB = (64, 192, 768, 3072, 12288, 24576)
SHAPES = {"in proportion": BLUE, "the same load": ORANGE}
BOOTS = 4
FIGURE = Path(__file__).parents[1] / "docs/figures/cost-by-size.png"


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. ``ranges``: early allocations, memblock regions and runs of preserved memory that
    the last boot of the chain has; times are CPU seconds, start-up left out."""

    shape: str
    gib: int
    ranges: int
    boot_seconds: float
    peak_bytes: int


def host(gib: int, load_gib: int) -> dict[str, Any]:
    """Return a host of ``gib`` with the load that ``load_gib`` of host-12tib.yaml have."""
    share = load_gib / 12288
    nodes = max(1, min(8, gib // 384))
    scratch = f"{max(256, round(512 * share))}M,{max(512, round(2048 * share))}M,256M"
    gigantic = round(11000 * share)
    return {
        "machine": {
            "memory": f"{gib}GiB",
            "nodes": nodes,
            "cpus": max(8, round(192 * share)) // nodes * nodes,
        },
        "kernel": {
            "command_line": f"kho_scratch={scratch} log_buf_len=16M hugepagesz=1G "
            f"hugepages={gigantic}",
            "extend": {"strategy": "blocks", "shift": 30},
        },
        "workload": [
            {"kind": "hugetlb", "size": "1GiB", "preserve": round(10000 * share)},
            {"kind": "memfd", "count": 1, "size": round(64 * GIB * share) // 4096 * 4096},
        ],
        "chain": {"boots": BOOTS, "seed": 1, "workers": "emulated", "twin": False},
    }


def run_one(shape: str, gib: int) -> Cost:
    """Run one host in this process."""
    from kho_sim.chain import run_scenario
    from kho_sim.scenario import from_dict

    scenario = from_dict(host(gib, gib if shape == "in proportion" else SIZES_GIB[0]))
    before = time.process_time()
    trace = run_scenario(scenario)
    seconds = time.process_time() - before
    last = BOOTS - 1
    if trace.outcome.kind != "completed":
        raise SystemExit(f"{shape}, {gib} GiB: {trace.outcome}")
    ranges = sum(
        row.boot == last
        for rows in (trace.allocation_records, trace.region_records, trace.preserved_records)
        for row in rows
    )
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(shape, gib, ranges, seconds / BOOTS, peak_kib << 10)


def run_all() -> list[Cost]:
    """Run every host in a process of its own."""
    costs = []
    for shape in SHAPES:
        for gib in SIZES_GIB:
            command = [sys.executable, "-m", "benchmarks.cost_by_size", shape, str(gib)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            costs.append(Cost(**json.loads(answer.stdout)))
            print(row_of(costs[-1]), flush=True)  # noqa: T201
    return costs


def row_of(cost: Cost) -> str:
    return (
        f"| {cost.shape} | {format_exact(cost.gib * GIB)} | {cost.ranges:,} | "
        f"{cost.boot_seconds:.2f} s | {cost.peak_bytes / GIB:.2f} GiB |"
    )


@house_style
def draw(costs: list[Cost]) -> Figure:
    """Return CPU time a boot and peak of memory, against size and against ranges."""
    figure = new_figure(
        7.2,
        "What a boot costs the simulator, from 64 GiB to 24 TiB",
        f"chains of {BOOTS} kernels, no twin; in proportion: scenarios/host-12tib.yaml scaled; "
        "the same load: what 64 GiB hold of it",
    )
    grid = figure.subplots(2, 2, sharex="col", sharey="row")
    panels = {
        (0, 0): ("CPU time a boot", "gib", "boot_seconds", "seconds"),
        (0, 1): ("CPU time a boot", "ranges", "boot_seconds", ""),
        (1, 0): ("peak of memory", "gib", "peak", "MiB"),
        (1, 1): ("peak of memory", "ranges", "peak", ""),
    }
    for (row, column), (title, x, y, unit) in panels.items():
        axes = grid[row][column]
        for shape, colour in SHAPES.items():
            own = [cost for cost in costs if cost.shape == shape]
            axes.plot(
                [getattr(cost, x) for cost in own],
                [cost.peak_bytes / (1 << 20) if y == "peak" else cost.boot_seconds for cost in own],
                color=colour,
                marker="o",
                label=shape,
            )
        axes.set_title(f"{title}, by {'size' if x == 'gib' else 'ranges'}")
        axes.set_ylabel(unit)
        _scales(axes)
    _name_sizes(grid[1][0])
    grid[1][1].set_xlabel("early allocations, regions and preserved runs of the last boot")
    grid[0][0].legend()
    return figure


def _scales(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _name_sizes(axes: Axes) -> None:
    axes.set_xlabel("memory of the machine")
    axes.set_xticks(SIZES_GIB, [format_exact(gib * GIB) for gib in SIZES_GIB])
    axes.minorticks_off()


def main() -> None:
    """Run one host (shape and size given), or all, and draw them."""
    if len(sys.argv) == 3:
        print(json.dumps(asdict(run_one(sys.argv[1], int(sys.argv[2])))))  # noqa: T201
        return
    costs = run_all()
    save(draw(costs), FIGURE, {"source": "benchmarks/cost_by_size.py"})


if __name__ == "__main__":
    main()
