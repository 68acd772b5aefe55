"""The schema of scenarios: one frozen model per section of the file.

This is the schema: names, types, bounds, defaults, and the rules between keys. Sizes are bytes and
durations nanoseconds, whatever they look like in the file. Words that name things of other rooms
(strategies, firmware, workload kinds) stay words here; ``chain`` turns them into objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union

from pydantic import Field

from kho_sim.base import plugins
from kho_sim.base.command_line import parse_command_line
from kho_sim.base.notebook import values_html
from kho_sim.base.units import DURATION_UNITS, format_exact
from kho_sim.base.words import (
    PAGE_SIZES,
    RETRIEVALS,
    WORKERS,
)
from kho_sim.builds import DEFAULT_BUILD
from kho_sim.platform.options import option_rules
from kho_sim.rates import DEFAULT_HARDWARE
from kho_sim.releases import DEFAULT_RELEASE, strategy_in
from kho_sim.scenario.arrivals import broken_arrivals
from kho_sim.scenario.expectations import Expectation, ExpectRule, expectation
from kho_sim.scenario.faults import Fault, broken_fault_rules
from kho_sim.scenario.fields import (
    PAGE_BYTES,
    BuildName,
    Choice,
    Duration,
    ListOf,
    Node,
    PageSize,
    PowerOfTwo,
    Release,
    Size,
    SizeOrZero,
)
from kho_sim.scenario.machine import Machine
from kho_sim.scenario.platform import X86_KEYS, broken_lengths, broken_on_platform
from kho_sim.scenario.section import BrokenRule, Section, sections_in
from kho_sim.scenario.shown import scenario_line, scenario_values
from kho_sim.scenario.time import PRESERVE_WHEN, TimedSteps, TimedUpdate
from kho_sim.scenario.ways import Extend, ExtendOverride, Retrieval, WhatIf, broken_shifts
from kho_sim.scenario.workloads import Workload, broken_between
from kho_sim.scenario.yaml_tree import write_yaml

ON_FAILURE = ("stop", "retry", "cold_boot", "previous")


class EarlyAllocation(Section):
    """One early allocation that this kernel makes beyond those of its build."""

    what: str = Field(min_length=1, max_length=100)
    """The requester, for tables and messages."""
    size: Size
    align: PowerOfTwo = 64
    node: Node | None = None
    """The node it has to be on; any if left out."""
    phase: Annotated[str, Choice(("before", "after"), "a phase")] = "after"
    """Before or after the extension of scratch."""
    required: bool = True
    """True if the kernel dies without it."""
    preserve: bool = False
    """True if its owner preserves it before the kernel goes, as IOMMU tables: lost where it lies in
    scratch, refused with config.kexec_handover_debug, else overwritten by the next kernel."""


class ConfigOptions(Section):
    """Options of a kernel's configuration that take or move early memory, or check it; those left
    out are as in ``build``."""

    cpumask_offstack: bool | None = None
    """CPU masks off the stack, as for thousands of CPUs."""
    efi: bool | None = None
    """Support of EFI."""
    firmware_memmap: bool | None = None
    """The firmware's map is kept for /sys/firmware."""
    hibernation: bool | None = None
    """Suspend to disk, which lists what is no memory."""
    kexec_handover_debug: bool | None = None
    """KHO checks what it preserves, and refuses what lies in scratch."""
    page_extension: bool | None = None
    """Data beside struct pages."""
    randomize_base: bool | None = None
    """KASLR."""
    zone_dma: bool | None = None
    """A zone of its own for the first 16 MiB."""


class PlacedBoot(Section):
    """The places of one boot that chance, firmware or a boot loader chose, as a log shows them."""

    image: Size | None = None
    """Address of the kernel; drawn if it is impossible there."""
    initrd: Size | None = None
    """Address of the initrd, in a first kernel."""
    direct_map_pages: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Page tables of the direct map that are no part of the image."""
    entry_area_tables: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Page tables of the CPUs' entry areas, with KASLR."""


