"""What lies in the lists of other CPUs than the workload's, out of its reach.

Those lists are not modelled one by one (``percpu``), but two things are. A worker thread frees
pages: they stay in the lists of its CPU, up to their limit. Recorded: the pages of the initrd,
which a worker frees after unpacking it, count in MemTotal and are missing in CmaFree of the KHO
boots, to the page. And boot's thread waits until deferred struct pages are initialised, after which
another CPU may run it: the refill that the first one has begun stays where it is. Left out: that
the lists of an idle CPU shrink with time, and what that CPU takes from them again.
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.base.extent import Extent

from .handover import give_early
from .kinds import Run
from .percpu import PerCpuLists
from .zone import Zone


def free_by_worker(zone: Zone, run: Run, online_cpus: int) -> None:
    """Free reserved pages one by one, ascending, on another CPU than the workload's if there is
    one; the oldest go back to the buddy system as its lists overflow.

    Source: free_reserved_area(), free_frozen_page_commit().
    """
    if online_cpus == 1:
        zone.managed_pages += run.blocks
        zone.free([run], 0)
        return
    kept = min(run.blocks, zone.pcp.high_min)
    start, end = run.extent()
    zone.managed_pages += kept
    give_early(zone, [Extent(start, end - kept)])


def go_on_elsewhere(zones: Iterable[Zone], online_cpus: int) -> None:
    """Serve requests from now on by a CPU with empty lists, if there is another one.

    Recorded on arm64: the tree of most first kernels begins right behind a refill of which a
    later object takes the next page.
    """
    if online_cpus == 1:
        return
    for zone in zones:
        zone.left_behind.append(zone.pcp)
        zone.pcp = PerCpuLists(zone.geometry)
        zone.resize_lists(online_cpus)
