"""What a worker thread frees: its pages stay in the lists of its CPU, up to their limit.

The lists of other CPUs than the workload's are not modelled one by one (``percpu``), but what lies
in them is out of the workload's reach. Recorded: the pages of the initrd, which a worker frees
after unpacking it, count in MemTotal and are missing in CmaFree of the KHO boots, to the page. Left
out: that the lists of an idle CPU shrink with time, and what that CPU takes from them again.
"""

from __future__ import annotations

from kho_sim.base.extent import Extent

from .handover import give_early
from .kinds import Run
from .zone import Zone


def free_by_worker(zone: Zone, run: Run, online_cpus: int) -> None:
    """Free reserved pages one by one, ascending, on another CPU than the workload's if there is
    one; the oldest go back to the buddy system as its lists overflow.

    Source: free_reserved_area(), free_frozen_page_commit().
    """
    if online_cpus == 1:
        zone.managed_pages += run.blocks
        zone.free(run, 0)
        return
    kept = min(run.blocks, zone.pcp.high_min)
    start, end = run.extent()
    zone.managed_pages += kept
    give_early(zone, [Extent(start, end - kept)])
