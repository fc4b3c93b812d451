import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer, Self, disjoint_base

if TYPE_CHECKING:
    # Whoever has not got them, or not their types, has Any.
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import polars  # type: ignore[import-not-found, unused-ignore]
    import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

_T = TypeVar("_T")
_Path: TypeAlias = str | os.PathLike[str]
_Strings: TypeAlias = Literal["view", "utf8", "large_utf8"]
_Type: TypeAlias = Literal[
    "text",
    "integer",
    "float",
    "boolean",
    "ip",
    "category",
    "rfc3339",
    "clf",
    "syslog",
    "epoch_s",
    "epoch_ms",
    "epoch_us",
    "epoch_ns",
]
_Compression: TypeAlias = Literal["infer", "gzip", "zstd"] | None

class _Reader(Protocol):
    def read(self, size: int, /) -> Buffer: ...

class _Bar(Protocol):
    total: Any
    def update(self, n: int, /) -> object: ...

_Progress: TypeAlias = Callable[[int, int | None], object] | _Bar | bool | None

__all__ = [
    "Batch",
    "Batches",
    "Column",
    "Detection",
    "Feed",
    "InvalidValues",
    "Parser",
    "Pipeline",
    "PipelineReport",
    "Preset",
    "Record",
    "Rows",
    "StageReport",
    "Table",
    "Unmatched",
    "UnmatchedLines",
    "__version__",
    "detect",
    "formats",
]

