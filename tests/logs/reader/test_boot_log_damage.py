"""Cut, damaged and hostile files give a trace or a TraceError, in bounded memory."""

from __future__ import annotations

import gzip
import lzma
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import TraceError
from kho_sim.logs.reader import read_boot_log, read_boot_log_lines, stream
from kho_sim.trace.trace import Trace
from tests.logs.reader import boot_log_excerpts as excerpts

TEXT = "\n".join(f"[    0.000000] {line}" for line in excerpts.CHAIN).encode()
PACKED = {"plain": TEXT, "gz": gzip.compress(TEXT, mtime=0), "xz": lzma.compress(TEXT)}

modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_bytes(path, content: bytes) -> Trace | TraceError:
    path.write_bytes(content)
    try:
        trace = read_boot_log(path)
    except TraceError as error:
        return error
    assert trace.digest
    return trace


@modest
@given(data=st.data(), pack=st.sampled_from(sorted(PACKED)))
def test_a_log_cut_anywhere_is_read_or_refused(data, pack, tmp_path):
    whole = PACKED[pack]
    cut = data.draw(st.integers(0, len(whole) - 1))
    result = read_bytes(tmp_path / "log", whole[:cut])
    if isinstance(result, Trace) and pack != "plain":
        assert "the compressed data ends early" in result.provenance["incomplete"]


@modest
@given(
    pack=st.sampled_from(sorted(PACKED)),
    damage=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=20),
)
def test_a_log_with_damaged_bytes_is_read_or_refused(pack, damage, tmp_path):
    content = bytearray(PACKED[pack])
    for place, value in damage:
        content[place % len(content)] = value
    read_bytes(tmp_path / "log", bytes(content))


@modest
@given(data=st.data())
def test_a_log_with_words_swapped_is_read_or_refused(data):
    """Damage that keeps the words: numbers turn up where names are expected."""
    words = [line.split(" ") for line in excerpts.CHAIN]
    pool = sorted({word for line in words for word in line} | {"0x" + "f" * 400, "9" * 5000, "-1"})
    for _ in range(data.draw(st.integers(1, 30))):
        line = data.draw(st.sampled_from(words))
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.sampled_from(pool))
    try:
        trace = read_boot_log_lines([" ".join(line).encode() for line in words], "swapped")
    except TraceError:
        return
    assert trace.digest


@given(content=st.binary(max_size=200))
@modest
def test_any_bytes_are_read_or_refused(content, tmp_path):
    read_bytes(tmp_path / "log", content)


def test_a_cut_log_keeps_what_it_holds(tmp_path):
    at = TEXT.index(b"KHO: KHO extend time")
    trace = read_bytes(tmp_path / "log", TEXT[:at])
    assert trace["boots"][1].preservations == 3
    assert trace["boots"][1].extended_bytes is None
    assert trace.provenance["incomplete"] == ["the log stops in boot 1 without saying why"]


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"P\x03\x04 not a log", b"a,b\n1,2\n"])
def test_what_is_no_log_is_refused(content, tmp_path):
    assert "no kernel message" in str(read_bytes(tmp_path / "log", content))


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path):
    with pytest.raises(TraceError, match="No such file"):
        read_boot_log(tmp_path / "none")
    with pytest.raises(TraceError, match="directory"):
        read_boot_log(tmp_path)


@pytest.mark.parametrize("pack", ["gz", "xz"])
def test_corrupted_compression_is_refused(pack, tmp_path):
    content = bytearray(PACKED[pack])
    content[len(content) // 2] ^= 0xFF
    assert "corrupted" in str(read_bytes(tmp_path / "log", bytes(content)))


def test_bytes_after_the_compressed_data_are_named(tmp_path):
    trace = read_bytes(tmp_path / "log", PACKED["gz"] + b"tail")
    assert "bytes after the compressed data were left out" in trace.provenance["incomplete"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_a_line_without_end_is_refused(pack, tmp_path):
    bomb = pack(TEXT + b"\n" + b"\0" * (8 << 20))
    assert "a line is longer than 64 KiB" in str(read_bytes(tmp_path / "log", bomb))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_more_text_than_any_log_has_is_refused(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "TOTAL_LIMIT_BYTES", 1 << 20)
    assert "more than" in str(
        read_bytes(tmp_path / "log", pack(TEXT + (b"\n" + b"\0" * 999) * 2000))
    )


def test_a_bomb_of_line_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "LINES_LIMIT", 100_000)
    bomb = lzma.compress(TEXT + b"\n" * 1_000_000)
    assert "more than 100000 lines" in str(read_bytes(tmp_path / "log", bomb))


def test_an_xz_file_that_asks_for_too_much_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "DICTIONARY_LIMIT_BYTES", 1 << 20)
    assert "corrupted" in str(read_bytes(tmp_path / "log", PACKED["xz"]))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_bomb_is_read_in_little_memory(pack, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(pack(TEXT + b"\n" + (b"\0" * 10_000 + b"\n") * 3000))
    assert peak_bytes(lambda: read_boot_log(path)) < 12 << 20


def test_the_flood_of_the_retrieval_is_folded():
    def lines():
        yield from (line.encode() for line in excerpts.CHAIN[:10])
        for page in range(60_000):
            start = 0x100000000 + page * 4096
            yield (
                b"[    0.000000] __memblock_reserve: [0x%016x-0x%016x] nid=-1 flags=0 "
                b"kho_preserved_memory_reserve+0x9a/0xd0" % (start, start + 4095)
            )

    assert peak_bytes(lambda: read_boot_log_lines(lines(), "flood")) < 2 << 20


def peak_bytes(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
