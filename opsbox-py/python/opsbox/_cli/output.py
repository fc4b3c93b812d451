"""Where the output goes: standard output, or a file that is there when it is whole."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, cast


class Output:
    """A context whose ``file`` is written to. A file appears under its name at the end, after an error not at all;
    what is no regular file, as /dev/null or a pipe, is written to as it is."""

    file: IO[bytes]

    def __init__(self, path: str | None) -> None:
        self._temporary: Path | None = None
        self._target: Path | None = None
        if path is None or path == "-":
            if sys.stdout is None:
                raise OSError("standard output is closed; give --output FILE")
            self.file = sys.stdout.buffer
        elif os.path.exists(path) and not os.path.isfile(path):
            self.file = open(path, "wb")  # noqa: SIM115
        else:
            self._begin(Path(path))

    def _begin(self, path: Path) -> None:
        # A link stays, and what it points to is replaced.
        target = Path(os.path.realpath(path))
        if target.exists():
            # One that may not be written may not be replaced, either.
            open(target, "ab").close()
            mode = target.stat().st_mode & 0o7777
        else:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.fchmod(number, mode)
        self._temporary, self._target = Path(name), target
        self.file = cast("IO[bytes]", os.fdopen(number, "wb"))

    @property
    def is_terminal(self) -> bool:
        return self.file.isatty()

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._temporary is None or self._target is None:
            if kind is None:
                self.file.flush()
                if sys.stdout is None or self.file is not sys.stdout.buffer:
                    self.file.close()
            return
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
                self._temporary.replace(self._target)
                _sync_folder(self._target.parent)
        finally:
            self.file.close()
            self._temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
