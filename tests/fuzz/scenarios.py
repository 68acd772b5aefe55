"""Any small scenario: machines of odd shapes, every workload, builds, ways to extend, faults.

What a drawn scenario says may not fit together (a fault at a boot that hands nothing on): it is
then refused, as a file would be. Sizes stay small enough for a second a run.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kho_sim.base.requesters import REQUESTERS
from kho_sim.base.words import FIRMWARES, HANDOVER_PARTS, STRATEGIES, WORKERS
from kho_sim.releases import RELEASES
from kho_sim.scenario.spec import ON_FAILURE

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


NODE_COUNTS = one_of(1, 1, 1, 2, 3, 8)
CPUS = one_of(1, 2, 3, 7, 16, 64, 200)
MEMORY = one_of(96 * MIB, 512 * MIB, GIB + 77 * PAGE, 3 * GIB, 4 * GIB, 4 * GIB, 6 * GIB, 9 * GIB)
SHARES = one_of(33 * MIB, 300 * MIB + PAGE, GIB, 2 * GIB, 2 * GIB, 5 * GIB)
GAPS = one_of(0, 0, 512, PAGE, 2 * MIB, 128 * MIB, GIB)
PIECES = one_of(PAGE, 512 * 77, 2 * MIB, 3 * MIB + PAGE, 128 * MIB, 256 * MIB, GIB)
FILES = one_of(0, 1, PAGE, 5000, 64 * KIB, 2 * MIB, 33 * MIB, 100 * MIB, 256 * MIB)
FOLIOS = one_of(PAGE, PAGE, 2 * MIB)
SESSIONS = one_of("session", "guests")
SHIFTS = one_of(12, 13, 16, 21, 24, 30, 30, 33, 40)
EXTEND = some({}, strategy=st.sampled_from(STRATEGIES), shift=SHIFTS)


@st.composite
def memory_maps(draw: st.DrawFn) -> Words:
    """Ranges of any node one after the other: nodes may interleave, or have no memory."""
    nodes = draw(NODE_COUNTS)
    nids = st.integers(0, nodes - 1)
    ranges = [{"start": draw(one_of(0, PAGE)), "end": LOW_END}] if draw(st.booleans()) else []
    pieces = st.tuples(GAPS, PIECES, nids, one_of("usable", "usable", "reserved"))
    first = draw(st.tuples(st.just(0), one_of(64 * MIB, GIB, 2 * GIB), nids, st.just("usable")))
    end = draw(one_of(MIB, 2 * MIB))
    for gap, size, nid, kind in [first, *draw(st.lists(pieces, max_size=9))]:
        ranges.append({"start": end + gap, "end": end + gap + size, "node": nid, "kind": kind})
        end += gap + size
    return {"memory_map": ranges, "nodes": nodes, "cpus": draw(CPUS)}


FIRMWARE = st.sampled_from(FIRMWARES)
MACHINES = st.one_of(
    some({"memory": MEMORY, "cpus": CPUS}, nodes=NODE_COUNTS, firmware=FIRMWARE),
    some({"node_memory": st.lists(SHARES, min_size=1, max_size=6), "cpus": CPUS}),
    memory_maps(),
)

OPTIONS = (
    "kho=on", "kho=on", "kho=off", "log_buf_len=1M", "log_buf_len=8M", "log_buf_len=1G",
    "kho_scratch=100%", "kho_scratch=200%", "kho_scratch=1000%", "kho_scratch=0%",
    "kho_scratch=16M,16M,0", "kho_scratch=16M,32M,4M", "kho_scratch=64M,64M,64M",
    "kho_scratch=40M,2M,2M", "kho_scratch=1G,1G,1G", "kho_scratch=0,0,0", "kho_scratch=4K,4K,4K",
    "hugepagesz=1G hugepages=2", "hugepagesz=1G hugepages=0:1,1:2", "hugepagesz=2M hugepages=300",
    "hugepagesz=1G hugepages=9", "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=20",
    "reserve_mem=1M:4096:abc", "reserve_mem=8M:2M:x reserve_mem=4K:4K:y", "reserve_mem=3G:4K:big",
    "swiotlb=noforce", "swiotlb=force", "swiotlb=65536", "crashkernel=64M", "nr_cpus=2",
)  # fmt: skip
COMMAND_LINES = st.lists(st.sampled_from(OPTIONS), max_size=3, unique=True).map(" ".join)
EARLY = st.lists(
    some(
        {"what": one_of("driver", "tables"), "size": one_of(64, PAGE, MIB, 100 * MIB)},
        align=one_of(64, PAGE, 2 * MIB, GIB),
        phase=one_of("before", "after"),
        required=st.booleans(),
        node=one_of(0, 0, 1),
    ),
    max_size=2,
)
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
PLACED = st.lists(
    some({}, image=one_of(PAGE, 64 * MIB, 3 * GIB), initrd=one_of(1, 20 * MIB, 1 << 40)), max_size=3
)
KERNELS = some(
    {},
    **BUILD,
    kaslr=st.booleans(),
    placed=PLACED,
    releases=st.lists(some({}, **BUILD), max_size=3),
)

WORKLOADS = st.one_of(
    some(
        {"kind": "memfd", "size": FILES},
        count=one_of(0, 1, 2, 5, 20),
        folio=FOLIOS,
        grow=st.integers(0, 3),
        drop=st.integers(0, 3),
        preserve=st.booleans(),
        session=SESSIONS,
        preserve_when=one_of("last", "made"),
        at=one_of("first", "every"),
    ),
    some({"kind": "hugetlb", "size": one_of(GIB, 2 * MIB)}, preserve=st.integers(0, 3)),
    some({"kind": one_of("anonymous", "page_cache"), "size": one_of(1, 33 * MIB, 256 * MIB)}),
    some({"kind": "pinned", "size": one_of(1, 33 * MIB, 256 * MIB)}, after=one_of(0, "5m", "9h")),
    some({"kind": "guest_memfd", "size": FILES}, count=one_of(0, 1, 5), drop=st.integers(0, 3)),
    some({"kind": "unmovable", "grow": one_of(PAGE, 30 * MIB)}, size=FILES),
    some(
        {"kind": "vms", "size": one_of(MIB, 16 * MIB, 100 * MIB), "count": st.integers(0, 5)},
        folio=FOLIOS,
        arrivals_per_hour=one_of(0.5, 3.0),
        lifetime=one_of("1m", "2h", "100h"),
        session=SESSIONS,
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
        boots=one_of("every", "last"),
    ),
    min_size=1,
    max_size=2,
)
CHAINS = some(
    {"boots": one_of(2, 3, 4, 4, 6), "seed": st.integers(0, 99)},
    workers=st.sampled_from(WORKERS),
    uptime=one_of("1s", "10m", "3h"),
    twin=st.booleans(),
    on_failure=one_of(*ON_FAILURE, "cold_boot"),
    retries=st.integers(0, 3),
)
SCENARIOS = some(
    {"machine": MACHINES, "kernel": KERNELS, "chain": CHAINS},
    workload=st.lists(WORKLOADS, max_size=5),
    faults=st.lists(FAULTS, max_size=3),
    what_if=WHAT_IFS,
)
