"""A zone counter as decisions see it: one CPU keeps small changes to itself for a while.

The kernel's NR_FREE_PAGES and NR_FREE_CMA_PAGES (mm/vmstat.c): each CPU gathers changes and adds
them to the zone's figure only when they exceed a threshold. Watermarks and the CMA balance read the
zone's figure. So a zone at the balance point does not switch page by page but in bursts. Kept: the
one CPU that the workload runs on. Left out: the periodic folding of the differences.
"""

from __future__ import annotations

from kho_sim.platform.geometry import Geometry

_MAX_THRESHOLD = 125
_THRESHOLD_UNIT_SHIFT = 27
"""log2 of the 128 MiB that memory is counted in."""


def stat_threshold(cpus: int, managed_pages: int, geometry: Geometry) -> int:
    """Return how far one CPU's difference may go: calculate_normal_threshold(), mm/vmstat.c."""
    size_class = 1 + (managed_pages << geometry.page_shift >> _THRESHOLD_UNIT_SHIFT).bit_length()
    return min(_MAX_THRESHOLD, 2 * cpus.bit_length() * size_class)


class ZoneCounter:
    """One counter: ``value`` is what all read, ``pending`` what this CPU still holds back."""

    __slots__ = ("pending", "threshold", "value")

    def __init__(self) -> None:
        self.value = 0
        self.pending = 0
        self.threshold = 0

    def exact(self) -> int:
        return self.value + self.pending

    def add(self, delta: int, times: int = 1) -> None:
        """Add ``delta`` ``times`` times over, each addition with its own look at the threshold."""
        sign = 1 if delta > 0 else -1
        step, limit = sign * delta, self.threshold
        ahead = sign * self.pending
        moved = ahead + step * times
        if moved > limit:
            first = max(1, (limit - ahead) // step + 1)
            held = (times - first) % (limit // step + 1) * step
            self.value += sign * (moved - held)
            moved = held
        self.pending = sign * moved

    def steps_to_fold(self) -> int:
        """Return how many pages, taken one by one, make the zone's figure change."""
        return self.pending + self.threshold + 1
