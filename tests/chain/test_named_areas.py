"""``reserve_mem=`` areas over a chain: their places, and the orders of their keys."""

from __future__ import annotations

from kho_sim.chain import run_scenario
from kho_sim.scenario import from_dict
from kho_sim.trace.trace import Trace

MIB, GIB = 1 << 20, 1 << 30


def chain(line: str, boots: int = 3) -> Trace:
    return run_scenario(
        from_dict(
            {
                "machine": {"memory": "8GiB", "cpus": 2},
                "kernel": {"command_line": line},
                "chain": {"boots": boots, "twin": False},
            }
        )
    )


def places(trace: Trace) -> dict[str, int]:
    rows = [row for row in trace["allocations"] if row.what.startswith("reserve_mem")]
    assert {row.boot for row in rows} <= {0}, "an area that is found again is not allocated"
    return {row.what.removeprefix("reserve_mem "): row.address for row in rows}


def orders(trace: Trace) -> dict[int, int]:
    """Keys of the last boot that a chain without areas does not have."""
    plain = dict(chain("")["boots"][-1].preservations_by_order)
    return {
        order: count - plain.get(order, 0)
        for order, count in trace["boots"][-1].preservations_by_order
        if count != plain.get(order, 0)
    }


def test_an_area_has_keys_of_the_orders_that_its_place_allows():
    """Recorded: 64 MiB on 1 GiB are one key of order 14."""
    trace = chain("reserve_mem=64M:1G:big")
    assert places(trace)["big"] % GIB == 0
    assert orders(trace) == {0: 1, 14: 1}
    assert trace.outcome.kind == "completed"


def test_areas_have_the_alignment_that_was_asked_for_and_may_share_a_page():
    line = "reserve_mem=64:64:a reserve_mem=64:64:b reserve_mem=4097:128:c"
    trace = chain(line)
    at = places(trace)
    assert [at[name] % align for name, align in (("a", 64), ("b", 64), ("c", 128))] == [0, 0, 0]
    assert at["a"] // 4096 == at["b"] // 4096
    pages = {start // 4096 for start in (at["a"], at["b"], at["c"], at["c"] + 4096)}
    assert sum(count << order for order, count in orders(trace).items()) == 1 + len(pages)
    assert trace.outcome.kind == "completed"


def test_scratch_grows_by_what_the_areas_take_byte_for_byte():
    reserved = [
        chain(line, 1)["boots"][0].kernel_reserved_bytes
        for line in ("dummy=1", "reserve_mem=100:64:a")
    ]
    longer = 2 * (len("reserve_mem=100:64:a") - len("dummy=1"))
    assert reserved[1] - reserved[0] == 100 + longer
