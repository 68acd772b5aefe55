"""A command line after the kernel has read it, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.base.command_line.areas import CmaRequest, MovableCore
from kho_sim.base.command_line.crashkernel import Crashkernel
from kho_sim.base.command_line.hugepages import (
    HugepageRequest,
    HugetlbCma,
    default_hugepage_bytes,
    resolve_hugepages,
)
from kho_sim.base.command_line.memory_map import MemoryEdit
from kho_sim.base.command_line.options import (
    X86_64_RULES,
    OptionRules,
    ReserveMem,
    ScratchRequest,
    Swiotlb,
)
from kho_sim.base.command_line.remarks import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """A command line after the kernel has read it. Sizes are bytes; None means not asked for."""

    text: str
    rules: OptionRules = X86_64_RULES
    kho: bool = True
    """True unless ``kho=`` says no: a scenario is about KHO (a stock kernel's default is off)."""
    liveupdate: bool = True
    """True unless ``liveupdate=`` says no, for the same reason."""
    kho_scratch: ScratchRequest = field(default_factory=ScratchRequest)
    kho_bootmem: ScratchRequest = field(default_factory=ScratchRequest)
    """The same by the name that the option has from 7.4 on."""
    log_buf_len: int | None = None
    """A power of two above the build's own length; None where that one stays."""
    hugepage_options: tuple[tuple[str, str], ...] = ()
    """hugepages=, hugepagesz= and default_hugepagesz= in order: the kernel resolves them later."""
    hugetlb_cma: HugetlbCma = field(default_factory=HugetlbCma)
    hugetlb_cma_only: bool = False
    hugetlb_free_vmemmap: bool = False
    reserve_mem: tuple[ReserveMem, ...] = ()
    crashkernel: tuple[Crashkernel, ...] = ()
    """The last one of each kind, in order of first appearance."""
    cma: CmaRequest | None = None
    """``cma=``; None is the build's own area."""
    swiotlb: Swiotlb = field(default_factory=Swiotlb)
    nr_cpus: int | None = None
    maxcpus: int | None = None
    nokaslr: bool = False
    memblock_debug: bool = False
    memory_edits: tuple[MemoryEdit, ...] = ()
    """What ``mem=`` and ``memmap=`` make of the firmware's map, in order."""
    numa_off: bool = False
    movable_core: MovableCore = field(default_factory=MovableCore)
    movable_node: bool = False
    kfence_interval: int = 0
    rodata: str = "full"
    other: tuple[str, ...] = ()
    """Words that nothing here reads, quotes removed, in order."""
    messages: tuple[str, ...] = ()
    """What the kernel prints while it reads the options, in order."""
    remarks: tuple[Remark, ...] = field(default=(), compare=False)
    """Words without the effect that their writer may expect, in order; no part of what the kernel
    makes of the line, so equal lines may differ in them."""

    def scratch(self, option: str) -> ScratchRequest:
        """Return what the option of that name asked for: a release reads one of the two."""
        return self.kho_bootmem if option == "kho_bootmem" else self.kho_scratch

    @property
    def length(self) -> int:
        """Bytes of the raw text, without a terminating zero."""
        return len(self.text.encode(errors="surrogatepass"))

    @property
    def default_hugepagesz(self) -> int:
        """Bytes of the default hugetlb page, as default_hugepagesz= has it."""
        return default_hugepage_bytes(self.hugepage_options, self.rules)

    def hugepages(self, nodes_online: int) -> tuple[HugepageRequest, ...]:
        """Return the boot-time pages asked for, in the order in which the kernel serves the sizes.

        ``nodes_online``: nodes 0 to that number are online; a count for any other makes its option
        invalid. Source: hugetlb_parse_params() and its handlers; kernel-facts 7.1.
        """
        return resolve_hugepages(self.hugepage_options, nodes_online, self.rules)[0]

    def hugepage_messages(self, nodes_online: int) -> tuple[str, ...]:
        """Return what the kernel prints while it resolves the hugetlb options."""
        return resolve_hugepages(self.hugepage_options, nodes_online, self.rules)[1]
