"""Files of 4 KiB folios that fill their hosts: what a TiB costs, on hosts of 1 and of 4 TiB.

A file of four times the size takes four times as long, not more: each stage works with columns.
"""

import pytest

from kho_sim.chain import run_scenario
from kho_sim.scenario import from_dict

GIB = 1 << 30


def host(kind, gib):
    """A file that takes nine tenths of a node."""
    return from_dict(
        {
            "machine": {"memory": gib * GIB, "cpus": 64},
            "workload": [{"kind": kind, "size": gib * GIB * 9 // 10}],
            "chain": {"boots": 1, "twin": False},
        }
    )


@pytest.mark.parametrize("gib", [1024, 4096])
def test_a_memfd_that_fills_its_node(benchmark, gib):
    trace = benchmark.pedantic(run_scenario, (host("memfd", gib),), rounds=2)
    assert trace.outcome.kind == "completed"
