"""opsbox for Python against its peers: the speed, the memory and the fixed costs, as a table.

    python benches/python/table.py [--rounds 7] [--lines 200000] [--here] [--only access,ndjson,memory,records,fixed]

Makes an environment of its own (target/venv-bench) with the wheel of this checkout and the peers from PyPI, and runs itself
there, on one core; `--here` takes the environment that it runs in. All contenders make the same columns for the same
consumer, which is checked before. Each round runs all of them in turn; ratios are medians over the rounds of CPU time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = ["duckdb", "numpy", "orjson", "pandas", "polars", "pyarrow", "pygrok"]
Work = Callable[[Path], object]
PARTS = ["access", "ndjson", "memory", "records", "fixed"]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument(
        "--lines", type=int, default=200_000, help="of the access log; NDJSON has half of that"
    )
    options.add_argument(
        "--here", action="store_true", help="in this environment, on this core or these cores"
    )
    options.add_argument("--only", default=",".join(PARTS), help="some of " + ", ".join(PARTS))
    args = options.parse_args()
    if unknown := set(args.only.split(",")) - set(PARTS):
        options.error(f"there is no part {', '.join(sorted(unknown))}")
    if not args.here:
        sys.exit(in_an_environment(sys.argv[1:]))
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        Bench(Path(folder), args.rounds, args.lines).run(args.only.split(","))


def in_an_environment(arguments: list[str]) -> int:
    place = ROOT / "target" / "venv-bench"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheels = place / "wheels"
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, ROOT / "opsbox-py"], check=True)
    wheel = max(wheels.glob("opsbox-*.whl"), key=lambda it: it.stat().st_mtime)
    subprocess.run([*pip, "install", *PEERS], check=True)
    subprocess.run([*pip, "install", "--force-reinstall", "--no-deps", wheel], check=True)
    print(f"wheel: {wheel.stat().st_size / 1e6:.2f} MB (goal: 3 MB at most)\n", flush=True)
    return subprocess.run([python, HERE / "table.py", "--here", *arguments], check=False).returncode


class Bench:
    def __init__(self, folder: Path, rounds: int, lines: int) -> None:
        self._folder = folder
        self._rounds = rounds
        self._lines = lines

    def run(self, parts: list[str]) -> None:
        from goals import data

        self._access = self._folder / "access.log"
        data.write(self._access, self._lines, data.access_line)
        self._small = self._folder / "small.log"
        data.write(self._small, 2000, data.access_line)
        versions()
        for part in parts:
            getattr(self, part)()

    def access(self) -> None:
        from goals import access

        expected = access.python_re(self._small)
        for make in (
            access.opsbox_text,
            access.polars_extract_groups,
            access.polars_read_csv_nine,
            access.pygrok,
        ):
            assert make(self._small).equals(expected), f"{make.__name__} makes other columns"
        # Some megabytes are enough for what is slow.
        some = self._folder / "some.log"
        with self._access.open("rb") as log, some.open("wb") as out:
            out.writelines(line for line, _ in zip(log, range(self._lines // 10), strict=False))
        self._compare(
            "combined log, 9 columns of text, file to polars DataFrame",
            (access.opsbox_text, access.opsbox_mapped, self._access),
            [
                ("polars extract_groups", access.polars_extract_groups, self._access, 20),
                (
                    "polars read_csv, a space as separator, the time in two columns",
                    access.polars_read_csv,
                    self._access,
                    6,
                ),
                ("the same, the time in one", access.polars_read_csv_nine, self._access, None),
                ("Python re", access.python_re, some, 60),
                ("pygrok", access.pygrok, some, 200),
            ],
        )

    def ndjson(self) -> None:
        from goals import data, ndjson

        log = self._folder / "requests.ndjson"
        data.write(log, self._lines // 2, data.request_line)
        small = self._folder / "small.ndjson"
        data.write(small, 1000, data.request_line)
        expected = ndjson.orjson_loop(small)
        for make in (
            ndjson.opsbox_typed,
            ndjson.polars_read_ndjson,
            ndjson.duckdb,
            ndjson.pyarrow_json,
        ):
            assert make(small).equals(expected), f"{make.__name__} makes other columns"
        self._compare(
            "NDJSON, 7 typed columns of 588-byte lines, file to polars DataFrame",
            (ndjson.opsbox_typed, ndjson.opsbox_mapped, log),
            [
                ("orjson, a line after the other", ndjson.orjson_loop, log, 12),
                ("polars read_ndjson with schema", ndjson.polars_read_ndjson, log, 8),
                ("duckdb read_json with columns", ndjson.duckdb, log, 6),
                ("pyarrow.json with schema", ndjson.pyarrow_json, log, 8),
            ],
        )

    def records(self) -> None:
        from goals import small

        assert small.records_by_opsbox(self._small) == small.records_by_re(self._small)
        self._compare(
            'rows in Python: for r in table.records(): r["status"]',
            (small.records_by_opsbox, small.records_mapped, self._access),
            [("Python re with the same access", small.records_by_re, self._access, 5)],
        )

    def memory(self) -> None:
        from goals import data, memory

        sizes = [64 << 20, 256 << 20]
        print(
            "peak memory beyond what the process had before, in bytes per byte of input (the input included)\n"
        )
        print("| work | 64 MiB | 256 MiB | goal |\n|---|---|---|---|")
        files = [self._folder / f"{size}.log" for size in sizes]
        for path, size in zip(files, sizes, strict=True):
            data.repeat(self._access, path, size)
        for name in memory.WORKS:
            grown = [memory.growth(name, path) for path in files]
            shown = [
                f"{grew / path.stat().st_size:.2f} ({grew / (1 << 20):.0f} MiB)"
                for grew, path in zip(grown, files, strict=True)
            ]
            goal = {"opsbox": "1.65", "opsbox scan": "16 MiB"}.get(name, "")
            print(f"| {name} | {shown[0]} | {shown[1]} | {goal} |", flush=True)
        print()
        for path in files:
            path.unlink()

    def fixed(self) -> None:
        from goals import small

        kilobyte = b""
        with self._small.open("rb") as log:
            for line in log:
                if len(kilobyte) + len(line) > 1000:
                    break
                kilobyte += line
        took = small.seconds_of_a_call(kilobyte)
        bare = loaded = float("inf")
        for _ in range(30):
            bare = min(bare, small.seconds_of_import(None))
            loaded = min(loaded, small.seconds_of_import("opsbox"))
        print("| fixed cost, the least of many | | goal |\n|---|---|---|")
        print(f"| a call on {len(kilobyte)} bytes | {took * 1e6:.1f} us | 20 us |")
        print(
            f"| import opsbox, beyond Python's {bare * 1e3:.1f} ms | {(loaded - bare) * 1e3:.1f} ms | 5 ms |"
        )
        for peer in ("polars", "pyarrow", "duckdb"):
            other = min(small.seconds_of_import(peer) for _ in range(3))
            print(f"| import {peer} | {(other - bare) * 1e3:.1f} ms | |", flush=True)
        print()

    def _compare(
        self,
        work: str,
        ours: tuple[Work, Work, Path],
        peers: list[tuple[str, Work, Path, float | None]],
    ) -> None:
        """Times of a byte, of all in turn; ours with the file read and with it mapped."""
        read, mapped, path = ours
        rows = [
            ("read", read, path),
            ("mapped", mapped, path),
            *((it[0], it[1], it[2]) for it in peers),
        ]
        times: dict[str, list[float]] = {name: [] for name, *_ in rows}
        for turn in range(-1, self._rounds):
            for name, make, file in rows:
                took = seconds_of_a_byte(make, file)
                # The first turn fills the caches.
                if turn >= 0:
                    times[name].append(took)

        def speed(name: str) -> str:
            return f"{1e-6 / statistics.median(times[name]):.0f} MB/s"

        def ratio(name: str, our: str) -> str:
            pairs = zip(times[name], times[our], strict=True)
            return f"{statistics.median(theirs / ours for theirs, ours in pairs):.1f}x"

        print(f"{work}: {speed('read')} with the file read, {speed('mapped')} with it mapped\n")
        print("| against | its speed | read | mapped | goal |\n|---|---|---|---|---|")
        for name, _, _, goal in peers:
            wanted = f"{goal}x" if goal else ""
            print(
                f"| {name} | {speed(name)} | {ratio(name, 'read')} | {ratio(name, 'mapped')} | {wanted} |",
                flush=True,
            )
        print()


def seconds_of_a_byte(work: Work, path: Path) -> float:
    start = time.process_time()
    result = work(path)
    took = time.process_time() - start
    del result
    return took / path.stat().st_size


def versions() -> None:
    from importlib.metadata import version

    names = ["opsbox", *(it for it in PEERS if it not in ("numpy", "pandas"))]
    print(
        f"Python {sys.version.split()[0]}, "
        + ", ".join(f"{it} {version(it)}" for it in names)
        + "\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