class BuildSizes(Section):
    """The values that the build of a kernel fixes. Sizes left out are those of ``build``."""

    profile: str | None = None
    """A YAML or JSON file with these keys, relative to the scenario; keys given here win."""
    image: Size | None = None
    """Bytes from text to bss end."""
    brk: SizeOrZero | None = None
    """Bytes behind the image for early page tables."""
    initrd: SizeOrZero | None = None
    """Bytes of the initrd file."""
    init_size: Size | None = None
    """Bytes that the boot protocol's init_size asks for; at least image and brk."""
    per_cpu_static: Size | None = None
    """Bytes of a CPU's static per-cpu section."""
    log_buf_len: PowerOfTwo | None = None
    """Bytes of the log buffer without log_buf_len= (CONFIG_LOG_BUF_SHIFT)."""
    purgatory: Size | None = None
    """Bytes of kexec's purgatory."""
    node_data: Size | None = None
    """Bytes of a node's own data (NODE_DATA)."""
    per_cpu_reserved: SizeOrZero | None = None
    """Bytes of a CPU's per-cpu section that modules may use."""
    per_cpu_dynamic: Size | None = None
    """Bytes of a CPU's per-cpu section for dynamic allocations."""
    config: ConfigOptions | None = None
    """Options of the configuration."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if self.profile is not None:
            yield ("profile",), "a profile can only be named in a scenario file"
        in_memory = (self.image or 0) + (self.brk or 0)
        if self.init_size is not None and self.init_size < in_memory:
            text = f"image and brk alone take {format_exact(in_memory)}, which is more than this"
            yield ("init_size",), text
        command_line = getattr(self, "command_line", None) or ""
        if any(ord(character) < 32 for character in command_line):
            yield ("command_line",), "a command line is one line without control characters"


class KernelOverride(BuildSizes, TimedSteps):
    """The keys that differ in the kernel of one boot; keys left out are the kernel's own."""

    release: Release | None = None
    build: BuildName | None = None
    command_line: str | None = None
    extend: ExtendOverride | None = None
    retrieval: Retrieval | None = None
    early: ListOf[EarlyAllocation] | None = None


class Kernel(BuildSizes, TimedSteps):
    """The kernel that the chain boots again and again, or differs from in ``releases``."""

    release: Release = DEFAULT_RELEASE
    """A release known here, by its name or a version of it, as 7.3.4 or 7.3.0-1-amd64."""
    build: BuildName | None = None
    """A recorded build, or a file as profile takes it; the platform's recorded one if left out."""
    page_size: PageSize = PAGE_BYTES
    """The size of pages, the same for the whole chain; arm64 also has 16KiB and 64KiB."""
    command_line: str = ""
    """As the kernel reads it. A scenario is about KHO: without kho= it is on, kho=off is off."""
    extend: Extend = Extend()
    retrieval: Retrieval = RETRIEVALS[0]
    """per-key: Linux's own, two memblock calls for each preservation; one-call: one; collect-runs:
    one for each run of neighbours; two-pass: one before all other early allocations, orders later;
    two-pass-runs: the same for each run; skip-at-free: nothing is reserved; parallel: threads
    collect runs."""
    early: ListOf[EarlyAllocation] = ()
    """Early allocations beyond those of its build."""
    kaslr: bool | None = None
    """True if KASLR moves the kernel at each boot; if left out, as its build has it. nokaslr on a
    command line is false for that kernel."""
    placed: ListOf[PlacedBoot] | None = None
    """What is known of boot 0, 1, ...; the rest is drawn from the seed."""
    releases: ListOf[KernelOverride] = ()
    """The differences of boot 0, 1, ...; the last entry is for all boots after it, too."""

    def at(self, boot: int) -> Kernel:
        """Return the kernel of one boot (0 is the cold one): its ``releases`` entry applied, no
        extension in a release that has none."""
        last = len(self.releases) - 1
        override = self.releases[min(boot, last)] if self.releases else KernelOverride()
        changes = {name: getattr(override, name) for name in override.model_fields_set}
        of_extend = override.extend.model_dump(exclude_none=True) if override.extend else {}
        wanted = of_extend.get("strategy", self.extend.strategy)
        of_extend["strategy"] = strategy_in(changes.get("release") or self.release, wanted)
        changes["extend"] = self.extend.model_copy(update=of_extend)
        return self.model_copy(update={**changes, "releases": ()})


