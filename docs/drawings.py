"""Draws figures of the concepts page and of time: ``python docs/drawings.py`` writes
docs/figures/*.svg.

The drawings are committed; run this after a change. Numbers in them come from the model: keys from
``kho_sim.kho.key``, busy blocks by the same division that the extension makes, times from what
``tests/time`` has stored of its scenarios.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from kho_sim.base.files import atomic_write
from kho_sim.kho.key import encode_key

FIGURES = Path(__file__).parent / "figures"
TIMES = Path(__file__).parents[1] / "tests" / "time"
PALE, GREY, BLUE, SKY, VERMILION, GREEN, ORANGE = (
    "#ECECEC", "#8C8C8C", "#0072B2", "#7CC4EC", "#D55E00", "#009E73", "#E69F00",
)  # fmt: skip
STYLE = {
    "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "kho_sim",
}  # fmt: skip
EXAMPLE_ADDRESS = 0x1004B7000
LEAF_BITS, SLOT_BITS = 15, 9
ON_WHITE = {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 2}}


def canvas(height_inches: float, height: float) -> tuple[Figure, Axes]:
    """Return a plain white page of 100 by ``height`` units."""
    figure = Figure(figsize=(9, height_inches), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 100)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


def box(
    axes: Axes, x: float, y: float, wide: float, high: float, colour: str, text: str = ""
) -> None:
    dark = colour in (BLUE, VERMILION, GREEN, GREY)
    axes.add_patch(Rectangle((x, y), wide, high, facecolor=colour, edgecolor="white", linewidth=1))
    axes.text(
        x + wide / 2, y + high / 2, text, ha="center", va="center", fontsize=9,
        color="white" if dark else "black",
    )  # fmt: skip


def say(axes: Axes, x: float, y: float, text: str, **look: object) -> None:
    axes.text(x, y, text, va="center", **{"fontsize": 10, **look})


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color="#404040")
    )


def handover() -> Figure:
    """One memory, two kernels: what stays, what is recorded, what is overwritten."""
    figure, axes = canvas(3.9, 44)
    for y, name in ((7, "old kernel"), (31, "new kernel")):
        say(axes, 2, y + 3, name, fontweight="bold")
    memory = ((20, 14, BLUE, "scratch"), (34, 16, PALE, ""), (50, 9, VERMILION, "guest"),
              (59, 8, PALE, ""), (67, 4, ORANGE, "tree"), (71, 12, VERMILION, "guest"),
              (83, 15, PALE, ""))  # fmt: skip
    for y in (7, 31):
        for x, wide, colour, text in memory:
            box(axes, x, y, wide, 6, colour, "" if colour == BLUE and y > 7 else text)
    box(axes, 88, 7, 8, 6, GREY, "kernel")
    box(axes, 23, 31, 8, 6, GREY, "kernel")
    say(axes, 20, 40, "scratch", fontsize=9, color=BLUE)
    say(axes, 20, 3, "physical memory, addresses from left to right", color="#606060", fontsize=9)
    arrow(axes, (54.5, 13.5), (54.5, 30.5))
    arrow(axes, (77, 13.5), (77, 30.5))
    say(axes, 65, 18, "preserved pages stay where they are", fontsize=9, ha="center", **ON_WHITE)
    arrow(axes, (69, 13.5), (69, 30.5))
    say(axes, 69, 25, "the tree says which they are", fontsize=9, ha="center", **ON_WHITE)
    arrow(axes, (27, 13.5), (27, 30.5))
    say(axes, 2, 18, "1  kexec loads the new", fontsize=9)
    say(axes, 2, 20.7, "    kernel into scratch", fontsize=9)
    say(axes, 2, 24.5, "2  a small blob (FDT) has", fontsize=9)
    say(axes, 2, 27.2, "    the tree's address", fontsize=9)
    say(
        axes,
        29,
        40,
        "Until it has walked the tree, the new kernel may allocate from scratch only.",
        fontsize=9,
    )
    return figure


def scratch() -> Figure:
    """Places of scratch in the first kernel, and memory that each boot may allocate from."""
    figure, axes = canvas(3.6, 41)
    say(axes, 20, 3, "0", color="#606060", fontsize=9)
    say(axes, 38, 3, "4 GiB", color="#606060", fontsize=9, ha="center")
    say(axes, 98, 3, "end of memory", color="#606060", fontsize=9, ha="right")
    rows = (
        (6, "cold boot", PALE, "any memory"),
        (18, "KHO boot, before", GREY, "kept off: it may be preserved"),
        (30, "KHO boot, extended", SKY, "free blocks serve as well"),
    )
    for y, name, colour, text in rows:
        say(axes, 2, y + 3, name, fontweight="bold", fontsize=9.5)
        box(axes, 20, y, 18, 6, colour)
        box(axes, 38, y, 60, 6, colour)
        say(axes, 42, y + 3, text, fontsize=9, color="white" if colour == GREY else "black")
        box(axes, 29, y, 8, 6, BLUE, "lowmem")
        box(axes, 68, y, 9, 6, BLUE, "node 0")
        box(axes, 77, y, 9, 6, BLUE, "global")
    box(axes, 88, 6, 10, 6, "#404040", "")
    say(axes, 93, 9, "early", fontsize=9, ha="center", color="white")
    for x in (76, 85):
        box(axes, x, 18, 1, 6, "#404040")
    box(axes, 90, 30, 8, 6, "#404040", "")
    say(axes, 94, 33, "early", fontsize=9, ha="center", color="white")
    box(axes, 62, 30, 5, 6, GREY)
    say(
        axes,
        20,
        39,
        "dark: early allocations. They go to the highest address that they may use.",
        fontsize=9,
    )
    return figure


def extension() -> Figure:
    """The same preserved pages, digested at two block sizes."""
    figure, axes = canvas(3.9, 45)
    left, unit, total = 20, 9.6, 8
    pages = ((2.15, 0.07), (2.62, 0.07), (2.8, 0.3), (5.4, 0.07))
    table = (5.8, 0.07)
    say(axes, 2, 8, "preserved pages", fontsize=9.5, fontweight="bold")
    say(axes, 2, 11, "and the tree's own", fontsize=9.5)
    axes.plot([left, left + unit * total], [12, 12], color="#A0A0A0", linewidth=1)
    for colour, marks in ((VERMILION, pages), (ORANGE, (table,))):
        for start, size in marks:
            box(axes, left + unit * start, 6, unit * size, 6, colour)
    for y, parts, name in ((18, 1, "blocks of 1 GiB"), (30, 4, "blocks of 256 MiB")):
        say(axes, 2, y + 3, name, fontsize=9.5, fontweight="bold")
        busy = {
            block
            for start, size in (*pages, table)
            for block in range(int(start * parts), int((start + size - 1e-9) * parts) + 1)
        }
        for block in range(total * parts):
            colour = GREY if block in busy else SKY
            box(axes, left + unit * block / parts, y, unit / parts, 6, colour)
        free = total * parts - len(busy)
        say(axes, left, y + 8.3, f"{free} of {total * parts} blocks may be allocated from: "
            f"{free / parts:g} of {total} GiB", fontsize=9)  # fmt: skip
    for gib in range(total + 1):
        say(axes, left + unit * gib, 3, f"{gib}", fontsize=8.5, color="#606060", ha="center")
    say(axes, 2, 3, "address (GiB)", fontsize=8.5, color="#606060")
    box(axes, 20, 41.5, 2, 2, GREY)
    say(axes, 23, 42.6, "busy: kept off whole", fontsize=9)
    box(axes, 45, 41.5, 2, 2, SKY)
    say(axes, 48, 42.6, "free: marked as scratch", fontsize=9)
    return figure


def radix_key() -> Figure:
    """The way of one key through six levels."""
    key = encode_key(EXAMPLE_ADDRESS, 0)
    figure, axes = canvas(4.3, 48)
    say(axes, 2, 4, f"page at {EXAMPLE_ADDRESS:#x}, order 0", fontweight="bold")
    say(axes, 2, 8, f"key = 2^52 + {EXAMPLE_ADDRESS >> 12:#x} = {key:#x}", family="monospace")
    wide = 15.5
    names = ["level 5 (root)", "level 4", "level 3", "level 2", "level 1", "leaf"]
    for number, name in enumerate(names):
        level = 5 - number
        shift = LEAF_BITS + SLOT_BITS * (level - 1)
        leaf = level == 0
        index = key % (1 << LEAF_BITS) if leaf else (key >> shift) % (1 << SLOT_BITS)
        bits = "bits 14-0" if leaf else f"bits {shift + SLOT_BITS - 1}-{shift}"
        x = 3 + 16 * number
        say(axes, x + 6.5, 14, bits, ha="center", fontsize=9, color="#606060")
        box(axes, x, 16, 13, 5, BLUE if leaf else SKY, f"{index:#x}" if leaf else f"{index}")
        arrow(axes, (x + 6.5, 21.2), (x + 6.5, 26))
        axes.add_patch(Rectangle((x, 26), 13, 13, facecolor="white", edgecolor="#404040"))
        say(axes, x + 6.5, 29, name, ha="center", fontsize=9, fontweight="bold")
        say(axes, x + 6.5, 32.4, "32768 bits" if leaf else "512 slots", ha="center", fontsize=8.5)
        say(axes, x + 6.5, 36, f"bit {index:#x} set" if leaf else f"slot {index}", ha="center",
            fontsize=9, color=BLUE)  # fmt: skip
        if not leaf:
            arrow(axes, (x + 13, 36), (x + wide + 0.5, 36))
    say(
        axes,
        2,
        43,
        "Every table and every leaf is one 4 KiB page. A leaf covers 128 MiB at order 0; "
        "a larger order shifts",
        fontsize=9,
    )
    say(
        axes,
        2,
        46,
        "the address further, so a leaf of order 18 (1 GiB pages) covers 32 TiB.",
        fontsize=9,
    )
    return figure


def time_validation() -> Figure:
    """Each published time and what its scenario gives: low to high, and central."""
    cases = yaml.safe_load((TIMES / "published.yaml").read_text(encoding="utf-8"))
    predicted = json.loads((TIMES / "predicted.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(9, 0.21 * len(cases) + 1.3), facecolor="white")
    axes = figure.add_axes((0.43, 0.07, 0.54, 0.89))
    for row, case in enumerate(cases):
        low, central, high = predicted[f"{case['case']} {case['what']}"]
        colour = BLUE if case["fixed"] else VERMILION
        axes.plot((low, high), (row, row), color=PALE, linewidth=6, solid_capstyle="butt")
        axes.plot(central, row, "o", color=colour, markersize=5)
        axes.plot(case["published_ms"], row, "|", color="black", markersize=11)
    axes.set_yticks(range(len(cases)), [f"{case['case']} {case['what']}" for case in cases])
    axes.tick_params(labelsize=8)
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    axes.set_title(
        "|  published    \u25cf  predicted: blue, the figure had a part in a rate; red, in none",
        fontsize=9, loc="right",
    )  # fmt: skip
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


DRAWINGS = {
    "handover": handover,
    "scratch": scratch,
    "extension": extension,
    "radix-key": radix_key,
    "time-validation": time_validation,
}


def write_drawings() -> None:
    """Write every drawing, the same bytes each time."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        for name, draw in DRAWINGS.items():
            with atomic_write(FIGURES / f"{name}.svg") as file:
                draw().savefig(file, format="svg", metadata={"Creator": None, "Date": None})


if __name__ == "__main__":
    write_drawings()
