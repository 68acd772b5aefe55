"""The interval of a mean by Student's t: right for any number of values that are about normal.

Left out: values that are far from normal. Of an exponential distribution the mean of 5 is in its
interval 88 times in 100, that of 30 values 93 times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, mean, stdev

CONFIDENCE = 0.95
FREEDOM_MAX = 1000
"""Degrees of freedom from which the normal distribution with its first correction is used, which
is right to 1e-6."""
BISECTIONS = 60


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds between which the mean is at ``CONFIDENCE``; two values at least."""
    middle = mean(values)
    reach = t_quantile(len(values) - 1) * stdev(values, middle) / math.sqrt(len(values))
    return middle - reach, middle + reach


@cache
def t_quantile(freedom: int) -> float:
    """Return the t with ``CONFIDENCE`` between -t and t, for so many degrees of freedom."""
    if freedom > FREEDOM_MAX:
        normal = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        return normal + (normal**3 + normal) / (4 * freedom)
    low, high = 0.0, 16.0  # 12.7 for one degree of freedom, less for more
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _between(middle, freedom) < CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _between(t: float, freedom: int) -> float:
    """Return the probability of -t to t.

    Source: Abramowitz and Stegun, 26.7.3 and 26.7.4, the finite series in the angle.
    """
    angle = math.atan(t / math.sqrt(freedom))
    is_odd = freedom % 2
    term = math.cos(angle) if is_odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(3 if is_odd else 2, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (k - 1) / k
        total += term
    if is_odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
