"""Any sequence of files, preservation, memory taken and freed, kexec and failed boots.

Kernels are driven without a clock (``boot_memory``, ``RunningMemory``, ``Handover``) on small
machines and held to ``tests/naive/chain.py``: a dictionary of files, the pages that each owns, a
token in every page.
"""

import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kho_sim.base.command_line import HugepageRequest, ScratchRequest
from kho_sim.builds import EarlyRequest, PageDemand, load_build
from kho_sim.kernel.boot import KernelSetup, boot_memory
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.extend import ExtendOptions
from kho_sim.kho.load import LoadRefused
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.memory.early import BootOptions
from kho_sim.memory.memblock import RSRV_HUGETLB, RSRV_KERN
from kho_sim.memory.pages import INTERLEAVINGS, MOVABLE, RECLAIMABLE, UNMOVABLE, OutOfMemory
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.x86_64 import X86_64
from kho_sim.releases import load_release
from tests.naive.chain import (
    FREE,
    OWNED,
    PAGE,
    RESERVED,
    Ram,
    pages_of_bytes,
    pages_of_file,
    pages_of_runs,
    pins_watched,
    watched,
)

MIB = 1 << 20
GIB = 1 << 30
SMALL_KERNEL = replace(
    load_build(),
    image_bytes=2 * MIB,
    init_size_bytes=3 * MIB,
    initrd_bytes=MIB // 4 + 5,
    swiotlb_bytes=0,
    demand=PageDemand(60, 20, 5, 70, 40, 30, 0, 0, 0),
)
FIXED_PAGES = 3
"""FDT, kexec metadata and FLB header are preserved and never given back (kernel-facts 12.4)."""
MACHINES = [(64,), (128,), (96, 96), (256,), (700,), (1024, 1024), (2600,)]
"""Memory in MiB, by node; the last has room for one gigantic page."""
SCRATCH = [(5, 4, 4), (8, 4, 8), (24, 16, 16)]
SIZES = [(memory, scratch) for memory in MACHINES for scratch in SCRATCH if sum(memory) > 64]
SIZES += [((64,), SCRATCH[0]), ((64,), SCRATCH[1])]


@dataclass
class File:
    """What a file must hold, wherever it lies: a token for each of its pages, in order."""

    tokens: np.ndarray
    size_bytes: int
    kind: str
    session: str
    preserved: bool = False