class Chain(TimedUpdate):
    """Number of boots, uptime, random seed, and the reaction to failures."""

    boots: Annotated[int, Field(ge=1, le=1000)] = 3
    """Kernels in the chain, the cold one included."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    workers: Annotated[str, Choice(WORKERS, "an order of workers")] = "drawn"
    """Order in which threads that initialise deferred memory take turns; places of pages follow:
    drawn from the seed, parallel (equal turns), emulated (as in the recorded boots of x86_64), or
    sequential (the first thread does it all, as in most recorded boots of arm64)."""
    uptime: Duration = DURATION_UNITS["h"]
    """The time that each kernel runs before the next update, as in 90s, 30m, 2h."""
    twin: bool = True
    """True to run the same chain without the extension as well, for comparison."""
    on_failure: Annotated[str, Choice(ON_FAILURE, "a reaction to a failure")] = "stop"
    """stop: the chain ends at its first failure. retry: a refused update is tried again after
    another uptime, for which the running kernel serves on; a kernel that dies ends the chain.
    cold_boot: as retry, and a kernel that dies, or whose retries are used up, is followed by a cold
    boot through firmware, with everything lost. previous: as cold_boot, but it is the kernel before
    the one that failed that is booted, and it stays: a roll-back."""
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Number of times that a refused update is tried again, with any other on_failure than stop."""


