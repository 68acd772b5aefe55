"""Boots step by step: which steps there are, and that their numbers are those of the trace."""

from pathlib import Path

import pytest

from kho_sim.base.errors import InputError
from kho_sim.base.extent import Extent
from kho_sim.chain import run_scenario
from kho_sim.cli.app import call
from kho_sim.logs.reader import read_boot_log
from kho_sim.scenario import load
from kho_sim.steps import step_text, steps_of
from kho_sim.steps.blocks import busy_spans
from kho_sim.trace.records import Allocation, Boot
from tests.hand_made import TRACES

ROOT = Path(__file__).parents[2]
GIB = 1 << 30
EXTENDS = ["before", "walk", "digest", "marks", "early", "retrieve"]


@pytest.fixture(scope="module")
def trace():
    return run_scenario(load(ROOT / "scenarios/hypervisor.yaml"))


def test_each_kind_of_boot_has_its_steps(trace):
    cold, *others = [boot_steps.names for boot_steps in steps_of(trace)]
    assert cold == ["before", "early", "scratch"]
    assert others == [EXTENDS] * 3
    twins = [boot_steps.names for boot_steps in steps_of(trace.twin)]
    assert twins == [cold, *[["before", "early", "retrieve"]] * 3]


def test_a_kernel_that_finds_nothing_does_not_retrieve():
    lost = run_scenario(load(ROOT / "scenarios/faults-lost-handover.yaml"))
    short = [boot_steps for boot_steps in steps_of(lost) if boot_steps.names == ["before", "early"]]
    assert len(short) == 1
    assert "It finds nothing that the kernel before it preserved." in short[0].steps[0].sentences


def test_a_kernel_that_dies_has_no_step_after_that():
    from kho_sim.scenario import with_values

    small = with_values(
        load(ROOT / "scenarios/small-host.yaml"),
        {"kernel.command_line": "kho_scratch=16M,16M,16M", "kernel.extend.strategy": "none"},
        "a test",
    )
    trace = run_scenario(small)
    assert trace.outcome.kind == "boot_failed"
    dead = list(steps_of(trace))[trace.outcome.boot]
    assert dead.names == ["before", "early"]
    assert dead.steps[-1].sentences[-1].endswith(trace.outcome.message)
    assert any(line.startswith("Refused: ") for line in dead.steps[-1].sentences)


def test_memory_is_what_the_marks_made_of_it(trace):
    for boot_steps in steps_of(trace):
        if boot_steps.boot.kind == "cold":
            continue
        before, after = (boot_steps.recorded.memory(m) for m in ("before_extend", "after_extend"))
        assert before["extended"] == []
        total = sum(extent.size for extent in after["extended"])
        assert total == boot_steps.boot.extended_bytes
        assert sum(e.size for e in before["kept_off"]) == total + sum(
            e.size for e in after["kept_off"]
        )
        spans, block_bytes = boot_steps.busy
        assert block_bytes == GIB
        assert sum(span.size for span in spans) == GIB * len(boot_steps.boot.busy_blocks)


def test_every_request_is_counted_once(trace):
    for boot_steps in steps_of(trace):
        asked = [caller for callers in boot_steps.callers.values() for caller in callers]
        rows = list(trace[Allocation].where(boot=boot_steps.boot.boot))
        assert sum(one.requests for one in asked) == boot_steps.boot.allocations
        assert sum(one.served_bytes for one in asked) == sum(
            row.size_bytes * row.count for row in rows if not row.failed
        )
        placed = sum(run.end - run.start for one in asked for run in one.runs)
        assert placed == sum(row.size_bytes for row in rows if row.address)
        assert sum(one.avoided for one in asked) == boot_steps.boot.failures_avoided


@pytest.mark.parametrize(
    ("busy", "kept_off", "likely", "size"),
    [
        ((4 * GIB,), [Extent(4 * GIB, 5 * GIB)], 30, GIB),
        ((4 * GIB,), [Extent(4 * GIB, 5 * GIB)], None, GIB),
        ((4 * GIB,), [Extent(4 * GIB, 4 * GIB + 5)], 30, GIB),  # memory ends in the block
        ((0, 4 * GIB), [Extent(0, 7 * GIB)], 30, 4 * GIB),  # a strategy that chose larger ones
        ((0,), [Extent(0, 7 << 40)], 30, GIB),  # one that leaves other memory alone as well
        ((), [], 30, GIB),
        ((), [], None, 0),
    ],
)
def test_the_size_of_a_block_follows_from_what_was_kept_off(busy, kept_off, likely, size):
    spans, found = busy_spans(busy, kept_off, likely)
    assert found == size
    assert sum(span.size for span in spans) == size * len(busy)


@pytest.mark.parametrize("name", ["machine-4G", "tinyext-8G-4M_8M_8M", "seed-case2"])
def test_a_real_log_is_told_as_well(name):
    trace = read_boot_log(ROOT / f"tests/recorded/{name}.log.xz")
    boots = list(steps_of(trace))
    assert [boot_steps.boot.boot for boot_steps in boots] == [boot.boot for boot in trace[Boot]]
    assert all(step.heading for boot_steps in boots for step in boot_steps.steps)
    if name == "machine-4G":
        assert boots[1].names == EXTENDS
        assert boots[1].busy == ([Extent(4 * GIB, 5 * GIB)], GIB)


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES.keys())
def test_poor_traces_have_steps_too(trace):
    for boot_steps in steps_of(trace):
        assert boot_steps.steps
        assert step_text(trace, boot_steps.boot.boot)


def test_explain_shows_one_boot_or_one_step(capsys):
    scenario = str(ROOT / "scenarios/small-host.yaml")
    assert call(["explain", scenario, "--boot", "1"]) == 0
    out = capsys.readouterr().out
    assert all(f"({name})" in out for name in EXTENDS)
    assert call(["explain", scenario, "--boot", "1", "--step", "marks"]) == 0
    out = capsys.readouterr().out
    assert "4. Marks" in out
    assert "(walk)" not in out
    assert "2.85 GiB between busy blocks are marked as scratch as well." in out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--boot", "9"], 3, "there is no boot 9; this chain has boots 0 to 2"),
        (["--boot", "0", "--step", "walk"], 3, "has no step walk; it has: before, early, scratch"),
        (["--boot", "0", "--step", "wlak"], 2, "nearest: walk"),
        (["--step", "walk"], 2, "--step is a step of one boot"),
    ],
)
def test_what_explain_refuses(options, code, said, capsys):
    assert call(["explain", str(ROOT / "scenarios/small-host.yaml"), *options]) == code
    assert said in capsys.readouterr().err


def test_a_trace_without_boots_says_so():
    with pytest.raises(InputError, match="no boots"):
        step_text(TRACES["empty"], 0)
