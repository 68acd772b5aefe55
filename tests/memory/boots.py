"""Kernels in early boot, as a boot loader or as a kernel before them left them."""

from __future__ import annotations

from functools import partial

from kho_sim.base.extent import Extent, round_up
from kho_sim.builds import Build, load_build
from kho_sim.kho.handover import UNDAMAGED, Handover, KhoData
from kho_sim.kho.populate import populate
from kho_sim.kho.radix import RadixTree
from kho_sim.machine import Machine
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.loader import LoadedKernel
from kho_sim.platform.platform import Platform
from kho_sim.platform.x86_64 import X86_64
from kho_sim.releases import load_release

PAGE = 4096
FDT_ADDRESS = 0x12345000
RELEASE = load_release()
X86 = X86_64()
RULES = X86.early_rules(qemu_machine(1 << 30, cpus=1))


def handover_at(
    image, initrd, setup_data, descriptors, areas, *, named_areas=(), build=None, damage=UNDAMAGED
) -> Handover:
    """Return a handover of no files, with these addresses and (start, size) of scratch areas."""
    build = build or load_build()
    initrd_bytes = round_up(build.initrd_bytes, PAGE)
    return Handover(
        loaded=LoadedKernel(
            image=Extent(image, image + build.image_bytes),
            initrd=Extent(initrd, initrd + initrd_bytes) if initrd_bytes else None,
            parameters=Extent(setup_data, setup_data + 0x60),
            by_kexec=True,
        ),
        kho=KhoData(RELEASE.kho_compatible, FDT_ADDRESS, descriptors, tuple(areas), named_areas),
        tree=RadixTree().freeze(),
        objects=(),
        luo_pages=(),
        release=RELEASE.name,
        kexec_count=1,
        damage=damage,
    )


def early_boot(
    machine: Machine,
    build: Build | None = None,
    options: BootOptions | None = None,
    handover: Handover | None = None,
    platform: Platform = X86,
) -> EarlyBoot:
    """Return a kernel at the very beginning: a cold boot, or one that was handed this."""
    build = build or load_build()
    options = options or BootOptions()
    loaded = handover.loaded if handover else platform.load_cold(machine, build)
    step = partial(populate, handover, RELEASE) if handover else None
    return EarlyBoot(platform, machine, build, options, loaded, step)
