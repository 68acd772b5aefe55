"""The headline: the outcome, what is missing beside it, and its colour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.base.words import OUTCOMES
from kho_sim.report import report_text
from kho_sim.report.html import report_html
from kho_sim.trace.headline import boots_text, headline
from kho_sim.trace.records import COLD_BOOT, Incident, Outcome
from tests.hand_made import GIB, cold_boot, empty_trace, hand_made_trace, kho_boot, refused
from tests.hand_made import with_records as with_


def chain(*boots, **records):
    ended = replace(empty_trace(), outcome=Outcome(kind="completed", boot=len(boots)))
    return with_(ended, boots=(cold_boot(), *boots), **records)


def test_a_chain_that_lacks_nothing_is_good():
    said = headline(chain(kho_boot(1), kho_boot(2)))
    assert str(said) == "completed: all 3 kernels came up"
    assert said.colour == "good"


def test_gigantic_pages_that_are_short_are_named_with_their_boots():
    none = {"gigantic_pages_allocated": 0}
    said = headline(chain(kho_boot(1, **none), kho_boot(2, **none)))
    assert said.verdict == "completed, 4 of 4 gigantic pages short at boots 1-2"
    assert said.colour == "amber"
    some = headline(chain(kho_boot(1, gigantic_pages_allocated=3), kho_boot(2, **none)))
    assert some.verdict == "completed, up to 4 of 4 gigantic pages short at boots 1-2"


def test_a_boot_that_does_not_say_what_it_got_is_not_short():
    assert headline(chain(kho_boot(1, gigantic_pages_allocated=None))).colour == "good"


def test_refused_early_allocations_are_counted_beside_gigantic_pages():
    rows = [refused(1, 0, "gigantic page", GIB, "", count=4), refused(1, 1, "memmap", 4096, "")]
    said = headline(chain(kho_boot(1), allocations=rows))
    assert said.verdict == "completed, 1 early allocation refused at boot 1"


def test_lost_files_and_cold_boots_are_said():
    said = headline(hand_made_trace())
    assert said.lacks[0] == "1 file lost (2 MiB)"
    fall = Incident(boot=1, time_ns=5, kind="panic", injected=True, message="", then=COLD_BOOT)
    again = headline(chain(kho_boot(1), incidents=[fall]))
    assert again.colour == "amber"
    assert str(again) == "completed, 1 cold boot after failures: the last of 2 kernels came up"


@pytest.mark.parametrize("kind", [*OUTCOMES, "unknown"])
def test_every_outcome_has_a_sentence(kind):
    trace = replace(chain(), outcome=Outcome(kind=kind, boot=0, message="as printed"))
    said = headline(trace)
    assert said.outcome == kind
    assert (said.colour == "bad") == (kind != "completed")
    assert ("as printed" in str(said)) == (kind != "completed")


def test_text_page_and_notebook_say_the_same():
    trace = hand_made_trace()
    page = report_html(trace)
    for one in (trace, trace.twin):
        said = str(headline(one))
        assert said in " ".join(report_text(trace).split())
        for shown in (page, trace._repr_html_()):
            assert said in shown.replace("&#34;", '"').replace("&quot;", '"')
    assert 'class="lead amber"' in page
    assert 'class="lead bad"' in page


@pytest.mark.parametrize(
    ("boots", "text"),
    [
        ((2,), "boot 2"),
        ((1, 2, 3), "boots 1-3"),
        ((5, 1, 2), "boots 1-2, 5"),
        ((1, 3), "boots 1, 3"),
    ],
)
def test_boots_are_named_in_runs(boots, text):
    assert boots_text(boots) == text
