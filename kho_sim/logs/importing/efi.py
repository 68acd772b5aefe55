"""What a log tells of EFI: which memory boot services held, and where EFI's tables lie.

The kernel prints the descriptors of the map with ``efi=debug`` only. Without it, what a first
kernel reserves before its first request shows them (``memblock=debug``, or instrumented regions).
Where a log has none of these, they are taken to lie where recorded boots of OVMF have them, if its
map is OVMF's, else the sum that the kernel gives back at the top of low memory; a note says so.
Left out: which of them held code and which data.

Source: kernel-facts-distro 1 (before 8, 9) and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import takewhile

from kho_sim.base.extent import (
    Extent,
    intersected,
    merged,
    round_down,
    round_up,
    subtracted,
    total_size,
)
from kho_sim.base.words import USABLE_MEMORY
from kho_sim.logs.importing.imported import PAGE_BYTES, Source, usable
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.assemble import is_kho
from kho_sim.machine.efi import BOOT_SERVICES, CONVENTIONAL, Efi
from kho_sim.machine.machine import MMIO, USABLE, FirmwareRange
from kho_sim.platform.firmware.ovmf import least_bytes, ovmf_machine
from kho_sim.platform.x86_64 import EFI_PARAMETERS_BYTES
from kho_sim.platform.x86_efi import DESCRIPTOR_BYTES

MIB = 1 << 20
FOUR_GIB = 4 << 30
LOW_DEVICES = 0xB0000000
"""From here up to 4 GiB a machine of QEMU has no memory."""
HELD = "boot data"
"""The type of boot services of which only the reservation is shown."""
ASSUMED_RUNTIME_RANGES = 6
"""As OVMF has them (kernel-facts-distro 1), with the one of the attributes table."""
EFI_LINE = "efi: "
EFI_MAP_LINE = "efi: mem"
FREED_LINE = "Freeing EFI boot services memory"


class EfiTraces:
    """What the boots of a chain show of EFI; ``ranges`` are the entries of its e820 map."""

    def __init__(self, chain: Sequence[BootLog], ranges: Sequence[FirmwareRange]):
        self._cold = chain[0]
        self._ranges = ranges
        self._later = [log for log in chain[1:] if is_kho(log)]
        self._reserved = reserved_by_firmware(self._cold)
        self._memory = [extent for extent in usable(ranges) if extent.end > MIB]
        self.attributes = self._find_attributes()
        self.kept = self._find_kept()

    @property
    def is_shown(self) -> bool:
        """Tell whether the log shows what boot services held."""
        return bool(self._cold.efi.descriptors or self._reserved)

    @cached_property
    def of_ovmf(self) -> Efi | None:
        """The memory that OVMF leaves on such a machine, if it is OVMF that made the map."""
        cold, high = self._cold, [part for part in self._ranges if part.start >= FOUR_GIB]
        low_end = max((r.end for r in self._ranges if r.start < LOW_DEVICES), default=0)
        size = low_end + total_size((r.start, r.end) for r in high)
        cpus = cold.present_cpus or cold.possible_cpus or 0
        if not cpus or size < least_bytes(cpus):
            return None
        machine = ovmf_machine(size, cpus=cpus)
        ours, theirs = (
            [(part.start, part.end, part.kind == USABLE) for part in parts]
            for parts in (self._ranges, machine.firmware)
        )
        return machine.efi if ours == theirs else None

    def typed(self) -> list[FirmwareRange]:
        """Return the parts of memory that are no conventional memory, with their types.

        The descriptor that is kept stays a part of its own; neighbours of one type are one.
        """
        kinds: dict[str, list[Extent]] = {}
        for part in self._cold.efi.descriptors:
            if part.kind in USABLE_MEMORY and part.kind not in CONVENTIONAL:
                kinds.setdefault(part.kind, []).append(part.extent)
        if not kinds:
            kinds[HELD] = self._held()
        kept = [self.kept] if self.kept else []
        parts = [FirmwareRange(*extent, HELD) for extent in kept]
        for kind, extents in kinds.items():
            parts += [FirmwareRange(*extent, kind) for extent in subtracted(extents, kept)]
        return sorted(parts)

    def memory_map(self) -> Extent | None:
        """Return where the map for the first kernel lies: reserved, outside of memory, and none of
        ACPI's tables."""
        tables = merged(self._cold.acpi_tables)
        for extent in self._reserved:
            if not intersected([extent], [*self._memory, *tables]):
                return extent
        return None

    def runtime_ranges(self) -> int | None:
        """Return how many descriptors kexec passes on, as far as a log shows it."""
        passed = (ranges_passed_to(log) for log in self._later)
        if shown := next(filter(None, passed), 0):
            return shown
        descriptors = self._cold.efi.descriptors
        if not descriptors:
            return None
        return sum("RUN" in part.attributes for part in descriptors) + bool(self.kept)

    def _find_attributes(self) -> Extent | None:
        address = self._cold.efi.attributes
        if address is None:
            return None
        at = [extent for extent in self._reserved if extent.start <= address < extent.end]
        return at[0] if at else Extent(address, address + 1)

    def _find_kept(self) -> Extent | None:
        table = self.attributes
        if table is None:
            return None
        shown = [part.extent for part in self._cold.efi.descriptors if part.kind in BOOT_SERVICES]
        for log in self._later:
            shown += reserved_by_firmware(log)
        page = Extent(round_down(table.start, PAGE_BYTES), round_up(table.end, PAGE_BYTES))
        return next((extent for extent in shown if extent.overlaps(table)), page)

    def _held(self) -> list[Extent]:
        if self._reserved:
            table = [self.attributes] if self.attributes else []
            return subtracted(intersected(self._reserved, self._memory), table)
        if self.of_ovmf:
            return merged(self.of_ovmf.boot_services)
        return self._at_the_top(self._cold.efi.freed_bytes or 0)

    def _at_the_top(self, size_bytes: int) -> list[Extent]:
        """Return that much of memory below 4 GiB, from the top down."""
        parts: list[Extent] = []
        for extent in reversed(intersected(self._memory, [(MIB, FOUR_GIB)])):
            taken = min(extent.size, size_bytes - total_size(parts))
            parts.append(Extent(extent.end - taken, extent.end))
        return merged(parts)


