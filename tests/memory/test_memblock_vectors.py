"""The model answers what the real mm/memblock.c (7.3.4, compiled for user space) answered."""

import gzip
import json
from pathlib import Path

import pytest

from kho_sim.memory.memblock import Memblock

VECTORS = Path(__file__).parent / "data" / "memblock-vectors.jsonl.gz"

with gzip.open(VECTORS, "rt") as lines:
    SEQUENCES = [json.loads(line) for line in lines]


def answer(memblock: Memblock, op: str, args: list[int]):
    """Do one recorded call and return its answer in the form of the vectors."""
    settings = {
        "scratch_only": "scratch_only",
        "bottom_up": "bottom_up",
        "limit": "current_limit",
    }
    calls = {
        "add": memblock.add,
        "reserve": memblock.reserve,
        "remove": memblock.remove,
        "free": memblock.phys_free,
        "mark_scratch": memblock.mark_kho_scratch,
        "clear_scratch": memblock.clear_kho_scratch,
        "mark_nomap": memblock.mark_nomap,
        "mark_hotplug": memblock.mark_hotplug,
        "set_node": memblock.set_node,
        "alloc": memblock.alloc_range_nid,
        "alloc_raw": memblock.alloc_try_nid_raw,
        "end_of_dram": memblock.end_of_dram,
        "sizes": lambda: [memblock.memory_size(), memblock.reserved_size()],
    }
    if op in settings:
        setattr(memblock, settings[op], args[0] if op == "limit" else bool(args[0]))
        return None
    return calls[op](*args)


def test_there_are_400_sequences():
    assert len(SEQUENCES) == 400


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: str(sequence["id"]))
def test_every_step_agrees_with_the_kernel(sequence):
    memblock = Memblock()
    for number, step in enumerate(sequence["steps"]):
        assert answer(memblock, step["op"], step["args"]) == step["returns"], (number, step)
        for array in ("memory", "reserved"):
            if array in step:
                assert [list(r) for r in getattr(memblock, array)] == step[array], (number, step)
        memblock.check()
