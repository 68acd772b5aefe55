"""The cost of KHO as one HTML page to send: the answer, a figure, and the numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from kho_sim.base.units import format_size
from kho_sim.host_cost.text import MEMINFO, ROWS, cost_text, lead, ways_of
from kho_sim.layout import Cell
from kho_sim.plots.memory_shares import memory_shares
from kho_sim.plots.style import GREY, ORANGE, PALE, SKY
from kho_sim.report.page import page_figure, page_table, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kho_sim.host_cost.cost import Cost, HostCost

SHARES = {
    "kernel memory and pins can have": SKY,
    "scratch: user memory only": ORANGE,
    "kept back: watermarks and remains": PALE,
    "taken by the kernel": GREY,
}
MEANINGS = {
    "way": "how the first kernel is set up",
    "command_line": "what to write on its command line",
    **{field: label for label, field in ROWS.items()},
    **{field: f"{line} of /proc/meminfo" for line, field in MEMINFO.items()},
}


def cost_figure(cost: HostCost) -> Figure:
    """Return memory by what it can serve, one bar for each way to set up the host."""
    return memory_shares(
        "What memory can serve",
        f"a host of {format_size(cost.memory_bytes)}, its first kernel just up",
        {name: _shares(cost, way) for name, way in ways_of(cost).items()},
        SHARES,
    )


def cost_html(cost: HostCost) -> str:
    """Return the page."""
    scenario = cost.provenance["scenario"]
    rows = [
        {
            "way": name,
            "command_line": way.command_line,
            **{field: getattr(way, field) for field in ROWS.values()},
            **{field: getattr(way.meminfo, field) for field in MEMINFO.values()},
        }
        for name, way in ways_of(cost).items()
    ]
    caption = "One row per way to set up the host."
    return render(
        title=f"What KHO costs: {scenario.get('description') or 'a host'}",
        lead=[Cell(sentence) for sentence in lead(cost)],
        text="\n".join(cost_text(cost)),
        figures=[
            page_figure(
                "memory",
                "What memory can serve",
                "One bar per way to set up the host. The table ways has the numbers.",
                cost_figure(cost),
            )
        ],
        tables=[page_table("ways", caption, pd.DataFrame(rows), MEANINGS)],
        origin=_origin(cost),
        scenario=json.dumps(scenario, indent=2, ensure_ascii=False),
    )


def _shares(cost: HostCost, way: Cost) -> tuple[int, int, int, int]:
    """Return the sizes of ``SHARES``, which add up to the host's memory."""
    free, usable = way.free_bytes_after_boot, way.unmovable_ceiling_bytes
    scratch = min(way.meminfo.cma_free_bytes, free - usable)
    return usable, scratch, free - usable - scratch, cost.memory_bytes - free


def _origin(cost: HostCost) -> dict[str, str]:
    software = cost.provenance["software"]
    return {
        "software": f"{software['name']} {software['version']}",
        "model version": str(software["model_version"]),
        "seed": str(cost.provenance["seed"]),
        "python": str(cost.provenance["environment"]["python"]),
    }
