"""The parser on a Spark cluster: the same columns, of as many files as there are.

Needs ``pyspark``, ``pandas`` and ``pyarrow`` where the program runs, and ``opsbox`` and ``pyarrow`` on the workers, which
read the files themselves: these have to be at the same path on each of them, as on a shared file system.

.. code-block:: python

    import opsbox.spark

    frame = opsbox.spark.parse("/logs/access/*.log", "combined", fields=["remote_addr", "status"])
    frame.where("status >= 500").groupBy("remote_addr").count().orderBy("count", ascending=False).show()

    opsbox.spark.unmatched("/logs/access/*.log", "combined").show()      # lines that do not fit

Rows are in the order of the files and of their lines, until Spark shuffles them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ._errors import ParseError
from ._opsbox import Batch, Parser
from ._splits import OwnedLines, Split, files_of, is_compressed, plan

if TYPE_CHECKING:
    import pyarrow as _pa  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from pyspark.sql import DataFrame as _DataFrame  # type: ignore[import-not-found, unused-ignore]
    from pyspark.sql import SparkSession as _Session  # type: ignore[import-not-found, unused-ignore]

    from ._opsbox import _Type

__all__ = ["SPLIT_BYTES", "parse", "splits", "unmatched"]

SPLIT_BYTES = 64 << 20
"""How much of a file is one task's, if not said otherwise."""

_MAX_PARTITIONS = 20_000

_SPLIT_SCHEMA = "path string, start bigint, end bigint"
_UNMATCHED_SCHEMA = "path string, offset bigint, reason string, raw binary"


def parse(
    source: _DataFrame | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    format: str,
    *,
    fields: Iterable[str] | None = None,
    types: Mapping[str, _Type] | Literal["text"] | None = None,
    on_error: Literal["skip", "raise"] = "skip",
    split_bytes: int | None = SPLIT_BYTES,
    spark: _Session | None = None,
) -> _DataFrame:
    """The rows of logs, with the columns that :class:`opsbox.Parser` gives on one machine.

    ``source`` is a file, a folder, a pattern such as ``/logs/*.log``, several of these, or a DataFrame with the columns
    ``path``, ``start`` and ``end`` as :func:`splits` makes it. ``format``, ``fields`` and ``types`` are those of
    :class:`opsbox.Parser`; of ``ndjson`` and ``logfmt`` the fields have to be named, since what a worker finds in its
    part of a file need not be what others find. ``on_error`` says what becomes of lines that do not fit: ``skip``
    leaves them to :func:`unmatched`, ``raise`` fails the job with the line. ``split_bytes`` is how much of a file is
    one task's, None for whole files; ``.gz`` and ``.zst`` always are, as are formats whose records have several
    lines. ``spark`` is the session, the active one if not given.

    Text and categories are ``string``, integers ``bigint``, floats ``double``, times ``timestamp``.

    Raises FormatError, ValueError, FileNotFoundError; what a worker raises comes as Spark's ``PythonException``.
    """
    if on_error not in ("skip", "raise"):
        raise ValueError(f'on_error is "{on_error}"; "skip" and "raise" are what it can be')
    work = _Rows(
        Parser(
            format, fields=fields and list(fields), types=types, on_error=on_error, strings="utf8"
        )
    )
    return _mapped(source, work, _spark_schema(work.schema), split_bytes, spark)


def unmatched(
    source: _DataFrame | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    format: str,
    *,
    fields: Iterable[str] | None = None,
    split_bytes: int | None = SPLIT_BYTES,
    spark: _Session | None = None,
) -> _DataFrame:
    """The lines that do not fit: ``path``, ``offset`` in the file, ``reason``, and ``raw``, which is binary.

    With the rows of :func:`parse` with the same ``fields`` they are all lines. It reads the files once more.
    """
    work = _UnmatchedLines(Parser(format, fields=fields and list(fields)))
    return _mapped(source, work, _UNMATCHED_SCHEMA, split_bytes, spark)


def splits(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    split_bytes: int | None = SPLIT_BYTES,
    spark: _Session | None = None,
) -> _DataFrame:
    """Parts of files, one a task, as rows of ``path``, ``start`` and ``end``, for :func:`parse` to take.

    A line belongs to the part that its first byte is in. Sizes are those of this moment.
    """
    return _of_paths(paths, _Splits(), _SPLIT_SCHEMA, split_bytes, spark)


def _mapped(
    source: Any, work: _Work, schema: str, split_bytes: int | None, spark: _Session | None
) -> _DataFrame:
    if not hasattr(source, "mapInArrow"):
        return _of_paths(source, work, schema, split_bytes, spark)
    absent = [name for name in Split._fields if name not in source.columns]
    if absent:
        raise ValueError(
            f"the DataFrame has no column {absent[0]}; it needs path, start and end, as opsbox.spark.splits makes them"
        )
    return source.select(*Split._fields).mapInArrow(_OfRows(work), schema)  # type: ignore[no-any-return, unused-ignore]


