"""Which reader takes a line: a literal table by the message's first word.

A handler gets the chain's reader, the first word and the rest of the message. It raises ValueError
or IndexError for a line of its kind that it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from kho_sim.logs.reader import arm64_lines, machine_lines
from kho_sim.logs.reader.calls import RANGE_OPS, REQUESTS
from kho_sim.logs.reader.facts import BootLog
from kho_sim.logs.reader.kho_lines import kho
from kho_sim.logs.reader.user_lines import user
from kho_sim.logs.reader.words import decimal

if TYPE_CHECKING:
    from kho_sim.logs.reader.reader import ChainReader

Handler: TypeAlias = "Callable[[ChainReader, str, str], None]"

PANIC = "panic - not syncing: "
NEXT_KERNEL = "Starting new kernel"
POWER_DOWN = ("Power down", "System halted", "Restarting system")
FAILURES = ("Failed to allocate", "Cannot allocate", "bytes not available", "Failed to double")
"""Parts of messages of any kind that are kept as events: early allocations that were refused."""


def _command_line(reader: ChainReader, _word: str, rest: str) -> None:
    if rest.startswith("line: "):
        reader.log.command_line = rest.removeprefix("line: ").strip()


def _kernel(reader: ChainReader, _word: str, rest: str) -> None:
    """`Kernel command line: ...` and `Kernel panic - not syncing: ...`."""
    if rest.startswith("command line: "):
        reader.log.command_line = reader.log.command_line or rest[len("command line: ") :].strip()
    elif rest.startswith(PANIC):
        reader.calls.refuse()
        reader.log.panic = reader.log.panic or rest.removeprefix(PANIC).strip()
        reader.event("message", f"Kernel {rest}")


def _kho(reader: ChainReader, word: str, rest: str) -> None:
    if kho(reader.log, reader.calls, rest):
        took_ns = reader.log.extend_ns if "extend time" in rest else 0
        reader.event("extend" if took_ns else "message", f"{word} {rest}", took_ns)


def _user(reader: ChainReader, word: str, rest: str) -> None:
    if what := user(reader.log, rest):
        reader.event(what, f"{word} {rest}")


def _jump(reader: ChainReader, word: str, rest: str) -> None:
    if NEXT_KERNEL in rest:
        reader.log.jumped = True
        reader.event("jump", f"{word} {rest}")


def _reboot(reader: ChainReader, word: str, rest: str) -> None:
    if rest.startswith(POWER_DOWN):
        reader.log.powered_down = True
    reader.event("message", f"{word} {rest}")


def _init(reader: ChainReader, word: str, rest: str) -> None:
    """`Run /init as init process`."""
    if rest.endswith("as init process"):
        reader.log.reached_init = True
        reader.event("message", f"{word} {rest}")


def _luo(reader: ChainReader, word: str, rest: str) -> None:
    if rest.startswith("Disabling liveupdate"):
        reader.log.live_update_off = f"{word} {rest}".strip()
    reader.event("message", f"{word} {rest}")


def _message(reader: ChainReader, word: str, rest: str) -> None:
    reader.event("message", f"{word} {rest}")


def _huge(reader: ChainReader, word: str, rest: str) -> None:
    machine_lines.huge_pages(reader.log, rest)
    if "failed" in rest:
        reader.event("message", f"{word} {rest}")


def _failure(reader: ChainReader, word: str, rest: str) -> None:
    text = f"{word} {rest}"
    if any(words in text for words in FAILURES):
        reader.event("message", text)


def _hash(reader: ChainReader, word: str, rest: str) -> None:
    machine_lines.hash_table(reader.log, f"{word} {rest}")


def _setup_done(reader: ChainReader, _word: str, rest: str) -> None:
    """The last message of the architecture's setup; the extension step comes next (facts 5.1)."""
    if rest.startswith(("refined-jiffies", "ranges:")):
        reader.calls.story.late = True


def _dump(reader: ChainReader, _word: str, rest: str) -> None:
    machine_lines.dump_begins(reader.log, rest)
    reader.calls.mark("dump", base=len(reader.log.dumps) - 1)


def _dumped(reader: ChainReader, word: str, rest: str) -> None:
    machine_lines.dumped_region(reader.log, f"{word} {rest}")


def _of_machine(read: Callable[[BootLog, str], None]) -> Handler:
    return lambda reader, _word, rest: read(reader.log, rest.strip())


def _node_data(reader: ChainReader, word: str, rest: str) -> None:
    arm64_lines.node_data(reader.log, decimal(word.partition("(")[2].rstrip(")")), rest)


HANDLERS: dict[str, Handler] = {
    "Command": _command_line,
    "Kernel": _kernel,
    "KHO:": _kho,
    "OBS": _user,
    "kexec_core:": _jump,
    "kexec:": _jump,
    "reboot:": _reboot,
    "Run": _init,
    "luo:": _luo,
    "SWIOTLB": _message,
    "Out": _message,
    "HugeTLB:": _huge,
    "printk:": _failure,
    "memblock_alloc:": _failure,
    "Dentry": _hash,
    "Inode-cache": _hash,
    "clocksource:": _setup_done,
    "Zone": _setup_done,
    "MEMBLOCK": _dump,
    "memory[": _dumped,
    "reserved[": _dumped,
    "NODE_DATA(": _node_data,
    "cma:": _of_machine(arm64_lines.cma),
    "SLUB:": _of_machine(arm64_lines.slub),
    "arch_timer:": _of_machine(arm64_lines.timer),
    "Freeing": _of_machine(machine_lines.freed),
    "OF:": _of_machine(arm64_lines.open_firmware),
    "memblock:": lambda reader, _word, rest: reader.calls.doubled(rest),
    "BIOS-provided": _of_machine(machine_lines.map_begins),
    "BIOS-e820:": _of_machine(machine_lines.e820),
    "efi:": _of_machine(machine_lines.efi),
    "ACPI:": _of_machine(machine_lines.acpi),
    "node": _of_machine(machine_lines.node),
    "DMA": _of_machine(machine_lines.dma_zone),
    "last_pfn": _of_machine(machine_lines.highest_page),
    "PM:": _of_machine(machine_lines.power_management),
    "RAMDISK:": _of_machine(machine_lines.ramdisk),
    "CPU": _of_machine(machine_lines.possible_cpus),
    "smpboot:": _of_machine(machine_lines.smp_boot),
    "setup_percpu:": _of_machine(machine_lines.cpu_ids),
    "....": _of_machine(machine_lines.node_cpus),
    "Memory:": _of_machine(machine_lines.memory),
    "percpu:": _of_machine(machine_lines.percpu),
    **{
        f"{name}:": lambda reader, word, rest: reader.calls.request(word[:-1], rest)
        for name in REQUESTS
    },
    **{
        f"{name}:": lambda reader, word, rest: reader.calls.range_call(word[:-1], rest)
        for name in RANGE_OPS
    },
}
"""First words, or what stands before an index: `memory[0x0]`, `NODE_DATA(0)`."""

FIRST_WORDS = {word for word in HANDLERS if word.startswith(("memblock_", "__memblock", "BIOS"))}
FIRST_WORDS |= {"KHO:", "luo:", "HugeTLB:", "MEMBLOCK", "RAMDISK:", "percpu:"}
"""Words that only a kernel says: they may open the log of a boot whose `Linux version` is lost."""
