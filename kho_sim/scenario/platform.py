"""What of a kernel does not go with the platform of the machine, or with its page size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kho_sim.base.units import format_exact
from kho_sim.base.words import PLATFORM_BUILDS, PLATFORMS
from kho_sim.builds import FILES, file_of, load_build
from kho_sim.platform.platform import Platform, platform_of
from kho_sim.scenario.section import BrokenRule

X86_KEYS = ("brk", "init_size", "purgatory")
"""Sizes of a build that only kernels of x86_64 have."""


def broken_on_platform(
    platform: str,
    page_bytes: int,
    build: str | None,
    given: Sequence[str],
    place: Sequence[str | int],
) -> Iterator[BrokenRule]:
    """Yield what is wrong with a kernel at ``place``; ``given``: those of X86_KEYS that it has."""
    if build:
        yield from (((*place, "build"), text) for text in _wrong_build(build, platform, page_bytes))
    for key in given if platform != PLATFORMS[0] else ():
        yield (*place, key), f"no kernel of {platform} has this; it is for {PLATFORMS[0]}"


def broken_lengths(
    platform: str, lines: Iterable[tuple[tuple[str | int, ...], str]]
) -> Iterator[BrokenRule]:
    """Yield the command lines that are too long for the platform, which would cut the rest off."""
    most = platform_of(platform).command_line_max_bytes
    for place, line in lines:
        length = len(line.encode())
        if length > most:
            yield place, f"{length} bytes are too long; the kernel takes {most}"


def broken_end(platform: Platform, end: int, place: Sequence[str | int]) -> Iterator[BrokenRule]:
    """Yield that memory ends above the physical addresses of the platform, which would drop it."""
    last = 1 << platform.address_bits
    if end > last:
        text = f"memory ends at {end:#x}; accepted: up to {last:#x}, where addresses of"
        yield (*place, "end"), f"{text} {platform.name} end"


def where_started(platform: Platform) -> str:
    """Return where a boot loader can start a kernel, as ' below 4GiB'; nothing if anywhere."""
    end = platform.boot_loader_end
    return f" below {format_exact(end)}" if end < 1 << platform.address_bits else ""


def _wrong_build(build: str, platform: str, page_bytes: int) -> Iterator[str]:
    of = load_build(build).platform
    if of != platform:
        text = f"build {build} is of {of}, and the machine is {platform}"
        yield f"{text}; accepted: {PLATFORM_BUILDS[platform]}"
    elif file_of(build, page_bytes) not in FILES:
        yield f"build {build} was not recorded with pages of {format_exact(page_bytes)}"