def say_efi(source: Source, chain: Sequence[BootLog], traces: EfiTraces) -> None:
    """Add what EFI left beside its map to ``source``, and notes on what the log does not show."""
    cold = chain[0]
    place, key = traces.memory_map(), "machine.efi."
    if place:
        source.say(f"{key}memory_map", place._asdict(), EFI_LINE, "EFI's map, as it is reserved")
    if traces.attributes:
        source.say(f"{key}attributes", traces.attributes._asdict(), EFI_LINE, "MEMATTR")
    ranges = traces.runtime_ranges()
    source.say(f"{key}runtime_ranges", ranges or ASSUMED_RUNTIME_RANGES, EFI_LINE, "EFI")
    if ranges is None:
        source.notes.append(
            f"the log does not show how many ranges of EFI's map kexec passes on; "
            f"{ASSUMED_RUNTIME_RANGES} are assumed"
        )
    _say_kept_tables(source, cold)
    if cold.initrd:
        end = round_up(cold.initrd.end, PAGE_BYTES)
        source.say(f"{key}initrd_end", end, "RAMDISK: ", "end of RAMDISK")
    if traces.is_shown:
        return
    size = cold.efi.freed_bytes
    held = f"{size} bytes, from '{FREED_LINE}'" if size else "none"
    taken = "the map is OVMF's, and they are taken to lie as in recorded boots of it"
    if traces.of_ovmf is None:
        taken = f"{held}, are taken to lie at the top of low memory"
    source.notes.append(
        f"the log does not show where EFI's boot services lie (efi=debug would); {taken}"
    )


def _say_kept_tables(source: Source, cold: BootLog) -> None:
    """Requests for copies of the map are early allocations of a build where they are logged."""
    names = sorted(cold.efi.kept_tables)
    if names and not cold.memblock_debug:
        what = ", ".join(names)
        source.say("machine.efi.kept_tables", len(names), EFI_LINE, what)
        source.notes.append(f"a copy of EFI's map is assumed for each of {what}, from source only")


def reserved_by_firmware(log: BootLog) -> list[Extent]:
    """Return what a boot reserves above 1 MiB, not for the kernel itself, before its first
    request; where its calls are not shown, what is so reserved in the end."""
    calls = takewhile(lambda call: call.op != "alloc", log.calls)
    extents = [
        Extent(call.base, call.base + call.size)
        for call in calls
        if call.op == "reserve" and not call.flags
    ]
    if not extents:
        extents = [
            Extent(row.start, row.end)
            for row in log.regions
            if row.moment == "before_retrieve" and row.array == "reserved" and not row.flags
        ]
    return [extent for extent in extents if extent.start >= MIB]


def with_types(part: FirmwareRange, typed: Iterable[FirmwareRange]) -> Iterator[FirmwareRange]:
    """Cut an entry of memory where parts of it have a type of EFI."""
    whole, start = Extent(part.start, part.end), part.start
    for inner in typed:
        clipped = whole.clip(Extent(inner.start, inner.end))
        if part.kind != USABLE or not clipped.size:
            continue
        if start < clipped.start:
            yield FirmwareRange(start, clipped.start)
        yield FirmwareRange(*clipped, inner.kind)
        start = clipped.end
    if start < part.end:
        yield part._replace(start=start)


def without_registers(log: BootLog, part: FirmwareRange) -> FirmwareRange:
    """Return an entry as registers of devices, if the kernel takes it out of its map as such."""
    whole = Extent(part.start, part.end)
    return part._replace(kind=MMIO) if whole in log.efi.removed else part


def ranges_passed_to(log: BootLog) -> int:
    """Return how many descriptors of EFI's map kexec passed to a kernel, 0 where its log does not
    show them. They lie right before the parameters of EFI and KHO."""
    regions = [(row.start, row.end) for row in log.regions if row.array == "reserved"]
    regions += [(r.base, r.base + r.size) for dump in log.dumps for r in dump.reserved]
    parameters = {start for start, end in regions if end - start == EFI_PARAMETERS_BYTES}
    maps = (extent for extent in reserved_by_firmware(log) if extent.end in parameters)
    return next((extent.size // DESCRIPTOR_BYTES for extent in maps), 0)
