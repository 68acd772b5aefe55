"""What an arm64 kernel asks for before its log shows both arrays of memblock.

All that is reserved by then, and is not an answer to a request, has no flag: image, initrd, device
tree, scratch descriptors, what firmware left. So the state before the first request is the later
dump less what has flags; calls that reserve or add some of it again change nothing.

Source: kernel-facts-arm64 2, 5.1 and 14. Left out: kernels that die before the dump.
"""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.base.extent import Extent
from kho_sim.base.words import ARM64
from kho_sim.logs.reader import BootLog, MemblockCall
from kho_sim.logs.reader.facts import Dump
from kho_sim.machine.machine import Machine
from kho_sim.memory.early import Requests
from kho_sim.memory.early.cma import declare_area
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.platform import platform_of
from kho_sim.verification.logged_state import Areas, memblock_of_dump


def state_before_requests(log: BootLog, areas: Areas | None, kho: bool) -> Memblock | None:
    """Return memblock as it was before the first request of a boot; None if that is not shown."""
    dump = next((dump for dump in reversed(log.dumps) if dump.memory and dump.reserved), None)
    if dump is None or log.architecture != ARM64 or log.starts_late:
        return None
    memory = [region._replace(nid=-1) for region in dump.memory]
    reserved = [region._replace(nid=-1) for region in dump.reserved if not region.flags]
    return memblock_of_dump(Dump(memory, reserved), areas, kho, log.geometry)


def ask_for_cma_area(
    memblock: Memblock, call: MemblockCall, log: BootLog, machine: Machine
) -> int | None:
    """Ask for an area of ``cma=`` (arm64: the default one as well) or ``hugetlb_cma=``, of which a
    log shows the answer only; return the address, None where that is not how it is asked for."""
    if call.what == requesters.HUGETLB_CMA_AREA:
        geometry = log.geometry
        unit = geometry.page_bytes << geometry.gigantic_orders[-1]
        return _start(declare_area(Requests(memblock), call.what, call.size, unit, nid=call.nid))
    if call.what != requesters.CMA_AREA:
        return None
    if log.architecture != ARM64:
        wanted = parse_command_line(log.command_line).cma
        end = min((wanted.end if wanted else 0) or machine.end_of_memory, machine.end_of_memory)
        align = log.geometry.scratch_align_bytes
        start = wanted.start if wanted else 0
        requests = Requests(memblock)
        return _start(declare_area(requests, call.what, call.size, align, start=start, end=end))
    platform = platform_of(ARM64, log.geometry.page_bytes)
    rules, wanted = platform.early_rules(machine), parse_command_line(log.command_line).cma
    start, end = (wanted.start, wanted.end) if wanted else (0, 0)
    end = min(end or rules.low_address + 1, rules.low_address + 1)
    area = declare_area(
        Requests(memblock), call.what, call.size, rules.cma_align_bytes, start=start, end=end
    )
    return _start(area)


def _start(area: Extent | None) -> int:
    return area.start if area else 0
