"""Any bytes at all, and damaged right ones: accepted, or refused in words.

A few examples of each target always, many with ``make test-long``. ``atheris_targets.py`` goes on
from here for as long as one likes.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.damage import damaged
from tests.fuzz.seeds import COMMAND_LINES, seeds
from tests.fuzz.targets import SOURCE_BYTES, TARGETS, kernel_command_line

BUDGETS = [40, pytest.param(3000, marks=pytest.mark.long)]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.mark.parametrize("examples", BUDGETS)
@pytest.mark.parametrize("name", TARGETS)
def test_bytes_are_accepted_or_refused_in_words(name: str, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=SLOW)
    @given(damaged(seeds(name)))
    def holds(data: bytes) -> None:
        TARGETS[name](data[:SOURCE_BYTES])

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_starts_from_is_accepted_or_refused(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


WORDS = sorted({word for line in COMMAND_LINES for word in line.split()})
NUMBERS = ["0", "1", "-1", "0x", "010", "18446744073709551615", "99999999999999999999G", "%", "K"]


@pytest.mark.parametrize("examples", [150, pytest.param(20_000, marks=pytest.mark.long)])
def test_any_words_are_a_command_line(examples: int) -> None:
    names = st.sampled_from(sorted({word.partition("=")[0] for word in WORDS}))
    values = st.lists(st.sampled_from([*NUMBERS, ",", ":", '"', "@", "on", ";"]), max_size=6)
    options = st.builds("{}={}".format, names, values.map("".join))
    words = st.sampled_from(WORDS) | names | options | st.text(max_size=8)

    @settings(max_examples=examples)
    @given(st.lists(words, max_size=12))
    def holds(line: list[str]) -> None:
        kernel_command_line(" ".join(line).encode(errors="surrogatepass"))

    holds()
