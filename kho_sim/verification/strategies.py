"""What a laboratory kernel says of its extension, beside the model's from the same state.

The lines `OBS strategy` and `OBS whatif` (docs/verification.md): counts of a walk, busy blocks by
count and hash, and what each of six dry runs on the inherited tree would have recovered. Left out:
their instructions, which are no fact of the model but calibrate it (``verification.costs``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kho_sim.kho.extend import ExtendOptions, Extension, strategy_of
from kho_sim.kho.extend.blocks import gaps
from kho_sim.kho.key import KeySet
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.facts import DryRun
from kho_sim.memory.memblock import NO_NODE, Memblock

FNV_OFFSET, FNV_PRIME, FNV_MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
"""FNV-1a over whole block numbers, as the kernel prints it."""

Pairs = dict[str, tuple[Any, Any]]
"""Name of a step -> (predicted, observed)."""


def extend_as_logged(
    memblock: Memblock, tree: FrozenRadixTree, strategy: str, shift: int
) -> Extension:
    """Run an extension on memblock as a log shows it; pages of its digest are memblock's."""
    page_bytes = memblock.geometry.page_bytes
    return strategy_of(strategy).extend(
        memblock,
        tree,
        ExtendOptions(shift),
        lambda: memblock.alloc_try_nid_raw(page_bytes, page_bytes, 0, 0, NO_NODE),
        lambda address: memblock.phys_free(address, page_bytes),
    )


def busy_hash(busy: KeySet) -> int:
    """Return the kernel's hash of the busy block numbers; 0 without a digest is its own affair."""
    value = FNV_OFFSET
    for block in busy:
        value = (value ^ block) * FNV_PRIME & FNV_MASK
    return value


def counted(log: BootLog, extension: Extension) -> Pairs:
    """Return the busy blocks and digest pages of the real step, where the log has its line."""
    line = log.strategy
    if line is None:
        return {}
    hashed = busy_hash(extension.busy) if extension.digest_pages else 0
    return {
        "busy_block_hash": ((len(extension.busy), hashed), (line.busy, line.hash)),
        "digest_pages": (extension.digest_pages, line.digest),
        "block_shift": (extension.shift, line.shift),
    }


def dry_runs(log: BootLog, memblock: Callable[[], Memblock], tree: FrozenRadixTree) -> Pairs:
    """Return the dry runs of a log and the model's; ``memblock`` makes the state before the step.

    Instructions are left out on both sides.
    """
    if not log.dry_runs:
        return {}
    predicted = [_dry_run(line, memblock, tree) for line in log.dry_runs]
    observed = [line._replace(instructions=0) for line in log.dry_runs]
    return {"dry_runs": ([tuple(run) for run in predicted], [tuple(run) for run in observed])}


def _dry_run(line: DryRun, make: Callable[[], Memblock], tree: FrozenRadixTree) -> DryRun:
    """Keys and tables of the walk alone: the extension counts the digest's walk as well."""
    memblock = make()
    strategy = "blocks-skip" if line.skips else "blocks"
    done = extend_as_logged(memblock, tree, strategy, line.shift)
    fewer = make()
    largest = extend_as_logged(fewer, tree, "largest-gaps", line.shift)
    return DryRun(
        shift=line.shift,
        skips=line.skips,
        instructions=0,
        keys=done.work.keys_walked - len(done.busy),
        tables=done.work.tables_walked - done.digest_pages,
        added=done.work.keys_added,
        busy=len(done.busy),
        digest=done.digest_pages,
        hash=busy_hash(done.busy),
        gaps=len(gaps(done.busy, line.shift, memblock.end_of_dram())),
        recovered=done.extended_bytes,
        room=line.room,
        largest=largest.extended_bytes,
    )