__version__: str

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
    """Parses logs of one format. It is cheap to make again, may be shared by threads,
    and pickles.

    ``format`` is the name of a preset (see :func:`formats`); or a regular expression
    with named captures that fits the whole line, in the syntax of Rust's regex crate,
    over bytes, always in linear time, so without look-around and backreferences; or a
    pattern of grok (``%{IP:client} %{GREEDYDATA:rest}``) or dissect
    (``%{client} %{rest}``).

    - ``fields``: the columns to make, in this order; all unless given. Of ``ndjson``
      and ``logfmt`` these are the keys to look for, dots between the levels. What is
      not asked for costs less.
    - ``types``: of columns that are to be read as another type than the format says
      (``text``, ``integer``, ``float``, ``boolean``, ``ip``, ``category``,
      ``rfc3339``, ``clf``, ``syslog``, ``epoch_s``, ``epoch_ms``, ``epoch_us``,
      ``epoch_ns``), or ``"text"``: all as they are in the line. A value that does not
      fit is null, and in :attr:`Rows.invalid`.
    - ``on_error``: lines that do not fit the format are kept in
      :attr:`Rows.unmatched` (``"keep"``), counted and said to ``logging``
      (``"skip"``), or the first one, or the first value that does not fit its type,
      raises :class:`ParseError` (``"raise"``).
    - ``threads``: that share one input; 1 unless given, 0 for as many as the machine
      has. The rows are the same.
    - ``max_line_bytes``: longer lines are unmatched; 1 MiB unless given.
    - ``multiline``: puts lines that are indented, or stack traces, to the line that
      they belong to.
    - ``strings``: how text comes: views into the input, or a copy as Arrow's ``utf8``
      or ``large_utf8`` for consumers that do not take views.
    - ``strict``: checks every byte of ``ndjson`` lines also where only some
      ``fields`` are asked for.

    Raises :class:`FormatError`.
    """

    def __new__(
        cls,
        format: str,
        *,
        fields: Iterable[str] | None = None,
        types: Mapping[str, _Type] | Literal["text"] | None = None,
        on_error: Literal["keep", "skip", "raise"] = "keep",
        threads: int | None = None,
        max_line_bytes: int | None = None,
        multiline: Literal["indented", "stack_traces"] | None = None,
        strings: _Strings = "view",
        strict: bool = False,
    ) -> Self: ...
    @property
    def format(self) -> str:
        """The name of the preset, or ``pattern``, ``grok``, ``dissect``."""

    @property
    def regex(self) -> str | None:
        """The regular expression that defines the format, if one does."""

    @property
    def columns(self) -> list[str]:
        """The columns; empty for ``ndjson`` and ``logfmt`` without ``fields``, which
        find them in the input."""

    @property
    def _is_multiline(self) -> bool: ...
    def _with_literals(self) -> Self: ...
    @property
    def max_line_bytes(self) -> int:
        """The longest line, in bytes, that is tokenized."""

    def explain(self) -> str:
        """What finds the columns, in plain words: which engine, and what is in the way
        of a faster one."""

    def parse(
        self,
        buffer: Buffer,
        /,
        *,
        copy: bool | None = None,
        progress: _Progress = None,
        first_line: int = 1,
        first_offset: int = 0,
    ) -> Table:
        """Parses a log in memory: ``bytes``, or any object with the buffer protocol.

        ``bytes``, and what is read-only down to its owner (a ``memoryview`` of bytes, an
        ``mmap`` with ``ACCESS_READ``), stay where they are, and alive as long as a
        column does. What could be written to is copied once, unless ``copy=False``: then
        it stays where it is, too, a ``bytearray`` cannot be resized meanwhile, and **you
        promise that nobody changes the bytes** while a table, or anything that was made
        from it, is there; who breaks that gets columns that change, and text that is not
        text.

        ``first_line`` and ``first_offset`` are where the buffer begins in something
        larger, for the places that are told. ``progress`` is called with the bytes done
        and the bytes in all, is a bar of tqdm, or ``True`` for a new one.

        Raises ``TypeError`` for what has no buffer, ``BufferError`` for one that is not
        contiguous with ``copy=False``, :class:`ParseError` as ``on_error`` says, and
        :class:`ExportError` for columns that would take far more memory than the input.
        """

    def parse_file(
        self,
        path: _Path | _Reader,
        /,
        *,
        mmap: bool = False,
        compression: _Compression = "infer",
        progress: _Progress = None,
    ) -> Table:
        """Parses a whole file, or file object opened in binary mode. What gzip or zstd
        wrote is told by its first bytes.

        The file is read into memory, so that nothing that happens to it later matters.
        With ``mmap=True`` it is mapped instead, which takes no memory of its own: **only
        for files that nobody makes shorter**. Where a mapped file is cut, as by
        logrotate's ``copytruncate``, the operating system ends the process (SIGBUS).

        Raises ``OSError`` as ``open`` does, :class:`ReadError` if reading fails in the
        middle, and what :meth:`parse` raises.
        """

    def scan(
        self,
        path: _Path | _Reader,
        /,
        *,
        batch_rows: int | None = None,
        compression: _Compression = "infer",
        progress: _Progress = None,
    ) -> Batches:
        """Reads a file, or file object, bit by bit, in bounded memory: some MiB,
        whatever the file's size. A batch has about 1 MiB of the input, and no more than
        ``batch_rows`` rows."""

    def stream(
        self,
        chunks: Iterable[Buffer] | _Reader,
        /,
        *,
        batch_rows: int | None = None,
        batch_bytes: int = 1048576,
        compression: _Compression = None,
        progress: _Progress = None,
    ) -> Batches:
        """Reads chunks of bytes, cut anywhere, or a file object. The rows are those of
        the whole. A batch comes when there are ``batch_bytes`` or the chunks end."""

    def astream(
        self,
        chunks: AsyncIterable[Buffer] | Iterable[Buffer],
        /,
        *,
        batch_rows: int | None = None,
        batch_bytes: int = 1048576,
        flush_seconds: float | None = None,
    ) -> AsyncIterator[Batch]:
        """:meth:`stream` for chunks that come asynchronously. Parsing happens in a
        thread. With ``flush_seconds`` lines that are complete come after that time at
        the latest, if no chunk does."""

    def feed(self, *, batch_rows: int | None = None, batch_bytes: int = 1048576) -> Feed:
        """A parser that is handed chunks as they come."""

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...

@final
class Feed:
    """Takes chunks, cut anywhere, and gives batches. The rows are those of the whole."""

    def push(self, chunk: Buffer, /) -> list[Batch]:
        """Takes a chunk; the batches that are full by it."""

    def flush(self) -> list[Batch]:
        """The lines that are complete although the batch is not full."""

    def close(self) -> list[Batch]:
        """What is left, the last line also if it has no ending. There are no chunks
        after that."""

    @property
    def bytes_read(self) -> int:
        """The number of bytes of the input in the batches so far."""

@final
class Batches:
    """The batches of a file or a stream, in bounded memory: an iterator, a context
    manager, and for formats that say their columns an Arrow stream, which can be read
    once."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Batch: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def bytes_read(self) -> int:
        """The number of bytes of the input in the batches so far."""

    def close(self) -> None:
        """Closes the file. There are no batches after that."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self, requested_schema: object | None = None) -> object: ...

