"""Parts of files, each owned by one worker: which lines are whose.

A line belongs to the split that its first byte is in. Each worker so reads on behind the end of its split until its
last line is done, and leaves out the line that begins before; whatever the splits, each line is read once.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

CHUNK_BYTES = 1 << 20
"""How much is read at once."""


class Split(NamedTuple):
    """The lines of ``path`` that start in ``start <= offset < end``."""

    path: str
    start: int
    end: int | None
    """None is the end of the file."""


def files_of(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files that are meant: files as they are, folders as the files in them, patterns as what they match.

    Names in folders that begin with ``.`` or ``_`` are left out, as Spark does. Raises FileNotFoundError for what is
    not there, and for a pattern that matches nothing.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: list[str] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = sorted(it for it in path.iterdir() if it.is_file() and it.name[0] not in "._")
            if not inside:
                raise FileNotFoundError(2, "the folder has no files", str(given))
            found += map(str, inside)
        elif path.exists():
            found.append(str(path))
        else:
            matches = [
                it for it in sorted(glob.glob(str(given), recursive=True)) if os.path.isfile(it)
            ]
            if not matches:
                raise FileNotFoundError(2, "there is no such file", str(given))
            found += matches
    # Workers have working folders of their own.
    return [os.path.abspath(it) for it in found]


def plan(files: Iterable[str], split_bytes: int | None) -> list[Split]:
    """Splits of about ``split_bytes``, of which no file's last is smaller than half of that; None is whole files."""
    if split_bytes is not None and split_bytes < 1:
        raise ValueError(f"split_bytes is {split_bytes}; it has to be 1 or more")
    splits: list[Split] = []
    for path in files:
        size = os.stat(path).st_size
        if split_bytes is None or is_compressed(path):
            splits.append(Split(path, 0, None))
            continue
        count = max(1, round(size / split_bytes))
        # What a file grows by meanwhile is nobody's, as with a file read at that moment.
        splits += [Split(path, size * n // count, size * (n + 1) // count) for n in range(count)]
    return splits


def is_compressed(path: str) -> bool:
    """Whether a file cannot be read from its middle on."""
    with open(path, "rb") as file:
        return begins_compressed(file.read(4))


def begins_compressed(head: bytes) -> bool:
    """Whether bytes begin as gzip (RFC 1952) and Zstandard (RFC 8878) do."""
    skippable = head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    return skippable or head.startswith((b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"))


class OwnedLines:
    """The bytes of the lines that a split owns, in chunks; iterated once.

    ``begin`` is the offset of the first of them in the file, known when the first chunk is there.
    """

    def __init__(self, split: Split, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.split = split
        self.begin = split.start
        self._chunk_bytes = chunk_bytes

    def __iter__(self) -> Iterator[bytes]:
        path, start, end = self.split
        if end is not None and start >= end:
            return
        # Read and not mapped: a log that is rotated by truncation kills a process that has it mapped.
        with open(path, "rb", buffering=0) as file:
            # Where the split begins, a line does if the byte before ends one.
            at = max(start - 1, 0)
            file.seek(at)
            inside = start == 0
            while chunk := file.read(self._chunk_bytes):
                if not inside:
                    newline = chunk.find(b"\n")
                    first = at + newline + 1
                    if newline < 0:
                        at += len(chunk)
                        if end is not None and at >= end:
                            return
                        continue
                    if end is not None and first >= end:
                        return
                    chunk = chunk[newline + 1 :]
                    self.begin = at = first
                    inside = True
                if end is not None and at + len(chunk) >= end:
                    # Our last line ends at the first line feed that is not before the split's last byte.
                    stop = chunk.find(b"\n", max(end - 1 - at, 0))
                    if stop >= 0:
                        yield chunk[: stop + 1]
                        return
                if chunk:
                    yield chunk
                at += len(chunk)
