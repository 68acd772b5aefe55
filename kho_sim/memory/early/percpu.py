"""The first per-CPU chunk: steps 28 to 30 of kernel-facts section 6.

Models pcpu_embed_first_chunk(): how many units share an atom, one block per group of CPUs, the
tails that are freed again, and the metadata; then the CPU masks of a kernel that keeps them off its
stacks (kernel-facts-distro 1). CPUs of one node form a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from kho_sim.base import requesters
from kho_sim.base.extent import round_down, round_up
from kho_sim.builds import Build
from kho_sim.memory.early.requests import Requests
from kho_sim.platform.rules import EarlyRules

PAGE_BLOCK_RECORD_BYTES = 32
CHUNK_RECORD_BYTES = 136
SLOT_BYTES = 16
MASK_WORD_BITS = 64
NO_AREAS = "Failed to initialize percpu areas."


@dataclass(frozen=True, slots=True)
class UnitLayout:
    """How units are laid out: bytes a unit keeps, bytes it is given, units an atom holds."""

    kept_bytes: int
    unit_bytes: int
    units_per_atom: int


def unit_layout(
    build: Build, group_cpus: list[int], page_bytes: int, atom_bytes: int
) -> UnitLayout:
    """Choose the units per atom. Source: pcpu_build_alloc_info().

    From the most units down: too much waste (over a third of the CPUs) is skipped, and the first
    choice that needs more atoms than the one before ends the search.
    """
    wanted = build.per_cpu_static_bytes + build.per_cpu_reserved_bytes + build.per_cpu_dynamic_bytes
    kept = round_up(wanted, page_bytes)
    atom = round_up(kept, atom_bytes)
    best, fewest = 1, None
    for units in range(atom // kept, 0, -1):
        if atom % units:
            continue
        atoms = sum(-(-cpus // units) for cpus in group_cpus)
        if atoms * units - sum(group_cpus) > sum(group_cpus) // 3:
            continue
        if fewest is not None and atoms > fewest:
            break
        best, fewest = units, atoms
    return UnitLayout(kept, atom // best, best)


def set_up_per_cpu(
    requests: Requests, build: Build, rules: EarlyRules, cpus_by_node: dict[int, int]
) -> None:
    """Allocate the per-CPU areas and what describes them; a node without CPUs has none."""
    page_bytes, atom_bytes = requests.geometry.page_bytes, rules.per_cpu_atom_bytes
    groups = [(nid, cpus) for nid, cpus in cpus_by_node.items() if cpus]
    layout = unit_layout(build, [cpus for _, cpus in groups], page_bytes, atom_bytes)
    units = [round_up(cpus, layout.units_per_atom) for _, cpus in groups]
    info_bytes = round_up(64 + 40 * len(groups) + 4 * sum(units), page_bytes)
    areas_bytes = round_up(8 * len(groups), page_bytes)
    info = requests.alloc(requesters.PER_CPU_GROUP_INFO, info_bytes, page_bytes, or_panic=NO_AREAS)
    areas = requests.alloc(requesters.PER_CPU_AREAS, areas_bytes, 64, or_panic=NO_AREAS)
    blocks = []
    for (nid, _), group_units in zip(groups, units, strict=True):
        size = group_units * layout.unit_bytes
        block = requests.alloc(
            requesters.PER_CPU_UNITS,
            size,
            atom_bytes,
            nid=nid,
            low=rules.memmap_address,
            or_panic=NO_AREAS,
        )
        blocks.append(block)
    for (_, cpus), group_units, block in zip(groups, units, blocks, strict=True):
        _free_tails(requests, layout, block, cpus, group_units)
    _allocate_metadata(requests, build, layout, groups)
    requests.free(info, 0, info_bytes)
    requests.free(areas, 0, areas_bytes)


def _free_tails(requests: Requests, layout: UnitLayout, block: int, cpus: int, units: int) -> None:
    for unit in range(units):
        kept = layout.kept_bytes if unit < cpus else 0
        if layout.unit_bytes > kept:
            requests.free(block, unit * layout.unit_bytes + kept, layout.unit_bytes - kept)


def _allocate_metadata(
    requests: Requests, build: Build, layout: UnitLayout, groups: list[tuple[int, int]]
) -> None:
    """Modules' reserved room is a chunk of its own, before the dynamic one.

    Source: pcpu_setup_first_chunk(), pcpu_alloc_first_chunk().
    """
    page_bytes = requests.geometry.page_bytes
    cpus = sum(count for _, count in groups)
    static, reserved = build.per_cpu_static_bytes, build.per_cpu_reserved_bytes
    regions = [layout.kept_bytes - round_down(static + reserved, page_bytes)]
    if reserved:
        regions.insert(0, round_up(static % page_bytes + reserved, page_bytes))
    slots = layout.unit_bytes.bit_length() + 1
    pieces = (
        (requesters.PER_CPU_GROUP_OFFSETS, 8 * len(groups)),
        (requesters.PER_CPU_GROUP_SIZES, 8 * len(groups)),
        (requesters.PER_CPU_UNIT_MAP, 4 * cpus),
        (requesters.PER_CPU_UNIT_OFFSETS, 8 * cpus),
        (requesters.PER_CPU_CHUNK_SLOTS, SLOT_BYTES * slots),
    )
    chunks = [
        (
            (requesters.PER_CPU_CHUNK, CHUNK_RECORD_BYTES),
            (requesters.PER_CPU_ALLOCATION_MAP, region // 32),
            (requesters.PER_CPU_BOUNDARY_MAP, region // 32 + 8),
            (requesters.PER_CPU_PAGE_BLOCKS, region // page_bytes * PAGE_BLOCK_RECORD_BYTES),
        )
        for region in regions
    ]
    for what, size in chain(pieces, *chunks):
        requests.alloc(what, size, 64, or_panic=f"pcpu_alloc: Failed to allocate {size} bytes")


def allocate_cpumasks(requests: Requests, cpus: int, node_ids: int) -> None:
    """Allocate a mask of all CPUs for each node number there can be, and one more.

    Source: setup_node_to_cpumask_map(), alloc_bootmem_cpumask_var(); kernel-facts-distro 1.
    """
    size = round_up(cpus, MASK_WORD_BITS) // 8
    panic = f"__memblock_alloc_or_panic: Failed to allocate {size} bytes"
    for _ in range(node_ids + 1):
        requests.alloc(requesters.CPUMASK, size, 64, or_panic=panic)
