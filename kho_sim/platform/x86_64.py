"""What is x86_64's own: where a boot loader puts a kernel.

Source: kernel-facts section 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim.base.extent import Extent, round_down, round_up
from kho_sim.machine.machine import PAGE_SIZE, Machine
from kho_sim.platform.loader import LoadedKernel

if TYPE_CHECKING:
    from kho_sim.builds.profile import KernelProfile


def load_cold(machine: Machine, build: KernelProfile) -> LoadedKernel:
    """Return what the boot loader loads: the initrd right below the end of low memory."""
    image = Extent(build.image_address, build.image_address + build.image_bytes)
    if not build.initrd_bytes:
        return LoadedKernel(image)
    size = round_up(build.initrd_bytes, PAGE_SIZE)
    start = round_down(machine.end_of_low_memory - size, PAGE_SIZE)
    return LoadedKernel(image, Extent(start, start + size))