class ChainMachine(RuleBasedStateMachine):
    """One machine, and the kernels that it runs one after the other."""

    def __init__(self):
        super().__init__()
        self.made = 0

    @initialize(
        sizes=st.sampled_from(SIZES),
        huge_pages=st.sampled_from([0, 0, 3]),
        release=st.sampled_from(["7.3", "7.3", "7.3-patch-v2"]),
        workers=st.sampled_from(sorted(INTERLEAVINGS)),
        seed=st.integers(0, 9),
    )
    def power_on(self, sizes, huge_pages, release, workers, seed):
        memory, scratch = sizes
        shares = [share * MIB for share in memory]
        self.machine = qemu_machine(sum(shares), cpus=2, node_bytes=shares)
        low, everywhere, per_node = (size * MIB for size in scratch)
        hugepages = (HugepageRequest(2 * MIB, huge_pages), HugepageRequest(GIB, 1))
        self.options = BootOptions(99, hugepages=hugepages if huge_pages else ())
        self.setup = KernelSetup(
            X86_64(),
            SMALL_KERNEL,
            self.options,
            load_release(release),
            scratch=ScratchRequest(0, low, everywhere, per_node),
        )
        self.interleaving = INTERLEAVINGS[workers]
        self.drawn = random.Random(seed)
        self.boot_cold()

    def boot_cold(self):
        """From power on, or after a kernel died: nothing of what was there is promised."""
        self.ram = Ram(self.machine)
        self.files, self.held = {}, []
        booted = boot_memory(self.machine, self.setup, None)
        assert not booted.panic
        assert not booted.reservation.failed
        self.ram.set_scratch(booted.scratch_areas)
        self.start(booted, None)

    def start(self, booted, handover):
        with watched(self.ram):
            self.memory = RunningMemory.start(
                self.machine, self.setup, booted, handover, self.interleaving, self.drawn
            )

    # Files and other memory

    @rule(
        wanted=st.lists(
            st.tuples(
                st.one_of(st.integers(0, 40), st.integers(1, 4000), st.integers(4000, 9000)),
                st.sampled_from("ab"),
            ),
            min_size=1,
            max_size=3,
        ),
        huge=st.booleans(),
        rest=st.integers(0, PAGE - 1),
    )
    def create_memfds(self, wanted, huge, rest):
        for pages, session in wanted:
            self.create_memfd(max(pages * PAGE - rest, 0), huge, session)

    def create_memfd(self, size_bytes, huge, session):
        before = self.ram.state.copy()
        self.made += 1
        name = f"memfd{self.made}"
        try:
            file = self.memory.create("memfd", name, size_bytes, 2 * MIB if huge else PAGE, session)
        except OutOfMemory:
            assert (self.ram.state == before).all(), "a file that was not made keeps memory"
            assert name not in self.memory.files
            return
        own = pages_of_file(file.data)
        assert len(own) == -(-size_bytes // PAGE)
        assert (before[own] == FREE).all()
        self.write(name, own, File(np.array([]), size_bytes, "memfd", session))

    @rule(
        count=st.integers(1, 3),
        page_bytes=st.sampled_from([2 * MIB, GIB]),
        session=st.sampled_from("ab"),
    )
    def create_hugetlb(self, count, page_bytes, session):
        self.made += 1
        name = f"hugetlb{self.made}"
        pool = list(self.memory.pool_of(page_bytes))
        file = self.memory.create("hugetlb", name, count * page_bytes, page_bytes, session)
        own = pages_of_file(file.data)
        taken = [address // PAGE for address in pool[:count]]
        assert own[:: page_bytes // PAGE].tolist() == taken
        size_bytes = len(taken) * page_bytes
        self.write(name, own, File(np.array([]), size_bytes, "hugetlb", session))

    def write(self, name, pages, file):
        file.tokens = self.ram.content[pages] = self.ram.fresh_tokens(len(pages))
        self.files[name] = file

    def open_files(self):
        return [name for name, file in self.files.items() if not file.preserved]

    @precondition(lambda self: self.open_files())
    @rule(data=st.data())
    def close_file(self, data):
        self.close_file_named(data.draw(st.sampled_from(self.open_files())))

    def close_file_named(self, name):
        own = pages_of_file(self.memory.files[name].data)
        self.memory.close(name)
        if self.files.pop(name).kind == "memfd":
            assert (self.ram.state[own] == FREE).all()

    @rule(
        order=st.sampled_from([0, 0, 1, 3, 5, 9, 10]),
        kind=st.sampled_from([MOVABLE, UNMOVABLE, RECLAIMABLE]),
        count=st.one_of(st.integers(1, 8), st.integers(1, 900)),
    )
    def take_memory(self, order, kind, count):
        try:
            runs = self.memory.pages.alloc(count, order, kind)
            assert sum(run.blocks for run in runs) == count
        except OutOfMemory as short:
            runs = short.allocated
        self.held.append((runs, order, kind == MOVABLE))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), every=st.integers(1, 3))
    def free_memory(self, data, every):
        runs, order, user = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.memory.pages.free(runs[::every], order, user)
        self.held.append(([run for i, run in enumerate(runs) if i % every], order, user))

    @rule(pages=st.integers(1, 2000), movable=st.booleans())
    def hold(self, pages, movable):
        try:
            self.memory.hold(pages * PAGE, movable)
        except OutOfMemory:
            self.boot_cold()  # nobody is left to be killed

    @rule()
    def wait(self):
        self.memory.pages.settle()

    # Preservation

    @precondition(lambda self: self.open_files())
    @rule(data=st.data())
    def preserve(self, data):
        names = st.lists(st.sampled_from(self.open_files()), min_size=1, unique=True)
        self.preserve_files(data.draw(names))

    def preserve_files(self, names):
        try:
            with pins_watched(self.ram):
                self.memory.preserve(names)
        except PreserveFailed:
            self.boot_cold()  # a panic: no room for pages that must leave scratch
            return
        for name in names:
            self.files[name].preserved = True

    @rule(session=st.sampled_from("ab"))
    def close_session(self, session):
        kept = [file for file in self.files.values() if file.preserved and file.session == session]
        tables = self.memory.outgoing.tree.nodes
        if not kept:
            with pytest.raises(PreserveFailed, match="ENOENT"):
                self.memory.close_session(session)
            return
        self.memory.close_session(session)
        for file in kept:
            file.preserved = False
        assert self.memory.outgoing.tree.nodes == tables, "tables outlive their keys"

    # The next kernel

    def next_setup(self, strategy, shift, extra_pages):
        extra = EarlyRequest("a driver that has grown", extra_pages * PAGE, PAGE)
        kept = [
            folios.number
            for file in self.memory.handed
            for folios in file.data
            if folios.order == 18
        ]
        return replace(
            self.setup,
            build=replace(self.setup.build, early=(extra,) if extra_pages else ()),
            options=replace(self.options, gigantic_kept=((GIB, sum(kept)),)),
            strategy=strategy,
            extend=ExtendOptions(shift),
        )

    @rule(megabytes=st.integers(40, 2000))
    def load_a_kernel_that_fits_nowhere(self, megabytes):
        before = self.ram.state.copy()
        setup = replace(
            self.setup, build=replace(self.setup.build, init_size_bytes=megabytes * MIB)
        )
        assert isinstance(self.memory.load(setup), LoadRefused)
        assert (self.ram.state == before).all()

    @rule(
        strategy=st.sampled_from(["blocks", "blocks", "reserve-early", "none"]),
        shift=st.sampled_from([12, 14, 18, 21, 21, 24, 27, 30, 40]),
        extra_pages=st.sampled_from([0, 0, 0, 0, 0, 300, 3000, 10**6]),
        data=st.data(),
    )
    def kexec(self, strategy, shift, extra_pages, data):
        if self.open_files():
            self.preserve(data)
        self.jump_to(strategy, shift, extra_pages)

    @rule(
        shift=st.integers(12, 32),
        share=st.integers(1, 3),
        regret=st.sampled_from(["", "", "a", "b"]),
    )
    def update(self, shift, share, regret):
        """What a chain does all its life: hand files on to a kernel like this one."""
        self.preserve_files(self.open_files()[::share])
        if regret:
            self.close_session(regret)
        self.jump_to("blocks", shift, 0)

    def jump_to(self, strategy, shift, extra_pages):
        setup = self.next_setup(strategy, shift, extra_pages)
        before = self.ram.state.copy()
        try:
            placed = self.memory.load(setup)
        except PreserveFailed:
            assert (self.ram.state == before).all(), "a load that failed keeps memory"
            return
        assert not isinstance(placed, LoadRefused)
        handover = self.memory.hand_over(placed, setup)
        promised = self.promised(handover)
        self.jump(placed, promised)
        contents = self.ram.content[promised]
        booted = boot_memory(self.machine, setup, handover)
        self.early_writes(booted)
        assert (self.ram.content[promised] == contents).all(), "early boot wrote over what is kept"
        if booted.panic:
            self.boot_cold()
            return
        assert extra_pages * PAGE < self.machine.end_of_memory, "it cannot have lived"
        self.setup = replace(setup, build=replace(setup.build, early=()))
        self.succeed(booted, handover)

    def promised(self, handover):
        """The pages that must survive; holds the tree to be exactly those of files and records."""
        kept = {name for name, file in self.files.items() if file.preserved}
        assert {file.name for file in handover.objects} == kept
        data = [pages_of_file(self.memory.files[name].data) for name in sorted(kept)]
        records = [pages_of_runs(file.metadata) for file in handover.objects]
        records += [pages_of_runs([run], order) for run, order in handover.luo_pages]
        self.records = np.concatenate(records)
        wanted = np.concatenate([self.records, *data])
        assert self.ram.distinct(wanted), "two preserved objects share a page"
        in_tree = [pages_of_bytes(start, end) for _, start, end in handover.tree.runs()]
        in_tree = np.concatenate(in_tree)
        assert self.ram.distinct(in_tree), "a page is preserved twice"
        assert not self.ram.scratch[in_tree].any(), "preserved memory lies in scratch"
        assert np.isin(wanted, in_tree).all(), "a page of a preserved object is not in the tree"
        assert len(in_tree) == len(wanted) + FIXED_PAGES, "more is preserved than was asked for"
        tables = np.array(handover.tree.table_pages()) // PAGE
        self.kept_reserved = in_tree
        return np.concatenate([in_tree, tables])

    def jump(self, placed, promised):
        """Nothing but what is promised may be relied on."""
        everything = np.ones(len(self.ram.content), dtype=bool)
        everything[promised] = False
        self.ram.overwrite(np.flatnonzero(everything))
        for place in placed:
            pages = pages_of_bytes(place.start, place.end)
            assert self.ram.scratch[pages].all()
            self.ram.overwrite(pages)

    def early_writes(self, booted):
        """Everything that early boot was given is written, whether it was given back or not."""
        for row in booted.early.requests.rows:
            if row.address:
                self.ram.overwrite(pages_of_bytes(row.address, row.address + row.size_bytes))
        for region in booted.early.memblock.reserved:
            if region.flags & (RSRV_KERN | RSRV_HUGETLB):
                self.ram.overwrite(pages_of_bytes(region.base, region.end))

    def succeed(self, booted, handover):
        """The next kernel is up; what it finds is what was preserved, and no more."""
        reserved = np.zeros(len(self.ram.state), dtype=bool)
        for region in booted.early.memblock.reserved:
            pages = pages_of_bytes(region.base, region.end)
            reserved[pages[pages < len(reserved)]] = True
        assert reserved[self.kept_reserved].all(), "preserved memory is not reserved"
        self.held = []
        try:
            self.start(booted, handover)
            self.ram.restorable[:] = False
            self.ram.restorable[self.records] = True
            self.memory.retrieve(handover)
        except (PreserveFailed, OutOfMemory):
            self.boot_cold()
            return
        self.files = {name: file for name, file in self.files.items() if file.preserved}
        for file in self.files.values():
            file.preserved = False
        lost = (self.ram.state[self.kept_reserved] == RESERVED).sum()
        hugetlb = sum(len(f.tokens) for f in self.files.values() if f.kind == "hugetlb")
        assert lost == FIXED_PAGES + hugetlb, "only fixed objects stay reserved, and huge pages"

    # What always holds

    @invariant()
    def files_hold_what_was_written(self):
        if not hasattr(self, "memory"):
            return
        assert self.memory.files.keys() == self.files.keys()
        for name, model in self.files.items():
            file = self.memory.files[name]
            found = (file.size_bytes, file.kind, file.session, file.pages)
            assert found == (model.size_bytes, model.kind, model.session, len(model.tokens))
            pages = pages_of_file(file.data)
            assert (self.ram.content[pages] == model.tokens).all(), f"{name} was written over"
            assert np.isin(self.ram.state[pages], [OWNED, RESERVED]).all()

    @invariant()
    def every_page_is_free_or_owned_or_reserved(self):
        if hasattr(self, "memory"):
            self.ram.check(self.memory.pages)


QUICK = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes; the long test does it
    suppress_health_check=list(HealthCheck),
)
LONG = settings(
    QUICK,
    max_examples=200,
    stateful_step_count=60,
    derandomize=False,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
)


def test_any_sequence_keeps_what_must_survive_and_only_that():
    run_state_machine_as_test(ChainMachine, settings=QUICK)


@pytest.mark.long
def test_any_long_sequence_keeps_what_must_survive_and_only_that():
    run_state_machine_as_test(ChainMachine, settings=LONG)


@pytest.mark.parametrize("strategy", ["blocks", "reserve-early"])
def test_a_gigantic_page_is_handed_on_by_every_kernel(strategy):
    chain = ChainMachine()
    chain.power_on(((2600,), (24, 16, 16)), 3, "7.3", "parallel", 0)
    chain.create_hugetlb(2, GIB, "a")
    chain.create_hugetlb(2, 2 * MIB, "b")
    for shift in (30, 21, 12):
        chain.preserve_files(["hugetlb1", "hugetlb2"])
        chain.jump_to(strategy, shift, 0)
        assert list(chain.files) == ["hugetlb1", "hugetlb2"]
        assert chain.memory.pool_of(GIB) == [], "the one that was handed on counts"
        chain.files_hold_what_was_written()
        chain.every_page_is_free_or_owned_or_reserved()
    chain.close_file_named("hugetlb1")
    assert chain.memory.pool_of(GIB) == [GIB]
