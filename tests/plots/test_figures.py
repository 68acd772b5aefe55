"""What figures show, counted: rows, marks, units; and that they leave no trace of themselves."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Callable

import matplotlib
import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError, TraceError
from kho_sim.base.extent import intersected, merged, total_size
from kho_sim.chain import run_scenario
from kho_sim.plots import (
    TRACE_FIGURES,
    failures,
    lineage,
    memory_map,
    scratch_use,
    timeline,
    tree,
)
from kho_sim.plots.memory_facts import machine_memory, memory_of_boots
from kho_sim.plots.style import MOST_INCHES, rows_height, rows_named
from kho_sim.plots.timeline import blackouts
from kho_sim.rates import load_hardware
from kho_sim.scenario import from_dict, loads
from kho_sim.trace.records import Allocation, Boot, Outcome, RegionRow
from kho_sim.trace.trace import Trace
from tests.plots.overlaps import outside_boxes, outside_figure, touching_texts, touching_ticks
from tests.plots.traces import LOGS, SCENARIOS, SMALL, recorded, simulated, small

LONG = """
machine: {memory: 1GiB, cpus: 2}
workload: [{kind: vms, count: 6, size: 4MiB, arrivals_per_hour: 3, lifetime: 2h}]
chain: {boots: 18}
"""


def artists(figure: Figure, prefix: str) -> list[Artist]:
    """All artists whose id begins so."""
    return figure.findobj(lambda artist: str(artist.get_gid() or "").startswith(prefix))


def marks(figure: Figure, gid: str) -> int:
    """How many rectangles the collection of that id has."""
    found = figure.findobj(lambda artist: artist.get_gid() == gid)
    return sum(len(artist.get_paths()) for artist in found)


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def drawn(figure: Figure) -> None:
    """Render it; a layout that does not fit is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_figure_of_every_scenario_fits_and_has_units(name: str) -> None:
    trace = simulated(name)
    for draw in TRACE_FIGURES.values():
        if draw is tree and not trace["tree_pages"]:  # a release with bitmaps in place of the tree
            continue
        figure = draw(trace)
        drawn(figure)
        for axes in figure.axes:
            numbered = axes.xaxis.get_tick_params().get("labelbottom", True)
            if axes.axison and len(axes.get_xticks()) and numbered:
                assert axes.get_xlabel()
        assert not touching_ticks(figure)
        assert not outside_boxes(figure)
        assert not outside_figure(figure)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_drawn_or_refused_with_a_reason(name: str) -> None:
    for draw in TRACE_FIGURES.values():
        try:
            found = words(draw(recorded(name)))
        except TraceError as error:
            found = str(error)
        assert "this trace" in found or f"real boot log {name}" in found


def test_figures_change_no_setting_and_take_no_pyplot() -> None:
    matplotlib.rcParams["font.size"] = 31
    try:
        before = dict(matplotlib.rcParams)
        figures = [draw(small()) for draw in TRACE_FIGURES.values()]
        assert dict(matplotlib.rcParams) == before
        assert all(figure.axes[0].xaxis.label.get_fontsize() != 31 for figure in figures)
    finally:
        matplotlib.rcdefaults()
    code = "import sys, kho_sim.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_map_has_a_row_a_boot_and_a_mark_an_area() -> None:
    for trace in (simulated("growing-kernel"), recorded("chain10-16G")):
        figure = memory_map(trace)
        assert len(artists(figure, "row")) == len(trace["boots"])
        for boot in trace["boots"]:
            areas = sorted(boot.scratch_areas or ())
            apart = sum(a + s < b for (a, s), (b, _) in itertools.pairwise(areas)) + 1
            assert marks(figure, f"scratch-{boot.boot}") == apart


