"""Sizes, durations and numbers as text: the only place that reads or prints their suffixes.

Sizes are the kernel's: powers of 1024, exact, below 2^64. ``parse_size`` is for scenario files and
options and refuses whatever two readers could understand differently (``16MB``, ``010``) and all
fractions; ``memparse`` is what the kernel does with its own command line, where nothing is refused.
Durations are whole nanoseconds.
"""

from __future__ import annotations

import re
from fractions import Fraction
from numbers import Integral, Real

SIZE_LIMIT = 1 << 64
SIZE_SUFFIXES = "KMGTPE"

SECOND_NS = 10**9
DURATION_UNITS = {"s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3600 * SECOND_NS}
TIME_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, **DURATION_UNITS}

UNITS = {"bytes": "bytes", "ns": "nanoseconds", "pages": "pages", "address": "bytes"}
"""Word in the name of a value -> its unit."""
SIZE_PLACES = (
    "memory", "size", "page_size", "folio", "grow", "align", "image", "brk", "initrd", "init_size",
    "per_cpu_static", "per_cpu_dynamic", "per_cpu_reserved", "log_buf_len", "purgatory",
    "node_data", "node_memory", "written",
)  # fmt: skip
"""Last words of places in a scenario whose values are bytes; a test holds them to its schema."""
DURATION_PLACES = ("after", "lifetime", "uptime")
"""The same of nanoseconds."""

_SIZE = re.compile(
    r"(?:(?P<hex>0[xX][0-9a-fA-F]+)|(?P<whole>[0-9]+)(?P<fraction>\.[0-9]+)?) ?(?P<unit>[A-Za-z]*)",
    re.ASCII,
)
_DURATION = re.compile(r"(0|[1-9][0-9]{0,17}) ?([a-zA-Z]*)", re.ASCII)
_TIME = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([a-z]{1,2})", re.ASCII)
_ACCEPTED_SIZES = (
    "accepted: bytes (4096, 0x1000) or a whole number of KiB, MiB, GiB, TiB, PiB or EiB"
)


def parse_size(size: str | int) -> int:
    """Return the bytes that a size in a scenario or an option means.

    ``16M``, ``16Mi`` and ``16MiB`` are all 16 * 2^20, in any case of letters; ``0x1000``, ``4096``
    and ``4096B`` are bytes. Raises ValueError with a full sentence for anything else.
    """
    if isinstance(size, bool) or not isinstance(size, (str, int)):
        raise ValueError(f"{size!r} is not a size; {_ACCEPTED_SIZES}.")
    bytes_ = size if isinstance(size, int) else _size_of_text(size)
    if not 0 <= bytes_ < SIZE_LIMIT:
        raise ValueError(f"{size} is outside of what a size can be, 0 to 16EiB less one byte.")
    return bytes_


def _size_of_text(text: str) -> int:
    match = _SIZE.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise ValueError(f"{_shown(text)} is not a size; {_ACCEPTED_SIZES}.")
    digits, unit = match["hex"] or match["whole"], match["unit"]
    unit_bytes = _unit_bytes(text, digits + (match["fraction"] or ""), unit)
    if match["hex"]:
        return int(digits, 16) * unit_bytes
    if match["fraction"]:
        raise ValueError(_fraction_refused(text, digits + match["fraction"], unit_bytes))
    if len(digits) > 1 and digits[0] == "0":
        raise ValueError(
            f"'{text}' starts with 0, which the kernel would read as octal; write it without the 0."
        )
    return int(digits) * unit_bytes


def _unit_bytes(text: str, number: str, unit: str) -> int:
    """Return the bytes of one unit; decimal-looking ones (``MB``) are refused."""
    letter, ending = unit[:1].upper(), unit[1:].lower()
    if unit.upper() in ("", "B"):
        return 1
    if letter in SIZE_SUFFIXES and ending in ("", "i", "ib"):
        return 1 << 10 * (1 + SIZE_SUFFIXES.index(letter))
    if letter in SIZE_SUFFIXES and ending == "b":
        binary = f"{number}{letter}iB"
        raise ValueError(
            f"'{text}' looks decimal, and sizes are powers of 1024; write {binary} for that."
        )
    raise ValueError(f"{_shown(text)} is not a size; {_ACCEPTED_SIZES}.")


