"""Draws the pictures of chains in docs/figures: ``python docs/pictures.py`` (``make pictures``).

The drawings of concepts are docs/drawings.py's, cost-by-size.png is the benchmark's. The picture of
the page that plays a chain needs Chromium, and is left as it was without.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import kho_sim as ks
from kho_sim.base.files import atomic_write
from kho_sim.report.html import report_html

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs/figures"
SCENARIOS = ROOT / "scenarios"


class Chain(NamedTuple):
    """A figure of ``kho_sim.plots.TRACE_FIGURES``, of a shipped scenario."""

    figure: str
    scenario: str


CHAINS = {
    "memory-map": Chain("memory_map", "seed-case-2"),
    "lineage-failed-update": Chain("lineage", "faults-failed-update"),
}
PLAYED, STEP, WIDTH = "hypervisor", "#boot=1&step=early", 1000


def draw_chains(folder: Path) -> None:
    """Write the figures of ``CHAINS``."""
    for name, chain in CHAINS.items():
        trace = ks.run(SCENARIOS / f"{chain.scenario}.yaml")
        ks.plots.save(ks.plots.TRACE_FIGURES[chain.figure](trace), folder / f"{name}.png", trace)


def photograph_page(folder: Path) -> None:
    """Write the picture of the page at one step, from the sliders to its words."""
    sys.path.insert(0, str(ROOT))
    from tests.report.browser import browser

    with tempfile.TemporaryDirectory() as scratch, browser(Path(scratch) / "profile") as driver:
        page = Path(scratch) / "page.html"
        page.write_text(report_html(ks.run(SCENARIOS / f"{PLAYED}.yaml")), encoding="utf-8")
        size = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri() + STEP)
        top, bottom = driver.execute_script(
            "return ['play', 'play-lists'].map((name) =>"
            " document.getElementById(name).getBoundingClientRect().top + window.scrollY)"
        )
        clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
        shot = driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        with atomic_write(folder / "playing.png") as file:
            file.write(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    draw_chains(FIGURES)
    photograph_page(FIGURES)
