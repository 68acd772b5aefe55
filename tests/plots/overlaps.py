"""Texts of a figure measured as drawn: which touch each other, and which leave their boxes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK_POINTS = 0.5


def touching_ticks(figure: Figure) -> list[tuple[str, str]]:
    """Return pairs of neighbouring tick labels that overlap or touch."""
    with _drawn(figure) as renderer:
        found = []
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                labels = _labels(axis)
                boxes = [label.get_window_extent(renderer) for label in labels]
                for (one, a), (other, b) in combinations(zip(labels, boxes, strict=True), 2):
                    if not one.get_rotation() and _overlap(a, b):
                        found.append((one.get_text(), other.get_text()))
        return found


def outside_boxes(figure: Figure) -> list[str]:
    """Return the texts that are centred in a box and wider or higher than it."""
    with _drawn(figure) as renderer:
        found = []
        for axes in figure.axes:
            boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
            extents = [patch.get_window_extent(renderer) for patch in boxes]
            for text in axes.texts:
                own = text.get_window_extent(renderer)
                middle = (own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2
                around = [box for box in extents if box.contains(*middle)]
                if around and text.get_ha() == "center" and not _inside(own, around[0]):
                    found.append(text.get_text())
        return found


def touching_texts(figure: Figure) -> list[tuple[str, str]]:
    """Return pairs of free texts of one plot that overlap each other."""
    with _drawn(figure) as renderer:
        found = []
        for axes in figure.axes:
            texts = [text for text in axes.texts if text.get_visible() and text.get_text()]
            boxes = [text.get_window_extent(renderer) for text in texts]
            for (one, a), (other, b) in combinations(zip(texts, boxes, strict=True), 2):
                if _overlap(a, b):
                    found.append((one.get_text(), other.get_text()))
        return found


def outside_figure(figure: Figure) -> list[str]:
    """Return the texts that the edge of the picture cuts."""
    with _drawn(figure) as renderer:
        beyond = _beyond_limits(figure)
        return [
            text.get_text()
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and text not in beyond
            if not _inside(text.get_window_extent(renderer), figure.bbox)
        ]


def _beyond_limits(figure: Figure) -> list[Text]:
    """Return the tick labels that exist, but lie outside of what an axis shows."""
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    return [
        tick.label1
        for axis in every
        for tick in axis.get_major_ticks()
        if tick.label1 not in _labels(axis)
    ]


@contextmanager
def _drawn(figure: Figure) -> Iterator[RendererAgg]:
    canvas = figure.canvas
    if figure.stale or not isinstance(canvas, FigureCanvasAgg):  # drawing takes the most time
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    try:
        yield canvas.get_renderer()
    finally:
        figure.stale = False  # to measure an annotation places it anew, where it was


def _labels(axis: Axis) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [t.label1 for t in ticks if t.label1.get_visible() and t.label1.get_text().strip()]


def _overlap(one: Bbox, other: Bbox) -> bool:
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > SLACK_POINTS
        and min(one.y1, other.y1) - max(one.y0, other.y0) > SLACK_POINTS
    )


def _inside(one: Bbox, other: Bbox) -> bool:
    slack = 2 * SLACK_POINTS
    return (
        one.x0 >= other.x0 - slack
        and one.x1 <= other.x1 + slack
        and one.y0 >= other.y0 - slack
        and one.y1 <= other.y1 + slack
    )