@disjoint_base
class Rows:
    """What tables and batches have in common: rows, columns, and the lines that do not
    fit. A column is had by its name, a row by its number, some rows by a slice, some
    columns by a list of names. Iterating goes over the rows.

    A slice has the unmatched lines that come before each of its rows; with the last row
    those after it, too.
    """

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: str, /) -> Column: ...
    @overload
    def __getitem__(self, key: int, /) -> Record: ...
    @overload
    def __getitem__(self, key: slice | list[str], /) -> Self: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Record]: ...
    def records(self) -> Iterator[Record]:
        """The rows one by one, as mappings whose values are made when they are asked
        for."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""

    @property
    def schema(self) -> dict[str, str]:
        """The columns with their types: text, integer, float, boolean, timestamp or
        category."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def line_count(self) -> int:
        """The number of lines: rows and unmatched lines together."""

    @property
    def unmatched_count(self) -> int:
        """The number of lines that do not fit the format."""

    @property
    def unmatched(self) -> UnmatchedLines:
        """The lines that do not fit the format, in their order. None of them with
        ``on_error="skip"``, which counts them."""

    @property
    def invalid(self) -> list[InvalidValues]:
        """The values that are null because they do not fit their column's type, of each
        column that has some. A slice has those of the whole."""

    def compact(self, *, strings: _Strings = "view") -> Self:
        """The same rows with text of their own, so that the input is free: for who keeps
        some rows of many, or sends them to another process. ``raw`` of a row is ``None``
        after that."""

    def to_polars(self) -> polars.DataFrame:
        """A polars.DataFrame over the same bytes."""

    def to_arrow(self, *, strings: _Strings = "view") -> pyarrow.Table:
        """A pyarrow.Table: over the same bytes with ``"view"``, which few of pyarrow's
        functions take; with ``"utf8"`` or ``"large_utf8"`` a copy that all take."""

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas.DataFrame with columns of pyarrow's types. Text is copied, since
        pandas can do little with views. Needs pyarrow."""

    def __arrow_c_schema__(self, requested_schema: object | None = None) -> object: ...

@final
class Table(Rows):
    """The rows and the unmatched lines of one input.

    It speaks the Arrow PyCapsule interface: ``polars.DataFrame(table)``,
    ``pyarrow.table(table)`` and duckdb take it. Each column of text is a string view
    whose data buffer is the input itself; text that is not UTF-8 has U+FFFD in place of
    the bad bytes, so that one bad byte changes neither the column nor other rows.
    A consumer that asks for a schema has text as it asks for.

    A large input is several batches. Who sends columns to another process, by Arrow IPC
    or pickle, may send all of the input: :meth:`compact` them before.
    """

    def to_batches(self) -> list[Batch]:
        """The parts that the table is made of."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Batch(Rows):
    """Some rows of an input that is read bit by bit: as a :class:`Table`, but with the
    Arrow PyCapsule interface for one batch. ``pyarrow.record_batch(batch)`` takes it,
    and ``polars.DataFrame(batch)``."""

    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

@final
class Record(Mapping[str, Any]):
    """A row as a mapping of column names to values: ``str``, ``int``, ``float``, ``bool``,
    ``datetime`` in UTC, or ``None``. It is a view: a value is made when it is asked
    for."""

    def __getitem__(self, name: str, /) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object, /) -> bool: ...
    @overload
    def get(self, name: str, /) -> Any: ...
    @overload
    def get(self, name: str, /, default: _T) -> Any | _T: ...  # pyright: ignore[reportIncompatibleMethodOverride]
    def keys(self) -> list[str]: ...  # type: ignore[override]
    def values(self) -> list[Any]: ...  # type: ignore[override]
    def items(self) -> list[tuple[str, Any]]: ...  # type: ignore[override]
    @property
    def line(self) -> int | None:
        """The line's number, from 1; that of the first if there are several."""

    @property
    def offset(self) -> int | None:
        """The byte offset of the line's start."""

    @property
    def raw(self) -> bytes | None:
        """The line without its ending. ``None`` for a row of a compact table, which has
        not got the input."""

@final
class Column:
    """A column of a table: a sequence of its values, which are made when they are asked
    for."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str:
        """text, integer, float, boolean, timestamp or category."""

    @property
    def null_count(self) -> int:
        """The number of rows without a value."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice, /) -> Column | list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def to_list(self) -> list[Any]:
        """The values as a list."""

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
    def reason(self) -> str:
        """Why it does not fit."""

    @property
    def kind(self) -> str:
        """The same in a word, without places, for counts: ``no_match``, ``too_long``,
        ..."""

    @property
    def raw(self) -> bytes:
        """The line without its ending; of a line that is too long, the beginning."""

    @property
    def text(self) -> str:
        """All of it for people: what ``str()`` gives."""

