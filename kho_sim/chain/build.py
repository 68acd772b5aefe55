"""The objects that run, built from a scenario's words: for ``run``, and for ``check``, which only
builds them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kho_sim.base.command_line import (
    CmaRequest,
    CommandLine,
    MovableCore,
    ReserveMem,
    Swiotlb,
    parse_command_line,
)
from kho_sim.base.errors import Problem, ScenarioError
from kho_sim.base.extent import Extent, round_up, subtracted
from kho_sim.base.units import format_exact
from kho_sim.base.words import PLATFORM_BUILDS, PLATFORM_FIRMWARES
from kho_sim.builds import Build, EarlyRequest, load_build
from kho_sim.chain.faults import faults_of, with_early_faults
from kho_sim.chain.plan import ChainPlan, WhatIf
from kho_sim.chain.timing import Steps, Timing, steps_of
from kho_sim.kernel.boot import KernelSetup
from kho_sim.kho.extend import ExtendOptions
from kho_sim.machine import BadMemory, BootLoader, Machine, MachineLimits, NodeRange
from kho_sim.machine.bad_memory import BUSY
from kho_sim.memory.early import BootOptions
from kho_sim.memory.early.bounce import SLAB_BYTES
from kho_sim.memory.pages import INTERLEAVINGS
from kho_sim.platform.firmware import FIRMWARES, MEMORY_MAPS
from kho_sim.platform.firmware.ranges import MapBeside
from kho_sim.platform.kaslr import Kaslr, Placed
from kho_sim.platform.options import option_rules
from kho_sim.platform.platform import Platform, platform_of
from kho_sim.releases import load_release
from kho_sim.scenario.machine import BOOTABLE
from kho_sim.scenario.platform import where_started
from kho_sim.scenario.time import hardware_of

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario, spec
    from kho_sim.scenario import machine as machine_section

BUILD_KEYS = {
    "image": "image_bytes",
    "brk": "brk_bytes",
    "initrd": "initrd_bytes",
    "init_size": "init_size_bytes",
    "per_cpu_static": "per_cpu_static_bytes",
    "log_buf_len": "default_log_buffer_bytes",
    "purgatory": "purgatory_bytes",
    "node_data": "node_data_bytes",
    "per_cpu_reserved": "per_cpu_reserved_bytes",
    "per_cpu_dynamic": "per_cpu_dynamic_bytes",
}
"""Keys of ``kernel`` in a scenario -> fields of the build."""


KEEP_EFI_IMAGE = {"mem", "memmap", "hugepages"}
"""Words of a command line with which EFI's loader does not move the image."""


def build_plan(scenario: Scenario) -> ChainPlan:
    """Return the chain that a scenario describes. Raises ScenarioError for what cannot be
    built."""
    machine = build_machine(scenario)
    platform = platform_of(scenario.machine.platform, scenario.kernel.page_size)
    _check_loader(scenario, platform)
    kernels = [scenario.kernel.at(boot) for boot in range(scenario.chain.boots)]
    named = [
        ReserveMem(entry.size, entry.align, entry.name)
        for entry in scenario.workload
        if entry.kind == "reserve_mem"
    ]
    bad_memory = _bad_memory(scenario)
    setups = tuple(
        with_early_faults(
            replace(
                build_kernel(kernel, platform, machine, named, (scenario.chain.seed, boot)),
                spares_bad_frames=bad_memory is not None and bad_memory.told == BUSY,
            ),
            scenario.faults,
            boot,
        )
        for boot, kernel in enumerate(kernels)
    )
    if scenario.machine.memory_map:
        _check_cold(setups[:1] if scenario.chain.on_failure == "stop" else setups, machine)
    return ChainPlan(
        machine=machine,
        kernels=setups,
        command_lines=tuple(kernel.command_line for kernel in kernels),
        steps=tuple(map(_steps, kernels)),
        workloads=scenario.workload,
        uptime_ns=scenario.chain.uptime,
        seed=scenario.chain.seed,
        interleaving=INTERLEAVINGS[scenario.chain.workers],
        faults=faults_of(scenario.faults),
        on_failure=scenario.chain.on_failure,
        retries=scenario.chain.retries if scenario.chain.on_failure != "stop" else 0,
        what_ifs=tuple(
            WhatIf(entry.strategy, ExtendOptions(shift), retrieval, entry.boots == "last")
            for entry in scenario.what_if or ()
            for shift in entry.shifts
            for retrieval in entry.retrievals or ("",)
        ),
        timing=_timing(scenario),
        bad_memory=bad_memory,
    )


