"""What decides the time of a chain besides its counts: how its kernels do their steps, and how user
space updates them.

Every release that a scenario can name does all steps the newest way. A scenario may have the steps
of an older version all the same, to ask what its update takes: memory is that of the release.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.rates import Hardware, load_hardware

Version = tuple[int, int]

REWORKED_STRUCT_PAGES = (5, 0)
"""Struct pages are initialised in a third of the time (time-facts 4: kernels about 4.20)."""
DEFERRED_THREADS = (5, 8)
"""Threads of a node share its deferred struct pages (time-facts 4: against 5.7)."""
ASYNCHRONOUS_INITRAMFS = (5, 14)
"""An initramfs is unpacked beside the initcalls (time-facts 7: so in 5.14)."""
FULL_CPU_BRING_UP = (6, 5)
"""CPUs come up side by side (time-facts 7)."""
ONE_PASS_HUGETLB = (6, 7)
"""Struct pages of huge pages are written once, and HVO works in batches (time-facts 5)."""
PARALLEL_HUGETLB = (6, 9)
"""Threads prepare huge pages (time-facts 5)."""
HVO_AT_BOOT = (6, 15)
"""Tails that HVO shares are never written (time-facts 5: a series of February 2025)."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How one kernel does what takes time.

    ``deferred_threads``: the most for each node, None for all its CPUs. ``cpu_rate``,
    ``struct_page_rate``: names of rates. ``tail_passes``: over struct pages of huge pages.
    """

    deferred_threads: int | None = None
    hugetlb_parallel: bool = True
    cpu_rate: str = "cpus_full"
    struct_page_rate: str = "pages_initialised"
    tail_passes: int = 1
    hvo_at_boot: bool = True
    hvo_in_batches: bool = True
    initramfs_beside_initcalls: bool = True


@dataclass(frozen=True, slots=True)
class Timing:
    """The machine's rates, what it has on PCI, and how user space updates.

    ``preserves_paused``: virtual machines pause before memory is preserved. ``vfio``: all memory of
    preserved files is mapped for devices anew.
    """

    hardware: Hardware = field(default_factory=load_hardware)
    pci_functions: int = 0
    pci_waits: int = 0
    preserves_paused: bool = False
    file_threads: int = 1
    vfio: bool = False


def steps_of(
    version: Version,
    deferred_threads: int | None = None,
    hugetlb_parallel: bool | None = None,
    cpu_bring_up: str | None = None,
) -> Steps:
    """Return how a kernel of a version does its steps; what is given wins."""
    if deferred_threads is None and version < DEFERRED_THREADS:
        deferred_threads = 1
    if hugetlb_parallel is None:
        hugetlb_parallel = version >= PARALLEL_HUGETLB
    bring_up = cpu_bring_up or ("full" if version >= FULL_CPU_BRING_UP else "serial")
    reworked = version >= REWORKED_STRUCT_PAGES
    return Steps(
        deferred_threads=deferred_threads,
        hugetlb_parallel=hugetlb_parallel,
        cpu_rate=f"cpus_{bring_up}",
        struct_page_rate="pages_initialised" if reworked else "pages_initialised_before_5_0",
        tail_passes=1 if version >= ONE_PASS_HUGETLB else 2,
        hvo_at_boot=version >= HVO_AT_BOOT,
        hvo_in_batches=version >= ONE_PASS_HUGETLB,
        initramfs_beside_initcalls=version >= ASYNCHRONOUS_INITRAMFS,
    )
