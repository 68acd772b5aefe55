"""Single steps of the model against a real kernel, each from the state that the log shows.

The extension from the logged tree and regions (kernel-facts 5), gigantic pages after it (7.2),
scratch areas from the logged reservations (3.2, 3.3), the growth of memblock.reserved at the
retrieval (12.2), where kexec put the next kernel (11) or the slots that KASLR has for it, and what
the releases of two kernels say of the handover between them (``handovers``). A step whose state the
log does not show is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.extent import Extent
from kho_sim.builds import Build
from kho_sim.chain.build import build_machine, build_of
from kho_sim.kho.extend import retrieval_beside
from kho_sim.kho.load import LoadRefused
from kho_sim.kho.retrieve import RetrieveOptions, Retriever, retriever_of
from kho_sim.kho.scratch import reserve_scratch
from kho_sim.logs.importing.landing import is_randomised, landing, predicted_landing
from kho_sim.logs.reader import BootLog
from kho_sim.memory.early import BootOptions, Requests
from kho_sim.memory.early.gigantic import allocate_gigantic_pages
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.kaslr import Kaslr, Placed, image_slot
from kho_sim.platform.loader import LoadRequest
from kho_sim.platform.platform import platform_of
from kho_sim.releases import Release, load_release
from kho_sim.scenario import Scenario
from kho_sim.scenario.spec import Kernel
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace
from kho_sim.verification.comparison import Comparison, compare
from kho_sim.verification.handovers import expected_handover, observed_handover
from kho_sim.verification.logged_state import Areas, chain_areas, memblock_at, tree_of
from kho_sim.verification.strategies import counted, dry_runs, extend_as_logged

Steps = dict[str, Comparison]


def check_steps(trace: Trace, scenario: Scenario) -> list[Steps]:
    """Return for each boot of a log its steps by name; ``scenario`` was made from the log."""
    areas = chain_areas(trace)
    checked = []
    logs: tuple[BootLog, ...] = trace.extra["boots"]
    for number, (log, boot) in enumerate(zip(logs, trace[Boot], strict=True)):
        steps: Steps = {}
        if boot.kind == "kho":
            steps |= _tree_sums(trace, boot)
            steps |= _extension(trace, log, boot, areas, scenario)
            steps |= _retrieval(trace, log, boot, areas, scenario)
            if number and areas:
                steps |= _kexec(log, areas, scenario)
        else:
            steps |= _scratch(log, boot.scratch_areas, scenario)
        if number:
            steps |= _handover(logs[number - 1], log, scenario)
        checked.append(steps)
    return checked


def _tree_sums(trace: Trace, boot: Boot) -> Steps:
    """Node count, key count and bytes follow from the keys (kernel-facts 4.3)."""
    tree = tree_of(trace, boot.boot)
    if tree is None:
        return {}
    by_order = tuple(sorted(tree.counts_by_order().items()))
    return _known(
        radix_nodes=(tree.nodes, boot.radix_nodes),
        preservations=(len(tree), boot.preservations),
        preservations_by_order=(by_order, boot.preservations_by_order),
        preserved_bytes=(tree.preserved_bytes, boot.preserved_bytes),
    )


def _extension(
    trace: Trace, log: BootLog, boot: Boot, areas: Areas | None, scenario: Scenario
) -> Steps:
    """From tree and regions before it: what is busy, what is marked, and what that gives."""
    memblock = memblock_at(log, "before_extend", areas, kho=True)
    tree = tree_of(trace, boot.boot)
    if memblock is None or tree is None or not log.nodes or boot.extended_bytes is None:
        return {}
    kernel = scenario.kernel.at(boot.boot)
    retriever = _retriever(kernel)
    if retriever.reserve_first:
        retriever.reserve_first(memblock, tree.freeze())
    options = (kernel.extend.strategy, kernel.extend.shift)
    extension = extend_as_logged(memblock, tree.freeze(), *options)
    after = memblock_at(log, "after_extend", areas, kho=True)
    regions = [tuple(region) for region in memblock.memory]
    steps = _known(
        busy_blocks=(extension.busy_blocks, boot.busy_blocks),
        extended_bytes=(extension.extended_bytes, boot.extended_bytes),
        **({} if log.strategy else {"digest_pages": (extension.digest_pages, boot.digest_pages)}),
        **counted(log, extension),
        **dry_runs(log, partial(_before_extend, log, areas), tree.freeze()),
        regions_after=(regions, [tuple(r) for r in after.memory] if after else None),
    )
    if retriever.reserve_first and after:
        reserved = [tuple(region) for region in memblock.reserved]
        steps |= _known(reserved_first=(reserved, [tuple(r) for r in after.reserved]))
    if areas:
        pages = _gigantic_pages(memblock, log, load_release(kernel.release))
        steps |= _known(gigantic_pages_allocated=(pages, boot.gigantic_pages_allocated))
    return steps


def _before_extend(log: BootLog, areas: Areas | None) -> Memblock:
    memblock = memblock_at(log, "before_extend", areas, kho=True)
    assert memblock is not None, "only a log that shows it is asked"
    return memblock


def _retriever(kernel: Kernel) -> Retriever:
    return retriever_of(retrieval_beside(kernel.extend.strategy, kernel.retrieval))


def _gigantic_pages(memblock: Memblock, log: BootLog, release: Release) -> int | None:
    nodes = tuple(sorted({region.nid for region in memblock.memory}))
    requests = parse_command_line(log.command_line, log.option_rules).hugepages(len(nodes))
    if not log.command_line or not BootOptions(hugepages=requests).gigantic_pages(
        memblock.geometry
    ):
        return None
    options, avoid_scratch = BootOptions(hugepages=requests), release.gigantic_pages_avoid_scratch
    got = allocate_gigantic_pages(Requests(memblock), options, nodes, avoid_scratch)
    return len(got.pages)


def _retrieval(
    trace: Trace, log: BootLog, boot: Boot, areas: Areas | None, scenario: Scenario
) -> Steps:
    """Each run of preserved memory becomes one more region of memblock.reserved."""
    memblock = memblock_at(log, "before_retrieve", areas, kho=True)
    tree = tree_of(trace, boot.boot)
    if memblock is None or tree is None:
        return {}
    retriever = _retriever(scenario.kernel.at(boot.boot))
    options = RetrieveOptions(reserved=retriever.reserve_first is not None)
    retrieval = retriever.retrieve(memblock, tree.freeze(), options)
    ranges = retrieval.work.ranges_reserved
    if retriever.reserve_first:
        again = _before_extend(log, areas)
        first = retriever.reserve_first(again, tree.freeze())
        ranges = first.work.ranges_reserved - tree.nodes
    return _known(
        reserved_regions_after=(retrieval.regions_after, boot.reserved_regions_after),
        ranges_reserved=(ranges, log.runs_reserved),
        reserved_capacity=(memblock.reserved.capacity, log.costs and log.costs.reserved_max),
    )


def _scratch(log: BootLog, areas: Areas | None, scenario: Scenario) -> Steps:
    """The first kernel's areas follow from what it had reserved, gigantic pages included."""
    memblock = memblock_at(log, "before_retrieve", None, kho=False)
    if memblock is None or not log.command_line:
        return {}
    nodes = tuple(sorted({region.nid for region in memblock.memory}))
    platform = platform_of(scenario.machine.platform, scenario.kernel.page_size)
    rules = platform.early_rules(build_machine(scenario))
    release = load_release(scenario.kernel.at(log.boot).release)
    wanted = parse_command_line(log.command_line).scratch(release.scratch_option)
    reservation = reserve_scratch(
        Requests(memblock), wanted, nodes, rules.low_address, release.scratch
    )
    if log.disabled:
        return _known(scratch_failure=(reservation.messages[:1], (log.disabled,)))
    return _known(scratch_areas=(reservation.areas, areas))


