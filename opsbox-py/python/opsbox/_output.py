"""Where the output goes: standard output, or a file that is there when it is whole."""

from __future__ import annotations

import os
import re
import stat
import sys
from types import TracebackType

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from typing import IO

NAME_CHARS = 40
"""How much of the name a file has that is not there yet: file systems take 255 bytes of a name."""


class Output:
    """A context whose ``file`` is written to. A file appears under its name at the end, after an error not at all;
    what is no regular file, as /dev/null or a pipe, and what is open already, as /dev/stdout, is written to as it is."""

    file: IO[bytes]

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._temporary = ""
        self._target = ""
        number = standard_number(path)
        if path is None:
            if sys.stdout is None:
                raise OSError("standard output is closed; give --output FILE")
            self.file = sys.stdout.buffer
        elif number is not None:
            # Opened by its name it would begin at its first byte, over what others wrote.
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            with _named(path):
                self.file = os.fdopen(os.dup(number), "wb")
        else:
            with _named(path):
                if os.path.exists(path) and not os.path.isfile(path):
                    self.file = open(path, "wb")  # noqa: SIM115
                else:
                    self._begin(path)

    def _begin(self, path: str) -> None:
        # A link stays, and what it points to is replaced.
        self._target = os.path.realpath(path)
        folder, name = os.path.split(self._target)
        if path.endswith(os.sep) or not path:
            open(path, "ab").close()
        before = None
        if os.path.exists(self._target):
            # One that may not be written may not be replaced, either.
            open(self._target, "ab").close()
            before = os.stat(self._target)
        # As mkstemp has it, but with the mode that a new file has here.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        while True:
            beside = os.path.join(folder, f".{name[:NAME_CHARS]}.{os.urandom(6).hex()}")
            try:
                number = os.open(beside, flags, 0o666 if before is None else 0o600)
                break
            except FileExistsError:
                continue
        self._temporary = beside
        self.file = os.fdopen(number, "wb")
        if before is not None:
            try:
                os.fchown(number, before.st_uid, before.st_gid)
            except OSError:
                pass  # Only root gives files away.
            os.fchmod(number, stat.S_IMODE(before.st_mode))

    @property
    def is_terminal(self) -> bool:
        return self.file.isatty()

    def is_same(self, other: Output) -> bool:
        """Whether what is written to both would be mixed, or of one lost."""
        if self.file is other.file:
            return True
        if self._target and other._target:
            return self._target == other._target
        try:
            mine, theirs = (os.stat(it._target or it.file.fileno()) for it in (self, other))
        except OSError:
            return False  # One of them is new.
        # A device may be written to twice, as /dev/null or a terminal.
        return os.path.samestat(mine, theirs) and not stat.S_ISCHR(mine.st_mode)

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and error.errno in _OF_WRITING and error.filename is None:
            # A disk that is full does not say which.
            error.filename = self._path
        with _named(self._path):
            if not self._temporary:
                if sys.stdout is not None and self.file is sys.stdout.buffer:
                    if kind is None:
                        self.file.flush()
                elif kind is None:
                    self.file.close()
                else:
                    _abandon(self.file)
                return
            try:
                if kind is None:
                    self.file.flush()
                    os.fsync(self.file.fileno())
                    os.replace(self._temporary, self._target)
                    _sync_folder(os.path.dirname(self._target))
            finally:
                _abandon(self.file)
                try:
                    os.unlink(self._temporary)
                except FileNotFoundError:
                    pass  # It has its name.


class _named:
    """A context whose errors name the path that was given, and not one beside it."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            if error.errno is not None and self._path is not None:
                raise OSError(error.errno, error.strerror, self._path) from None


def _of_writing() -> frozenset[int]:
    import errno

    return frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])


_OF_WRITING = _of_writing()


def standard_number(path: str | None) -> int | None:
    """The number of the open file that a path names, as /dev/stdout does."""
    if path is None:
        return 1
    if path in ("/dev/stdout", "/dev/stderr"):
        return 1 if path == "/dev/stdout" else 2
    found = re.fullmatch(r"(?:/dev/fd|/proc/self/fd)/(\d{1,9})", path, re.ASCII)
    return int(found[1]) if found else None


def _abandon(file: IO[bytes]) -> None:
    """Closes a file after what was to be written to it does not matter any more."""
    try:
        file.close()
    except OSError:
        pass


def _sync_folder(folder: str) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
