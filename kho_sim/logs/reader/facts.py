"""What the log of one boot says beyond the trace's records: for verification and import.

Ranges are half-open bytes as the kernel printed them, before any page rounding. A field that stays
None (or empty) means that the log does not tell. The kind of a firmware range is as printed
('System RAM', 'usable'), that of an EFI descriptor in our words, the node of a region -1 where none
is printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from kho_sim.base.command_line import OptionRules
from kho_sim.base.extent import Extent
from kho_sim.base.words import ARM64
from kho_sim.machine.efi import EfiDescriptor
from kho_sim.machine.machine import FirmwareRange, NodeRange
from kho_sim.memory.regions import Region
from kho_sim.platform.geometry import ARM64_GEOMETRIES, PAGES_4K, Geometry
from kho_sim.platform.options import option_rules
from kho_sim.trace.records import Event, RegionRow

GEOMETRIES = {"": PAGES_4K, ARM64: ARM64_GEOMETRIES[PAGES_4K.page_bytes]}
"""Those of kernels that have not shown their page size yet."""


class KeyRun(NamedTuple):
    """Neighbouring preservations of one order, in walk order."""

    order: int
    start: int
    end: int


class Dump(NamedTuple):
    """Both arrays as `MEMBLOCK configuration` prints them (after e820, and after NUMA init)."""

    memory: list[Region]
    reserved: list[Region]


class MemblockCall(NamedTuple):
    """One memblock call that ``memblock=debug`` printed, or a marker between them, in log order.

    ``op``: 'alloc' (a request; ``result`` is the address that answered it, 0 if it was refused,
    ``result_nid`` and ``flags`` those of its reservation; ``function`` is '' when only the answer
    is printed, and then ``align`` and window are unknown, 0), 'reserve', 'free', 'add', 'remove',
    'double' (an array was doubled; ``caller`` names it), and the markers 'extend', 'retrieve'
    (stands for all reservations of preserved memory), 'dump' (``base`` is the index in
    BootLog.dumps) and 'regions' (``caller`` is the moment of the region rows). ``phase`` and
    ``what`` are as in records.Allocation. Addresses and sizes in bytes.
    """

    op: str
    caller: str = ""
    base: int = 0
    size: int = 0
    align: int = 0
    nid: int = -1
    min_address: int = 0
    max_address: int = 0
    exact: bool = False
    flags: int = 0
    result: int = 0
    result_nid: int = -1
    function: str = ""
    phase: str = ""
    what: str = ""


class MemoryLine(NamedTuple):
    """`Memory: availableK/totalK available (...)`, in bytes; ``parts`` by the kernel's words."""

    available_bytes: int
    total_bytes: int
    parts: dict[str, int]


class PerCpu(NamedTuple):
    """`percpu: Embedded P pages/cpu sS rR dD uU`: pages and bytes a CPU."""

    pages: int
    static_bytes: int
    reserved_bytes: int
    dynamic_bytes: int
    unit_bytes: int


class FreeList(NamedTuple):
    """A line of /proc/buddyinfo: free blocks of each order."""

    nid: int
    zone: str
    blocks: tuple[int, ...]


class Resource(NamedTuple):
    """A line of /proc/iomem; ``depth`` counts the levels of nesting."""

    depth: int
    start: int
    end: int
    name: str


class ReservedNode(NamedTuple):
    """A /reserved-memory node of a device tree, in half-open bytes."""

    start: int
    end: int
    name: str
    nomap: bool
    reusable: bool
    """A CMA area, from which movable pages are allocated."""


@dataclass(slots=True)
class EfiLines:
    """What the `efi:` lines of a boot say. ``present``: EFI started the machine. ``attributes``:
    the address of the memory attributes table. ``reserved_list``: that of the list of what kernels
    leave to the next one. ``removed``: entries taken out of the e820 map as registers of devices.
    ``freed_bytes``: what boot services had held. ``kept_tables``: names of tables for which the
    kernel copies the map."""

    present: bool = False
    descriptors: list[EfiDescriptor] = field(default_factory=list)
    attributes: int | None = None
    reserved_list: int | None = None
    removed: list[Extent] = field(default_factory=list)
    freed_bytes: int | None = None
    kept_tables: set[str] = field(default_factory=set)


class StrategyLine(NamedTuple):
    """`OBS strategy NAME ...`: what an extension of a laboratory kernel did.

    Keys, tables and additions of its walk; busy blocks by count and hash; pages of its digest.
    """

    name: str
    shift: int
    keys: int
    tables: int
    added: int
    busy: int
    digest: int
    hash: int


class DryRun(NamedTuple):
    """`OBS whatif ...`: an extension that was tried on the same inherited tree and marked nothing.

    ``skips``: it visits one key of each block. ``instructions``: of walk and digest. ``recovered``
    and ``largest``: bytes that marking all gaps, or the ``room`` largest, would have made usable.
    """

    shift: int
    skips: bool
    instructions: int
    keys: int
    tables: int
    added: int
    busy: int
    digest: int
    hash: int
    gaps: int
    recovered: int
    room: int
    largest: int


class CostLine(NamedTuple):
    """`OBS cycles: ...`: instructions (under -icount) of the boot between extension and retrieval,
    and of the retrieval; then the room of the array of reserved memory in regions."""

    between: int
    retrieve: int
    reserved_max: int


class RegionCounts(NamedTuple):
    """`memory.cnt N reserved.cnt N` at a moment."""

    memory: int
    reserved: int


