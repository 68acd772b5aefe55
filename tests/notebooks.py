"""Runs the notebooks and keeps their outputs: ``python -m tests.notebooks`` (``make notebooks``).

Outputs are kept so that a page on the web shows them: pictures with few colours, which makes them
small; no counts of executions, no names of temporary folders, and no widgets, which live no longer
than the process behind them.
"""

from __future__ import annotations

import re
import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 300
"""When a cell counts as stuck; no measure of speed."""
COLOURS = 64
PICTURE = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
TEMPORARY = re.compile(r"/[\w/.-]*/tmp\w{8}")


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of this version of kho_sim."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                _simplify(output)
    return notebook


def _simplify(output: nbformat.NotebookNode) -> None:
    if "execution_count" in output:
        output.execution_count = None
    output.get("data", {}).pop(WIDGET, None)
    for kind, value in output.get("data", {}).items():
        output.data[kind] = _small(value) if kind == PICTURE else TEMPORARY.sub("a folder", value)


def _small(picture: str) -> str:
    """Return a PNG in base64 with few colours."""
    small = BytesIO()
    image = Image.open(BytesIO(b64decode(picture))).convert("RGB")
    image.quantize(COLOURS).save(small, "PNG", optimize=True)
    return b64encode(small.getvalue()).decode()


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all, and write them back with their outputs."""
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            nbformat.write(executed(path), path)
            sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
