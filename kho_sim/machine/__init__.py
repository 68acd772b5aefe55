"""What outlives a kernel: the firmware's memory map, nodes, CPUs."""

from kho_sim.machine.machine import FirmwareRange, Machine, NodeRange

__all__ = ["FirmwareRange", "Machine", "NodeRange"]