@dataclass(slots=True, kw_only=True)
class BootLog:
    """All that the log of one boot says; filled while the log is read, not changed afterwards."""

    boot: int
    starts_late: bool = False
    """The first lines of this boot are missing (an overrun ring buffer, a cut log)."""
    release: str = ""
    architecture: str = ""
    """'arm64', or '' where nothing says so."""
    foreign_architecture: str = ""
    """One that is not modelled, as the kernel's version line names it."""
    geometry: Geometry = PAGES_4K
    """That of the page size, as far as the log has shown it so far."""
    command_line: str = ""
    found_handover: bool = False
    memblock_debug: bool = False

    map_begins: bool = False
    """Whether the line is there that opens the firmware's map."""
    e820: list[FirmwareRange] = field(default_factory=list)
    efi: EfiLines = field(default_factory=EfiLines)
    acpi_tables: list[Extent] = field(default_factory=list)
    """What the kernel reserves of ACPI's tables."""
    srat: list[NodeRange] = field(default_factory=list)
    hotplug: list[NodeRange] = field(default_factory=list)
    """Ranges of the SRAT that may be plugged in later."""
    node_ranges: list[NodeRange] = field(default_factory=list)
    highest_page: int | None = None
    """Pages that the kernel's page tables reach (max_arch_pfn)."""
    has_distances: bool = False
    """Whether the firmware has a SLIT."""
    nosave_regions: int = 0
    """Stretches that hibernation does not save."""
    has_dma_zone: bool = False
    max_cpus: int | None = None
    """What the kernel was built for (NR_CPUS)."""
    present_cpus: int | None = None
    possible_cpus: int | None = None
    """Present and hotplug ones: the kernel lays out memory for all of them."""
    cpu_model: str = ""
    """What CPU 0 calls itself; an emulated one says so ('QEMU TCG CPU')."""
    nr_cpu_ids: int | None = None
    nr_node_ids: int | None = None
    node_cpus: dict[int, list[int]] = field(default_factory=dict)
    """Secondary CPUs by node, as SMP bring-up prints them; CPU 0 is not among them."""
    timer_hz: int | None = None
    """The frequency of an arm64 CPU's counter."""
    reserved_nodes: list[ReservedNode] = field(default_factory=list)
    node_data_bytes: dict[int, int] = field(default_factory=dict)
    """Size of each node's NODE_DATA."""
    cma_bytes: int | None = None
    """The default CMA area as asked for."""
    initrd: Extent | None = None
    initrd_freed_bytes: int | None = None
    """What is given back of the initrd once it is unpacked, in whole pages."""
    memory: MemoryLine | None = None
    percpu: PerCpu | None = None
    hash_bytes: dict[str, int] = field(default_factory=dict)
    """Size of each large hash table, by the name in its message ('Dentry cache')."""
    deferred_ms: dict[int, int] = field(default_factory=dict)
    """How long the deferred pages of each node took to initialise."""

    dumps: list[Dump] = field(default_factory=list)
    calls: list[MemblockCall] = field(default_factory=list)
    retrieved_runs: list[KeyRun] = field(default_factory=list)
    """The reservations of preserved memory, folded; their order is that of each one's size."""
    retrieved_count: int = 0

    nodes: list[int] = field(default_factory=list)
    keys: list[KeyRun] = field(default_factory=list)
    radix_nodes: int | None = None
    preservations: int | None = None
    preserved_bytes: int | None = None
    order_counts: dict[int, int] = field(default_factory=dict)
    regions: list[RegionRow] = field(default_factory=list)
    region_counts: dict[str, RegionCounts] = field(default_factory=dict)
    """By moment, as in records.RegionRow."""
    extension_off: bool = False
    foreign_parts: list[str] = field(default_factory=list)
    """Parts of its handover that a recorder's kernel says it writes in a version of its own."""
    extend_ns: int = 0
    extended_bytes: int | None = None
    extend_cycles: int | None = None
    """Of the time stamp counter; instructions under -icount."""
    strategy: StrategyLine | None = None
    dry_runs: list[DryRun] = field(default_factory=list)
    costs: CostLine | None = None
    runs_reserved: int | None = None
    """Ranges reserved at once where neighbouring keys are collected."""
    busy_blocks: list[int] = field(default_factory=list)
    scratch: dict[int, tuple[int, int]] = field(default_factory=dict)
    out_starts: list[int] = field(default_factory=list)
    out_sizes: list[int] = field(default_factory=list)
    """Scratch areas as debugfs shows them (`kho/out/scratch_phys` and `scratch_len`)."""

    huge_pages: dict[int, int] = field(default_factory=dict)
    """Pages pre-allocated at boot, by page size in bytes."""
    meminfo: dict[str, int] = field(default_factory=dict)
    """/proc/meminfo: bytes where the file says kB, else counts."""
    buddy: list[FreeList] = field(default_factory=list)
    iomem: list[Resource] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    disabled: str = ""
    """Why KHO is off, in the kernel's words."""
    live_update_off: str = ""
    """Why user space finds no device of live update, in the kernel's words."""
    panic: str = ""
    user_failure: tuple[str, str] | None = None
    """What failed in the workload, and errno's text."""
    reached_init: bool = False
    chain_done: bool = False
    powered_down: bool = False
    jumped: bool = False
    """The kernel said that it starts the next one."""

    @property
    def option_rules(self) -> OptionRules:
        """The rules by which the kernel read its command line."""
        return option_rules(self.architecture or "x86_64", self.geometry.page_bytes)

    def learn_page_size(self, page_bytes: int) -> None:
        """Take note of what an arm64 kernel shows its page size to be; other sizes are none."""
        if self.architecture == ARM64:
            self.geometry = ARM64_GEOMETRIES.get(page_bytes, self.geometry)
