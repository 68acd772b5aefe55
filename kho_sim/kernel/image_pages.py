"""The pages that hold a loaded kernel until the jump (kernel-facts 11.3).

Requests for them may sleep, so the OOM killer is asked where there are none, and with nobody to
kill the kernel panics, where one may expect that the load is refused (kernel-facts-distro 10).
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.builds import Build
from kho_sim.kho.load import buffer_page_count, source_page_count
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.memory.early import EarlyBoot
from kho_sim.memory.pages import DEADLOCK, UNMOVABLE, OutOfMemory, PageAllocator, Run
from kho_sim.platform.loader import Placement
from kho_sim.platform.platform import Platform


def take_image_pages(
    pages: PageAllocator,
    platform: Platform,
    early: EarlyBoot,
    placed: Iterable[Placement],
    build: Build,
) -> None:
    """Take the source pages of what was ``placed``, beside a buffer for the file of the initrd,
    which is freed again. Raises PreserveFailed, with nothing kept."""
    buffer: list[Run] = []
    try:
        buffer = pages.alloc_largest(buffer_page_count(platform.geometry, build))
        count = source_page_count(platform.geometry, placed) + platform.pages_to_load(early)
        pages.alloc(count, 0, UNMOVABLE)
    except OutOfMemory as error:
        pages.free(error.allocated)
        raise PreserveFailed(DEADLOCK) from error
    finally:
        pages.free(buffer)