@final
class UnmatchedLines:
    """The lines of a table that do not fit, as a sequence; each is made when it is asked
    for."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Unmatched: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Unmatched]: ...
    def __iter__(self) -> Iterator[Unmatched]: ...

@final
class InvalidValues:
    """Values of a column that do not fit its type. They are null in the table."""

    @property
    def column(self) -> str: ...
    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def reasons(self) -> dict[str, int]:
        """How many there are for each reason."""

    @property
    def examples(self) -> list[tuple[int, bytes, str]]:
        """The first of them: line, value, reason."""

class _Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...

@final
class Pipeline:
    """Stages as one: what is read, cleaned, extracted, masked, enriched and written, as a
    file in TOML or JSON says. The settings are those of ``PipelineConfig`` in
    opsbox-log; a setting that does not exist is an error.

    ``format`` is that of the input if the file does not say it. ``variables`` are those
    that settings may be set by (``OPSBOX_LOG__SECTION__SETTING``) and that enrichment
    reads: ``os.environ`` unless given.

    One run of a pipeline is at work at a time; others wait.

    Raises :class:`ConfigError`, :class:`FormatError`, :class:`MaskError`.
    """

    @staticmethod
    def from_file(
        path: _Path,
        /,
        *,
        format: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Pipeline:
        """The pipeline that a file describes; its ending says the language. Other files
        that it names are beside it."""

    @staticmethod
    def from_text(
        text: str,
        /,
        *,
        language: Literal["toml", "json"] = "toml",
        path: _Path | None = None,
        format: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Pipeline:
        """The pipeline that a text describes. ``path`` is what errors call it, and what
        other files are beside."""

    @property
    def format(self) -> str:
        """The format of the input: the name of a preset, or ``pattern``, ``grok``,
        ``dissect``."""

    @property
    def stages(self) -> list[str]:
        """The names of the stages, in their order."""

    def run(
        self,
        source: _Path | Buffer | _Reader | Iterable[Buffer],
        sink: _Path | _Writer,
        /,
        *,
        compression: _Compression = "infer",
        progress: _Progress = None,
    ) -> PipelineReport:
        """Reads all, writes all, in bounded memory. A file that is named as ``sink`` is
        there when all of it is: it is written beside its place and moved there.

        Raises :class:`PipelineError`, whose ``report`` says what was done before, and
        what the objects raise that are read and written."""

    def process(
        self,
        source: _Path | Buffer | _Reader | Iterable[Buffer],
        /,
        *,
        compression: _Compression = "infer",
    ) -> bytes:
        """Runs, and gives what was written."""

    def parse(self, buffer: Buffer, /) -> Table:
        """Runs the stages on bytes in memory, and gives the columns instead of writing
        them. They have nothing of the input, in which there may be what was masked; so
        ``raw`` of a row is ``None``, and that of an unmatched line is empty."""

@final
class PipelineReport:
    """What a run did, in numbers that add up. ``str()`` of it is made for people."""

    @property
    def lines(self) -> int:
        """Lines of the input."""

    @property
    def input_bytes(self) -> int:
        """Bytes of the input."""

    @property
    def rows(self) -> int:
        """Records that fit the format."""

    @property
    def unmatched_lines(self) -> int:
        """Lines that do not fit."""

    @property
    def unmatched(self) -> dict[str, int]:
        """How many lines do not fit for each reason."""

    @property
    def unmatched_examples(self) -> list[tuple[int, int, str]]:
        """The first lines that do not fit: line, offset, reason. Not what they say,
        since that is not masked."""

    @property
    def written_rows(self) -> int:
        """Rows that were written."""

    @property
    def written_bytes(self) -> int:
        """Bytes that were written."""

    @property
    def stages(self) -> list[StageReport]:
        """What each stage did."""

@final
class StageReport:
    """What one stage did."""

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> int:
        """Rows that it worked on."""

    @property
    def counts(self) -> dict[str, int]:
        """What it counted."""

def detect(sample: Buffer, /) -> Detection:
    """The preset that fits a sample: the beginning of a log, some tens of lines or more.

    Raises :class:`DetectionError` if none fits half of the lines.
    """

def formats() -> list[Preset]:
    """All presets."""
