"""Pages as pictures, at two widths, light and dark: kept, not committed, for people to look at.

What can be told without looking is asserted: nothing sticks out of the screen, and no sentence is
cut.
"""

from __future__ import annotations

import base64

import pytest

from kho_sim.chain import run_scenario
from kho_sim.layout import OF_PAGE, PLAIN, Column
from kho_sim.report.html import report_html, sweep_html
from kho_sim.report.page import _blocks
from kho_sim.report.text import report_text
from kho_sim.scenario import load
from kho_sim.sweeps import sweep
from tests.hand_made import hand_made_trace
from tests.report.browser import browser, needs_browser
from tests.report.test_play import PICTURES, ROOT, WIDTHS

MOST_BYTES = 5_000_000
CUT = """
const wide = window.innerWidth, all = [...document.querySelectorAll(arguments[0])];
return all.filter((one) => one.checkVisibility()).filter((one) =>
  one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > wide + 1
).map((one) => one.textContent.slice(0, 60));
"""
SENTENCES = "p, pre.prose, caption span, figcaption, summary, h1, h2, h3, dd, nav a, .lead"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages by name: a chain of twenty kernels, and a sweep."""
    folder = tmp_path_factory.mktemp("pages")
    swept = sweep(
        load(ROOT / "scenarios/small-host.yaml"),
        {"kernel.extend.strategy": ["blocks", "largest-gaps"], "chain.seed": [1, 2]},
        folder / "sweep",
        workers=1,
    )
    texts = {
        "chain": report_html(run_scenario(load(ROOT / "scenarios/long-chain.yaml"))),
        "sweep": sweep_html(swept),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


@needs_browser
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("kind", WIDTHS)
def test_nothing_sticks_out_and_no_sentence_is_cut(kind, colours, pages, tmp_path):
    PICTURES.mkdir(parents=True, exist_ok=True)
    with browser(tmp_path / "profile") as driver:
        size = {"width": WIDTHS[kind], "height": 900, "deviceScaleFactor": 1}
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**size, "mobile": kind == "phone"}
        )
        wanted = [{"name": "prefers-color-scheme", "value": colours}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
        for name, file in pages.items():
            driver.get(file.as_uri())
            root = "document.documentElement"
            wide, high = driver.execute_script(f"return [{root}.scrollWidth, {root}.scrollHeight]")
            assert wide <= WIDTHS[kind]
            assert driver.execute_script(CUT, SENTENCES) == []
            clip = {"x": 0, "y": 0, "width": WIDTHS[kind], "height": high, "scale": 1}
            shot = driver.execute_cdp_cmd(
                "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
            )["data"]
            picture = PICTURES / f"page-{name}-{kind}-{colours}.png"
            picture.write_bytes(base64.b64decode(shot))
            assert picture.stat().st_size > 10_000


def test_a_page_of_twenty_kernels_is_small(pages):
    assert pages["chain"].stat().st_size < MOST_BYTES
    assert '"boot": 19' in pages["chain"].read_text().replace('"boot":', '"boot": ')


@pytest.mark.long
def test_a_page_of_twenty_kernels_of_12_tib_is_small():
    page = report_html(run_scenario(load(ROOT / "scenarios/host-12tib.yaml")))
    assert len(page.encode()) < MOST_BYTES


def test_the_words_of_a_summary_are_all_there_and_its_tables_as_they_were():
    text = report_text(hand_made_trace(), OF_PAGE)
    blocks = _blocks(text)
    assert "\n".join(block for _, block in blocks).split() == text.split()
    assert set(report_text(hand_made_trace()).split()) - {"..."} <= set(text.split())
    assert {kind for kind, block in blocks if "boot kind" in block} == {"columns"}
    assert {kind for kind, block in blocks if "completed" in block} == {"prose"}


def test_sentences_for_a_page_are_whole():
    long = "word " * 60
    assert OF_PAGE.labelled("Note", long) == [f"Note      {long.strip()}"]
    assert len(PLAIN.labelled("Note", long)) == 2
    assert OF_PAGE.table([Column("a")], [["1"]]) == PLAIN.table([Column("a")], [["1"]])
