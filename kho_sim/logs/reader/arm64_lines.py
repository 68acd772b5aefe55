"""Lines that only arm64 kernels print, or that say on arm64 what x86 says elsewhere.

Each reader takes the boot and the message after its first word; ValueError means not readable.
Left out: DMA limits that a device tree or IORT sets.
"""

from __future__ import annotations

import re

from kho_sim.base.words import ARM64
from kho_sim.logs.reader.facts import BootLog, ReservedNode
from kho_sim.logs.reader.words import decimal, half_open, hexadecimal

BOOTING = re.compile(r"Booting Linux on physical CPU 0x[0-9a-f]+ \[0x[0-9a-f]+\]")
"""The first line of a kernel, before its version: only arm64 adds the CPU's identification."""
_IN_VERSION = re.compile(r"aarch64|arm64")
_FOREIGN = re.compile(
    r"(?<![a-z0-9])(riscv(?:64|32)|p(?:ower)?pc(?:64)?(?:le)?|s390x?|loongarch(?:64)?|"
    r"mips(?:64)?(?:el)?|sparc(?:64)?|i[3-6]86|armv[67]\w*|arm(?=-linux))(?![a-z0-9])"
)
_BUILDER = re.compile(r"\([^()]*@[^()]*\)")
"""Who built the kernel, and on which machine."""
_NODE_DATA = re.compile(r"allocated \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]")
_CMA = re.compile(r"Reserved (\d+) MiB at 0x[0-9a-f]+(?: on node -?\d+)?$")
_CPUS = re.compile(r"CPUs=(\d+), Nodes=(\d+)")
_TIMER = re.compile(r"cp15 timer(?:\(s\))? running at (\d+)\.(\d\d)MHz")
_RESERVED_NODE = re.compile(
    r"0x([0-9a-f]+)\.\.0x([0-9a-f]+) \(\d+ KiB\) (nomap|map) (reusable|non-reusable) (\S+)"
)
_MEMRESERVE = re.compile(r"MEMRESERVE=0x([0-9a-f]+)")
EMULATED_TIMER_HZ = 62_500_000
"""The counter of a CPU that QEMU emulates; real ones and those of virtual machines have others."""


def architecture_of(version: str) -> str:
    """Return 'arm64' if the line with `Linux version` names it as compiler or release, else ''."""
    return ARM64 if _IN_VERSION.search(version) else ""


def foreign_architecture_of(version: str) -> str:
    """Return an architecture that is not modelled, if release or compiler name one; else ''."""
    found = None if architecture_of(version) else _FOREIGN.search(_BUILDER.sub("", version))
    return found[1] if found else ""


def node_data(log: BootLog, nid: int, text: str) -> None:
    """Read `NODE_DATA(0) allocated [mem a-b]`, without its first word."""
    if match := _NODE_DATA.match(text):
        start, end = half_open(match[1], match[2])
        log.node_data_bytes[nid] = end - start


def cma(log: BootLog, text: str) -> None:
    """Read `cma: Reserved 32 MiB at 0x00000000fe000000` (of the build or the command line)."""
    if match := _CMA.match(text):
        log.cma_bytes = decimal(match[1]) << 20


def slub(log: BootLog, text: str) -> None:
    """Read `SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=4, Nodes=1`: all possible ones."""
    if log.nr_cpu_ids is None and (match := _CPUS.search(text)):
        log.nr_cpu_ids, log.nr_node_ids = decimal(match[1]), decimal(match[2])


def timer(log: BootLog, text: str) -> None:
    """Read `arch_timer: cp15 timer running at 62.50MHz (virt).`"""
    if match := _TIMER.match(text):
        log.timer_hz = (decimal(match[1]) * 100 + decimal(match[2])) * 10_000


def open_firmware(log: BootLog, text: str) -> None:
    """Read `OF: reserved mem: 0xa..0xb (N KiB) nomap non-reusable NAME`, of /reserved-memory."""
    if match := _RESERVED_NODE.match(text.removeprefix("reserved mem: ")):
        start, end = half_open(match[1], match[2])
        log.reserved_nodes.append(
            ReservedNode(start, end, match[5], match[3] == "nomap", match[4] == "reusable")
        )


def reserved_list(log: BootLog, text: str) -> None:
    """Read `efi: SMBIOS 3.0=0x... MEMRESERVE=0x...`: a list left to the next kernel."""
    if match := _MEMRESERVE.search(text):
        log.efi.reserved_list = hexadecimal(match[1])
