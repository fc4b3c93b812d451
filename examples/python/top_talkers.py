"""Who asks most of a web server: the addresses of an access log with the most requests.

    python examples/python/top_talkers.py [FILE] [--top 10] [--format combined]

Without a file it reads the sample of the repository. Needs opsbox and polars. Only the columns that are looked at are
made; those of text point into the file. Lines that do not fit are counted on standard error, with the first of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import opsbox
import polars as pl

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "access.log"
FIELDS = ["remote_addr", "time_local", "status", "body_bytes_sent"]


def top_talkers(requests: pl.DataFrame, top: int) -> pl.DataFrame:
    refused = pl.col("status").is_between(400, 499)
    failed = pl.col("status") >= 500
    return (
        requests.lazy()
        .group_by("remote_addr")
        .agg(
            requests=pl.len(),
            refused=refused.sum(),
            failed=failed.sum(),
            kilobytes=(pl.col("body_bytes_sent").sum() / 1000).round(1),
            first=pl.col("time_local").min(),
            last=pl.col("time_local").max(),
        )
        # Of equals the same ones first in every run.
        .sort("requests", "remote_addr", descending=[True, False])
        .head(top)
        .collect()
    )


def main() -> int:
    options = argparse.ArgumentParser(
        description="The addresses of an access log with the most requests."
    )
    options.add_argument("file", nargs="?", type=Path, default=SAMPLE)
    options.add_argument("--top", type=int, default=10, help="how many (default: 10)")
    options.add_argument(
        "--format",
        default="combined",
        help="a preset with these fields, as common (default: combined)",
    )
    args = options.parse_args()
    try:
        table = opsbox.Parser(args.format, fields=FIELDS).parse_file(args.file)
    except (opsbox.OpsboxError, OSError) as error:
        print(f"top_talkers: {error}", file=sys.stderr)
        return 2
    with pl.Config(
        tbl_rows=-1,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_width_chars=120,
    ):
        print(top_talkers(pl.DataFrame(table), args.top))
    if table.unmatched_count:
        first = table.unmatched[0]
        print(
            f"{table.unmatched_count} of {table.line_count} lines do not fit, as line {first.line}: {first.reason}",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
