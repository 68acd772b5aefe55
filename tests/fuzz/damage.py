"""Ways to damage bytes, as hypothesis strategies that shrink: cut, change, repeat, shuffle, mix."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

INTERESTING = (
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff\xfe",
    b"-1",
    b"0x" + b"f" * 40,
    b"9" * 400,
    b"18446744073709551616",
    b"%",
    b"%s%n",
    b"{}[]",
    b": ",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"nan",
    b"1e999",
    b"../" * 20,
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with some of it damaged, or bytes that have nothing to do with them."""
    data = draw(st.sampled_from(seeds) | st.binary(max_size=400))
    for _ in range(draw(st.integers(0, 4))):
        data = draw(st.sampled_from(WAYS))(draw, data)
    return data


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = sorted(draw(st.integers(0, len(data))) for _ in range(2))
    return data[start:end] if draw(st.booleans()) else data[:start] + data[end:]


def _put(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    piece = draw(st.sampled_from(INTERESTING) | st.binary(max_size=8))
    return data[:at] + piece + data[at + draw(st.integers(0, 8)) :]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    start = draw(st.integers(0, len(data)))
    piece = data[start : start + draw(st.integers(1, 200))]
    return data[:start] + piece * draw(st.integers(2, 50)) + data[start:]


def _shuffle_lines(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data.split(b"\n")
    start = draw(st.integers(0, len(lines) - 1))
    part = lines[start : start + draw(st.integers(2, 40))]
    return b"\n".join([*lines[:start], *draw(st.permutations(part)), *lines[start + len(part) :]])


def _swap_words(draw: st.DrawFn, data: bytes) -> bytes:
    """Numbers turn up where names are expected, and the other way round."""
    words = data.split(b" ")
    for _ in range(draw(st.integers(1, 6))):
        to, of = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
        words[to] = draw(st.sampled_from((words[of], *INTERESTING)))
    return b" ".join(words)


WAYS = (_cut, _put, _repeat, _shuffle_lines, _swap_words)
