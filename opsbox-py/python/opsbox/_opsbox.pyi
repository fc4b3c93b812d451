import os
from typing import final

from typing_extensions import Buffer

__all__ = [
    "Detection",
    "DetectionError",
    "FormatError",
    "OpsboxError",
    "Parser",
    "Preset",
    "Table",
    "Unmatched",
    "__version__",
    "detect",
    "formats",
]

__version__: str

class OpsboxError(Exception):
    """The base of all errors of opsbox, but for those of files, which are OSError."""

class FormatError(OpsboxError):
    """A format that is no preset, or a pattern that does not compile."""

class DetectionError(OpsboxError):
    """No preset fits the sample."""
@final
class Preset:
    """A named format: its name, what writes it, a line that fits, and the regular
    expression that defines it (none for ``ndjson`` and ``logfmt``)."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def example(self) -> str: ...
    @property
    def regex(self) -> str | None: ...

@final
class Detection:
    """What :func:`detect` found."""

    @property
    def format(self) -> str:
        """The preset that fits best."""

    @property
    def confidence(self) -> float:
        """From 0 to 1: m / (n + 1), where m of n lines of the sample fit."""

    @property
    def lines(self) -> int:
        """The lines that were looked at, empty ones left out."""

    @property
    def candidates(self) -> list[tuple[str, int]]:
        """The presets that fit at least one line, best first, and how many."""

@final
class Parser:
    """Parses logs of one format.

    ``format`` is the name of a preset (see :func:`formats`), or a regular expression
    with named captures that fits the whole line. It has the syntax of Rust's regex
    crate, over bytes, and always runs in linear time: no look-around, no
    backreferences. Lines longer than ``max_line_bytes`` (1 MiB unless given) are
    unmatched.

    Raises :class:`FormatError`.
    """

    def __new__(cls, format: str, *, max_line_bytes: int | None = None) -> Parser: ...
    @property
    def format(self) -> str:
        """The name of the preset, or ``pattern``."""

    @property
    def regex(self) -> str | None:
        """The regular expression that defines the format, if one does."""

    @property
    def columns(self) -> list[str]:
        """The columns; empty for ``ndjson`` and ``logfmt``, which find them in the input."""

    @property
    def max_line_bytes(self) -> int: ...
    def parse(self, buffer: Buffer, /) -> Table:
        """Parses a log in memory.

        ``bytes`` are not copied, and stay alive as long as a column does. Other buffers
        (``bytearray``, ``memoryview``, ``mmap``) are copied once, since their owner could
        change them below the table. The interpreter is released meanwhile.
        """

    def parse_file(self, path: str | os.PathLike[str], /) -> Table:
        """Reads a whole file into memory and parses it. Raises OSError."""

@final
class Table:
    """The rows and the unmatched lines of one input.

    It speaks the Arrow PyCapsule interface: ``polars.DataFrame(logs)``,
    ``pyarrow.table(logs)``, ``duckdb.sql("from logs")``. Each column is a string view
    whose data buffer is the input itself. Text that is not UTF-8 has U+FFFD in place of
    the bad bytes.
    """

    def __len__(self) -> int:
        """The number of rows."""

    @property
    def column_names(self) -> list[str]: ...
    @property
    def line_count(self) -> int:
        """The number of lines: rows and unmatched lines together."""

    @property
    def unmatched_count(self) -> int: ...
    @property
    def unmatched(self) -> list[Unmatched]:
        """The lines that do not fit the format, in their order."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Unmatched:
    """A line that does not fit the format. ``str()`` of it is made for people."""

    @property
    def line(self) -> int:
        """The line's number, from 1."""

    @property
    def offset(self) -> int:
        """The byte offset of the line's start."""

    @property
    def reason(self) -> str: ...
    @property
    def raw(self) -> bytes:
        """The line without its ending; of a line that is too long, the beginning."""

    @property
    def text(self) -> str:
        """All of it for people: what ``str()`` gives."""

def detect(sample: Buffer, /) -> Detection:
    """The preset that fits a sample: the beginning of a log, some tens of lines or more.

    Raises :class:`DetectionError` if none fits half of the lines.
    """

def formats() -> list[Preset]:
    """All presets."""
