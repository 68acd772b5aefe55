"""The memory maps that firmware gives, one module for each kind of firmware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from kho_sim.machine import Machine
from kho_sim.platform.firmware import devicetree, e820
from kho_sim.platform.firmware.devicetree import qemu_virt, qemu_virt_uefi
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.firmware.ovmf import ovmf_machine
from kho_sim.platform.firmware.ranges import MapBeside


class MakeMachine(Protocol):
    """Make the machine of a size; ``node_bytes`` splits it over nodes (one if empty)."""

    def __call__(
        self, memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = ()
    ) -> Machine: ...


class MakeMappedMachine(Protocol):
    """Make the machine of an explicit map: (start, end, node, kind) ranges."""

    def __call__(
        self,
        ranges: Sequence[tuple[int, int, int, str]],
        *,
        cpus: int,
        beside: MapBeside | None = None,
    ) -> Machine: ...


FIRMWARES: Mapping[str, MakeMachine] = {
    "qemu-pc": partial(qemu_machine, firmware="qemu-pc"),
    "qemu-q35": partial(qemu_machine, firmware="qemu-q35"),
    "ovmf-q35": ovmf_machine,
    "qemu-virt": qemu_virt,
    "qemu-virt-uefi": qemu_virt_uefi,
}
"""By the name that ``machine.firmware`` of a scenario uses."""
MEMORY_MAPS: Mapping[str, MakeMappedMachine] = {
    "x86_64": e820.from_memory_map,
    "arm64": devicetree.from_memory_map,
}
"""By the platform of a scenario."""
