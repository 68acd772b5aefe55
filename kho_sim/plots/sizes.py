"""Axes of bytes and of nanoseconds: ticks at round values, labelled with their units."""

from __future__ import annotations

import math

from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from kho_sim.base.units import SECOND_NS, format_ns, format_size

LOG_TIMES = {
    **{10**power: format_ns(10**power) for power in range(10)},
    10 * SECOND_NS: "10 s",
    60 * SECOND_NS: "1 min",
    600 * SECOND_NS: "10 min",
    3600 * SECOND_NS: "1 h",
    36000 * SECOND_NS: "10 h",
    4 * 86400 * SECOND_NS: "4 d",
    40 * 86400 * SECOND_NS: "40 d",
}
"""Places and labels of the ticks of a logarithmic axis of time."""


WIDE = 10**7


class SizeLocator(MaxNLocator):
    """Ticks at 1, 2, 4, 8 and so on times a power of two, about five of them."""

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        low, high = min(vmin, vmax), max(vmin, vmax)
        step = 2.0 ** math.ceil(math.log2(max((high - low) / 6, 1)))
        first, last = math.ceil(low / step), math.floor(high / step)
        return [step * number for number in range(first, last + 1)]


def label_sizes(axis: Axis) -> None:
    """Make an axis of bytes (linear) say GiB and so on."""
    axis.set_major_locator(SizeLocator())
    axis.set_major_formatter(FuncFormatter(_size_text))


def label_counts(axis: Axis) -> None:
    """Make an axis of counts have whole numbers only."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def label_times(axis: Axis) -> None:
    """Make an axis of nanoseconds (linear) say us, ms and so on."""
    axis.set_major_formatter(FuncFormatter(_time_text))


def label_log_times(axis: Axis) -> None:
    """Make a logarithmic axis of nanoseconds say 10 us, 1 ms, 1 h and so on, as space allows."""
    low, high = axis.get_view_interval()
    every = 1 if high / low < WIDE else 2
    axis.set_major_locator(FixedLocator(list(LOG_TIMES)[::every]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: LOG_TIMES[round(value)]))


def label_shifts(axis: Axis, shifts: list[int]) -> None:
    """Make an axis of block shifts say the size of a block below each."""
    labels = [f"{shift}\n{format_size(1 << shift)}" for shift in shifts]
    axis.set_major_locator(FixedLocator(shifts))
    axis.set_ticks(shifts, labels, fontsize=7.5)


def _size_text(value: float, _: object) -> str:
    return format_size(round(value)) if value else "0"


def _time_text(value: float, _: object) -> str:
    return format_ns(round(value)) if value else "0"
