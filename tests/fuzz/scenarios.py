"""Any small scenario: machines of odd shapes, every workload, builds, ways to extend, faults.

What a drawn scenario says may not fit together (a fault at a boot that hands nothing on): it is
then refused, as a file would be. Sizes stay small enough for a second a run.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kho_sim.base.requesters import REQUESTERS
from kho_sim.base.words import (
    FIRMWARES,
    HANDOVER_PARTS,
    MEMORY_KINDS,
    OOM_ADJUSTMENTS,
    PAGE_SIZES,
    PLATFORM_FIRMWARES,
    RETRIEVALS,
    STRATEGIES,
    WORKERS,
)
from kho_sim.releases import RELEASES
from kho_sim.scenario.platform import X86_KEYS
from kho_sim.scenario.spec import ON_FAILURE, ConfigOptions
from kho_sim.scenario.time import BRING_UPS, PRESERVE_WHEN

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4096
LOW_END = 0x9FC00
"""Where the first usable range ends on every PC."""

Words = dict[str, Any]


def some(required: Words, /, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Words]:
    """A mapping that has all of ``required`` and any of ``optional``."""
    return st.fixed_dictionaries(
        {
            key: value if isinstance(value, st.SearchStrategy) else st.just(value)
            for key, value in required.items()
        },
        optional=optional,
    )


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def with_few(draw: st.DrawFn, drawn: st.SearchStrategy[Words], optional: Words) -> Words:
    """A drawn mapping with at most three more keys of ``optional``, for what is seldom given."""
    keys = draw(st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True))
    return {**draw(drawn), **{key: draw(optional[key]) for key in keys}}


NODE_COUNTS = one_of(1, 1, 1, 2, 3, 8)
CPUS = one_of(1, 2, 3, 7, 16, 64, 200)
MEMORY = one_of(4 * GIB, 3 * GIB, 6 * GIB, 9 * GIB, GIB + 77 * PAGE, 512 * MIB, 96 * MIB)
HELD = one_of(1, 33 * MIB, 256 * MIB, 2 * GIB)
SHARES = one_of(2 * GIB, GIB, 5 * GIB, 300 * MIB + PAGE, 33 * MIB)
GAPS = one_of(0, 0, 512, PAGE, 2 * MIB, 128 * MIB, GIB)
PIECES = one_of(PAGE, 512 * 77, 2 * MIB, 3 * MIB + PAGE, 128 * MIB, 256 * MIB, GIB)
FILES = one_of(0, 1, PAGE, 5000, 64 * KIB, 2 * MIB, 33 * MIB, 100 * MIB, 256 * MIB)
FOLIOS = one_of(PAGE, PAGE, 2 * MIB)
SESSIONS = one_of("session", "guests")
SHIFTS = one_of(12, 13, 16, 21, 24, 30, 30, 33, 40)
EXTEND = some({}, strategy=st.sampled_from(STRATEGIES), shift=SHIFTS)


HOTPLUG = st.lists(
    st.tuples(GAPS, PIECES, one_of(0, 0, 1)).map(
        lambda drawn: {
            "start": 4 * GIB + drawn[0],
            "end": 4 * GIB + drawn[0] + drawn[1],
            "node": drawn[2],
        }
    ),
    max_size=2,
)
"""Places for memory to be plugged in: over memory, between it or beyond."""
RATES = one_of("generic", "epyc", "arm64", {"base": "kvm", "keys_walked": "1us"})
BAD_MEMORY = some({"frames_per_day": one_of(1, 500.5, 20_000.0)}, told=one_of("late", "busy"))
SELDOM_MACHINE: Words = {
    "hotplug": HOTPLUG,
    "present_cpus": one_of(1, 1, 2),
    "page_table_levels": one_of(4, 5),
    "node_distances": st.booleans(),
    "hardware": RATES,
    "pci_functions": one_of(0, 70_000),
    "pci_waits": one_of(0, 3),
    "bad_memory": BAD_MEMORY,
}
RAM_START = {"x86_64": MIB, "arm64": GIB}


@st.composite
def memory_maps(draw: st.DrawFn, platform: str) -> Words:
    """Ranges of any node one after the other: nodes may interleave, or have no memory."""
    nodes = draw(NODE_COUNTS)
    nids = st.integers(0, nodes - 1)
    has_low = platform == "x86_64" and draw(st.booleans())
    ranges = [{"start": draw(one_of(0, PAGE)), "end": LOW_END}] if has_low else []
    kinds = one_of("usable", "usable", "usable", "reserved", *MEMORY_KINDS)
    pieces = st.tuples(GAPS, PIECES, nids, kinds)
    first = draw(st.tuples(st.just(0), one_of(2 * GIB, GIB, 64 * MIB), nids, st.just("usable")))
    end = RAM_START[platform] + draw(one_of(0, MIB))
    for gap, size, nid, kind in [first, *draw(st.lists(pieces, max_size=9))]:
        ranges.append({"start": end + gap, "end": end + gap + size, "node": nid, "kind": kind})
        end += gap + size
    if draw(st.booleans()):
        ranges += many_small(end, draw(one_of(20, 200)), nodes)
    return {"platform": platform, "memory_map": ranges, "nodes": nodes, "cpus": draw(CPUS)}


def many_small(start: int, count: int, nodes: int) -> list[Words]:
    """Small ranges with small gaps, more than memblock's first arrays have room for."""
    return [
        {"start": place, "end": place + (1 + number % 3) * 80 * KIB, "node": number % nodes}
        for number, place in enumerate(range(start, start + count * MIB // 4, MIB // 4))
    ]


def machines(platform: str) -> st.SearchStrategy[Words]:
    firmware = one_of(*PLATFORM_FIRMWARES[platform], *PLATFORM_FIRMWARES[platform], *FIRMWARES)
    shares = st.lists(SHARES, min_size=1, max_size=6)
    about: Words = {"platform": platform, "cpus": CPUS}
    uneven = shares.map(lambda sizes: [16 * MIB, *sizes, 16 * MIB + PAGE])
    drawn = st.one_of(
        some({"memory": MEMORY, **about}, nodes=NODE_COUNTS, firmware=firmware),
        some({"node_memory": shares | uneven, **about}),
        memory_maps(platform),
    )
    return with_few(drawn, SELDOM_MACHINE)


OPTIONS = (
    "kho=on", "kho=on", "kho=off", "log_buf_len=1M", "log_buf_len=8M", "log_buf_len=1G",
    "kho_scratch=100%", "kho_scratch=200%", "kho_scratch=1000%", "kho_scratch=0%",
    "kho_scratch=16M,16M,0", "kho_scratch=16M,32M,4M", "kho_scratch=64M,64M,64M",
    "kho_scratch=40M,2M,2M", "kho_scratch=1G,1G,1G", "kho_scratch=0,0,0", "kho_scratch=4K,4K,4K",
    "hugepagesz=1G hugepages=2", "hugepagesz=1G hugepages=0:1,1:2", "hugepagesz=2M hugepages=300",
    "hugepagesz=1G hugepages=9", "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=20",
    "reserve_mem=1M:4096:abc", "reserve_mem=8M:2M:x reserve_mem=4K:4K:y", "reserve_mem=3G:4K:big",
    "swiotlb=noforce", "swiotlb=force", "swiotlb=65536", "crashkernel=64M", "nr_cpus=2",
    "crashkernel=9G", "crashkernel=64M@32M", "crashkernel=256M,high crashkernel=64M,low",
    "crashkernel=1G-:16M crashkernel=100M,cma", "crashkernel=64M@1", "crashkernel=3G,high",
    "cma=64M", "cma=0", "cma=5G", "cma=16M@64M", "cma=64M@1G-2G", "cma=33333", "cma=1M@0-4K",
    "hugetlb_cma=1G", "hugetlb_cma=0:1G,1:2G", "hugetlb_cma=99G", "hugetlb_cma=1G hugepages=700",
    "mem=80M", "mem=300M", "mem=1G", "mem=2G-1", "mem=1", "memmap=64M$64M", "memmap=1M$16M",
    "memmap=300M$512M,4K$1G", "memmap=exactmap,640K@0,2G@1M", "memmap=4K$17M", "memmap=512$48M",
    "memmap=1G@100G", "memmap=100M!1G", "memmap=16M#16M", "memmap=3G@1M", "memmap=1$0x2000000",
    "kernelcore=512M", "kernelcore=10%", "movablecore=1G", "movablecore=99%", "movablecore=1",
    "movable_node", "numa=off", "maxcpus=0", "maxcpus=1", "nokaslr", "kfence.sample_interval=100",
    "hugetlb_free_vmemmap=on hugepagesz=1G hugepages=1", "rodata=off", "memblock=debug",
)  # fmt: skip
COMMAND_LINES = st.lists(st.sampled_from(OPTIONS), max_size=3, unique=True).map(" ".join)
EARLY = st.lists(
    some(
        {"what": one_of("driver", "tables"), "size": one_of(64, PAGE, MIB, 100 * MIB)},
        align=one_of(64, PAGE, 2 * MIB, GIB),
        phase=one_of("before", "after"),
        required=st.booleans(),
        node=one_of(0, 0, 1),
        preserve=st.booleans(),
    ),
    max_size=2,
)
CONFIG = some({}, **dict.fromkeys(ConfigOptions.model_fields, st.booleans()))
BUILD: Words = {
    "image": one_of(MIB, 30 * MIB, 100 * MIB),
    "brk": one_of(0, MIB),
    "initrd": one_of(0, PAGE, 10 * MIB, 60 * MIB),
    "per_cpu_static": one_of(PAGE, MIB),
    "log_buf_len": one_of(PAGE, 16 * MIB),
    "purgatory": one_of(PAGE, 10 * MIB),
    "node_data": one_of(PAGE, 10 * MIB),
    "per_cpu_reserved": one_of(0, 8 << 10),
    "release": one_of("7.3", "7.3-patch-v2", *RELEASES),
    "command_line": COMMAND_LINES,
    "extend": EXTEND,
    "early": EARLY,
}
SELDOM_BUILD: Words = {
    "per_cpu_dynamic": one_of(1, PAGE, 3 * MIB),
    "init_size": one_of(200 * MIB, 3 * GIB),
    "config": CONFIG,
    "retrieval": st.sampled_from(RETRIEVALS),
    "timed_as": one_of("5.7", "6.6", "7.3"),
    "deferred_threads": one_of(1, 1000),
    "hugetlb_parallel": st.booleans(),
    "cpu_bring_up": st.sampled_from(BRING_UPS),
}
PLACED = st.lists(
    some(
        {},
        image=one_of(PAGE, 64 * MIB, 3 * GIB),
        initrd=one_of(1, 20 * MIB, 1 << 40),
        direct_map_pages=one_of(0, 1000),
        entry_area_tables=one_of(1, 100_000),
    ),
    max_size=3,
)


def kernels(platform: str) -> st.SearchStrategy[Words]:
    """Kernels of a platform, and with ``releases`` others in between."""
    apart = X86_KEYS if platform != "x86_64" else ()
    build = {key: value for key, value in BUILD.items() if key not in apart}
    seldom = {key: value for key, value in SELDOM_BUILD.items() if key not in apart}
    page_sizes = PAGE_SIZES[platform]
    whole = some({}, **build, kaslr=st.booleans(), placed=PLACED, page_size=one_of(*page_sizes))
    releases = st.lists(with_few(some({}, **build), seldom), max_size=3)
    return with_few(whole, {**seldom, "releases": releases})


ADJUSTMENTS = one_of(0, *OOM_ADJUSTMENTS, OOM_ADJUSTMENTS[0] + 1, -1, 500)
WORKLOADS = st.one_of(
    some(
        {"kind": "memfd", "size": FILES},
        count=one_of(0, 1, 2, 5, 20),
        folio=FOLIOS,
        written=one_of(0, 1, 5000, 2 * MIB),
        grow=st.integers(0, 3),
        drop=st.integers(0, 3),
        preserve=st.booleans(),
        session=SESSIONS,
        preserve_when=one_of("last", "made"),
        at=one_of("first", "every"),
    ),
    some(
        {"kind": "hugetlb", "size": one_of(GIB, 2 * MIB)},
        preserve=st.integers(0, 3),
        count=one_of(3, 300),
        pool=one_of("used", "whole"),
    ),
    some({"kind": "page_cache", "size": HELD}),
    some({"kind": "anonymous", "size": HELD}, oom_score_adj=ADJUSTMENTS),
    some(
        {"kind": "pinned", "size": HELD},
        after=one_of("0s", "5m", "9h"),
        oom_score_adj=ADJUSTMENTS,
    ),
    some({"kind": "guest_memfd", "size": FILES}, count=one_of(0, 1, 5), drop=st.integers(0, 3)),
    some({"kind": "unmovable", "grow": one_of(PAGE, 30 * MIB)}, size=FILES),
    some(
        {"kind": "vms", "size": one_of(MIB, 16 * MIB, 100 * MIB), "count": st.integers(0, 5)},
        folio=FOLIOS,
        arrivals_per_hour=one_of(0.5, 3.0),
        lifetime=one_of("1m", "2h", "100h"),
        session=SESSIONS,
        oom_score_adj=ADJUSTMENTS,
    ),
    some({"kind": "vms", "size": GIB, "count": 2, "backing": "hugetlb"}, lifetime=one_of("2h")),
    some(
        {"kind": "reserve_mem", "size": one_of(PAGE, 5 * MIB), "name": one_of("n1", "n2")},
        align=one_of(PAGE, 2 * MIB, GIB),
    ),
)
BOOTS = one_of(1, 1, 2, 2, 3)
FAULTS = st.one_of(
    some(
        {"kind": "allocation", "boot": BOOTS, "what": st.sampled_from(REQUESTERS)},
        occurrence=one_of(1, 2, 50),
        times=one_of(1, 2, 100),
    ),
    some({"kind": one_of("extend", "descriptors"), "boot": BOOTS}, after=st.integers(0, 3)),
    some({"kind": "fdt", "boot": BOOTS}, found=one_of("invalid", "incompatible")),
    some(
        {
            "kind": "version",
            "boot": BOOTS,
            "of": st.lists(st.sampled_from(HANDOVER_PARTS), min_size=1, max_size=2),
        }
    ),
    some({"kind": one_of("tree_root", "panic"), "boot": BOOTS}),
    some({"kind": "panic", "boot": BOOTS, "phase": one_of("early_boot", "initcalls", "serve")}),
    some({"kind": "load", "boot": BOOTS}, error=one_of("ENOMEM", "EINVAL"), times=one_of(1, 9)),
)
WHAT_IFS = st.lists(
    some(
        {
            "strategy": st.sampled_from(STRATEGIES),
            "shifts": st.lists(SHIFTS, min_size=1, max_size=2),
        },
        retrievals=st.lists(st.sampled_from(RETRIEVALS), min_size=1, max_size=2),
        boots=one_of("every", "last"),
    ),
    min_size=1,
    max_size=2,
)
CHAINS = with_few(
    some(
        {"boots": one_of(2, 3, 4, 4, 6), "seed": st.integers(0, 99)},
        workers=st.sampled_from(WORKERS),
        uptime=one_of("1s", "10m", "3h"),
        twin=st.booleans(),
        on_failure=one_of(*ON_FAILURE, "cold_boot"),
        retries=st.integers(0, 3),
    ),
    {
        "preserve_when": st.sampled_from(PRESERVE_WHEN),
        "file_threads": one_of(1, 8192),
        "vfio": st.booleans(),
    },
)


def scenarios(platform: str) -> st.SearchStrategy[Words]:
    """Scenarios with a machine of one platform."""
    return some(
        {"machine": machines(platform), "kernel": kernels(platform), "chain": CHAINS},
        workload=st.lists(WORKLOADS, max_size=5),
        faults=st.lists(FAULTS, max_size=3),
        what_if=WHAT_IFS,
    )


SCENARIOS = st.one_of(scenarios("x86_64"), scenarios("x86_64"), scenarios("arm64"))
