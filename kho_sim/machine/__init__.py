"""What outlives a kernel: the firmware's memory map, nodes, CPUs."""

from kho_sim.machine.bad_memory import BadMemory
from kho_sim.machine.efi import Efi, EfiDescriptor
from kho_sim.machine.limits import MachineLimits
from kho_sim.machine.machine import BootLoader, DeviceTree, FirmwareRange, Machine, NodeRange

__all__ = [
    "BadMemory",
    "BootLoader",
    "DeviceTree",
    "Efi",
    "EfiDescriptor",
    "FirmwareRange",
    "Machine",
    "MachineLimits",
    "NodeRange",
]
