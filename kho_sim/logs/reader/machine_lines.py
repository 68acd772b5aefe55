"""Lines about the machine and the kernel's view of it: firmware map, nodes, CPUs, memory, arrays.

Each reader takes the boot and the message after its first word; ValueError means not readable.
Lines of a known kind that carry nothing of use here are passed over.
"""

from __future__ import annotations

import re

from kho_sim.base.extent import Extent
from kho_sim.logs.reader import arm64_lines
from kho_sim.logs.reader.facts import BootLog, Dump, MemoryLine, PerCpu
from kho_sim.logs.reader.words import decimal, half_open, hexadecimal, known, ordered
from kho_sim.machine.efi import EfiDescriptor
from kho_sim.machine.machine import FirmwareRange, NodeRange
from kho_sim.memory.regions import Region
from kho_sim.platform.firmware.efi import word_of

_MEM = r"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]"
_E820 = re.compile(_MEM + r"\s+(\S.*)")
_OLD_E820 = re.compile(r"([0-9a-f]{1,16}) - ([0-9a-f]{1,16}) \(([^)]+)\)")
"""Until release 3.5; the second address is the end itself."""
_EFI_RANGE = r"range=\[0x([0-9a-f]+)-0x([0-9a-f]+)\]"
_EFI = re.compile(r"mem\d+: \[([^|\]]*)\|?([^\]]*)\].*" + _EFI_RANGE)
_EFI_OF_ARM64 = re.compile(r"0x([0-9a-f]+)-0x([0-9a-f]+) \[([^|\]]*)\|?([^\]]*)\]")
_EFI_REMOVED = re.compile(r"Remove mem\d+: MMIO " + _EFI_RANGE)
_EFI_TABLE = re.compile(r"(\w+)=0x([0-9a-f]+)")
ATTRIBUTES = "MEMATTR"
KEPT_EFI_TABLES, KEPT_ACPI_TABLES = {"ESRT", "MOKvar"}, {"BGRT"}
"""Tables that a kernel keeps by splitting EFI's map."""
_EFI_FREED = re.compile(r"Freeing EFI boot services memory: (\d+)K")
_EFI_VERSION = re.compile(r"EFI v\d")
_NO_TABLE = 2**64 - 1
"""The address that kexec leaves in place of a table that is gone."""
_SRAT = re.compile(r"SRAT: Node (\d+) PXM \d+ " + _MEM + r"(.*)")
_ACPI_TABLE = re.compile(r"Reserving (\S+) table memory at " + _MEM)
_EARLY_NODE = re.compile(r"(\d+): " + _MEM)
_HIGHEST_PAGE = re.compile(r"max_arch_pfn = 0x([0-9a-f]+)")
_RAMDISK = re.compile(_MEM)
_POSSIBLE = re.compile(
    r"Allowing (\d+) (present )?CPUs(?: plus (\d+) hotplug CPUs)?(?:, (\d+) hotplug CPUs)?"
)
_FREED_INITRD = re.compile(r"initrd memory: (\d+)K$")
_IDS = re.compile(r"NR_CPUS:(\d+) .*nr_cpu_ids:(\d+) nr_node_ids:(\d+)")
_NODE_CPUS = re.compile(r"node +#(\d+), CPUs:((?: +#\d+)+)")
_MEMORY = re.compile(r"(\d+)K/(\d+)K available \(([^)]*)\)")
_MEMORY_PART = re.compile(r"(\d{1,20})K ([a-z -]+)")
_PERCPU = re.compile(r"Embedded (\d+) pages/cpu s(\d+) r(\d+) d(\d+) u(\d+)")
_DUMPED = re.compile(
    r"(memory|reserved)\[0x[0-9a-f]+\]\s+\[0x([0-9a-f]+)-0x([0-9a-f]+)\], 0x[0-9a-f]+ bytes"
    r"(?: on node (\d+))? flags: 0x([0-9a-f]+)"
)
_DEFERRED = re.compile(r"(\d+) deferred pages initialised in (\d+)ms")
_HASH = re.compile(r"(.+) hash table entries: \d+ \(order: (-?\d+), (\d+) bytes")
_HUGE = re.compile(r"registered (\d+(?:\.\d+)?) ([KMG])iB page size, pre-allocated (\d+) pages")

