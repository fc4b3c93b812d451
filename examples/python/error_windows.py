"""When an application had trouble: windows of time of its log with the errors in each.

    python examples/python/error_windows.py [FILE] [--seconds 60] [--format app]

Without a file it reads the sample of the repository. Needs opsbox and duckdb, which takes the table by its name in the
query. Numbers in messages become N, so that equal errors are counted as such. Lines that do not fit belong to the line
before (of a stack trace, as a rule), and are counted on standard error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb
import opsbox

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "app.log"
QUERY = """
with lines as (
    select
        time_bucket(to_seconds($seconds), cast(timestamp as timestamp)) as start,
        upper(level) in ('ERROR', 'FATAL', 'CRITICAL') as is_error,
        upper(level) in ('WARN', 'WARNING') as is_warning,
        regexp_replace(left(message, 60), '[0-9]+', 'N', 'g') as kind
    from logs
)
select
    strftime(start, '%Y-%m-%d %H:%M:%S') as start,
    count(*) as lines,
    count(*) filter (is_warning) as warnings,
    count(*) filter (is_error) as errors,
    coalesce(mode(kind order by kind) filter (is_error), '') as most_often
from lines
group by all
having errors > 0
order by 1
"""


def error_windows(logs: opsbox.Table, seconds: int) -> list[tuple[str, int, int, int, str]]:
    """Of each window with an error: its start, and how many lines, warnings and errors, and the error that is most often."""
    return duckdb.connect().execute(QUERY, {"seconds": seconds}).fetchall()


def main() -> int:
    options = argparse.ArgumentParser(
        description="Windows of time of a log with the errors in each."
    )
    options.add_argument("file", nargs="?", type=Path, default=SAMPLE)
    options.add_argument(
        "--seconds", type=int, default=60, help="how long a window is (default: 60)"
    )
    options.add_argument(
        "--format", default="app", help="a preset with timestamp, level and message (default: app)"
    )
    args = options.parse_args()
    if args.seconds < 1:
        options.error("--seconds has to be 1 or more")
    try:
        parser = opsbox.Parser(args.format, fields=["timestamp", "level", "message"])
        logs = parser.parse_file(args.file)
    except (opsbox.OpsboxError, OSError) as error:
        print(f"error_windows: {error}", file=sys.stderr)
        return 2
    print(f"{'window':<19} {'lines':>8} {'warnings':>8} {'errors':>8}  most often")
    for start, lines, warnings, errors, kind in error_windows(logs, args.seconds):
        print(f"{start:<19} {lines:>8} {warnings:>8} {errors:>8}  {kind}")
    if logs.unmatched_count:
        print(f"{logs.unmatched_count} of {logs.line_count} lines do not fit", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