def test_the_map_distinguishes_extended_from_kept_off_and_shows_what_was_inherited() -> None:
    figure = memory_map(small())
    kho = [boot.boot for boot in small()["boots"] if boot.kind == "kho"]
    for boot in kho:
        assert marks(figure, f"extended-{boot}")
        assert marks(figure, f"kept_off-{boot}")
        assert marks(figure, f"inherited-{boot}")
        assert not marks(figure, f"free-{boot}")
    assert marks(figure, "free-0")
    assert not marks(figure, "inherited-0")


@pytest.mark.parametrize("name", ["numa-two-socket", "growing-kernel", "hypervisor"])
def test_extended_kept_off_and_scratch_are_all_of_memory_and_disjoint(name: str) -> None:
    trace = simulated(name)
    memory = total_size(machine_memory(trace))
    for facts in memory_of_boots(trace):
        parts = [*facts.free, *facts.extended, *facts.kept_off, *merged(facts.scratch)]
        assert total_size(merged(parts)) == total_size(parts) == memory
        assert total_size(facts.extended) == (facts.boot.extended_bytes or 0)
        assert total_size(facts.inherited) == (facts.boot.preserved_bytes or 0)
        assert not intersected(facts.gigantic, facts.inherited)
        own = (facts.boot.gigantic_pages_allocated or 0) - (facts.boot.gigantic_pages_kept or 0)
        assert total_size(facts.gigantic) == own << 30


def test_the_map_names_nodes_and_marks_holes() -> None:
    figure = memory_map(simulated("numa-two-socket"))
    assert {"node 0", "node 1"} <= set(words(figure).split("\n"))
    assert "node 0" not in words(memory_map(small()))
    assert len(artists(memory_map(simulated("small-host")), "hole")) == 1
    assert not artists(memory_map(small()), "hole")


def test_a_window_of_the_map_shows_only_what_is_in_it() -> None:
    start, size = small()["boots"][0].scratch_areas[0]
    figure = memory_map(small(), window=(start, start + size))
    assert marks(figure, "scratch-0") == 1
    assert not marks(figure, "free-0")
    with pytest.raises(TraceError, match="no memory"):
        memory_map(small(), window=(1 << 50, 1 << 51))


def test_scratch_use_adds_up_to_what_was_allocated() -> None:
    trace = small()
    figure = scratch_use(trace)
    left, right = figure.axes
    for row, boot in enumerate(trace["boots"]):
        for axes, wanted in ((left, ("scratch",)), (right, ("memory", "extended", "low memory"))):
            bars = [
                bar for group in axes.containers for bar in group if bar.get_y() < row < 0.9 + row
            ]
            drawn_bytes = sum(bar.get_width() for bar in bars if abs(bar.get_y() - row) < 0.5)
            areas = boot.scratch_areas if boot.kind == "cold" else ()
            assert drawn_bytes == sum(
                row_.size_bytes
                for row_ in trace["allocations"]
                if row_.boot == boot.boot
                and row_.source in wanted
                and row_.what != "gigantic page"
                and (row_.address, row_.size_bytes) not in areas
            )
    assert "GiB" in words(figure) or "MiB" in words(figure)


def test_refused_memory_is_named() -> None:
    assert "refused" in words(scratch_use(recorded("b-noext-8G-16M_16M_16M")))
    assert "refused" not in words(scratch_use(small()))


def test_a_blackout_lasts_from_the_pause_until_machines_run_again() -> None:
    trace = small()
    events = {(e.boot, e.what): e for e in trace["events"] if e.what != "message"}
    found = blackouts(trace)
    assert [gap.boot for gap in found] == [1, 2]
    for gap in found:
        boot = trace["boots"][gap.boot]
        assert gap.start_ns == events[gap.boot - 1, "shutdown"].start_ns
        assert gap.end_ns == events[gap.boot, "vms"].end_ns
        assert gap.duration_ns == boot.blackout_ns
    assert len(artists(timeline(trace), "blackout-")) == 2


def test_a_log_has_a_blackout_for_each_handover_that_came_up() -> None:
    assert len(blackouts(recorded("chain10-16G"))) == 10
    assert not blackouts(recorded("b-noext-8G-16M_16M_16M"))