def _timing(scenario: Scenario) -> Timing:
    machine, chain = scenario.machine, scenario.chain
    hardware = hardware_of(machine.hardware)
    functions = machine.pci_functions
    return Timing(
        hardware=hardware,
        pci_functions=int(hardware.defaults["pci_functions"].value)
        if functions is None
        else functions,
        pci_waits=machine.pci_waits or 0,
        preserves_paused=chain.preserve_when == "paused",
        file_threads=chain.file_threads or 1,
        vfio=bool(chain.vfio),
    )


def _steps(kernel: spec.Kernel) -> Steps:
    """Return how a kernel does what takes time: its release's way, or that of another version."""
    major, minor = (kernel.timed_as or kernel.release).split("-")[0].split(".")
    return steps_of(
        (int(major), int(minor)),
        kernel.deferred_threads,
        kernel.hugetlb_parallel,
        kernel.cpu_bring_up,
    )


def _bad_memory(scenario: Scenario) -> BadMemory | None:
    wanted = scenario.machine.bad_memory
    return BadMemory(wanted.frames_per_day, wanted.told) if wanted else None


def _check_loader(scenario: Scenario, platform: Platform) -> None:
    """Raise ScenarioError if what a boot loader puts somewhere runs out of memory there."""
    places, first = scenario.machine.boot_loader, scenario.kernel.at(0)
    build = build_of(first, platform)
    sizes = {"image_start": build.image_bytes, "initrd_start": build.initrd_bytes}
    usable = [part for part in scenario.machine.memory_map or () if part.is_memory]
    for name, size_bytes in sizes.items() if places else ():
        start = getattr(places, name)
        if start and not any(part.start <= start <= part.end - size_bytes for part in usable):
            message = f"{start:#x} has no {format_exact(size_bytes)} of memory behind it"
            raise ScenarioError([Problem("", 0, 0, f"machine.boot_loader.{name}", message)])


def _check_cold(setups: tuple[KernelSetup, ...], machine: Machine) -> None:
    """Raise ScenarioError for a kernel that may start cold, and that no boot loader could put into
    the machine's memory."""
    for boot, setup in enumerate(setups):
        loaded = setup.platform.load_cold(machine, setup.build, setup.kaslr)
        for name, place in (("image", loaded.image), ("initrd", loaded.initrd)):
            if place and subtracted([place], machine.memory):
                message = (
                    f"no memory for a cold boot {boot}: its {name} would lie at "
                    f"{place.start:#x}-{place.end:#x}, where not all is usable"
                )
                raise ScenarioError([Problem("", 0, 0, "machine.memory_map", message)])


def _seen(machine: Machine, limits: MachineLimits, platform: Platform) -> Machine:
    """Return what a kernel sees of the machine. Raises ScenarioError if no kernel fits in it."""
    seen = limits.seen(machine)
    end = platform.boot_loader_end
    if limits.edits and not any(part.start < end and part.size >= BOOTABLE for part in seen.memory):
        message = (
            "mem= and memmap= leave no memory for a kernel; accepted: at least "
            f"{format_exact(BOOTABLE)} in one piece{where_started(platform)}"
        )
        raise ScenarioError([Problem("", 0, 0, "kernel.command_line", message)])
    return seen


def build_machine(scenario: Scenario) -> Machine:
    """Return the machine of a scenario, as kernels with its page size see it."""
    machine, present = _machine(scenario.machine), scenario.machine.present_cpus
    machine = machine.with_present_cpus(present) if present else machine
    return replace(machine, page_bytes=scenario.kernel.page_size)


