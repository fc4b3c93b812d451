"""What the command can be told."""

from __future__ import annotations

import argparse
from collections.abc import Callable

CODES = """
exit codes:
  0    all is well
  1    some lines or values do not fit, or no format fits
  2    the arguments, the condition or the configuration are wrong
  3    reading or writing failed; then no output file is left
  130  interrupted          141  nobody reads the output any more          143  terminated
"""
PARSE = """
Makes columns of a log, in bounded memory.

A condition has comparisons of a field with a value (= != < <= > >=, ~ and !~ for regular expressions), `FIELD in (A, B)`,
`FIELD is null`, and `and`, `or`, `not` and brackets between them:

  python -m opsbox parse access.log --where 'status >= 500 and request_method = GET'
  python -m opsbox parse app.log --where 'level in (ERROR, FATAL) and message ~ "time.?out"' --to csv
  kubectl logs deploy/shop | python -m opsbox parse - --format ndjson --select time,http.status

A field that a line does not have fits no comparison. Text with spaces, brackets or operators in it is quoted.

Values of NDJSON are text, unless --types says else; NDJSON that is written has the JSON values that were read. Objects in
objects are columns with names as `http.status`; of a key that a line has twice, also in this way, the last one counts.
"""
MASK = """
Masks personal data and secrets, and writes NDJSON in bounded memory. Without --config all that is known is looked for, in all
columns; with it the file says what is done (see opsbox.Pipeline). Lines that do not fit the format are masked, too, and
have the reason in the field `unmatched`.
"""


def parser(version: str) -> argparse.ArgumentParser:
    """The parser of the arguments; `run` in what it returns is what to call with it."""
    from . import about, mask, parse

    top = argparse.ArgumentParser(
        prog="python -m opsbox",
        description="Logs as columns.",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"opsbox {version}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], help: str, about: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help,
            description=about,
            epilog=CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(run=run)
        return made

    one = command("parse", parse.run, "a log as columns: Parquet, NDJSON, CSV or a table", PARSE)
    _input(one)
    one.add_argument(
        "--select", metavar="A,B", type=_names, help="only these columns, in this order"
    )
    one.add_argument("--where", metavar="CONDITION", help="only rows that it fits")
    one.add_argument("--types", metavar="A=TYPE,B=TYPE", type=_types, default={},
                     help="types of columns, as integer, float, boolean, rfc3339, epoch_ms")  # fmt: skip
    one.add_argument(
        "--multiline",
        choices=["indented", "stack_traces"],
        help="lines that belong to the line before",
    )
    one.add_argument("--to", choices=["table", "ndjson", "csv", "parquet"],
                     help="default: table on a terminal, else ndjson")  # fmt: skip
    one.add_argument("--limit", metavar="N", type=_count, help="no more rows than this")
    one.add_argument(
        "--unmatched", metavar="FILE", help="where lines that do not fit go, as they are"
    )
    _output(one)

    one = command("mask", mask.run, "a log as NDJSON without personal data and secrets", MASK)
    _input(one)
    one.add_argument("--config", metavar="FILE", help="the pipeline in TOML or JSON")
    _output(one)

    one = command(
        "detect",
        about.detect,
        "which format a log has",
        "Says which format a log has, and how sure that is.",
    )
    one.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="- is standard input (default)"
    )
    one.add_argument(
        "--all", action="store_true", help="all formats that fit some lines, best first"
    )

    one = command(
        "formats",
        about.formats,
        "the formats that have a name",
        "Lists the formats; of one, all of it.",
    )
    one.add_argument("name", metavar="NAME", nargs="?")
    return top


def _input(one: argparse.ArgumentParser) -> None:
    one.add_argument("file", metavar="FILE", nargs="?", default="-",
                     help="also as .gz or .zst; - is standard input (default)")  # fmt: skip
    one.add_argument("--format", default="auto", metavar="FORMAT",
                     help="a name (see formats), a regular expression with named captures, a grok or dissect pattern; "
                     "auto is what fits a sample (default)")  # fmt: skip


def _output(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=_file,
        help="written whole or not at all (default: standard output)",
    )
    one.add_argument(
        "--quiet", action="store_true", help="no progress and no summary on standard error"
    )


def _file(text: str) -> str | None:
    return None if text == "-" else text


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError("a name is missing between commas")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError("a column is named twice")
    return names


def _types(text: str) -> dict[str, str]:
    types = {}
    for pair in text.split(","):
        name, equals, type = pair.rpartition("=")
        if not (name and equals and type):
            raise argparse.ArgumentTypeError(f'"{pair}" is not COLUMN=TYPE')
        types[name.strip()] = type.strip()
    return types


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f'"{text}" is no number of rows')
    return int(text)
