"""The command ``python -m opsbox``: what the package does, for a shell.

It reads and writes bit by bit, in bounded memory; the work is the library's.

Exit codes: 0 if all is well; 1 if some lines or values do not fit, or no format does; 2 if the arguments are wrong;
3 if reading or writing failed; 130 after Ctrl-C, 141 if who reads the output has enough, and 143 after SIGTERM, as of other commands.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence

__all__ = ["main"]

FITS, SOME_DO_NOT_FIT, WRONG, FAILED, INTERRUPTED, NOBODY_READS, TERMINATED = 0, 1, 2, 3, 130, 141, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments, those of the process if not given, and returns the exit code."""
    from .._opsbox import __version__
    from .args import parser

    args = parser(__version__).parse_args(arguments)
    try:
        with _terminable():
            code = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return int(code)
    except BrokenPipeError:
        _leave_stdout()
        return NOBODY_READS
    except KeyboardInterrupt:
        _leave_stdout()
        return INTERRUPTED
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        say(str(error) or type(error).__name__)
        return code


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the command as an exception does, so that no half of a file is left."""

    def end(*_: object) -> None:
        raise SystemExit(TERMINATED)

    try:
        before = signal.getsignal(signal.SIGTERM)
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
    except ValueError:
        before = None  # Only the main thread is told.
    try:
        yield
    finally:
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def say(message: str) -> None:
    """To people, on standard error, if there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"opsbox: {message}", file=sys.stderr)


def _code(error: Exception) -> int | None:
    """The exit code for what is nobody's mistake in this program."""
    import opsbox

    from .parse import Wrong
    from .where import WhereError

    if isinstance(
        error, (Wrong, WhereError, opsbox.ConfigError, opsbox.FormatError, opsbox.MaskError)
    ):
        return WRONG
    if isinstance(error, opsbox.DetectionError):
        return SOME_DO_NOT_FIT
    if isinstance(error, (OSError, opsbox.OpsboxError)):
        return FAILED
    return None


def _leave_stdout() -> None:
    """So that the interpreter does not try once more to write what is left."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