def _fraction_refused(text: str, number: str, unit_bytes: int) -> str:
    exact = Fraction(number) * unit_bytes
    hint = f"; write {format_exact(int(exact))}" if exact.denominator == 1 else ""
    return f"'{text}' is not a whole number of its unit{hint}."


def _shown(text: str) -> str:
    return f"'{text}'" if len(text) <= 64 else f"a text of {len(text)} characters"


def memparse(text: str) -> tuple[int, str]:
    """Return the number at the start of ``text`` as the kernel reads it, and what follows.

    Base prefixes: 0x hexadecimal (only before a hexadecimal digit), a leading 0 octal, else
    decimal. One suffix letter K M G T P E in any case multiplies, also after no digit at all
    (``K`` is 0 with nothing left). Overflow wraps at 2^64. Source: memparse(), lib/cmdline.c.
    """
    base, digits, at = 10, "0123456789", 0
    if text[:2] in ("0x", "0X") and text[2:3] and text[2] in "0123456789abcdefABCDEF":
        base, digits, at = 16, "0123456789abcdefABCDEF", 2
    elif text[:1] == "0":
        base, digits = 8, "01234567"
    value = 0
    while at < len(text) and text[at] in digits:
        value = (value * base + int(text[at], 16)) % SIZE_LIMIT
        at += 1
    suffix = text[at : at + 1]
    if suffix and suffix in SIZE_SUFFIXES + SIZE_SUFFIXES.lower():
        value = (value << 10 * (1 + SIZE_SUFFIXES.index(suffix.upper()))) % SIZE_LIMIT
        at += 1
    return value, text[at:]


def format_exact(size_bytes: int) -> str:
    """Return the shortest exact text of a size, as in '16MiB'; ``parse_size`` reads it back."""
    power = 0
    while size_bytes and size_bytes % 1024 == 0 and power < len(SIZE_SUFFIXES):
        size_bytes //= 1024
        power += 1
    return f"{size_bytes}{SIZE_SUFFIXES[power - 1]}iB" if power else str(size_bytes)


