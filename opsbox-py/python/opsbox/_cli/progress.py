"""How far it is, on a terminal."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line on standard error, if that is a terminal and the output is not one; else nothing."""

    INTERVAL = 0.1

    def __init__(self, *, wanted: bool = True) -> None:
        self._shown = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._begin = time.monotonic()
        self._next = self._begin + self.INTERVAL
        self._width = 0

    def set(self, done: int, total: int | None) -> None:
        """So many bytes are read, of so many if that is known."""
        if self._shown and (now := time.monotonic()) >= self._next:
            self._next = now + self.INTERVAL
            self._say(_line(done, total, now - self._begin))

    def clear(self) -> None:
        if self._width:
            self._say("")
            sys.stderr.write("\r")
            self._width = 0

    def _say(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)


def _line(done: int, total: int | None, seconds: float) -> str:
    speed = done / seconds
    if not total or not speed:
        return f"{readable(done)}, {readable(speed)}/s"
    share, left = min(done / total, 1), max(total - done, 0) / speed
    return f"{share:4.0%} of {readable(total)}, {readable(speed)}/s, {left:.0f} s left"


def readable(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
