"""The memory maps that firmware gives, one module for each kind of firmware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from kho_sim.machine import Machine
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.firmware.ovmf import ovmf_machine


class MakeMachine(Protocol):
    """Make the machine of a size; ``node_bytes`` splits it over nodes (one if empty)."""

    def __call__(
        self, memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = ()
    ) -> Machine: ...


FIRMWARES: Mapping[str, MakeMachine] = {
    "qemu-pc": partial(qemu_machine, firmware="qemu-pc"),
    "qemu-q35": partial(qemu_machine, firmware="qemu-q35"),
    "ovmf-q35": ovmf_machine,
}
"""By the name that ``machine.firmware`` of a scenario uses."""
