"""What the build of a kernel fixes: sizes that early boot and kexec need, as data.

Defaults are those of the recorded Linux 7.3.4 build (kernel-facts sections 1, 6 and 11). Everything
here can be set by a scenario (``kernel.image: ...``) or by what ``import`` read from a
log.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EarlyRequest:
    """One more early allocation of a kernel build, in order, after (or before) the extension
    step."""

    what: str
    size_bytes: int
    align_bytes: int = 64
    nid: int = -1
    phase: str = "after"
    required: bool = True


@dataclass(frozen=True, slots=True)
class PageDemand:
    """Pages that a booting kernel takes from the page allocator until user space runs.

    Of the recorded build, one set for all machines. The 800 before KHO's first object, 42 a CPU and
    the initramfs are medians over the recorded chains (where the first objects lie); how the 1250
    after it divide around LUO's objects was chosen by a sweep over the same logs, so agreement with
    them is no held-out result (docs/placement.md).
    """

    early_unmovable: int = 400
    """Before deferred struct pages are initialised."""
    late_unmovable: int = 232
    """From there to the first object of KHO."""
    unmovable_per_cpu: int = 42
    initramfs: int = 1212
    """User pages of the unpacked initramfs, between KHO's objects and LUO's."""
    before_luo: int = 600
    """Unmovable pages between KHO's objects and LUO's."""
    user_space: int = 650
    """Unmovable pages from LUO's objects until init is ready."""


@dataclass(frozen=True, slots=True)
class Build:
    """Sizes of one kernel build, in bytes unless the name says otherwise."""

    release: str = "7.3"
    image_bytes: int = 0x87F000
    """Text to the end of bss (kernel-facts 1)."""
    brk_bytes: int = 0x10000
    """Early page tables behind the image: 16 pages."""
    image_address: int = 0x1000000
    """Where a boot loader puts the kernel on a cold boot."""
    initrd_bytes: int = 0x33D600
    init_size_bytes: int = 0xADF000
    """What kexec must find for the kernel segment."""
    purgatory_bytes: int = 0x5000
    trampoline_bytes: int = 0x6000
    node_data_bytes: int = 0x30C0
    hpet_resource_bytes: int = 0x49
    ioapic_resource_bytes: int = 0x4B
    e820_resource_bytes: int = 64
    """A resource per firmware entry, and one more."""
    default_log_buffer_bytes: int = 0x20000
    log_buffer_per_cpu_bytes: int = 0x1000
    section_root_array_bytes: int = 0x100000
    usage_map_bytes: int = 88
    """Per section."""
    per_cpu_static_bytes: int = 129944
    per_cpu_dynamic_bytes: int = 28 * 1024
    entry_area_pages_per_cpu: int = 59
    """A fit to 1..16 CPUs [I] (kernel-facts 6.1, step 34)."""
    swiotlb_bytes: int = 64 << 20
    unknown_words: tuple[str, ...] = ("nokaslr",)
    """Words of a command line that this build does not know (no KASLR)."""
    demand: PageDemand = PageDemand()
    early: tuple[EarlyRequest, ...] = ()
