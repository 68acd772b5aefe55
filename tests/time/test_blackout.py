"""Blackouts: what the clock says, what pauses machines, what runs side by side, and advice."""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.base.errors import ModelError
from kho_sim.chain.timing.rules import steps_of
from kho_sim.plots import blackout_by, waterfall
from kho_sim.rates.hardware import _rate
from kho_sim.sweeps.advise.blackout import advise_blackout
from kho_sim.trace.blackout import blackout_parts
from kho_sim.trace.records import Boot, Event, PhaseTime
from kho_sim.trace.summary import run_document
from kho_sim.trace.trace import Trace
from tests.cli.test_commands import call
from tests.plots.test_figures import artists, drawn

SMALL = """
machine: {memory: 4GiB, cpus: 4, nodes: 2}
workload: [{kind: memfd, count: 2, size: 64MiB}]
chain: {boots: 3, uptime: 1m, twin: false}
"""


def run(**values: object) -> Trace:
    return ks.run(ks.with_values(ks.loads(SMALL), values))


def phase(trace: Trace, boot: int, name: str) -> PhaseTime:
    return next(trace[PhaseTime].where(boot=boot, phase=name))


def test_a_blackout_is_what_passed_on_the_clock_between_two_services() -> None:
    trace = run()
    ends = {event.boot: event.end_ns for event in trace[Event] if event.what == "load"}
    begins = {event.boot: event.start_ns for event in trace[Event] if event.what == "serve"}
    for boot in trace[Boot][1:]:
        assert boot.blackout_ns == begins[boot.boot] - ends[boot.boot - 1]
        low, high = boot.blackout_range_ns
        assert low < boot.blackout_ns < high <= 5 * low
    assert trace[Boot][0].blackout_ns is None


def test_preservation_is_in_the_blackout_if_machines_pause_for_it_and_the_load_never_is() -> None:
    running, paused = run(), run(**{"chain.preserve_when": "paused"})
    more_ns = paused[Boot][1].blackout_ns - running[Boot][1].blackout_ns
    assert more_ns == phase(running, 0, "preserve").duration_ns > 0
    order = [event.what for event in paused[Event] if event.what in ("preserve", "load", "jump")]
    assert order == ["load", "preserve", "jump"] * 2
    assert blackout_parts(paused, paused[Boot][1])[0].phase == "preserve"
    assert [boot.scratch_areas for boot in paused[Boot]] == [
        boot.scratch_areas for boot in running[Boot]
    ]


def test_a_kernel_that_dies_on_its_way_adds_to_the_blackout() -> None:
    fault = {"faults": [{"kind": "panic", "boot": 1}], "chain.on_failure": "cold_boot"}
    trace = run(**fault)
    once = run()
    assert trace[Boot][1].blackout_ns is None
    assert trace[Boot][2].blackout_ns > once[Boot][2].blackout_ns + 60 * 10**9
    assert not blackout_parts(trace, trace[Boot][2])


def test_the_initramfs_runs_beside_the_initcalls_unless_an_older_kernel_does_not() -> None:
    beside, before = run(), run(**{"kernel.timed_as": "5.13", "kernel.cpu_bring_up": "full"})
    taken = [phase(trace, 1, "initramfs").duration_ns for trace in (beside, before)]
    assert taken[0] == taken[1] > 0
    for trace, sides in ((beside, True), (before, False)):
        spans = {
            event.what: (event.start_ns, event.end_ns)
            for event in trace[Event]
            if event.boot == 1 and event.what in ("initcalls", "initramfs")
        }
        assert (spans["initramfs"][0] == spans["initcalls"][0]) == sides


def test_one_cpu_does_one_after_the_other() -> None:
    one = ks.with_values(ks.loads(SMALL), {"machine.cpus": 1, "machine.nodes": 1})
    trace = ks.run(one)
    boot = trace[Boot][1]
    others = ("preserve", "load", "shutdown", "jump", "user_space", "files", "vms")
    phases = trace[PhaseTime].where(boot=1)
    assert boot.kernel_boot_ns == sum(r.duration_ns for r in phases if r.phase not in others)


