"""Which tests must notice a mistake in which modules.

A room of mutants is run by itself: only its modules are mutated, so everything else runs at full
speed, and only the tests named here are asked. They must be quick, as a mutant that survives has
been through all of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """Modules to break, as patterns under `kho_sim/`, and the tests that must notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


ROOMS = {
    "memblock": Room(
        (
            "memory/failing_marks.py",
            "memory/free_ranges.py",
            "memory/memblock.py",
            "memory/region_array.py",
            "memory/regions.py",
        ),
        (
            "tests/memory/test_alloc_run.py",
            "tests/memory/test_failing_marks.py",
            "tests/memory/test_memblock_bulk.py",
            "tests/memory/test_memblock_hugetlb.py",
            "tests/memory/test_memblock_naive.py",
            "tests/memory/test_memblock_sizes.py",
            "tests/memory/test_memblock_states.py",
            "tests/memory/test_memblock_vectors.py",
            "tests/memory/test_regions.py",
        ),
    ),
    "early": Room(
        ("memory/early/*.py", "platform/x86_64.py", "platform/arm64/*.py"),
        (
            "tests/platform",
            "tests/memory/early",
            "tests/memory/test_early_boot.py",
            "tests/memory/test_early_tight.py",
        ),
    ),
    "pages": Room(("memory/pages/*.py",), ("tests/memory/pages", "tests/chain/test_golden.py")),
    "tree": Room(
        ("kho/key.py", "kho/radix.py"),
        ("tests/kho/test_key.py", "tests/kho/test_radix.py", "tests/kho/test_radix_states.py"),
    ),
    "extend": Room(
        ("kho/extend/*.py",),
        (
            "tests/kho/test_extend_blocks.py",
            "tests/kho/test_extend_contract.py",
            "tests/kho/test_extend_proposals.py",
        ),
    ),
    "handover": Room(
        (
            "kernel/*.py",
            "kho/handover.py",
            "kho/load.py",
            "kho/populate.py",
            "kho/retrieve/*.py",
            "kho/scratch.py",
            "kho/preserve/*.py",
        ),
        ("tests/kho", "tests/chain"),
    ),
    "releases": Room(
        ("kho/bitmaps.py", "kho/versions.py", "releases/*.py"),
        ("tests/releases", "tests/kho/test_bitmaps.py"),
    ),
    "timing": Room(
        ("chain/timing/*.py", "rates/*.py"), ("tests/time", "tests/chain/test_golden.py")
    ),
    "sweeps": Room(
        (
            "host_cost/cost.py",
            "sweeps/advise/areas.py",
            "sweeps/advise/search.py",
            "sweeps/design.py",
            "sweeps/interval.py",
        ),
        (
            "tests/host_cost",
            "tests/sweeps/advise",
            "tests/sweeps/test_compare.py",
            "tests/sweeps/test_design.py",
        ),
    ),
}
