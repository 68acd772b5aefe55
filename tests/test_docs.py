"""What documents point to exists, and the pages that are written from the code are complete."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import matplotlib
import pytest
import yaml

from kho_sim import plots
from kho_sim._version import __version__
from kho_sim.builds import BUILDS, load_build
from kho_sim.rates import HARDWARE, load_hardware
from kho_sim.releases import RELEASES, load_release
from kho_sim.tables import TABLES
from kho_sim.trace.schema import columns_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
PATH = re.compile(r"`((?:kho_sim|tests|scenarios|notebooks|benchmarks)/[\w./-]+)`")
LINK = re.compile(r"\]\(([\w./-]+\.(?:md|png|svg))(?:#[\w-]+)?\)")
WORDS_OF_SVG = re.compile(r"<text[^>]*>([^<]*)<|<!-- (.*?) -->")
WRITTEN = ("reference_pages/",)
"""Made by a build of the documentation."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [ROOT / name for name in PATH.findall(text)]
    linked = [page.parent / name for name in LINK.findall(text) if not name.startswith(WRITTEN)]
    assert [path for path in (*named, *linked) if not path.exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} <= set(index)


def test_the_written_pages_have_every_rate_value_figure_and_column(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import reference

    rates = "\n".join(reference.rates_page())
    assert all(f"| `{name}` | " in rates for name in load_hardware().rates)
    assert all(f"\n## {name}\n" in rates for name in HARDWARE)
    tables = "\n".join(reference.tables_page())
    for name, kind in TABLES.items():
        assert f"## {name}\n" in tables
        assert all(f"| `{one.name}` | {one.dtype} | " in tables for one in columns_of(kind))
    kernels = "\n".join(reference.kernels_page())
    for file in (*map(load_release, RELEASES), *map(load_build, BUILDS)):
        assert f" {file.name}\n\n{file.description}\n" in kernels
        assert all(f"| `{dotted}` | " in kernels for dotted in file.sources)
    names = "\n".join(reference.python_page())
    for figures in (plots.TRACE_FIGURES, plots.SWEEP_FIGURES, plots.VERIFY_FIGURES):
        assert all(f"### ks.plots.{name}\n" in names for name in figures)


def test_the_glossary_is_that_of_the_reports(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import reference

    committed = (DOCS / "glossary.md").read_text(encoding="utf-8")
    assert "\n".join(reference.glossary_page()) + "\n" == committed  # make docs writes it


def test_the_page_on_releases_is_what_the_data_files_give(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import releases_page

    committed = (DOCS / "releases.md").read_text(encoding="utf-8")
    assert "\n".join(releases_page.releases_page()) + "\n" == committed  # make docs writes it


def test_the_drawings_are_those_of_their_script(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import drawings

    monkeypatch.setattr(drawings, "FIGURES", tmp_path)
    drawings.write_drawings()
    locked = f"matplotlib=={matplotlib.__version__} " in (ROOT / "constraints.txt").read_text()
    for name in drawings.DRAWINGS:
        committed = (DOCS / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert WORDS_OF_SVG.findall(drawn) == WORDS_OF_SVG.findall(committed) != []
        assert drawn == committed or not locked  # other versions draw letters otherwise


def test_commands_of_contributing_name_what_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = re.findall(r"\bmake ((?:[a-z-]+ ?)+)(?=[`&#\n]|$)", text)
    named = {word for words in made for word in words.split()}
    assert {"lint", "test", "docs"} <= named <= targets
    paths = re.findall(r"\b((?:tests|kho_sim|scenarios)/[\w./-]+\w)", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_container_has_what_the_package_is_built_of() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]}
    recipe = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = recipe["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = recipe["project"]
    needed = [*wheel["packages"], *wheel["force-include"], *project["license-files"]]
    assert {*needed, project["readme"], "pyproject.toml", "constraints.txt"} == copied
    scenario = re.search(r"^SCENARIO \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f'CMD ["run", "{scenario[1]}"]' in lines


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_ci_runs_the_pythons_that_the_readme_names() -> None:
    recipe = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    pythons = recipe["jobs"]["test"]["strategy"]["matrix"]["python"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"Python {pythons[0]}; {pythons[1]} and {pythons[2]} are supported" in readme
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = {hook["entry"].split()[0] for repo in hooks["repos"] for hook in repo["hooks"]}
    assert entries == {".venv/bin/ruff", ".venv/bin/mypy"}