def test_the_timeline_reads_microseconds_and_hours() -> None:
    figure = timeline(small())
    found = words(figure)
    assert "1h 00m" in found
    assert " us" in found
    figure.canvas.draw()
    low, high = figure.axes[1].get_xlim()
    seen = [tick for tick in figure.axes[1].get_xticks() if low < tick < high]
    assert 4 <= len(seen) <= 12


def test_failures_are_counted_with_and_without_the_extension() -> None:
    trace = simulated("growing-kernel")
    text = words(failures(trace))
    assert "0 with the extension" in text
    assert "1 without, 384 MiB" in text
    assert "without: not reached, boot_failed in boot 3" in text
    assert len(artists(failures(trace), "avoided")) == 1


def test_what_was_avoided_stands_behind_a_bar_that_would_hide_its_mark() -> None:
    """Of 30 that fail without the extension 29 fail with one that ends half-way."""
    figure = failures(simulated("faults-half-extended"))
    assert "29 with the extension, 1 avoided" in words(figure)
    (marks_avoided,) = artists(figure, "avoided")
    assert marks_avoided.get_xdata().tolist() == [30, 30]  # type: ignore[attr-defined]


def test_the_lineage_has_a_box_a_kernel_and_says_what_was_lost() -> None:
    trace = simulated("growing-kernel")
    figure = lineage(trace)
    kernels = len(trace["boots"]) + len(trace.twin["boots"]) - 1
    assert len(artists(figure, "kernel-")) == kernels
    assert len(artists(figure, "branch")) == 1
    assert "boot_failed\nnew driver tables" in words(figure)
    lost = words(lineage(recorded("b-noext-8G-16M_16M_16M")))
    assert "lost:\n1.04 MiB" in lost


def test_the_lineage_of_a_long_chain_is_low_and_its_labels_lie_between_the_boxes() -> None:
    figure = lineage(run_scenario(loads(LONG)))
    drawn(figure)
    assert figure.get_figheight() < 13
    assert not touching_texts(figure)
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if patch.get_gid()]
    labels = [text for text in axes.texts if text.get_ha() == "left" and text.get_text()]
    assert len(labels) > 40
    for label in labels:
        assert not [box for box in boxes if label.get_window_extent().overlaps(box)], label


def test_the_tree_has_a_mark_a_page() -> None:
    trace = simulated("hypervisor")
    figure = tree(trace, 1)
    shown = sum(len(line.get_xdata()) for line in artists(figure, "level-"))
    assert shown == trace["boots"][1].radix_nodes
    keys = sum(bar.get_height() for group in figure.axes[1].containers for bar in group)
    assert keys == trace["boots"][1].preservations


@pytest.mark.parametrize("draw", TRACE_FIGURES.values(), ids=TRACE_FIGURES)
def test_a_trace_without_records_is_refused_or_drawn_empty(
    draw: Callable[[Trace], Figure],
) -> None:
    empty = Trace(provenance={"source": "log"}, outcome=Outcome(kind="unknown", boot=0))
    with pytest.raises(InputError):
        draw(empty)


def test_the_timeline_shows_faults_and_the_way_through_firmware() -> None:
    trace = simulated("faults-failed-update")
    figure = timeline(trace)
    assert len(artists(figure, "firmware-4")) == 1
    text = words(figure)
    assert "✕ fault load, retry, at 48h 00m" in text
    assert "✕ fault panic, cold boot, at 96h 00m" in text
    assert "out of scale" in text
    gaps = {gap.boot: gap for gap in blackouts(trace)}
    assert set(gaps) == {1, 2, 3, 4, 5}
    assert [boot for boot, gap in gaps.items() if not gap.came_up] == [3]
    # The guests were gone from the jump to the kernel that died until the one after the reset.
    assert gaps[4].start_ns == gaps[3].start_ns
    reset_ns = round(load_hardware().rates["firmware_reset"].central)
    assert gaps[4].duration_ns > reset_ns > gaps[3].duration_ns
    assert gaps[5].duration_ns < reset_ns