class Scenario(Section):
    """A chain of kernels on one machine: all that a run depends on."""

    description: str = ""
    machine: Machine
    kernel: Kernel = Kernel()
    workload: ListOf[Workload] = ()
    chain: Chain = Chain()
    faults: ListOf[Fault] = ()
    """The faults, each at one boot."""
    what_if: ListOf[WhatIf] | None = None
    """Early boots to try beside the chain's own, with all that they inherit the same."""
    expect: Annotated[dict[str, int | float | str], ExpectRule()] = Field(default_factory=dict)
    """Expected results: outcome, or any key of a run's summary; a number, or text as in '<= 3'."""
    sources: ListOf[str] = ()
    """The source of each number."""

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """The lines of ``expect`` taken apart, in file order."""
        return tuple(expectation(key, written) for key, written in self.expect.items())

    def broken_rules(self) -> Iterator[BrokenRule]:
        kernels: list[tuple[tuple[str | int, ...], Kernel | KernelOverride]]
        kernels = [(("kernel",), self.kernel)]
        kernels += [(("kernel", "releases", i), o) for i, o in enumerate(self.kernel.releases)]
        platform, page_bytes = self.machine.platform, self.kernel.page_size
        if page_bytes not in PAGE_SIZES[platform]:
            known = ", ".join(map(format_exact, PAGE_SIZES[platform]))
            text = f"{platform} has no pages of {format_exact(page_bytes)}; accepted: {known}"
            yield ("kernel", "page_size"), text
            return
        lines = [((*place, "command_line"), kernel.command_line or "") for place, kernel in kernels]
        if too_long := list(broken_lengths(platform, lines)):
            yield from too_long
            return
        for place, kernel in kernels:
            for index, allocation in enumerate(kernel.early or ()):
                if allocation.node is not None and allocation.node >= self.machine.nodes:
                    text = f"node {allocation.node} is not there; nodes: {self.machine.nodes}"
                    yield (*place, "early", index, "node"), text
            given = [key for key in X86_KEYS if getattr(kernel, key) is not None]
            yield from broken_on_platform(platform, page_bytes, kernel.build, given, place)
        extends = [
            ((*place, "extend", "shift"), k.extend.shift) for place, k in kernels if k.extend
        ]
        tried = [
            (("what_if", index, "shifts", number), shift)
            for index, entry in enumerate(self.what_if or ())
            for number, shift in enumerate(entry.shifts)
        ]
        yield from broken_shifts([*extends, *tried], page_bytes)
        yield from broken_fault_rules(self)
        served = self.chain.boots, self.chain.uptime
        yield from broken_arrivals(self.workload, self.machine.bad_memory, *served)
        boots = max(len(self.kernel.releases), 1)
        rules = option_rules(platform, page_bytes)
        parsed = [
            parse_command_line(self.kernel.at(boot).command_line, rules) for boot in range(boots)
        ]
        yield from broken_between(self.workload, parsed, self.machine.nodes, page_bytes)

    def __repr__(self) -> str:
        return scenario_line(self)

    def __str__(self) -> str:
        return self.to_yaml()

    def _repr_html_(self) -> str:
        return values_html("Scenario", scenario_values(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved form: everything filled in, sizes as ints, fit for JSON.

        What has no value is left out. ``loader.from_dict`` makes an equal scenario of it.
        """
        return self.model_dump(mode="json", exclude_none=True)

    def to_yaml(self) -> str:
        """Return the resolved form as a scenario file for people, sizes as in '64GiB'."""
        return write_yaml(
            self.model_dump(mode="json", exclude_none=True, context={"sizes": "text"})
        )

    def digest_key(self) -> str:
        """Return canonical JSON of all that decides a run: for hashing.

        ``description``, ``sources`` and ``expect`` decide nothing and are left out, and so are
        ``faults``, what to do about failures, ``build``, ``retrieval`` and others while they
        are what they were before there was a choice. A folio of one page of 4 KiB is written
        out, as it was then.
        """
        resolved = self.to_dict()
        for name in ("description", "sources", "expect"):
            resolved.pop(name)
        if not self.faults:
            resolved.pop("faults")
        if self.chain.on_failure == "stop":
            resolved["chain"].pop("on_failure")
            resolved["chain"].pop("retries")
        if self.machine.hardware == DEFAULT_HARDWARE:
            resolved["machine"].pop("hardware")
        if self.chain.preserve_when == PRESERVE_WHEN[0]:
            resolved["chain"].pop("preserve_when")
        if self.kernel.build == DEFAULT_BUILD:
            resolved["kernel"].pop("build")
        if self.kernel.page_size == PAGE_BYTES:
            resolved["kernel"].pop("page_size")
            for entry in resolved["workload"]:
                if entry["kind"] in ("memfd", "vms"):
                    entry.setdefault("folio", PAGE_BYTES)
        if self.kernel.retrieval == RETRIEVALS[0]:
            resolved["kernel"].pop("retrieval")
        return json.dumps(resolved, sort_keys=True, separators=(",", ":"))


def _accept_workloads(registered: Mapping[str, Any]) -> None:
    """Let the entries of ``workload`` be those of plug-ins too: each has its ``section``."""
    sections = (*sections_in(Workload), *(plugin.section for plugin in registered.values()))
    entry: Any = Annotated[Union[sections], Field(discriminator="kind")]  # noqa: UP007
    Scenario.model_fields["workload"].annotation = tuple[entry, ...]
    Scenario.model_rebuild(force=True)


plugins.WORKLOADS.listen(_accept_workloads)


DIALECT = "http://json-schema.org/draft-07/schema#"
"""What editors read."""
SCHEMA_ID = "urn:kho-sim:scenario:1"
"""Names the schema; it has no address on the web."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors. It has no nulls: none is read.

    Plug-ins that are installed or registered are in it.
    """
    for kind in plugins.WORKLOADS.names():
        plugins.WORKLOADS.get(kind)
    schema = _without_nulls(Scenario.model_json_schema())
    return {"$schema": DIALECT, "$id": SCHEMA_ID, **schema}


def _without_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_nulls(value) for key, value in node.items() if key != "discriminator"}
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    if isinstance(kept.get("anyOf"), list):
        kept["anyOf"] = [option for option in kept["anyOf"] if option != {"type": "null"}]
        if len(kept["anyOf"]) == 1:
            kept |= kept.pop("anyOf")[0]
    return kept
