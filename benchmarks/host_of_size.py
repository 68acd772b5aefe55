"""One chain on a host of some size, in a process of its own: its CPU time, ranges and memory.

``python -m benchmarks.host_of_size SHAPE GIB`` prints what it cost as JSON. Two shapes of host: "in
proportion" is scenarios/host-12tib.yaml scaled, so more memory is more gigantic pages, more
scattered 4 KiB pages and more CPUs; "the same load" is what 64 GiB hold of it, on any machine.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kho_sim.chain import run_scenario
from kho_sim.scenario import from_dict

GIB = 1 << 30
PROPORTION, SAME_LOAD = "in proportion", "the same load"
SMALLEST_GIB = 64
MODEL_GIB = 12288
"""The size of scenarios/host-12tib.yaml, whose load is scaled."""
BOOTS = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What one chain cost.

    ``ranges`` counts its early allocations, memblock regions and runs of preserved pages, over all
    boots. ``seconds`` is CPU time; start-up is in neither it nor ``bytes_above_start``.
    """

    shape: str
    gib: int
    ranges: int
    seconds: float
    peak_bytes: int
    bytes_above_start: int


def host(gib: int, load_gib: int) -> dict[str, Any]:
    """Return a host of ``gib`` with the load that ``load_gib`` of host-12tib.yaml have."""
    share = load_gib / MODEL_GIB
    nodes = max(1, min(8, gib // 384))
    scratch = f"{max(256, round(512 * share))}M,{max(512, round(2048 * share))}M,256M"
    gigantic = round(11000 * share)
    return {
        "machine": {
            "memory": f"{gib}GiB",
            "nodes": nodes,
            "cpus": max(8, round(192 * share)) // nodes * nodes,
        },
        "kernel": {
            "command_line": f"kho_scratch={scratch} log_buf_len=16M "
            f"hugepagesz=1G hugepages={gigantic}",
            "extend": {"strategy": "blocks", "shift": 30},
        },
        "workload": [
            {"kind": "hugetlb", "size": "1GiB", "preserve": round(10000 * share)},
            {
                "kind": "vms",
                "count": max(1, round(512 * share)),
                "size": "128MiB",
                "arrivals_per_hour": 3 * share,
                "lifetime": "168h",
            },
        ],
        "chain": {
            "boots": BOOTS,
            "seed": 1,
            "uptime": "24h",
            "workers": "emulated",
            "twin": False,
        },
    }


def run(shape: str, gib: int) -> Cost:
    """Run the chain in this process; it has to come to its end."""
    scenario = from_dict(host(gib, gib if shape == PROPORTION else SMALLEST_GIB))
    bytes_before, seconds_before = peak_bytes(), time.process_time()
    trace = run_scenario(scenario)
    seconds, peak = time.process_time() - seconds_before, peak_bytes()
    if trace.outcome.kind != "completed":
        raise SystemExit(f"{shape}, {gib} GiB: {trace.outcome}")
    ranges = sum(map(len, (trace["allocations"], trace["regions"])))
    ranges += len(trace["preserved"])
    return Cost(shape, gib, ranges, seconds, peak, peak - bytes_before)


def peak_bytes() -> int:
    """Return the most memory that this process had (Linux). getrusage() would count its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


if __name__ == "__main__":
    print(json.dumps(asdict(run(sys.argv[1], int(sys.argv[2])))))
