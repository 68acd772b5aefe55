"""Recorded logs with lines damaged, dropped, repeated and shuffled: checked, or refused in words.

The memory map stays: verification simulates the machine that a log shows, however large.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.verification import check_logs, failing, verify_document, verify_text
from tests.fuzz.damage import INTERESTING
from tests.fuzz.seeds import log_text
from tests.fuzz.targets import in_words
from tests.fuzz.test_targets import SLOW

LOGS = ("tiny-8G-8M_16M_16M", "tinynoext-8G-8M_16M_16M", "machine-1G")
KEPT = (b"BIOS-e820", b"efi: mem", b"CPUs", b"nr_cpu_ids", b"Command line", b"SRAT")


@pytest.mark.parametrize("examples", [12, pytest.param(600, marks=pytest.mark.long)])
def test_a_damaged_log_is_checked_or_refused(examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=SLOW)
    @given(st.sampled_from(LOGS), st.data())
    def holds(name: str, data: st.DataObject) -> None:
        lines = log_text(name).split(b"\n")
        for _ in range(data.draw(st.integers(1, 12))):
            at = data.draw(st.integers(0, len(lines) - 1))
            if not any(words in lines[at] for words in KEPT):
                lines[at : at + 1] = data.draw(other_lines(lines, at))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fuzzed.log"
            path.write_bytes(b"\n".join(lines))
            (result,) = check_logs([str(path)])
        if hasattr(result, "message"):
            in_words(result.message)
            return
        assert verify_text([result], [])
        assert verify_document([result], [])["totals"]["logs"] == 1
        assert all(found.of for found in failing([result], [], True))

    holds()


def other_lines(lines: list[bytes], at: int) -> st.SearchStrategy[list[bytes]]:
    """What may stand in place of a line: nothing, itself twice, another one, or its words mixed."""
    words = lines[at].split(b" ")
    word = st.sampled_from([*words, *INTERESTING])
    return st.one_of(
        st.just([]),
        st.just([lines[at]] * 2),
        st.sampled_from(lines).map(lambda line: [line, lines[at]]),
        st.permutations(words).map(lambda mixed: [b" ".join(mixed)]),
        st.lists(word, max_size=len(words) + 2).map(lambda mixed: [b" ".join(mixed)]),
        st.integers(0, len(lines[at])).map(lambda end: [lines[at][:end]]),
    )
