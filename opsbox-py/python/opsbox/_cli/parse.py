"""``parse``: a log to columns, some of the columns, some of the rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _opsbox as native
from .._output import Output
from .progress import Progress
from .source import Source
from .where import Where
from .where import parse as parse_condition

if TYPE_CHECKING:
    from .._opsbox import Parser, Rows

LITERALS = "\0"
"""What the names of columns begin with that say which texts were no strings in JSON."""

SHOWN_LINES = 3
"""How many lines that do not fit the summary shows the reason of."""


class Wrong(Exception):
    """Something is asked for that cannot be."""


class Part:
    """Rows as they are written: those of a batch that fit the condition."""

    def __init__(self, batch: Rows, names: list[str], keep: list[bool] | None) -> None:
        self.batch = batch
        self.names = names
        self.keep = keep
        """Which rows, if not all."""

    def __len__(self) -> int:
        return len(self.batch) if self.keep is None else sum(self.keep)


class Counts:
    """What the summary says."""

    def __init__(self) -> None:
        self.lines = self.rows = self.written = self.unmatched = self.invalid = 0
        self.reasons: list[str] = []
        self.stopped = False
        """Whether there may be lines that were not read."""

    def add(self, batch: Rows) -> None:
        self.lines += batch.line_count
        self.rows += len(batch)
        self.unmatched += batch.unmatched_count
        for column in batch.invalid:
            self.invalid += column.count
            if column.examples and len(self.reasons) < SHOWN_LINES:
                at, _, reason = column.examples[0]
                self.reasons.append(f"line {at}, {column.column}: {reason}, so it is empty")
        for line in batch.unmatched[: max(SHOWN_LINES - len(self.reasons), 0)]:
            self.reasons.append(f"line {line.line} (byte {line.offset}): {line.reason}")

    def lines_of_summary(self) -> list[str]:
        written = "" if self.written == self.rows else f" ({self.written} of them written)"
        said = [f"{self.lines} lines = {self.rows} rows{written} + {self.unmatched} unmatched"]
        if self.stopped:
            said[0] += "; stopped at the limit, what comes after that was not read"
        if self.invalid:
            said[0] += f"; values that do not fit their type: {self.invalid}"
        more = self.unmatched + self.invalid - len(self.reasons)
        said += [f"  {reason}" for reason in self.reasons]
        if self.reasons and more > 0:
            said.append(f"  and {more} more")
        return said


def run(args: argparse.Namespace) -> int:
    from . import FITS, SOME_DO_NOT_FIT, say
    from .write import writer

    where = parse_condition(args.where) if args.where is not None else None
    source = Source(args.file)
    name = format_of(args.format, source)
    to = args.to or ("table" if args.output is None and _is_terminal() else "ndjson")
    # Wanted for the condition, or to be seen.
    fields = args.select and list(
        dict.fromkeys([*args.select, *sorted(where.fields if where else ())])
    )
    parser = native.Parser(name, fields=fields, types=args.types, multiline=args.multiline)
    if where is not None and parser.columns:
        unknown = sorted(where.fields.difference(parser.columns))
        if unknown:
            raise Wrong(
                f'--where: there is no column "{unknown[0]}"; the columns are {", ".join(parser.columns)}'
            )
    if to == "ndjson":
        parser = parser._with_literals()
    counts = Counts()
    progress = Progress(wanted=not args.quiet and not _is_terminal())
    with Output(args.output) as output, _Unmatched(args.unmatched, output) as unmatched:
        if to == "parquet" and output.is_terminal:
            raise Wrong("Parquet is not for terminals; give --output FILE, or pipe it")
        parts = _parts(source, parser, where, args, counts, unmatched, progress)
        try:
            writer(to)(parts, output.file)
        finally:
            progress.clear()
    if not args.quiet:
        for line in counts.lines_of_summary():
            say(line)
    return SOME_DO_NOT_FIT if counts.unmatched or counts.invalid else FITS


def format_of(format: str, source: Source) -> str:
    """The format that is asked for, or fits the beginning of the log."""
    if format != "auto":
        return format
    sample = source.sample()
    if not sample:
        # Of nothing, any will do.
        return "app"
    try:
        return native.detect(sample).format
    except native_error() as error:
        raise type(error)(f"{source.name}: {error}; or give --format") from None


def native_error() -> type[Exception]:
    import opsbox

    return opsbox.DetectionError


def _is_terminal() -> bool:
    import sys

    return sys.stdout is not None and sys.stdout.isatty()


def _parts(
    source: Source,
    parser: Parser,
    where: Where | None,
    args: argparse.Namespace,
    counts: Counts,
    unmatched: _Unmatched,
    progress: Progress,
) -> Iterator[Part]:
    """The parts to write, counted."""
    left = args.limit
    # What has columns has them also without rows.
    nothing = Part(parser.parse(b""), args.select or parser.columns, None)
    if left == 0:
        if nothing.names:
            yield nothing
        return
    for batch in source.batches(parser, progress):
        counts.add(batch)
        unmatched.write(batch)
        names = [it for it in batch.column_names if not it.startswith(LITERALS)]
        part = Part(batch, args.select or names, _fitting(batch, where))
        if left is not None:
            part = _first(part, left)
            left -= len(part)
        counts.written += len(part)
        yield part
        nothing.names = []
        if left == 0:
            counts.stopped = True
            return
    if nothing.names:
        yield nothing


def _fitting(batch: Rows, where: Where | None) -> list[bool] | None:
    if where is None:
        return None
    fields = sorted(where.fields)
    # A column that no line of this batch has is in none of its rows.
    columns = [batch[it].to_list() if it in batch else [None] * len(batch) for it in fields]
    return [where(dict(zip(fields, row, strict=True))) for row in zip(*columns, strict=True)]


def _first(part: Part, count: int) -> Part:
    if len(part) <= count:
        return part
    keep = part.keep or [True] * len(part.batch)
    kept = 0
    for row, wanted in enumerate(keep):
        kept += wanted
        if kept > count:
            keep[row:] = [False] * (len(keep) - row)
            break
    return Part(part.batch, part.names, keep)


class _Unmatched:
    """A file of the lines that do not fit, if one is asked for."""

    def __init__(self, path: str | None, rows: Output) -> None:
        self._output = None
        if path is not None:
            self._output = Output(None if path == "-" else path)
            if self._output.is_same(rows):
                wrong = Wrong("--unmatched and --output are the same: give one of them another FILE")
                self._output.__exit__(Wrong, wrong, None)
                raise wrong

    def write(self, batch: Rows) -> None:
        if self._output is not None:
            self._output.file.writelines(line.raw + b"\n" for line in batch.unmatched)

    def __enter__(self) -> _Unmatched:
        return self

    def __exit__(self, *error: object) -> None:
        if self._output is not None:
            self._output.__exit__(*error)  # type: ignore[arg-type]
