"""The exceptions of opsbox: one tree, whose members say where something is wrong."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from ._opsbox import PipelineReport

__all__ = [
    "ConfigError",
    "DetectionError",
    "ExportError",
    "FormatError",
    "MaskError",
    "OpsboxError",
    "ParseError",
    "PipelineError",
    "ReadError",
]


class OpsboxError(Exception):
    """The base of all errors of opsbox.

    What is not known of ``line``, ``offset`` and ``field`` is ``None``. A file that cannot be
    opened is an ``OSError`` as Python's own ``open`` raises it, and not among these.
    """

    line: int | None = None
    """The line of the input, from 1."""
    offset: int | None = None
    """A byte of the input, from 0; of a pattern, the byte of the pattern."""
    field: str | None = None
    """The column, or the setting."""


class FormatError(OpsboxError, ValueError):
    """A format that is no preset, a pattern that does not compile, a column that there is not.

    >>> import opsbox
    >>> try:
    ...     opsbox.Parser("combined", fields=["state"])
    ... except opsbox.FormatError as error:
    ...     print(error.field)
    state
    """


class DetectionError(OpsboxError, ValueError):
    """No preset fits the sample."""


class ParseError(OpsboxError, ValueError):
    """With ``on_error="raise"``: a line that does not fit the format, or a value its type.

    >>> import opsbox
    >>> try:
    ...     opsbox.Parser("logfmt", on_error="raise").parse(b"a=1\\n=\\n")
    ... except opsbox.ParseError as error:
    ...     print(error.line, error.offset, error.raw)
    2 4 b'='
    """

    reason: str | None = None
    """Why it does not fit."""
    raw: bytes | None = None
    """The line, or the value."""


class ReadError(OpsboxError, OSError):
    """Reading failed in the middle: a disk, or compressed bytes that are broken or cut."""


class ConfigError(OpsboxError, ValueError):
    """The configuration of a pipeline is wrong; ``field`` is the setting, ``line`` that of the file."""

    path: str | None = None
    """The file."""
    column: int | None = None
    """The character in the line, from 1."""


class MaskError(OpsboxError, ValueError):
    """A rule of masking cannot be used, or a key cannot be read; ``field`` is the rule."""

    path: str | None = None
    """The file."""
    column: int | None = None
    """The character in the line, from 1."""


class ExportError(OpsboxError):
    """The columns cannot be made."""


class PipelineError(OpsboxError):
    """A run ended before its input did. What was done before is in ``report``."""

    report: PipelineReport | None = None
    """What was done before."""


for _error in (
    OpsboxError,
    FormatError,
    DetectionError,
    ParseError,
    ReadError,
    ConfigError,
    MaskError,
    ExportError,
    PipelineError,
):
    _error.__module__ = "opsbox"
