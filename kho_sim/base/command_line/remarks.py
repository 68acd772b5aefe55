"""What a reader of a command line should know of it: words that the kernel or this model drops.

A remark is of one of four kinds. 'malformed': the kernel itself refuses the value and uses its
default. 'ignored': another word of the line takes the effect away. 'not modelled': the kernel would
place memory differently for it, and the model does not. 'unknown': a word that is in none of the
lists here; it is taken to have no effect on memory.

Source: the kernel's list of parameters (Documentation/admin-guide/kernel-parameters) for the names
and what they do; kernel-facts-distro sections 3 to 7 for those that were recorded.
"""

from __future__ import annotations

from typing import NamedTuple

MALFORMED, IGNORED, NOT_MODELLED, UNKNOWN = "malformed", "ignored", "not modelled", "unknown"


class Remark(NamedTuple):
    """One word that has not the effect that its writer may expect.

    ``word`` is as written, ``at`` its offset in the line, ``text`` a sentence without a full stop.
    """

    kind: str
    word: str
    at: int
    text: str


MOVES_MEMORY = {
    "acpi": "switches off or changes the firmware tables that nodes and CPUs come from",
    "add_efi_memmap": "takes the memory map from EFI",
    "cma_pernuma": "reserves an area on each node",
    "debug_pagealloc": "maps memory by pages, which takes more page tables",
    "dhash_entries": "sets the size of the dentry hash",
    "disable_cpu_apicid": "leaves a CPU out",
    "disable_mtrr_cleanup": "changes which memory is used",
    "disable_mtrr_trim": "changes which memory is used",
    "efi": "changes what is taken from the EFI memory map",
    "efi_fake_mem": "changes the EFI memory map",
    "enable_mtrr_cleanup": "changes which memory is used",
    "gbpages": "changes the pages of the direct map",
    "hugetlb_cma_only": "takes gigantic pages from these areas only",
    "ihash_entries": "sets the size of the inode hash",
    "initrdmem": "says where another initrd lies",
    "kfence.num_objects": "sets the size of the pool for KFENCE",
    "la57": "changes the levels of page tables",
    "mem_encrypt": "encrypts memory, which needs larger bounce buffers",
    "memhp_default_state": "changes where memory that is added later goes",
    "memory_hotplug.memmap_on_memory": "changes where the memory map of added memory lies",
    "memtest": "reserves memory that is found to be bad",
    "mhash_entries": "sets the size of the mount hash",
    "mphash_entries": "sets the size of the mount point hash",
    "no5lvl": "changes the levels of page tables",
    "noefi": "leaves EFI's memory map out",
    "nogbpages": "changes the pages of the direct map",
    "nohugeiomap": "changes page tables",
    "nosmp": "starts one CPU",
    "numa_cma": "reserves an area on a node",
    "page_owner": "takes memory for each page",
    "percpu_alloc": "changes how per-CPU areas are allocated",
    "possible_cpus": "changes how many CPUs are possible",
    "reservelow": "reserves more of low memory",
    "slab_max_order": "changes the order of slab pages",
    "slub_max_order": "changes the order of slab pages",
    "stack_depot_max_pools": "changes what stack traces take",
    "thash_entries": "sets the size of the TCP hash",
    "trace_buf_size": "changes what tracing takes",
    "uhash_entries": "sets the size of the UDP hash",
}
"""Option -> what it does to memory; none of these is modelled."""

_HARMLESS_WORDS = """
BOOT_IMAGE acpi_osi amd_iommu amd_pstate apparmor audit biosdevname boot_delay cgroup_enable
clocksource console cpufreq.default_governor cpuidle.off_state debug dm-mod.create earlycon
earlyprintk fsck.mode fsck.repair hpet idle ignore_loglevel init intel_idle.max_cstate
intel_iommu intel_pstate iommu iommu.passthrough ipv6.disable irqaffinity isolcpus
keep_bootcon kvm.nx_huge_pages lockdown log_buf_non_shared loglevel lpj lsm mce mitigations
modprobe.blacklist module.sig_enforce module_blacklist net.ifnames nmi_watchdog
no_console_suspend no_timer_check nohz nohz_full nokaslr nomodeset nopti noresume nosmt notsc
nowatchdog numa_balancing oops panic panic_on_warn pci pcie_aspm preempt print-fatal-signals
printk.devkmsg printk.time processor.max_cstate pti quiet rcu_nocbs rcupdate.rcu_expedited
rdinit reboot resume retain_initrd ro root rootdelay rootflags rootfstype rootwait rw security
selinux serial skew_tick softlockup_panic spec_store_bypass_disable spectre_v2 splash
sysrq_always_enabled systemd.show_status systemd.unified_cgroup_hierarchy transparent_hugepage
tsc tsx udev.log_priority usbcore.autosuspend vga video vt.handoff watchdog_thresh
workqueue.power_efficient zswap.enabled
"""
HARMLESS = frozenset(_HARMLESS_WORDS.split())
"""Frequent words that move no early memory."""
PREFIXES = ("rd.", "systemd.", "luks.")
"""Beginnings of words that are for user space."""


def remark_on(name: str, known: bool) -> tuple[str, str] | None:
    """Return the kind and the text of what is to be said of an option; None if nothing is.

    ``known``: the model reads the option, though it may make nothing of it.
    """
    plain = name.replace("-", "_")
    if plain in MOVES_MEMORY:
        return NOT_MODELLED, f"{MOVES_MEMORY[plain]}; the model leaves this out"
    if known or plain in HARMLESS or name in HARMLESS or name.startswith(PREFIXES):
        return None
    return UNKNOWN, "not known here, and taken to move no memory"
