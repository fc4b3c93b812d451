"""Rows as Parquet, by pyarrow or polars, whichever is there."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from typing import IO, Any

from .parse import Part, Wrong
from .write import same_columns

GROUP_ROWS = 128 << 10
GROUP_BYTES = 64 << 20
"""A row group is written when it has so many rows or bytes: larger ones take memory, smaller ones speed of readers."""


def write_parquet() -> Callable[[Iterator[Part], IO[bytes]], None]:
    if importlib.util.find_spec("pyarrow"):
        return _by_pyarrow
    if importlib.util.find_spec("polars"):
        return _by_polars
    raise Wrong(
        "Parquet is written by pyarrow or polars, and neither is installed: pip install pyarrow; or write NDJSON or CSV"
    )


def _by_pyarrow(parts: Iterator[Part], file: IO[bytes]) -> None:
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]

    out: Any = None
    schema: Any = None
    waiting: list[Any] = []
    rows = size = 0

    def flush() -> None:
        nonlocal rows, size
        if waiting:
            out.write_table(pa.concat_tables(waiting))
            waiting.clear()
        rows = size = 0

    try:
        for part in parts:
            if schema is None:
                schema = (
                    part.batch[part.names].to_arrow(strings="utf8").schema
                    if part.names
                    else pa.schema([])
                )
                out = parquet.ParquetWriter(file, schema)
            table = _filled(part, schema)
            if part.keep is not None:
                table = table.filter(pa.array(part.keep, pa.bool_()))
            waiting.append(table)
            rows += table.num_rows
            size += table.nbytes
            if rows >= GROUP_ROWS or size >= GROUP_BYTES:
                flush()
        if out is None:
            raise Wrong("there are no lines, so no columns to write")
        flush()
        out.close()
    except BaseException:
        if out is not None:
            # It would write its footer when it goes, to a file that is closed or as if the rows were all.
            out.is_open = False
        raise


def _filled(part: Part, schema: Any) -> Any:
    """The rows of a batch with all columns of the schema, of which it may lack some."""
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

    names = same_columns(schema.names, part, "Parquet")
    there = [name for name in names if name in part.batch]
    table = part.batch[there].to_arrow(strings="utf8") if there else None
    columns = [
        table[name].cast(schema.field(name).type)
        if table is not None and name in part.batch
        else pa.nulls(len(part.batch), schema.field(name).type)
        for name in names
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _by_polars(parts: Iterator[Part], file: IO[bytes]) -> None:
    import polars as pl  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from polars.io.plugins import register_io_source  # type: ignore[import-not-found, import-untyped, unused-ignore]

    first = next(parts, None)
    if first is None:
        raise Wrong("there are no lines, so no columns to write")
    schema = pl.DataFrame(first.batch[first.names]).schema

    def frames(*_: object) -> Iterator[pl.DataFrame]:
        for part in itertools.chain([first], parts):
            names = same_columns(first.names, part, "Parquet")
            frame = pl.DataFrame(part.batch[[name for name in names if name in part.batch]])
            absent = [
                pl.lit(None, schema[name]).alias(name) for name in names if name not in part.batch
            ]
            frame = frame.with_columns(absent).select(names)
            yield (
                frame if part.keep is None else frame.filter(pl.Series(part.keep, dtype=pl.Boolean))
            )

    register_io_source(frames, schema=schema).sink_parquet(file, row_group_size=GROUP_ROWS)
