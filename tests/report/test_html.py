"""The page to send: whole, self-contained, and safe with any name."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from kho_sim.chain import run_scenario
from kho_sim.cli.app import call
from kho_sim.logs.reader import read_boot_log
from kho_sim.report.html import SHOWN_FIGURES, SHOWN_IF_EMPTY, report_html, sweep_html
from kho_sim.runs.store import save_run
from kho_sim.scenario import loads
from kho_sim.sweeps import sweep
from tests.hand_made import hand_made_trace
from tests.report.browser import browser, needs_browser, requests_of

HOSTILE = "<script>document.title='gone'</script><img src=x onerror=alert(1)> & \"co\""
SCENARIO = f"""
description: '{HOSTILE.replace("'", "''")}'
machine: {{memory: 4GiB, cpus: 2}}
workload: [{{kind: memfd, size: 8MiB}}]
chain: {{boots: 12}}
"""


class Page(HTMLParser):
    """Counts elements and gathers their attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.said.append(data)

    def values(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


@pytest.fixture(scope="module")
def trace():
    return run_scenario(loads(SCENARIO))


@pytest.fixture(scope="module")
def page(trace):
    return Page(report_html(trace))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    axes = {"kernel.extend.shift": [24, 30], "chain.seed": [1, 2]}
    return sweep(loads(SCENARIO), axes, tmp_path_factory.mktemp("report") / "sweep", workers=1)


def test_it_has_every_table_and_figure_and_a_way_to_each(page):
    ids = {value for _, name, value in page.attributes if name == "id"}
    wanted = {f"table-{name}" for name in SHOWN_IF_EMPTY} | {f"figure-{n}" for n in SHOWN_FIGURES}
    assert wanted <= ids
    assert {f"#{name}" for name in wanted} <= set(page.values("a", "href"))
    assert "completed: all 12 kernels came up" in "".join(page.said)


def test_figures_have_texts_for_screen_readers(page):
    assert page.values("html", "lang") == ["en"]
    assert all(len(text) > 40 for text in page.values("img", "alt"))
    assert len(page.values("img", "alt")) == page.tags.count("img") == len(SHOWN_FIGURES)
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.values("th", "scope") == ["col"] * page.tags.count("th")


def test_it_needs_nothing_from_outside(page):
    sources = page.values("img", "src") + page.values("a", "href")
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert not {"link", "iframe", "object"} & set(page.tags)


def test_names_are_escaped(page):
    scripts = ["page.js", "d3.min.js", "play_map.js", "play.js", "the data that is played"]
    assert page.tags.count("script") == len(scripts)
    assert HOSTILE in "".join(page.said)


def test_the_same_trace_gives_the_same_page(trace):
    assert report_html(trace) == report_html(trace)


def test_each_column_of_a_shown_table_is_explained(page):
    said = "".join(page.said)
    assert page.tags.count("dt") >= page.tags.count("th") > 0
    assert "duration of the extension" in said
    assert "early allocations that original scratch alone would have refused" in said


def test_tables_of_incidents_are_shown_where_there_are_any(trace):
    def tables(trace):
        page = Page(report_html(trace))
        return {v.removeprefix("table-") for _, n, v in page.attributes if n == "id"}

    more = {"files", "incidents", "file_outcomes", "alternatives"}
    assert trace["files"]
    assert not more & tables(trace)
    assert more <= tables(hand_made_trace())


@pytest.mark.parametrize("name", ["machine-4G", "huge58-64G"])
def test_a_real_log_has_a_page_too(name):
    log = Path(__file__).parents[1] / "recorded" / f"{name}.log.xz"
    assert f"{name}.log.xz" in report_html(read_boot_log(log))


def test_a_sweep_has_a_row_a_point_and_a_row_a_run(swept):
    page = Page(sweep_html(swept))
    assert page.tags.count("tr") == (1 + 2) + (1 + 4)
    assert page.tags.count("img") == 4
    assert HOSTILE in "".join(page.said)


@needs_browser
def test_a_reader_sorts_a_table_and_sees_the_figures(trace, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(report_html(trace))
    with browser(tmp_path / "profile") as driver:
        driver.get(file.as_uri())
        assert driver.title == f"{HOSTILE} - kho_sim"
        assert driver.find_element(By.TAG_NAME, "h1").text == HOSTILE
        table = driver.find_element(By.CSS_SELECTOR, "#table-boots table")
        heads = table.find_elements(By.CSS_SELECTOR, "th button")
        boot, extended = (
            next(head for head in heads if head.text == name) for name in ("boot", "extended_bytes")
        )
        first = [column(table, boot) for _ in range(2) if not boot.click()]
        assert first == [list(range(12)), list(range(11, -1, -1))]  # as numbers: 10 after 9
        extended.click()
        assert column(table, boot)[-1] == 0  # the cold boot has no value, so it is last
        extended.click()
        assert column(table, boot)[-1] == 0
        for picture in driver.find_elements(By.TAG_NAME, "img"):
            assert picture.is_displayed()
            assert int(picture.get_property("naturalWidth")) > 500
        wide, window = driver.execute_script(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert wide <= window
        asked = requests_of(driver)
        assert asked[0] == file.as_uri()
        assert all(url.startswith("data:") for url in asked[1:])


def column(table, head):
    at = head.find_element(By.XPATH, "..").get_property("cellIndex")
    return [
        int(row.find_elements(By.TAG_NAME, "td")[at].get_attribute("data-sort"))
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]


@needs_browser
def test_it_reads_without_scripts(trace, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(report_html(trace))
    with browser(tmp_path / "profile", scripts=False) as driver:
        driver.get(file.as_uri())
        assert not driver.find_elements(By.CSS_SELECTOR, "th button")
        assert "completed: all 12 kernels came up" in driver.find_element(By.ID, "summary").text
        table = driver.find_element(By.CSS_SELECTOR, "#table-boots table")
        assert "extended_bytes" in table.text
        assert driver.find_element(By.CSS_SELECTOR, "#figure-memory_map img").is_displayed()


@pytest.mark.parametrize("kind", ["text", "md", "csv", "json", "html"])
def test_every_format_of_a_run_and_of_a_sweep(kind, trace, swept, tmp_path, capsys):
    save_run(trace, tmp_path / "run")
    for source, said in ((tmp_path / "run", "kho"), (swept.directory, "chains")):
        assert call(["report", str(source), "--format", kind]) == 0
        text = capsys.readouterr().out
        assert said in text
        if kind == "json":
            json.loads(text)


def test_the_ending_of_a_file_decides_the_format(trace, tmp_path, capsys):
    save_run(trace, tmp_path / "run")
    assert call(["report", str(tmp_path / "run"), "-o", str(tmp_path / "sent" / "a.html")]) == 0
    assert (tmp_path / "sent" / "a.html").read_text().startswith("<!doctype html>")
    assert call(["report", str(tmp_path / "run"), "--table", "nothing"]) == 2
    assert "known: boots" in capsys.readouterr().err
