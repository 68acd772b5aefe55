"""The look of every figure, its provenance, and its file.

Figures are made of ``matplotlib.figure.Figure`` alone: no pyplot, no current figure, and settings
that are put back when the function returns. A user's matplotlibrc has no part in them, so the same
trace gives the same picture everywhere. Colours are those of Okabe and Ito, which readers with any
common colour blindness can distinguish; what matters most also differs in lightness or place.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import textwrap
from collections.abc import Callable, Mapping
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kho_sim._version import __version__
from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.base.shortage import ensure_room
from kho_sim.base.units import format_exact
from kho_sim.base.words import PLATFORMS
from kho_sim.trace.trace import Trace

P = ParamSpec("P")

FORMATS = ("png", "svg", "pdf")

BLAS_BYTES = 64 << 20
"""Address space for the buffer that OpenBLAS takes at the first product, 32 MiB, and to spare;
without it OpenBLAS ends the process with the exit code of a failed expectation."""

BLACK, GREY, PALE = "#000000", "#707070", "#ECECEC"
BLUE, SKY, GREEN = "#0072B2", "#7CC4EC", "#009E73"
DARK_ORANGE = "#A86E00"
"""For words, which orange is too light for."""
ORANGE, VERMILION, PURPLE, YELLOW = "#E69F00", "#D55E00", "#CC79A7", "#F0E442"
BROWN, PALE_GREEN = "#8C564B", "#A6D96A"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW)
"""Colours of things that have no colour of their own, in the order in which they are taken."""

WITH_EXTENSION, WITHOUT_EXTENSION = BLUE, VERMILION
WIDTH_INCHES = 12.0
SUBTITLE_CHARS = 150
"""What a figure of that width has room for in one line."""
ROOM_INCHES, MOST_INCHES = 8.0, 30.0
"""Height from which on rows of a chain get smaller, and from which on not all have words."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.labelcolor": "#303030",
    "axes.edgecolor": "#A0A0A0",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.6,
    "xtick.color": "#505050",
    "ytick.color": "#505050",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
    "svg.hashsalt": "kho_sim",
}


def house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Wrap a figure function so that it draws in the house style and leaves no setting changed."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        ensure_room(BLAS_BYTES)
        with matplotlib.rc_context():
            _set_style()
            return draw(*args, **kwargs)

    return styled


def new_figure(height_inches: float, title: str, subtitle: str = "") -> Figure:
    """Return an empty figure with its heading, two lines at most."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout=layout)
    # The layout keeps room for a suptitle; the second line hangs below the first in its own style.
    figure.suptitle(f"{title}\n", x=0.012, ha="left", fontsize=12.5, fontweight="bold")
    below_inches = 0.31
    figure.text(
        0.012,
        1 - below_inches / height_inches,
        _shortened(subtitle, SUBTITLE_CHARS),
        ha="left",
        va="top",
        fontsize=9,
        color=GREY,
    )
    return figure


def _shortened(text: str, chars: int) -> str:
    return textwrap.shorten(text, chars, placeholder=" ...")


def setting(trace: Trace) -> str:
    """Return what a trace is of, for below a title: the scenario's words, or the log's name."""
    scenario = trace.provenance.get("scenario")
    if scenario:
        extend = scenario["kernel"]["extend"]
        how = extend["strategy"]
        if "shift" in extend and how != "none":
            how += f" of {format_exact(1 << extend['shift'])}"
        known = [*_platform(scenario), f"extension: {how}", f"seed {trace.provenance['seed']}"]
        room = SUBTITLE_CHARS - sum(len(part) + 3 for part in known)
        return " · ".join(filter(None, [_shortened(scenario["description"], room), *known]))
    log = trace.provenance.get("log")
    return f"real boot log {log}" if log else ""


def _platform(scenario: Mapping[str, Any]) -> list[str]:
    """Name platform and page size where they are not the usual ones."""
    platform = scenario["machine"].get("platform", PLATFORMS[0])
    if platform == PLATFORMS[0]:
        return []
    return [f"{platform}, pages of {format_exact(scenario['kernel']['page_size'])}"]


def ending(trace: Trace) -> str:
    """Return what follows a title when the chain did not come to its end; '' if it did."""
    outcome = trace.outcome
    if outcome.kind == "completed":
        return ""
    if outcome.kind == "unknown":
        return f"; the log stops in boot {outcome.boot}"
    message = f", {outcome.message}" if outcome.message else ""
    return f", which ends in boot {outcome.boot}: {outcome.kind}{message}"


def rows_height(count: int, wanted_inches: float, least_inches: float) -> float:
    """Return the height of that many rows: as wanted while there is room, less in long chains."""
    return min(count * wanted_inches, max(ROOM_INCHES, count * least_inches), MOST_INCHES)


def rows_named(count: int, least_inches: float) -> range:
    """Return the rows of a chain that can have words without touching each other's."""
    return range(0, count, max(math.ceil(count * least_inches / MOST_INCHES), 1))


def note(axes: Axes, text: str) -> None:
    """Say in an otherwise empty plot why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def boot_name(boot: int, kind: str) -> str:
    """Return what a boot is called on an axis."""
    return f"boot {boot} ({'cold' if kind == 'cold' else 'KHO'})"


def save(figure: Figure, path: str | PathLike[str], origin: Trace | Mapping[str, Any]) -> None:
    """Write a figure as PNG, SVG or PDF, by the ending of ``path``, its provenance inside.

    ``origin`` is the trace that the figure shows, or a mapping that is its provenance (as
    ``provenance_of`` returns, for many figures of one trace). Equal figures give equal files: no
    date is written.
    Raises: InputError for another ending, EngineError if the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"{path.name}: a figure is saved as {', '.join(FORMATS)}, by its ending")
    provenance = provenance_of(origin) if isinstance(origin, Trace) else origin
    text = json.dumps({"kho_sim": __version__, **provenance}, sort_keys=True)
    with matplotlib.rc_context():
        _set_style()
        try:
            with atomic_write(path) as file:
                figure.savefig(file, format=kind, metadata=_metadata(kind, text))
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error.strerror or error}") from error


def picture(figure: Figure, kind: str) -> bytes:
    """Return a figure as PNG, SVG or PDF, for a page that has its own provenance."""
    file = io.BytesIO()
    with matplotlib.rc_context():
        _set_style()
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return file.getvalue()


def provenance_of(trace: Trace) -> dict[str, Any]:
    """Return the provenance that a figure's file holds: version, seed, SHA-256 of the resolved
    scenario and of the trace; or the log's name."""
    provenance = {
        key: trace.provenance[key]
        for key in ("source", "software", "seed", "log")
        if key in trace.provenance
    }
    if "scenario" in trace.provenance:
        text = json.dumps(trace.provenance["scenario"], sort_keys=True)
        provenance["scenario_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return {**provenance, "trace_sha256": trace.digest}


def _metadata(kind: str, text: str) -> dict[str, Any]:
    software = f"kho_sim {__version__}"
    if kind == "png":
        return {"Software": software, "Description": text}
    if kind == "svg":
        return {"Creator": software, "Description": text, "Date": None}
    return {"Creator": software, "Subject": text, "CreationDate": None}


def _set_style() -> None:
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
