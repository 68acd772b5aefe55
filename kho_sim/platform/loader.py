"""What lies in memory when a kernel starts, whoever put it there: a boot loader or kexec.

Left out: what a loader leaves behind that no kernel reserves (its own code, page tables).
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_sim.base.extent import Extent


@dataclass(frozen=True, slots=True)
class LoadedKernel:
    """Where a kernel finds its image, its initrd and its parameters; every boot has one.

    ``image``: text to the end of bss. ``initrd``: in whole pages, None without one.
    ``parameters``: what tells a kernel of its handover (x86: KHO's setup_data; arm64: the device
    tree), None if it has nothing of the kind. ``by_kexec``: whether another kernel loaded it.
    """

    image: Extent
    initrd: Extent | None = None
    parameters: Extent | None = None
    by_kexec: bool = False