KIB = 1024
HUGE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def e820(log: BootLog, text: str) -> None:
    """Read `BIOS-e820: [mem a-b] System RAM`, `BIOS-e820: a - b (usable)`; gaps are passed over."""
    if text.startswith("[gap"):
        return
    if old := _OLD_E820.match(text):
        extent = ordered(hexadecimal(old[1]), hexadecimal(old[2]))
        log.e820.append(FirmwareRange(*extent, old[3].strip()))
        return
    match = known(_E820.match(text))
    log.e820.append(FirmwareRange(*half_open(match[1], match[2]), match[3].strip()))


def map_begins(log: BootLog, text: str) -> None:
    """Read `BIOS-provided physical RAM map:`."""
    log.map_begins = text == "physical RAM map:"


def efi(log: BootLog, text: str) -> None:
    """Read `efi: EFI v2.7 by EDK II`, `efi: SMBIOS=0x... MEMATTR=0x...`, the map's descriptors, and
    what became of them."""
    lines = log.efi
    if match := _EFI.match(text):
        attributes = tuple(word for word in match[2].replace("|", " ").split() if word)
        extent = half_open(match[3], match[4])
        lines.descriptors.append(EfiDescriptor(*extent, word_of(match[1]), attributes))
    elif match := _EFI_OF_ARM64.match(text):
        attributes = tuple(word for word in match[4].replace("|", " ").split() if word)
        extent = half_open(match[1], match[2])
        lines.descriptors.append(EfiDescriptor(*extent, word_of(match[3]), attributes))
    elif match := _EFI_REMOVED.match(text):
        lines.removed.append(Extent(*half_open(match[1], match[2])))
    elif match := _EFI_FREED.match(text):
        lines.freed_bytes = decimal(match[1]) * KIB
    elif tables := dict(_EFI_TABLE.findall(text)):
        there = {name for name, address in tables.items() if hexadecimal(address) < _NO_TABLE}
        lines.kept_tables |= there & KEPT_EFI_TABLES
        if ATTRIBUTES in there:
            lines.attributes = hexadecimal(tables[ATTRIBUTES])
        arm64_lines.reserved_list(log, text)
    elif not _EFI_VERSION.match(text):
        return
    lines.present = True


def acpi(log: BootLog, text: str) -> None:
    """Read `ACPI: SRAT: Node 0 PXM 0 [mem a-b]`, with ` hotplug` where it may come later, and
    `ACPI: Reserving APIC table memory at [mem a-b]`, among many that say nothing of memory."""
    if match := _SRAT.match(text):
        place = NodeRange(*half_open(match[2], match[3]), decimal(match[1]))
        (log.hotplug if "hotplug" in match[4] else log.srat).append(place)
    elif text.startswith("SLIT "):
        log.has_distances = True
    elif match := _ACPI_TABLE.match(text):
        log.acpi_tables.append(Extent(*half_open(match[2], match[3])))
        log.efi.kept_tables |= {match[1]} & KEPT_ACPI_TABLES


def node(log: BootLog, text: str) -> None:
    """Read `node   0: [mem a-b]` (early ranges) or `node 0 deferred pages initialised in 28ms`."""
    if match := _EARLY_NODE.match(text):
        log.node_ranges.append(NodeRange(*half_open(match[2], match[3]), decimal(match[1])))
    elif match := _DEFERRED.match(text):
        log.deferred_ms[decimal(match[1])] = decimal(match[2])


def highest_page(log: BootLog, text: str) -> None:
    """Read `last_pfn = 0x280000 max_arch_pfn = 0x10000000000`."""
    if match := _HIGHEST_PAGE.search(text):
        log.highest_page = hexadecimal(match[1])


def dma_zone(log: BootLog, text: str) -> None:
    """Read `DMA      [mem a-b]`, below `Zone ranges:`."""
    log.has_dma_zone |= text.startswith("[mem")


def power_management(log: BootLog, text: str) -> None:
    """Read `PM: hibernation: Registered nosave memory: [mem a-b]` (before 5.10 `PM: ...`)."""
    log.nosave_regions += "Registered nosave memory" in text