def _kexec(log: BootLog, areas: Areas, scenario: Scenario) -> Steps:
    """The place of this kernel against the place for which its predecessor loaded it."""
    kernel = scenario.kernel.at(log.boot)
    platform = platform_of(scenario.machine.platform, kernel.page_size)
    build = build_of(kernel, platform)
    if log.initrd:
        build = replace(build, initrd_bytes=log.initrd.size)
    observed = landing(log, len(areas))
    command_line = log.command_line or kernel.command_line
    machine = build_machine(scenario)
    request = LoadRequest(
        build,
        len(command_line.encode()),
        machine.efi.runtime_ranges if machine.efi else 0,
        machine.device_tree,
        log.boot - 1,
    )
    place = predicted_landing(areas, request, platform)
    predicted: Mapping[str, Any] = {} if isinstance(place, LoadRefused) else place
    refused = place.message if isinstance(place, LoadRefused) else None
    steps = {
        f"{name}_address": compare(predicted.get(name, refused), address)
        for name, address in observed.items()
    }
    if "kernel" in observed and is_randomised(log, build):
        del steps["kernel_address"]
        steps["kernel_slot"] = _slot(observed["kernel"], areas, build, predicted)
    return steps


def _slot(address: int, areas: Areas, build: Build, predicted: Mapping[str, Any]) -> Comparison:
    """Compare a place: one that KASLR may choose is as predicted, others are held to kexec's."""
    ranges = [Extent(start, start + size) for start, size in areas]
    size = build.image_bytes + build.brk_bytes
    known = Kaslr(enabled=True, placed=Placed(image=address))
    chosen = image_slot(ranges, [], size, known)
    return compare(address if chosen == address else predicted.get("kernel"), address)


def _handover(sender: BootLog, log: BootLog, scenario: Scenario) -> Steps:
    """Tell whether this kernel finds what the one before it left."""
    sent = sender.jumped and not sender.disabled and not sender.live_update_off
    if not sent or log.starts_late:
        return {}
    before, kernel = scenario.kernel.at(sender.boot), scenario.kernel.at(log.boot)
    releases = load_release(before.release), load_release(kernel.release)
    expected = expected_handover(releases[0], sender.foreign_parts, releases[1], log.command_line)
    return _known(handover=(expected, observed_handover(log) or None))


def _known(**pairs: tuple[Any, Any]) -> Steps:
    """Compare those pairs (predicted, observed) of which both are known."""
    return {
        name: compare(predicted, observed)
        for name, (predicted, observed) in pairs.items()
        if predicted is not None and observed is not None
    }
