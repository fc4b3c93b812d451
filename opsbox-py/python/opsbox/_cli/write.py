"""Rows as text: NDJSON, CSV, and a table for people. Written a batch at a time, so that what reads it has it soon."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from .parse import LITERALS, Part, Wrong

Writer = Callable[[Iterator[Part], IO[bytes]], None]

TABLE_ROWS = 1000
"""Rows of a table by which the widths of its columns are found."""

TABLE_CHARS = 40
"""The longest value that a table shows whole."""


def writer(to: str) -> Writer:
    if to == "parquet":
        from .parquet import write_parquet

        return write_parquet()
    return {"ndjson": write_ndjson, "csv": write_csv, "table": write_table}[to]


def write_ndjson(parts: Iterator[Part], file: IO[bytes]) -> None:
    """A JSON object a row, without what the row does not have."""
    encode = json.JSONEncoder(
        ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
    ).encode
    for part in parts:
        names = part.names
        rows = (
            zip(*_columns(part, json=True), strict=True)
            if names
            else itertools.repeat((), len(part))
        )
        literals = {at: part.batch[key].to_list() for at, name in enumerate(names) if (key := LITERALS + name) in part.batch}
        if literals:
            lines = _as_they_were(part, names, list(rows), literals, encode)
        else:
            lines = [
                encode({name: value for name, value in zip(names, row, strict=True) if value is not None})
                for row in rows
            ]
        if lines:
            lines.append("")
            file.write("\n".join(lines).encode())
            file.flush()


def _as_they_were(
    part: Part,
    names: list[str],
    rows: list[tuple[Any, ...]],
    literals: dict[int, list[Any]],
    encode: Callable[[object], str],
) -> list[str]:
    """JSON objects in which what was no string in the input is none: numbers as they were written, `true`, arrays."""
    keys = [encode(name) + ":" for name in names]
    kept = range(len(part.batch))
    if part.keep is not None:
        kept = list(itertools.compress(kept, part.keep))  # type: ignore[assignment]
    lines = []
    for at, row in zip(kept, rows, strict=True):
        pairs = (
            keys[column] + (value if column in literals and literals[column][at] else encode(value))
            for column, value in enumerate(row)
            if value is not None
        )
        lines.append("{" + ",".join(pairs) + "}")
    return lines


def write_csv(parts: Iterator[Part], file: IO[bytes]) -> None:
    """RFC 4180, with the names of the columns first, and line feeds alone as most tools on Unix have it."""
    lines: list[str] = []
    out = csv.writer(_Lines(lines.append), lineterminator="\r\n")
    first: list[str] | None = None
    for part in parts:
        if first is None:
            first = part.names
            out.writerow(first)
        names = same_columns(first, part, "CSV")
        out.writerows(zip(*_columns(part, names), strict=True))
        file.write("".join(lines).encode())
        file.flush()
        lines.clear()


class _Lines:
    """What a csv.writer writes, with line feeds for line ends: those that the writer itself is told to end lines with
    are the only ones that it quotes before Python 3.13."""

    def __init__(self, append: Callable[[str], None]) -> None:
        self._append = append

    def write(self, line: str) -> None:
        self._append(line[:-2] + "\n")


def write_table(parts: Iterator[Part], file: IO[bytes]) -> None:
    """Columns under each other. Long values are cut, and what would move the cursor is shown as an escape."""
    names: list[str] | None = None
    numbers: set[int] = set()
    waiting: list[list[str]] = []
    widths: list[int] = []

    def flush() -> None:
        nonlocal widths
        if not widths and names:
            widths = [max(map(len, column)) for column in zip(names, *waiting, strict=True)]
            waiting.insert(0, names)
        text = "".join(_row(row, widths, numbers) for row in waiting)
        file.write(text.encode())
        file.flush()
        waiting.clear()

    for part in parts:
        if names is None:
            names = part.names
            numbers = {
                at
                for at, it in enumerate(names)
                if part.batch.schema.get(it) in ("integer", "float")
            }
        columns = _columns(part, same_columns(names, part, "a table"))
        for row in zip(*columns, strict=True):
            waiting.append([_shown(value) for value in row])
            if len(waiting) == TABLE_ROWS:
                flush()
    flush()


def same_columns(first: list[str], part: Part, what: str) -> list[str]:
    """The columns of the first part, which those after it may lack but not exceed."""
    if part.names != first and (more := [name for name in part.names if name not in first]):
        raise Wrong(
            f'a later line has the field "{more[0]}", which the first lines do not have, and {what} has the same columns '
            "from its beginning: name those that are wanted with --select, or write NDJSON"
        )
    return first


def _columns(
    part: Part, names: list[str] | None = None, *, json: bool = False
) -> Iterator[Iterable[Any]]:
    """The values of the rows, column by column."""
    batch = part.batch
    schema = batch.schema
    for name in names or part.names:
        values: Iterable[Any] = batch[name].to_list() if name in batch else [None] * len(batch)
        kind = schema.get(name)
        if kind == "timestamp":
            values = [value and value.isoformat() for value in values]
        elif kind == "float" and json:
            # JSON has no word for these.
            values = [
                value if value is None or math.isfinite(value) else str(value) for value in values
            ]
        yield values if part.keep is None else itertools.compress(values, part.keep)


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    if len(text) > TABLE_CHARS:
        text = text[: TABLE_CHARS - 1] + "…"
    if not text.isprintable():
        text = "".join(
            it if it.isprintable() else it.encode("unicode_escape").decode() for it in text
        )
    return text


def _row(row: list[str], widths: list[int], numbers: set[int]) -> str:
    cells = (
        cell.rjust(width) if at in numbers else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip() + "\n"
