"""File to polars DataFrame: opsbox against Python's re on the same generated access log.

    python benches/python/parse_file.py [--lines 200000] [--pairs 7]

Runs both in turn and prints the median of the ratios. Needs opsbox and polars in the environment.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import opsbox
import polars as pl

PATTERN = (
    rb'(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>\S+) '
    rb'\[(?P<time_local>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) '
    rb'(?P<body_bytes_sent>\d+|-) "(?P<http_referer>(?:[^"\\]|\\.)*)" '
    rb'"(?P<http_user_agent>(?:[^"\\]|\\.)*)"'
)


def generate(path: Path, lines: int) -> None:
    rng = random.Random(2026)
    with path.open("w") as log:
        for _ in range(lines):
            log.write(
                f"198.51.{rng.randrange(256)}.{rng.randrange(256)} - - "
                f"[02/Nov/2026:09:{rng.randrange(60):02}:{rng.randrange(60):02} +0000] "
                f'"GET /products/{rng.randrange(10**6)}?ref=home HTTP/1.1" '
                f"{rng.choice([200, 200, 304, 404])} {rng.randrange(10**5)} "
                '"https://shop.example.com/products/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) '
                'Gecko/20100101 Firefox/140.0"\n'
            )


def by_opsbox(path: Path) -> pl.DataFrame:
    # The same nine columns, by the same pattern: the preset has three more.
    return pl.DataFrame(opsbox.Parser(PATTERN.decode()).parse_file(path))


def by_re(path: Path) -> pl.DataFrame:
    pattern = re.compile(PATTERN)
    with path.open("rb") as log:
        rows = [match.groups() for line in log if (match := pattern.fullmatch(line.rstrip(b"\r\n")))]
    columns = zip(*rows, strict=True)
    decoded = [[value.decode(errors="replace") for value in column] for column in columns]
    return pl.DataFrame(dict(zip(pattern.groupindex, decoded, strict=True)))


def seconds(run: Callable[[Path], pl.DataFrame], path: Path) -> float:
    start = time.perf_counter()
    run(path)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=200_000)
    options.add_argument("--pairs", type=int, default=7)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "access.log"
        generate(path, args.lines)
        assert by_opsbox(path).equals(by_re(path)), "the two disagree"
        pairs = [(seconds(by_opsbox, path), seconds(by_re, path)) for _ in range(args.pairs)]
        megabytes = path.stat().st_size / 1e6
    ours = statistics.median(megabytes / ours for ours, _ in pairs)
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    print(f"opsbox: {ours:.0f} MB/s; {ratio:.1f} times as fast as re (median of {args.pairs} pairs)")


if __name__ == "__main__":
    main()