def _of_paths(
    paths: Any, work: _Work, schema: str, split_bytes: int | None, spark: _Session | None
) -> _DataFrame:
    if spark is None:
        from pyspark.sql import SparkSession  # type: ignore[import-not-found, import-untyped, unused-ignore]

        spark = SparkSession.getActiveSession()
        if spark is None:
            raise ValueError("there is no active Spark session; make one, or give it as spark=")
    planned = plan(files_of(paths), None if work.whole_files else split_bytes)
    # A range keeps its order, and one number in each part is one split a task.
    numbers = spark.range(0, len(planned), 1, min(len(planned), _MAX_PARTITIONS) or 1)
    return numbers.mapInArrow(_OfNumbers(work, planned), schema)


class _Work:
    """What a worker makes of splits. It is pickled to get there, as a parser can be."""

    whole_files = False

    def __call__(self, splits: Iterator[Split]) -> Iterator[_pa.RecordBatch]:
        raise NotImplementedError


class _Splits(_Work):
    """The splits themselves."""

    def __call__(self, splits: Iterator[Split]) -> Iterator[_pa.RecordBatch]:
        import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

        schema = pa.schema({"path": pa.string(), "start": pa.int64(), "end": pa.int64()})
        for split in splits:
            yield pa.RecordBatch.from_pylist([split._asdict()], schema)


class _Rows(_Work):
    """The rows that a parser makes."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.whole_files = parser._is_multiline
        self.schema = _schema_for_spark(parser)

    def __call__(self, splits: Iterator[Split]) -> Iterator[_pa.RecordBatch]:
        for split in splits:
            for _, batch in _batches(self._parser, split, self.whole_files):
                yield _as_spark_has_it(batch, self.schema)


class _UnmatchedLines(_Work):
    """The lines that a parser makes no rows of."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.whole_files = parser._is_multiline

    def __call__(self, splits: Iterator[Split]) -> Iterator[_pa.RecordBatch]:
        import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

        names = ["path", "offset", "reason", "raw"]
        for split in splits:
            for begin, batch in _batches(self._parser, split, self.whole_files):
                lines = list(batch.unmatched)
                columns = [
                    pa.array([split.path] * len(lines), pa.string()),
                    pa.array([begin + line.offset for line in lines], pa.int64()),
                    pa.array([line.reason for line in lines], pa.string()),
                    pa.array([line.raw for line in lines], pa.binary()),
                ]
                yield pa.RecordBatch.from_arrays(columns, names)


class _OfRows:
    """Work on the splits that are rows."""

    def __init__(self, work: _Work) -> None:
        self._work = work

    def __call__(self, batches: Iterator[_pa.RecordBatch]) -> Iterator[_pa.RecordBatch]:
        columns = ([batch.column(name).to_pylist() for name in Split._fields] for batch in batches)
        return self._work(Split(*row) for column in columns for row in zip(*column, strict=True))


class _OfNumbers:
    """Work on the splits with the numbers that are rows."""

    def __init__(self, work: _Work, planned: list[Split]) -> None:
        self._work = work
        self._planned = planned

    def __call__(self, batches: Iterator[_pa.RecordBatch]) -> Iterator[_pa.RecordBatch]:
        numbers = (number for batch in batches for number in batch.column(0).to_pylist())
        return self._work(self._planned[number] for number in numbers)


def _batches(parser: Parser, split: Split, whole: bool) -> Iterator[tuple[int, Batch]]:
    """The lines of a split, parsed, and the offset in the file that their offsets count from."""
    lines = OwnedLines(split)
    try:
        if whole or is_compressed(split.path):
            if split.start or split.end is not None:
                why = (
                    f"the records of {parser.format} have several lines"
                    if whole
                    else "it is compressed"
                )
                raise ValueError(
                    f"{split.path} is one split, with start 0 and end null, since {why}"
                )
            for batch in parser.scan(split.path):
                yield 0, batch
            return
        # Told by the file's beginning, not by that of a split.
        for batch in parser.stream(lines, compression=None):
            yield lines.begin, batch
    except ParseError as error:
        raise ParseError(
            f"{split.path}, byte {lines.begin + (error.offset or 0)}: {error.reason}"
        ) from None


def _as_spark_has_it(batch: Batch, schema: _pa.Schema) -> _pa.RecordBatch:
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

    made = pa.record_batch(batch)
    columns = [column.cast(field.type) for column, field in zip(made.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _schema_for_spark(parser: Parser) -> _pa.Schema:
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

    if not parser.columns:
        raise ValueError(
            f"{parser.format} finds its columns in the input, and other ones in other parts of it; "
            "name those that are wanted: fields=[...]"
        )
    made = pa.schema(parser.parse(b""))
    return pa.schema(
        [(it.name, it.type if str(it.type) in _SPARK_TYPES else pa.string()) for it in made]
    )


# Integers are signed already, and times in microseconds; a category is a dictionary, which Spark does not take.
_SPARK_TYPES = {
    "int64": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp[us, tz=UTC]": "timestamp",
}


def _spark_schema(schema: _pa.Schema) -> str:
    def column(field: _pa.Field) -> str:
        name = field.name.replace("`", "``")
        return f"`{name}` {_SPARK_TYPES.get(str(field.type), 'string')}"

    return ", ".join(map(column, schema))
