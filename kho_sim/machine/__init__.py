"""What outlives a kernel: the firmware's memory map, nodes, CPUs."""

from kho_sim.machine.efi import Efi, EfiDescriptor
from kho_sim.machine.limits import MachineLimits
from kho_sim.machine.machine import FirmwareRange, Machine, NodeRange

__all__ = ["Efi", "EfiDescriptor", "FirmwareRange", "Machine", "MachineLimits", "NodeRange"]
