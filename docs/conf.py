"""Sphinx configuration; the reference pages are written from the schema and the commands."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from reference import write_reference

from kho_sim._version import __version__

project = "kho_sim"
author = "the kho_sim authors"
copyright = "Apache-2.0"
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"kho_sim {release}"
exclude_patterns = ["_build", "study"]  # tables that study.md includes
myst_heading_anchors = 3

write_reference(Path(__file__).parent / "reference_pages")
