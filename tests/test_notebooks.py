"""The notebooks run from top to bottom, and hold the outputs that this version gives."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import NOTEBOOKS, PICTURE, executed

NUMBER = re.compile(r"[\d,.]+")
WIDTHS = re.compile(r"[\s─-]+")


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean_and_defines_nothing_of_its_own(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.execution_count is None
            assert not any(word in cell.source for word in ("def ", "class "))
            assert "/tmp" not in str(cell.outputs)
    first, last = notebook.cells[0], [c for c in notebook.cells if c.cell_type == "markdown"][-1]
    assert "?**" in first.source
    assert last.source.startswith("**Answer.**")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_holds_what_it_gives(path: Path) -> None:
    """Numbers and pictures may be of an earlier version: ``make notebooks`` makes them anew."""
    if "ks.play(" in path.read_text():
        pytest.importorskip("ipywidgets", reason="ipywidgets is of the extra notebooks")
    found = executed(path)
    outputs = [output for cell in found.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    assert any(PICTURE in output.data for output in outputs)
    assert all(output.data["text/plain"] for output in outputs)
    kept = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 200_000
    for cell, stored in zip(found.cells, kept.cells, strict=True):
        assert shown(stored) == shown(cell), "run: make notebooks"


def shown(cell: nbformat.NotebookNode) -> list[tuple[list[str], str]]:
    """What each output of a cell is, and its words without numbers and widths."""
    return [
        (sorted(output.data), WIDTHS.sub(" ", NUMBER.sub("0", output.data.get("text/plain", ""))))
        for output in cell.get("outputs", ())
    ]