def _machine(wanted: machine_section.Machine) -> Machine:
    if wanted.memory_map:
        ranges = [(part.start, part.end, part.node, part.kind) for part in wanted.memory_map]
        make_mapped = MEMORY_MAPS[wanted.platform]
        machine = make_mapped(ranges, cpus=wanted.cpus, beside=_beside_map(wanted))
        machine = replace(machine, nodes_online=wanted.nodes)
    else:
        total = wanted.total_bytes
        shares = wanted.node_memory or _equal_shares(total, wanted.nodes)
        make = FIRMWARES[wanted.firmware or PLATFORM_FIRMWARES[wanted.platform][0]]
        machine = make(total, cpus=wanted.cpus, node_bytes=shares)
        machine = replace(machine, hotplug=_hotplug(wanted))
    return replace(
        machine,
        page_table_levels=wanted.page_table_levels or machine.page_table_levels,
        has_node_distances=bool(wanted.node_distances),
    )


def _beside_map(wanted: machine_section.Machine) -> MapBeside:
    tables, efi = wanted.firmware_tables, wanted.efi
    return MapBeside(
        tables=None if tables is None else tuple(Extent(t.start, t.end) for t in tables),
        hotplug=_hotplug(wanted),
        efi=efi is not None,
        runtime_ranges=efi.runtime_ranges if efi else None,
        memory_map=_extent(efi.memory_map) if efi else None,
        attributes=_extent(efi.attributes) if efi else None,
        initrd_end=efi.initrd_end if efi else 0,
        kept_tables=efi.kept_tables if efi else 0,
        boot_loader=_boot_loader(wanted),
    )


def _boot_loader(wanted: machine_section.Machine) -> BootLoader | None:
    places = wanted.boot_loader
    if places is None:
        return None
    return BootLoader(
        image=places.image_start,
        initrd=places.initrd_start,
        device_tree=places.device_tree_start,
    )


def _hotplug(wanted: machine_section.Machine) -> tuple[NodeRange, ...]:
    return tuple(NodeRange(part.start, part.end, part.node) for part in wanted.hotplug or ())


def _extent(span: machine_section.Span | None) -> Extent | None:
    return Extent(span.start, span.end) if span else None


def build_kernel(
    kernel: spec.Kernel,
    platform: Platform,
    machine: Machine,
    named: list[ReserveMem],
    drawn_from: tuple[int, int],
) -> KernelSetup:
    """Return the setup of one kernel: its build, what its command line asks for, its strategy.

    ``drawn_from``: the chain's seed and the number of the boot.
    """
    rules = option_rules(platform.name, platform.geometry.page_bytes)
    line = parse_command_line(kernel.command_line, rules)
    build, limits = build_of(kernel, platform), MachineLimits.of(line)
    release = load_release(kernel.release)
    machine = _seen(machine, limits, platform)
    return KernelSetup(
        platform=platform,
        build=_with_bounce_buffers(build, line.swiotlb),
        options=_options(line, build, machine, named),
        release=release,
        kho=line.kho,
        scratch=line.scratch(release.scratch_option),
        limits=limits,
        strategy=kernel.extend.strategy,
        extend=ExtendOptions(kernel.extend.shift),
        retrieval=kernel.retrieval,
        kaslr=_kaslr(kernel, line, build, machine, drawn_from),
        messages=(*line.messages, *line.hugepage_messages(len(machine.nodes))),
    )


def _kaslr(
    kernel: spec.Kernel,
    line: CommandLine,
    build: Build,
    machine: Machine,
    drawn_from: tuple[int, int],
) -> Kaslr:
    """Return how a boot is randomised on the machine that its kernel sees.

    EFI's loader moves no kernel whose command line limits memory or asks for huge pages
    (kernel-facts-distro 3.2).
    """
    wanted = build.config.randomize_base if kernel.kaslr is None else kernel.kaslr
    enabled = wanted and not line.nokaslr
    names = {word.split("=")[0] for word in line.text.split()}
    is_kept = machine.efi is not None and bool(names & KEEP_EFI_IMAGE)
    boot = drawn_from[1]
    known = kernel.placed[boot] if kernel.placed and boot < len(kernel.placed) else None
    placed = Placed(**known.model_dump()) if known else Placed()
    return Kaslr(enabled, enabled and not is_kept, machine.memory, drawn_from, placed)


