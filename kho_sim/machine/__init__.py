"""What outlives a kernel: the firmware's memory map, nodes, CPUs."""

from kho_sim.machine.firmware import FIRMWARE, from_memory_map, qemu_machine
from kho_sim.machine.machine import FirmwareRange, Machine, NodeRange

__all__ = ["FIRMWARE", "FirmwareRange", "Machine", "NodeRange", "from_memory_map", "qemu_machine"]