def test_more_threads_never_take_longer_and_other_hardware_changes_times_alone() -> None:
    few, many = (run(**{"kernel.deferred_threads": number}) for number in (1, 2))
    assert phase(few, 1, "deferred").duration_ns >= phase(many, 1, "deferred").duration_ns
    other = run(**{"machine.hardware": "skylake"})
    documents = [run_document(trace)["boots"] for trace in (few, other)]
    for first, second in zip(*documents, strict=True):
        for fact in first.keys() - {"kernel_boot_range_ns", "phases_ns", "phases_range_ns"}:
            assert fact.endswith("_ns") or first[fact] == second[fact]
    assert documents[0][1]["phases_ns"] != documents[1][1]["phases_ns"]


def test_steps_are_those_of_the_version_and_what_is_given_wins() -> None:
    old, new = steps_of((5, 7)), steps_of((5, 8))
    assert (old.deferred_threads, new.deferred_threads) == (1, None)
    assert steps_of((5, 7), deferred_threads=3).deferred_threads == 3
    assert (steps_of((6, 8)).hugetlb_parallel, steps_of((6, 9)).hugetlb_parallel) == (False, True)
    assert steps_of((6, 9), hugetlb_parallel=False).hugetlb_parallel is False
    assert (steps_of((6, 4)).cpu_rate, steps_of((6, 5)).cpu_rate) == ("cpus_serial", "cpus_full")


def test_a_rate_without_a_known_standing_or_a_source_is_refused() -> None:
    for standing, source in (("guessed", "a paper"), ("measured", " ")):
        given = {"low": 1, "central": 1, "high": 2, "standing": standing, "source": source}
        with pytest.raises(ModelError, match="no standing"):
            _rate("x", "acpi", given)


def test_a_budget_is_expected_refused_and_advised(tmp_path, capsys) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SMALL.replace("twin: false", "preserve_when: paused"))
    assert call(["run", str(scenario), "-s", "expect={blackout: '< 60s'}"]) == 0
    assert call(["run", str(scenario), "-s", "expect={blackout: '< 1ms'}"]) == 1
    assert call(["run", str(scenario), "--fail-on", "blackout > 500ms"]) == 1
    assert call(["advise", str(scenario), "--blackout", "60s"]) == 0
    capsys.readouterr()
    assert call(["advise", str(scenario), "--blackout", "1ms"]) == 1
    said = capsys.readouterr().out
    assert "the budget is not met" in said
    assert call(["advise", str(scenario), "--blackout", "soon"]) == 2


def test_advice_takes_what_saves_most_and_real_things_before_proposals() -> None:
    scenario = ks.loads("""
machine: {memory: 4GiB, cpus: 4}
workload: [{kind: memfd, size: 1GiB}]
chain: {boots: 2, twin: false, preserve_when: paused}
""")
    advice = advise_blackout(scenario, 10**6)
    assert advice is not None
    assert not advice.fits
    assert "folios of 2MiB" in advice.steps[0].change.words
    proposals = [step.change.proposal for step in advice.steps]
    assert proposals == sorted(proposals)
    blackouts = [advice.blackout_ns, *(step.blackout_ns for step in advice.steps)]
    assert blackouts == sorted(blackouts, reverse=True)
    assert advice.document["blackout_range_ns"] == list(advice.range_ns)


def test_the_waterfall_has_a_bar_for_each_phase_of_the_longest_blackout() -> None:
    trace = run()
    figure = waterfall(trace)
    drawn(figure)
    longest = max(trace[Boot][1:], key=lambda boot: boot.blackout_ns)
    assert len(artists(figure, "waterfall-")) == len(blackout_parts(trace, longest))
    assert len(artists(figure, "blackout-")) == 2


def test_a_sweep_shows_blackouts_over_what_it_varies(tmp_path) -> None:
    varied = {"workload.0.size": ["16MiB", "64MiB"], "chain.preserve_when": ["running", "paused"]}
    sweep = ks.sweep(ks.loads(SMALL), varied, out=tmp_path / "sweep", workers=0)
    figure = blackout_by(sweep)
    drawn(figure)
    assert len(artists(figure, "median-blackout")) == 2
