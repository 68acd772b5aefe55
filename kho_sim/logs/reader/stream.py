"""Bytes of a log file as lines, with bounded memory, whatever the file's compression.

Plain, gzip, xz and bzip2 files, told apart by their first bytes. A file that ends too early gives
the lines up to there and a note; anything else that is wrong raises TraceError. Left out: other
compressions, which are refused with the command that unpacks them.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from kho_sim.base.errors import TraceError

CHUNK_BYTES = 1 << 18
LINE_LIMIT_BYTES = 1 << 16
TOTAL_LIMIT_BYTES = 4 << 30
LINES_LIMIT = 40_000_000
"""As many as so much text of a kernel has; a bomb of line ends has a hundred times more."""
DICTIONARY_LIMIT_BYTES = 128 << 20
"""What an xz decoder may allocate; `xz -9` asks for 65 MiB."""

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
BZIP2_MAGIC = b"BZh"
UNPACKERS = {
    b"\x28\xb5\x2f\xfd": "zstd -d",
    b"\x04\x22\x4d\x18": "lz4 -d",
    b"PK\x03\x04": "unzip",
    b"\x1f\x9d": "uncompress",
    b"7z\xbc\xaf": "7z x",
}
"""First bytes of what is not read -> the command that unpacks it."""


class Decoder(Protocol):
    """One compressed stream. ``feed`` gives at most CHUNK_BYTES for each call."""

    eof: bool
    unused_data: bytes

    def feed(self, data: bytes) -> bytes: ...
    def hungry(self) -> bool: ...


class GzipDecoder:
    """One gzip member."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)

    eof = property(lambda self: self._engine.eof)
    unused_data = property(lambda self: self._engine.unused_data)

    def feed(self, data: bytes) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, CHUNK_BYTES)

    def hungry(self) -> bool:
        return not self._engine.unconsumed_tail


class XzDecoder:
    """One xz stream."""

    def __init__(self) -> None:
        self._engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DICTIONARY_LIMIT_BYTES)

    eof = property(lambda self: self._engine.eof)
    unused_data = property(lambda self: self._engine.unused_data)

    def feed(self, data: bytes) -> bytes:
        return self._engine.decompress(data, CHUNK_BYTES)

    def hungry(self) -> bool:
        return self._engine.needs_input


class Bzip2Decoder:
    """One bzip2 stream."""

    def __init__(self) -> None:
        self._engine = bz2.BZ2Decompressor()

    eof = property(lambda self: self._engine.eof)
    unused_data = property(lambda self: self._engine.unused_data)

    def feed(self, data: bytes) -> bytes:
        try:
            return self._engine.decompress(data, CHUNK_BYTES)
        except OSError as error:
            raise _BadBzip2(str(error)) from error

    def hungry(self) -> bool:
        return self._engine.needs_input


class _BadBzip2(Exception):  # noqa: N818 (only to tell it from a file that cannot be read)
    """The data of a bzip2 stream is wrong; the library raises OSError for that."""


def file_lines(path: Path, note: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the lines of a log file without their line ends.

    ``note`` is told what is missing at the end of a file that was cut.
    Raises: TraceError for a file that cannot be read, corrupted compression, a line above
    LINE_LIMIT_BYTES, or more than TOTAL_LIMIT_BYTES or LINES_LIMIT in all.
    """
    try:
        with path.open("rb") as file:
            yield from split_lines(_decoded(file, path.name, note), path.name)
    except _BadBzip2 as error:
        raise TraceError(f"{path.name}: the compressed data is corrupted ({error})") from error
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    except (lzma.LZMAError, zlib.error) as error:
        raise TraceError(f"{path.name}: the compressed data is corrupted ({error})") from error


def split_lines(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Cut pieces of bytes into lines; the last one needs no line end."""
    rest = b""
    total = count = 0
    for chunk in chunks:
        total += len(chunk)
        if total > TOTAL_LIMIT_BYTES:
            raise TraceError(f"{name}: more than {TOTAL_LIMIT_BYTES >> 30} GiB of text")
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        count += len(lines)
        if count > LINES_LIMIT:
            raise TraceError(f"{name}: more than {LINES_LIMIT} lines")
        if len(rest) > LINE_LIMIT_BYTES or max(map(len, lines), default=0) > LINE_LIMIT_BYTES:
            raise TraceError(f"{name}: a line is longer than {LINE_LIMIT_BYTES >> 10} KiB")
        yield from lines
    if rest:
        yield rest


class _Begun:
    """A file whose first bytes were read already; a pipe has no way back to them."""

    def __init__(self, head: bytes, file: BinaryIO):
        self._head = head
        self._file = file

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._file.read(size)


def _decoded(opened: BinaryIO, name: str, note: Callable[[str], None]) -> Iterator[bytes]:
    magic = opened.read(len(XZ_MAGIC))
    file = _Begun(magic, opened)
    unpacker = next(
        (command for start, command in UNPACKERS.items() if magic.startswith(start)), ""
    )
    if unpacker:
        raise TraceError(
            f"{name}: packed in a way that is not read here; first run {unpacker} {name} "
            "(read: plain text, .gz, .xz, .bz2)"
        )
    if magic == XZ_MAGIC:
        yield from _decompressed(file, XzDecoder, XZ_MAGIC, note)
    elif magic.startswith(GZIP_MAGIC):
        yield from _decompressed(file, GzipDecoder, GZIP_MAGIC, note)
    elif magic.startswith(BZIP2_MAGIC) and magic[3:4].isdigit():
        yield from _decompressed(file, Bzip2Decoder, BZIP2_MAGIC, note)
    else:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _decompressed(
    file: _Begun, make: Callable[[], Decoder], magic: bytes, note: Callable[[str], None]
) -> Iterator[bytes]:
    decoder = make()
    data = file.read(CHUNK_BYTES)
    while True:
        yield decoder.feed(data)
        data = b""
        if decoder.eof:
            data = decoder.unused_data.lstrip(b"\0") or file.read(CHUNK_BYTES).lstrip(b"\0")
            if not data.startswith(magic):
                if data:
                    note("bytes after the compressed data were left out")
                return
            decoder = make()
        elif decoder.hungry():
            data = file.read(CHUNK_BYTES)
            if not data:
                note("the compressed data ends early")
                return
