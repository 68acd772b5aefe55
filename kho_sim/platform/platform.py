"""What a platform is: what Linux keeps in arch/ of early boot, kexec and the layout of memory.

The generic rooms (``memory/``, ``kho/``, ``kernel/``) know a platform by this protocol only. A new
one is a module beside ``x86_64.py``, or a package as ``arm64``, and a line in ``PLATFORMS``. Left
out: everything of a platform that moves no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from kho_sim.platform.arm64 import ARM64
from kho_sim.platform.geometry import PAGES_4K, Geometry
from kho_sim.platform.kaslr import NO_KASLR, Kaslr
from kho_sim.platform.loader import LoadedKernel, LoadRequest, Placement, Segment
from kho_sim.platform.rules import EarlyRules, Step, ZoneLimit
from kho_sim.platform.x86_64 import X86_64

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.machine import Machine
    from kho_sim.memory.early import EarlyBoot


class Platform(Protocol):
    """Everything that differs between architectures.

    ``address_bits``: of physical addresses. ``command_line_max_bytes``: the longest command line,
    without its NUL. ``init_moves``: whether the scheduler moves init away from the first node.
    ``boot_moves``: whether it moves boot's thread to another CPU while that waits for deferred
    struct pages. ``boot_loader_end``: the end of the addresses where a boot loader can start a
    kernel. ``unpacks_image``: whether what kexec loads is packed and unpacks itself after the jump.
    """

    @property
    def name(self) -> str: ...
    @property
    def geometry(self) -> Geometry: ...
    @property
    def address_bits(self) -> int: ...
    @property
    def command_line_max_bytes(self) -> int: ...
    @property
    def init_moves(self) -> bool: ...
    @property
    def boot_moves(self) -> bool: ...
    @property
    def boot_loader_end(self) -> int: ...
    @property
    def unpacks_image(self) -> bool: ...

    def zones(self, machine: Machine, build: Build) -> tuple[ZoneLimit, ...]:
        """Return the zones that a node can have, ascending."""

    def early_rules(self, machine: Machine) -> EarlyRules:
        """Return what the generic steps of early boot keep to."""

    def load_cold(self, machine: Machine, build: Build, kaslr: Kaslr = NO_KASLR) -> LoadedKernel:
        """Return the kernel as firmware and boot loader leave it, and where KASLR moves it."""

    def before_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield the steps up to where KHO may extend scratch, in order."""

    def after_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield the steps from there to the page allocator, in order."""

    def kexec_segments(self, request: LoadRequest) -> tuple[Segment, ...]:
        """Return what kexec has to place beside the scratch descriptors, in order."""

    def hardware_table_bytes(self, machine: Machine) -> tuple[int, ...]:
        """Return the sizes of what a first kernel gives to hardware for good, in powers of two of
        pages: every later kernel finds it where it is."""

    def pages_to_load(self, boot: EarlyBoot) -> int:
        """Return the pages that the kernel of ``boot`` takes to load another one, besides its
        segments."""

    def moved_in_scratch(
        self,
        loaded: LoadedKernel,
        areas: Iterable[tuple[int, int]],
        build: Build,
        kaslr: Kaslr,
    ) -> LoadedKernel:
        """Return the kernel that kexec loaded where KASLR moves it, inside of original scratch."""

    def load_kexec(self, placed: Iterable[Placement], request: LoadRequest) -> LoadedKernel:
        """Return the kernel as the jump leaves it; its parameters lead it to KHO's data."""


_X86_64 = X86_64()
PLATFORMS: Mapping[str, Mapping[int, Platform]] = {
    _X86_64.name: {_X86_64.geometry.page_bytes: _X86_64},
    "arm64": ARM64,
}
"""By the name that ``machine.platform`` of a scenario uses, and by page size in bytes."""


def platform_of(name: str, page_bytes: int = PAGES_4K.page_bytes) -> Platform:
    """Return a platform with pages of a size. Raises KeyError."""
    return PLATFORMS[name][page_bytes]
