"""Faults of the simulated world: one model per kind of fault, each at a named boot.

``kind`` picks the model. What a fault does is up to the kernel's own rules (rooms ``memory``,
``kho`` and ``chain``); here are its words and bounds. Faults occur in the twin too, except those
of the extension, which it does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.base.errors import nearest
from kho_sim.base.words import HANDOVER_PARTS
from kho_sim.scenario.fields import AtLeastOne, Choice, Count, ListOf
from kho_sim.scenario.section import BrokenRule, Section

if TYPE_CHECKING:
    from kho_sim.scenario.spec import Scenario

HandoverPart = Annotated[str, Choice(HANDOVER_PARTS, "a part of a handover")]
BootNumber = Annotated[int, Field(ge=0, le=999)]


class AllocationFault(Section):
    """An early allocation is refused; what then happens is up to who asked for it."""

    kind: Literal["allocation"]
    boot: BootNumber
    """The kernel in which it occurs; 0 is the first one."""
    what: str
    """The requester: memmap, dentry hash, ..., or the name of an entry of kernel.early."""
    occurrence: AtLeastOne = 1
    """Number of the request among those of that name in that boot."""
    times: AtLeastOne = 1
    """Number of requests in a row that are refused."""


class ExtendFault(Section):
    """The extension fails half-way: marks that were made stay, and the boot goes on."""

    kind: Literal["extend"]
    boot: BootNumber
    after: Count = 0
    """Ranges that are marked before it fails with -ENOMEM."""


class FdtFault(Section):
    """The FDT that a kernel is handed is corrupted: it boots on as a first kernel."""

    kind: Literal["fdt"]
    boot: BootNumber
    found: Annotated[str, Choice(("invalid", "incompatible"), "a finding")] = "invalid"
    """invalid: no FDT any more; incompatible: of another version of KHO."""


class VersionFault(Section):
    """Parts of what a kernel is handed are of versions that it does not know, as a vendor's kernel
    may write them."""

    kind: Literal["version"]
    boot: BootNumber
    of: Annotated[ListOf[HandoverPart], Field(min_length=1)]
    """luo: the kernel panics; memfd: files are lost, and since 7.2 every open of the device fails;
    reserve_mem: areas are allocated anew; metadata: the count of kexecs begins anew."""


class DescriptorsFault(Section):
    """The array of scratch areas is corrupted: areas marked until then stay marked."""

    kind: Literal["descriptors"]
    boot: BootNumber
    after: Count = 0
    """Areas at the head of the array that are still fine."""


class TreeRootFault(Section):
    """The FDT has lost the root of the preserved memory map: scratch is kept, all data is lost."""

    kind: Literal["tree_root"]
    boot: BootNumber


class LoadFault(Section):
    """kexec_file_load() is refused; the running kernel is unharmed."""

    kind: Literal["load"]
    boot: BootNumber
    """The kernel that loads its successor."""
    error: Annotated[str, Choice(("ENOMEM", "EINVAL", "EADDRNOTAVAIL"), "an error of the load")] = (
        "ENOMEM"
    )
    times: AtLeastOne = 1
    """Number of attempts in a row that are refused."""


class PanicFault(Section):
    """A kernel panics, and with it goes all that it holds."""

    kind: Literal["panic"]
    boot: BootNumber
    phase: Annotated[str, Choice(("early_boot", "initcalls", "serve"), "a phase to panic in")] = (
        "initcalls"
    )
    """early_boot: before the page allocator; initcalls: before init; serve: half-way."""
    message: Annotated[str, Field(min_length=1, max_length=200)] = (
        "Kernel panic - not syncing: Fatal exception"
    )
    """The message that the kernel prints."""


Fault = Annotated[
    AllocationFault
    | ExtendFault
    | FdtFault
    | VersionFault
    | DescriptorsFault
    | TreeRootFault
    | LoadFault
    | PanicFault,
    Field(discriminator="kind"),
]

OF_A_HANDOVER = ("extend", "fdt", "version", "descriptors", "tree_root")


def broken_fault_rules(scenario: Scenario) -> Iterator[BrokenRule]:
    """Yield what is wrong between the faults of a scenario and the rest of it."""
    boots = scenario.chain.boots
    seen: set[tuple[str, int]] = set()
    for index, fault in enumerate(scenario.faults):
        place = ("faults", index)
        if fault.boot >= boots:
            text = f"boot {fault.boot} is beyond the chain; boots: 0 to {boots - 1}"
            yield (*place, "boot"), text
            continue
        if fault.kind in OF_A_HANDOVER and not fault.boot:
            yield (*place, "boot"), "boot 0 is handed nothing; accepted: 1 or more"
        elif fault.kind == "load" and fault.boot + 1 == boots:
            yield (*place, "boot"), f"boot {fault.boot} is the last one, which loads no other"
        if fault.kind == "extend" and scenario.kernel.at(fault.boot).extend.strategy == "none":
            yield (*place, "boot"), f"the kernel of boot {fault.boot} extends nothing"
        if fault.kind == "allocation":
            known = _requesters(scenario, fault.boot)
            if fault.what not in known:
                close = nearest(fault.what, known)
                hint = f"nearest: {close}" if close else f"accepted: {', '.join(known)}"
                text = f"'{fault.what}' asks for no early memory in boot {fault.boot}"
                yield (*place, "what"), f"{text}; {hint}"
        elif (fault.kind, fault.boot) in seen:
            yield place, f"boot {fault.boot} has a fault of the kind {fault.kind} already"
        seen.add((fault.kind, fault.boot))


def _requesters(scenario: Scenario, boot: int) -> Sequence[str]:
    kernel = scenario.kernel.at(boot)
    named = [entry.name for entry in scenario.workload if entry.kind == "reserve_mem"]
    named += [area.name for area in parse_command_line(kernel.command_line).reserve_mem]
    return (
        *requesters.REQUESTERS,
        *(requesters.node_scratch(nid) for nid in range(scenario.machine.nodes)),
        *(entry.what for entry in kernel.early),
        *(requesters.reserve_mem(name) for name in named),
    )
