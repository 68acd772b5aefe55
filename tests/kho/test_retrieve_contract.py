"""The contract of retrievals notices each way to break it, and plug-ins reach scenarios."""

from dataclasses import replace

import pytest

import kho_sim as ks
from kho_sim import contracts
from kho_sim.base import plugins
from kho_sim.base.errors import InputError, ScenarioError
from kho_sim.kho.retrieve import RETRIEVALS, Retrieval
from kho_sim.memory.memblock import RSRV_NOINIT

stock = RETRIEVALS["per-key"].retrieve


def forgetful(memblock, incoming, options):
    before, extents = len(memblock.reserved), incoming.preserved_extents()
    for extent in extents[:-1]:
        memblock.reserve(extent.start, extent.size, flags=RSRV_NOINIT)
    return Retrieval(before, len(memblock.reserved))


def unmarked(memblock, incoming, options):
    before = len(memblock.reserved)
    for extent in incoming.preserved_extents():
        memblock.reserve(extent.start, extent.size)
    return Retrieval(before, len(memblock.reserved))


def generous(memblock, incoming, options):
    """Reserves the pages of the tree as well."""
    done = stock(memblock, incoming, options)
    page_bytes = incoming.geometry.page_bytes
    for address in incoming.table_pages():
        memblock.reserve(address, page_bytes, flags=RSRV_NOINIT)
    return replace(done, regions_after=len(memblock.reserved))


def miscounting(memblock, incoming, options):
    return replace(stock(memblock, incoming, options), regions_after=0)


def careless(memblock, incoming, options):
    """Reserves what nobody has preserved."""
    done = stock(memblock, incoming, options)
    memblock.reserve(memblock.end_of_dram() - 4096, 4096)
    return replace(done, regions_after=len(memblock.reserved))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (forgetful, "is not kept"),
        (unmarked, "is not kept"),
        (generous, "is kept as well"),
        (miscounting, "it reports"),
        (careless, "was reserved, now"),
    ],
)
def test_a_broken_retrieval_is_noticed(broken, message):
    with pytest.raises(AssertionError, match=message):
        contracts.check_retrieval(broken)


def half_first(memblock, incoming):
    extent = incoming.preserved_extents()[0]
    memblock.reserve(extent.start, extent.size, flags=RSRV_NOINIT)
    return RETRIEVALS["two-pass"].reserve_first(memblock.copy(), incoming)


@pytest.fixture
def registered():
    yield
    for name in [*plugins.RETRIEVALS.registered]:
        plugins.RETRIEVALS.unregister(name)


@pytest.mark.usefixtures("registered")
def test_a_first_pass_that_leaves_something_is_noticed(capsys):
    ks.register_retrieval("half", stock, reserve_first=half_first)
    with pytest.raises(AssertionError, match="the first pass leaves"):
        contracts.check_retrieval("half")
    assert contracts.main(["half", "per-key"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == "per-key: keeps its contract"


@pytest.mark.usefixtures("registered")
def test_a_plug_in_is_a_word_of_scenarios_and_reaches_workers(tmp_path):
    text = "machine: {memory: 2GiB}\nkernel: {retrieval: own}\nchain: {boots: 2}\n"
    with pytest.raises(ScenarioError, match="'own' is not a way to retrieve"):
        ks.loads(text)
    ks.register_retrieval("own", stock)
    values = {"kernel.retrieval": ["own", "collect-runs"]}
    done = ks.sweep(ks.loads(text), values, out=tmp_path / "s", workers=2)
    assert list(done.runs()["state"]) == ["ok", "ok"]
    with pytest.raises(InputError, match="the package has a way to retrieve 'per-key' already"):
        ks.register_retrieval("per-key", stock)


def test_linux_s_own_way_is_no_part_of_the_digest_of_a_scenario():
    text = "machine: {memory: 2GiB}\n"
    plain = ks.loads(text).digest_key()
    assert ks.loads(text + "kernel: {retrieval: per-key}\n").digest_key() == plain
    assert "retrieval" not in plain
    assert ks.loads(text + "kernel: {retrieval: one-call}\n").digest_key() != plain