def test_a_kernel_that_dies_while_it_serves_begins_the_blackout() -> None:
    fault = {"kind": "panic", "boot": 1, "phase": "serve"}
    resolved = loads(SMALL).to_dict() | {"faults": [fault]}
    resolved["chain"] |= {"on_failure": "cold_boot", "twin": False}
    trace = run_scenario(from_dict(resolved))
    death = trace["incidents"][0].time_ns
    assert [(g.boot, g.start_ns == death, g.came_up) for g in blackouts(trace)] == [
        (1, False, True),
        (2, True, True),
    ]


def test_the_lineage_shows_sessions_losses_and_the_fall_back() -> None:
    figure = lineage(simulated("faults-failed-update"))
    text = words(figure)
    for said in (
        'session "guests"',
        "lost:\n3 files, 3 GiB",
        "closed:\n1 file, 1 GiB",
        "✕ fault panic",
        "cold boot, through firmware",
    ):
        assert said in text
    assert len(artists(figure, "fall-back-")) == 2
    assert "handed over, not found" in words(lineage(simulated("faults-lost-handover")))


def test_where_nothing_fails_the_figure_is_a_sentence() -> None:
    figure = failures(simulated("small-host"))
    assert "None: no early allocation failed in any of the 2 boots, with the extension" in words(
        figure
    )
    assert not artists(figure, "boots-")


def test_failures_avoided_are_shown_by_caller_where_there_is_no_twin() -> None:
    trace = simulated("hypervisor")
    alone = Trace(
        provenance=trace.provenance,
        outcome=trace.outcome,
        records={kind: trace[kind] for kind in (Boot, Allocation)},
    )
    avoided = sum(boot.failures_avoided or 0 for boot in trace["boots"])
    bars = failures(alone).axes[1].patches
    assert sum(bar.get_width() for bar in bars if bar.get_gid() == "callers-avoided") == avoided > 0


def test_a_log_that_stops_is_not_said_to_have_failed() -> None:
    trace = small()
    cut = Trace(
        provenance=trace.provenance,
        outcome=Outcome(kind="unknown", boot=2),
        records={kind: trace[kind] for kind in (Boot, RegionRow)},
    )
    assert "the log stops in boot 2" in words(memory_map(cut))


@pytest.mark.parametrize("count", [1, 6, 20, 150, 1000])
def test_words_of_a_long_chain_do_not_touch(count: int) -> None:
    least = 0.3
    row = rows_height(count, 0.7, least) / count
    named = rows_named(count, least)
    assert row * named.step >= min(least, 0.7) * 0.999
    assert named[0] == 0
    assert rows_height(count, 0.7, least) <= MOST_INCHES


def test_lines_of_the_lineage_are_as_wide_as_their_bytes() -> None:
    figure = lineage(simulated("faults-failed-update"))
    widths = {round(line.get_linewidth(), 3) for line in artists(figure, "flow")}
    assert widths == {14.0, round(14.0 * 256 / (3 * 1024), 3)}
    assert "the widest is 3 GiB" in words(figure)


def test_the_lineage_ends_in_the_words_of_the_headline() -> None:
    text = words(lineage(simulated("seed-case-2"))).replace("\n", " ")
    assert "completed, 50 of 50 gigantic pages short at boot 1" in text


def test_the_timeline_marks_what_is_assumed() -> None:
    trace = small()
    figure = timeline(trace)
    drawn(figure)
    assumed = {row.phase for row in trace["phases"].where(standing="assumed", boot=1)}
    assert "user_space" in assumed
    for phase in ("user_space", "acpi"):
        (bar,) = artists(figure, f"{phase}-1")
        assert bool(bar.get_hatch()) == (phase in assumed)
    text = words(figure)
    assert "hatched, and hollow on the right: assumed" in text
    assert "2 s assumed)" in text
    assert "2 s, assumed" in text
    log = words(timeline(recorded("chain10-16G")))
    assert "assumed" not in log
