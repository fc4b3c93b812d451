"""What is read: a file, or standard input and other pipes, of which lines are taken as soon as they are there."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from .. import _opsbox as native
from .._splits import begins_compressed
from .progress import Progress

if TYPE_CHECKING:
    from .._opsbox import Parser, Rows

SAMPLE_BYTES = 64 << 10
"""By how much of a log its format is recognised."""

PATIENCE_SECONDS = 1.0
"""How long more lines are waited for, once there is one, before that is the sample."""

CHUNK_BYTES = 1 << 20


_LINES = native.Parser(r"(?P<line>.*)", types="text")


def _decompressed(batches: Iterator[Rows]) -> bytes:
    """The beginning of what is compressed, of which there may be a part only."""
    lines: list[str] = []
    chars = 0
    try:
        for batch in batches:
            lines += (line or "" for line in batch["line"])
            chars += sum(map(len, lines[-len(batch) :])) + len(batch) if len(batch) else 0
            if chars >= SAMPLE_BYTES:
                break
    except OSError:
        if not lines:
            raise
    return "\n".join(lines).encode()[:SAMPLE_BYTES]


class Source:
    """An input. Opened when it is made, so that what is not there is said at once."""

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._head = b""
        if path == "-":
            if sys.stdin is None:
                raise OSError("standard input is closed; name a file")
            self._file = cast("BinaryIO", sys.stdin.buffer)
        else:
            self._file = open(path, "rb")  # noqa: SIM115
        # A file is read by the library, which knows compressed ones.
        self._path = (
            path if path != "-" and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode) else None
        )

    def sample(self) -> bytes:
        """The beginning of the log."""
        if self._path is not None:
            self._file.seek(0)
            head = self._file.read(SAMPLE_BYTES)
            if not begins_compressed(head):
                return head
            return _decompressed(_LINES.scan(self._path, batch_rows=500))
        while len(self._head) < SAMPLE_BYTES:
            if b"\n" in self._head and not _has_more(self._file):
                break
            chunk = self._read()
            if not chunk:
                break
            self._head += chunk
        if begins_compressed(self._head):
            return _decompressed(_LINES.stream([self._head], batch_bytes=4096, compression="infer"))
        return self._head

    def batches(self, parser: Parser, progress: Progress) -> Iterator[Rows]:
        """The log, parsed."""
        if self._path is not None:
            self._file.close()
            yield from parser.scan(self._path, progress=progress.set)
            return
        chunks = self._chunks(progress)
        first = next(chunks, b"")
        if parser._is_multiline or begins_compressed(first):
            yield from parser.stream(_chain(first, chunks), compression="infer")
            return
        yield from _as_it_comes(parser, _chain(first, chunks))

    def reader(self) -> BinaryIO:
        """The input from its beginning, as it is."""
        if self._path is not None:
            self._file.seek(0)
            return self._file
        return cast("BinaryIO", io.BufferedReader(_Joined(self._head, self._file)))

    @property
    def path(self) -> str | None:
        """Of a regular file."""
        return self._path

    def _read(self) -> bytes:
        # What there is, without waiting for more.
        return cast("io.BufferedReader", self._file).read1(CHUNK_BYTES)

    def _chunks(self, progress: Progress) -> Iterator[bytes]:
        done = len(self._head)
        if self._head:
            yield self._head
        while chunk := self._read():
            done += len(chunk)
            progress.set(done, None)
            yield chunk


class _Joined(io.RawIOBase):
    """What was read of a file already, and the file."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = memoryview(head)
        self._file = cast("io.BufferedReader", file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._head:
            return self._file.readinto1(buffer)
        count = min(len(self._head), len(buffer))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _has_more(file: BinaryIO) -> bool:
    """Whether there is more to read, or the end, within the time that is waited for it."""
    return bool(select.select([file], [], [], PATIENCE_SECONDS)[0])


def _as_it_comes(parser: Parser, chunks: Iterator[bytes]) -> Iterator[Rows]:
    """Batches of the lines that are complete with each chunk."""
    feed = parser.feed()
    for chunk in chunks:
        yield from feed.push(chunk)
        yield from feed.flush()
    yield from feed.close()
