"""Sizes and durations as text."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kho_sim.base.units import (
    DURATION_PLACES,
    SIZE_PLACES,
    counted,
    format_duration,
    format_exact,
    format_ns,
    format_share,
    format_size,
    memparse,
    natural_key,
    parse_duration,
    parse_size,
    show,
    unit_of,
)

SIZES = st.integers(0, 2**64 - 1) | st.integers(0, 15).map(lambda count: count << 60)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        (4096, 4096),
        ("4096B", 4096),
        ("0x1000", 4096),
        ("0X10k", 16384),
        ("16M", 16 * 2**20),
        ("16m", 16 * 2**20),
        ("16Mi", 16 * 2**20),
        ("16 MiB", 16 * 2**20),
        ("1GiB", 2**30),
        ("3TiB", 3 * 2**40),
        ("1P", 2**50),
        ("15E", 15 * 2**60),
    ],
)
def test_sizes_are_powers_of_1024(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("16MB", "write 16MiB"),
        ("16mb", "write 16MiB"),
        ("4kB", "write 4KiB"),
        ("1.5GiB", "write 1536MiB"),
        ("1.5GB", "write 1.5GiB"),
        ("0.3K", "not a whole number"),
        ("010", "octal"),
        ("16EiB", "outside"),
        (-1, "outside"),
        (True, "not a size"),
        (1.0, "not a size"),
        ("", "not a size"),
        ("M", "not a size"),
        ("1e9", "not a size"),
        ("1_000", "not a size"),
        ("-4K", "not a size"),
        ("４K", "not a size"),
        ("0x", "not a size"),
        ("1" * 5000, "text of 5000 characters"),
    ],
)
def test_what_could_be_understood_differently_is_refused_in_a_sentence(text, hint):
    with pytest.raises(ValueError, match=r"\.$") as error:
        parse_size(text)
    assert hint in str(error.value)


@given(st.text(max_size=12) | st.from_regex(r"[0-9a-fx.]{1,6} ?[KMGTPEkB]?i?B?", fullmatch=True))
def test_any_text_is_a_size_or_a_value_error(text):
    try:
        good = 0 <= parse_size(text) < 2**64
    except ValueError as error:
        good = str(error).endswith(".")
    assert good


@given(SIZES)
def test_the_exact_form_reads_back(size_bytes):
    assert parse_size(format_exact(size_bytes)) == size_bytes


def test_the_exact_form_is_the_shortest():
    assert format_exact(0) == "0"
    assert format_exact(1536) == "1536"
    assert format_exact(16 * 2**20) == "16MiB"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**20 - 1, "1 MiB"),
        (100 * 2**30, "100 GiB"),
        (-(2**30), "-1 GiB"),
    ],
)
def test_sizes_for_people(size_bytes, text):
    assert format_size(size_bytes) == text


def naive_memparse(text):
    """The same question asked of Python's own int(), one prefix at a time, longest first."""
    for end in range(len(text), 0, -1):
        head = text[:end]
        if not head.isalnum() or not head.isascii():
            continue
        base = 16 if head[:2].lower() == "0x" else 8 if head[0] == "0" else 10
        try:
            value = int(head, base) if base != 8 else int("0o" + head, 8)
        except ValueError:
            continue
        break
    else:
        value, end = 0, 0
    if end < len(text) and text[end] in "KMGTPEkmgtpe":
        return value * 1024 ** (1 + "KMGTPE".index(text[end].upper())) % 2**64, text[end + 1 :]
    return value % 2**64, text[end:]


@given(st.from_regex(r"(0x|0X|0)?[0-9a-fA-F]{0,20}[KMGTPEkmgtpeiBg, ]{0,3}", fullmatch=True))
@example("0x")
@example("0xG")
@example("08")
@example("K,")
@example("0x1E")
@example("99999999999999999999E")
def test_memparse_agrees_with_a_naive_model(text):
    assert memparse(text) == naive_memparse(text)


@given(st.text())
def test_memparse_takes_any_text(text):
    value, rest = memparse(text)
    assert 0 <= value < 2**64
    assert text.endswith(rest)


@given(st.integers(0, 10**9))
def test_durations_read_back(seconds):
    assert parse_duration(format_duration(seconds * 10**9)) == seconds * 10**9