def format_three_digits(size_bytes: int) -> str:
    """Return a size of at least 1 KiB as kernels print it, as in '2.00 MiB' (string_get_size())."""
    power = min((size_bytes.bit_length() - 1) // 10, len(SIZE_SUFFIXES))
    number = size_bytes >> 10 * power
    decimals = max(3 - len(str(number)), 0)
    return f"{number:.{decimals}f} {SIZE_SUFFIXES[power - 1]}iB"


def format_size(size_bytes: int) -> str:
    """Return a size for people, as in '1.5 GiB'; two decimals at most, and a sign if negative."""
    power = min(max(abs(size_bytes).bit_length() - 1, 0) // 10, len(SIZE_SUFFIXES))
    # 1023.999 KiB would be printed as 1024 KiB: one unit up.
    if power < len(SIZE_SUFFIXES) and round(abs(size_bytes) / 1024**power, 2) >= 1024:
        power += 1
    number = f"{size_bytes / 1024**power:.2f}".rstrip("0").rstrip(".")
    return f"{number} {SIZE_SUFFIXES[power - 1]}iB" if power else f"{size_bytes} B"


def parse_duration(text: str) -> int:
    """Return the nanoseconds of '90s', '30m' or '2h': whole numbers, the unit always named.

    Raises ValueError with a full sentence.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in DURATION_UNITS:
        raise ValueError(
            f"{text!r} is not a duration; accepted: a whole number with s, m or h, as in 90s."
        )
    return int(match[1]) * DURATION_UNITS[match[2]]


def parse_time(text: str) -> float:
    """Return the nanoseconds of '42.4ns', '1.35us', '300ms', '1.5s', or of a duration as '30m'.

    Raises ValueError with a full sentence.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in TIME_UNITS:
        raise ValueError(
            f"{_shown(str(text))} is no time; accepted: a number with ns, us, ms, s, m or h, as in "
            "1.5s."
        )
    return float(match[1]) * TIME_UNITS[match[2]]


def format_duration(duration_ns: int) -> str:
    """Return the shortest exact text of whole seconds, as in '90s'; ``parse_duration`` reads it."""
    if duration_ns % SECOND_NS:
        raise ValueError(f"{duration_ns} ns is not a whole number of seconds.")
    for unit in ("h", "m"):
        if duration_ns and duration_ns % DURATION_UNITS[unit] == 0:
            return f"{duration_ns // DURATION_UNITS[unit]}{unit}"
    return f"{duration_ns // SECOND_NS}s"


def format_ns(duration_ns: float) -> str:
    """Return a time for people: '2.5 ns', '850 ns', '1.25 ms', '12.3 s', '2m 05s', '3h 20m'.

    Times are whole nanoseconds; only a rate has parts of one.
    """
    if duration_ns < 0:
        return "-" + format_ns(-duration_ns)
    if duration_ns >= 60 * SECOND_NS:
        minutes, seconds = divmod(round(duration_ns / SECOND_NS), 60)
        if minutes < 60:
            return f"{minutes}m {seconds:02}s"
        hours, minutes = divmod(round(duration_ns / DURATION_UNITS["m"]), 60)
        return f"{hours}h {minutes:02}m"
    for unit, unit_ns in (("s", SECOND_NS), ("ms", 10**6), ("us", 10**3)):
        if duration_ns >= unit_ns:
            number = f"{duration_ns / unit_ns:.2f}".rstrip("0").rstrip(".")
            return f"{number} {unit}"
    return f"{duration_ns:g} ns"


def plural(number: int, what: str, ending: str = "s") -> str:
    """Return the word for so many: 'file' for 1, else 'files'; ``ending``: what makes it many."""
    return what if number == 1 else what + ending


def counted(number: int, what: str, ending: str = "s") -> str:
    """Return '1 file', '2 files', '1,024 files'; the word as ``plural`` has it."""
    return f"{number:,} {plural(number, what, ending)}"


def format_share(share: float) -> str:
    """Return a part of 1 for people, as in '12.5%'; '0.0%' is nothing and '100.0%' all, what is
    next to them is '< 0.1%' and '> 99.9%'."""
    if 0 < share < 0.001:
        return "< 0.1%"
    return "> 99.9%" if 0.999 < share < 1 else f"{share:.1%}"


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key by which 7.10 comes after 7.9, and '16 GiB' after '8 GiB'."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def unit_of(name: str) -> str:
    """Return the unit that a name says, as in ``extended_bytes_min``, or ''."""
    place = name.rpartition(".")[2]
    if place in SIZE_PLACES or place in DURATION_PLACES:
        return "bytes" if place in SIZE_PLACES else "nanoseconds"
    return next((UNITS[word] for word in re.split(r"[._]", name) if word in UNITS), "")


def show(name: str, value: object) -> str:
    """Return a value for people, by the unit in its name: '1.5 GiB', '22.5 ms', '526,358'.

    Addresses are hexadecimal. Numbers without a unit have four digits after the point at most.
    Sizes at a place of a scenario are exact, as a scenario has them: '60MiB'.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    whole = int(value) if isinstance(value, Integral) else round(number)
    if name.endswith("address"):
        return f"{whole:#x}"
    unit = unit_of(name)
    if unit == "bytes" and "." in name:
        return format_exact(whole)
    if unit in ("bytes", "nanoseconds"):
        return format_size(whole) if unit == "bytes" else format_ns(whole)
    return f"{whole:,}" if whole == value or abs(number) >= 1000 else f"{number:.4g}"