def build_of(kernel: spec.Kernel, platform: Platform) -> Build:
    """Return the kernel's build: the one that it names, or its platform's, with the scenario's
    differences.

    A kernel whose image is larger than that build's has an init_size that holds it.
    """
    early = tuple(
        EarlyRequest(
            what=entry.what,
            size_bytes=entry.size,
            align_bytes=entry.align,
            nid=-1 if entry.node is None else entry.node,
            phase=entry.phase,
            required=entry.required,
            preserve=entry.preserve,
        )
        for entry in kernel.early
    )
    page_bytes = platform.geometry.page_bytes
    name = kernel.build or PLATFORM_BUILDS[platform.name]
    recorded = load_build(name, page_bytes)
    build = replace(recorded, early=early)
    for key, field in BUILD_KEYS.items():
        if (given := getattr(kernel, key)) is not None:
            build = _with(build, f"kernel.{key} of the scenario", **{field: given})
    if kernel.config:
        given = kernel.config.model_dump(exclude_none=True)
        sources = {f"config.{name}": "kernel.config of the scenario" for name in given}
        config = replace(build.config, **given)
        build = replace(build, sources=build.sources | sources, config=config)
    if build.sections and build.image_bytes != recorded.image_bytes:
        build = _without_sections(build)
    if build.bss_end_offset > build.image_bytes:
        build = _without_init_section(build)
    in_memory = round_up(build.image_bytes + build.brk_bytes, page_bytes)
    if not build.init_size_bytes or in_memory <= build.init_size_bytes:
        return build
    return _with(build, "what image and brk take", init_size_bytes=in_memory)


def _without_sections(build: Build) -> Build:
    """Return the build of another image, of which nobody says where its sections are."""
    sources = {key: text for key, text in build.sources.items() if "sections." not in key}
    return replace(build, sections=None, sources=sources)


def _without_init_section(build: Build) -> Build:
    """Return the build of an image that ends before the recorded one's init section and bss do:
    nothing of it is given back."""
    end = build.image_bytes
    source = "the end of an image that is smaller than the recorded one"
    return _with(build, source, init_section_offset=end, init_section_bytes=0, bss_end_offset=end)


def _with(build: Build, source: str, **values: Any) -> Build:
    """Return a build with other values, which all have one source."""
    return replace(build, sources=build.sources | dict.fromkeys(values, source), **values)


def _with_bounce_buffers(build: Build, wanted: Swiotlb) -> Build:
    """Apply ``swiotlb=``: slabs of 2 KiB, or none at all."""
    if wanted.noforce:
        return _with(build, "swiotlb=noforce of the command line", swiotlb_bytes=0)
    if wanted.slabs:
        return _with(build, "swiotlb= of the command line", swiotlb_bytes=wanted.slabs * SLAB_BYTES)
    return build


def _options(
    line: CommandLine, build: Build, machine: Machine, named: list[ReserveMem]
) -> BootOptions:
    return BootOptions(
        command_line_bytes=line.length,
        log_buffer_bytes=line.log_buf_len or 0,
        hugepages=line.hugepages(len(machine.nodes)),
        optimises_memmap=line.hugetlb_free_vmemmap,
        movable_core=MovableCore() if line.movable_node else line.movable_core,
        movable_node=line.movable_node,
        forces_bounce_buffers=line.swiotlb.force,
        hugetlb_cma=line.hugetlb_cma,
        crashkernel=line.crashkernel,
        cma=line.cma or CmaRequest(build.cma_bytes),
        reserve_mem=(*line.reserve_mem, *named),
        unknown_words=tuple(w for w in build.unknown_words if w in line.text.split()),
        kfence_interval=line.kfence_interval,
        maps_by_blocks=line.rodata in ("noalias", "off")
        and bool(line.kfence_interval or not build.kfence_pool_objects),
        swiotlb_given=bool(line.swiotlb.slabs),
    )


def _equal_shares(memory_bytes: int, nodes: int) -> list[int]:
    """Split memory equally in whole MiB, the last node taking the rest, as QEMU does."""
    share = memory_bytes // nodes >> 20 << 20
    return [share] * (nodes - 1) + [memory_bytes - share * (nodes - 1)]