def ramdisk(log: BootLog, text: str) -> None:
    """Read `RAMDISK: [mem a-b]`."""
    match = known(_RAMDISK.match(text))
    log.initrd = Extent(*half_open(match[1], match[2]))


def freed(log: BootLog, text: str) -> None:
    """Read `Freeing initrd memory: 6716K`, among other parts that are given back."""
    if match := _FREED_INITRD.match(text):
        log.initrd_freed_bytes = decimal(match[1]) * KIB


def possible_cpus(log: BootLog, text: str) -> None:
    """Read `CPU topo: Allowing N present CPUs plus M hotplug CPUs`, or `smpboot: Allowing N CPUs, M
    hotplug CPUs`, where N counts them all."""
    if match := _POSSIBLE.search(text):
        log.possible_cpus = decimal(match[1]) + decimal(match[3] or "0")
        log.present_cpus = decimal(match[1]) - decimal(match[4] or "0")


def smp_boot(log: BootLog, text: str) -> None:
    """Read `smpboot: CPU0: MODEL (family: ...)`, beside what older kernels say there of CPUs."""
    if text.startswith("CPU0: "):
        log.cpu_model = text.removeprefix("CPU0: ").partition(" (family")[0].strip()
    else:
        possible_cpus(log, text)


def cpu_ids(log: BootLog, text: str) -> None:
    """Read `setup_percpu: NR_CPUS:64 nr_cpumask_bits:4 nr_cpu_ids:4 nr_node_ids:1`."""
    match = known(_IDS.search(text))
    log.max_cpus = decimal(match[1])
    log.nr_cpu_ids, log.nr_node_ids = decimal(match[2]), decimal(match[3])


def node_cpus(log: BootLog, text: str) -> None:
    """Read `.... node  #0, CPUs:      #1 #2 #3`."""
    if match := _NODE_CPUS.match(text):
        cpus = [decimal(cpu) for cpu in match[2].replace("#", " ").split()]
        log.node_cpus.setdefault(decimal(match[1]), []).extend(cpus)


def memory(log: BootLog, text: str) -> None:
    """Read `Memory: 7236200K/8388088K available (3911K kernel code, ...)`."""
    if match := _MEMORY.match(text):
        parts = {name.strip(): decimal(size) * KIB for size, name in _MEMORY_PART.findall(match[3])}
        log.memory = MemoryLine(decimal(match[1]) * KIB, decimal(match[2]) * KIB, parts)


def percpu(log: BootLog, text: str) -> None:
    """Read `percpu: Embedded 39 pages/cpu s129944 r0 d29800 u524288`."""
    if match := _PERCPU.match(text):
        log.percpu = PerCpu(*(decimal(number) for number in match.groups()))
        log.learn_page_size(log.percpu.unit_bytes // max(log.percpu.pages, 1))


def dump_begins(log: BootLog, text: str) -> None:
    """Read `MEMBLOCK configuration:`; the regions follow line by line."""
    if text.startswith("configuration"):
        log.dumps.append(Dump([], []))


def dumped_region(log: BootLog, text: str) -> None:
    """Read `memory[0x0] [a-b], N bytes on node 0 flags: 0x0`, also `reserved[...]`.

    Raises: IndexError outside of a dump.
    """
    match = known(_DUMPED.match(text))
    start, end = half_open(match[2], match[3])
    nid = decimal(match[4]) if match[4] else -1
    region = Region(start, end - start, nid, hexadecimal(match[5]))
    dump = log.dumps[-1]
    (dump.memory if match[1] == "memory" else dump.reserved).append(region)


def hash_table(log: BootLog, text: str) -> None:
    """Read `Dentry cache hash table entries: 1048576 (order: 11, 8388608 bytes, linear)`."""
    match = known(_HASH.match(text))
    log.hash_bytes[match[1]] = size_bytes = decimal(match[3])
    if (order := int(match[2])) >= 0:
        log.learn_page_size(size_bytes >> order)


def huge_pages(log: BootLog, text: str) -> None:
    """Read `HugeTLB: registered 1.00 GiB page size, pre-allocated N pages`."""
    if match := _HUGE.match(text):
        size_bytes = int(float(match[1]) * HUGE_UNITS[match[2]])
        log.huge_pages[size_bytes] = decimal(match[3])