def test_durations_name_their_unit():
    assert parse_duration("90s") == 90 * 10**9
    assert parse_duration("2h") == parse_duration("120m") == 7200 * 10**9
    assert format_duration(7200 * 10**9) == "2h"
    for text in ("90", "1.5h", "3d", "-1s", "", "010s", "1:30"):
        with pytest.raises(ValueError, match="as in 90s"):
            parse_duration(text)
    with pytest.raises(ValueError, match="whole number of seconds"):
        format_duration(1)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 ns"),
        (2.5, "2.5 ns"),
        (850, "850 ns"),
        (1_250_000, "1.25 ms"),
        (12_300_000_000, "12.3 s"),
        (125 * 10**9, "2m 05s"),
        (12_000 * 10**9, "3h 20m"),
        (3_599_900_000_000, "1h 00m"),
        (-1000, "-1 us"),
    ],
)
def test_times_for_people(duration_ns, text):
    assert format_ns(duration_ns) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("extended_bytes_min", 3 << 29, "1.5 GiB"),
        ("bytes_lost", 0, "0 B"),
        ("preserved_bytes", 1024.4, "1 KiB"),
        ("machine.memory", 60 << 20, "60MiB"),
        ("workload[0].size", 4096, "4KiB"),
        ("extend_ns_max", 22_500_000, "22.5 ms"),
        ("extend_ns", -1.2e9, "-1.2 s"),
        ("max_address", 4096, "0x1000"),
        ("digest_pages", 1397, "1,397"),
        ("preservations", 526358, "526,358"),
        ("share", 0.123456, "0.1235"),
        ("mean", 2.0, "2"),
        ("mean", 12345.678, "12,346"),
        ("is_twin", True, "True"),
        ("strategy", "blocks", "blocks"),
        ("busy_blocks", None, "None"),
    ],
)
def test_a_value_is_shown_by_the_unit_in_its_name(name, value, text):
    assert show(name, value) == text


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("size_bytes", "bytes"),
        ("min_address", "bytes"),
        ("extend_ns_max", "nanoseconds"),
        ("gigantic_pages_requested", "pages"),
        ("memory_regions_max", ""),
        ("time", ""),
        ("bins", ""),
    ],
)
def test_a_name_says_its_unit(name, unit):
    assert unit_of(name) == unit


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("kernel.image", 60 << 20, "60MiB"),
        ("workload[0].size", 1 << 30, "1GiB"),
        ("machine.memory", (1 << 30) + 1, "1073741825"),
        ("chain.uptime", 3600 * 10**9, "1h 00m"),
        ("kernel.extend.shift", 30, "30"),
    ],
)
def test_places_of_a_scenario_are_shown_as_it_has_them(name, value, text):
    assert show(name, value) == text


def test_places_with_units_are_those_of_the_schema():
    from kho_sim.scenario import spec  # noqa: F401
    from kho_sim.scenario.fields import DurationRule, SizeRule
    from kho_sim.scenario.section import Section

    addresses = ("start", "end")
    found = {SizeRule: set(), DurationRule: set()}
    for section in _below(Section):
        if not section.__module__.startswith("kho_sim."):
            continue
        for name, field in section.model_fields.items():
            for rule, names in found.items():
                if rule in _rules(field.annotation, field.metadata):
                    names.add(name)
    sizes = {name for name in found[SizeRule] if not name.endswith(addresses)}
    assert sizes == set(SIZE_PLACES)
    assert found[DurationRule] == set(DURATION_PLACES)


def _below(kind):
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _rules(annotation, metadata=()):
    for part in (*metadata, *getattr(annotation, "__metadata__", ())):
        yield type(part)
    for part in get_args(annotation):
        yield from _rules(part)


def test_texts_are_sorted_by_the_numbers_in_them():
    names = ["7.10", "7.9", "16 GiB", "8 GiB", "none"]
    assert sorted(names, key=natural_key) == ["7.9", "7.10", "8 GiB", "16 GiB", "none"]


@pytest.mark.parametrize(
    ("number", "what", "ending", "text"),
    [
        (0, "boot", "s", "0 boots"),
        (1, "boot", "s", "1 boot"),
        (3, "boot", "s", "3 boots"),
        (1024, "file", "s", "1,024 files"),
        (1, "process", "es", "1 process"),
        (2, "process", "es", "2 processes"),
    ],
)
def test_what_is_counted_is_one_or_many(number, what, ending, text):
    assert counted(number, what, ending) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0%"),
        (1e-9, "< 0.1%"),
        (0.001, "0.1%"),
        (0.125, "12.5%"),
        (0.9996, "> 99.9%"),
        (1, "100.0%"),
        (1.5, "150.0%"),
    ],
)
def test_shares_are_nothing_or_all_only_if_they_are(share, text):
    assert format_share(share) == text
