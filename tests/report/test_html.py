"""The page to send: whole, self-contained, and safe with any name."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from kho_sim.chain import run_scenario
from kho_sim.cli.report import verb
from kho_sim.report.html import SHOWN_TABLES, report_html
from kho_sim.scenario import loads
from kho_sim.trace.boot_log import read_boot_log

HOSTILE = "<script>alert('x')</script> & co"
SCENARIO = f"""
description: "{HOSTILE}"
machine: {{memory: 4GiB, cpus: 2}}
workload: [{{kind: memfd, size: 8MiB}}]
chain: {{boots: 2}}
"""


class Page(HTMLParser):
    """Counts elements and gathers headings and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.said = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.said.append(data)


@pytest.fixture(scope="module")
def page():
    return Page(report_html(run_scenario(loads(SCENARIO))))


def test_it_has_every_table_and_the_figures(page):
    said = "".join(page.said)
    for name in SHOWN_TABLES:
        assert name in said
    assert page.tags.count("table") == len(SHOWN_TABLES)
    assert page.tags.count("figure") >= 3
    assert "completed: all 2 kernels came up" in said


def test_it_needs_nothing_from_outside(page):
    assert not [source for source in page.sources if "//" in source and "w3.org" not in source]


def test_names_are_escaped(page):
    assert page.tags.count("script") == 1
    assert HOSTILE in "".join(page.said)


def test_a_real_log_has_a_page_too(recorded_log):
    assert "completed" in report_html(read_boot_log(recorded_log))


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_a_browser_shows_it_and_sorts_its_tables(tmp_path):
    html = report_html(run_scenario(loads(SCENARIO)))
    click_first_head = "<script>document.querySelector('th').click();document.querySelector('th')"
    file = tmp_path / "page.html"
    file.write_text(html.replace("</body>", click_first_head + ".click()</script></body>"))
    quiet = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-sync"
    seen = subprocess.run(
        ["chromium", *quiet.split(), f"--user-data-dir={tmp_path}", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    boots = seen[seen.index('id="boots"') : seen.index('id="failures"')]
    assert boots.index(">kho<") < boots.index(">cold<")  # sorted by boot, descending
    assert "completed: all 2 kernels came up" in seen


@pytest.mark.parametrize("kind", ["text", "md", "csv", "json"])
def test_other_formats(kind, tmp_path):
    (tmp_path / "a.yaml").write_text(SCENARIO)
    result = CliRunner().invoke(verb, [str(tmp_path / "a.yaml"), "--format", kind])
    assert result.exit_code == 0
    assert "kho" in result.output


@pytest.fixture
def recorded_log():
    return Path(__file__).parents[1] / "recorded" / "machine-4G.log.xz"
