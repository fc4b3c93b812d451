"""How much memory a piece of work takes at its peak, in a process of its own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import access

SMALL_LINES = 2000


def opsbox_scan(path: Path) -> int:
    import opsbox

    return sum(len(table) for table in opsbox.Parser("combined").scan(path))


def pyarrow_csv(path: Path) -> object:
    from pyarrow import csv

    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, autogenerate_column_names=True),
        parse_options=csv.ParseOptions(delimiter=" "),
    )


WORKS: dict[str, Callable[[Path], object]] = {
    "opsbox": access.opsbox_text,
    "opsbox scan": opsbox_scan,
    "polars extract_groups": access.polars_extract_groups,
    "polars read_csv": access.polars_read_csv,
    "pyarrow read_csv": pyarrow_csv,
}


def growth(name: str, path: Path) -> int:
    """By how many bytes the process grows at most beyond what it has before."""
    here = [sys.executable, "-m", "goals.memory", name, str(path)]
    run = subprocess.run(here, cwd=Path(__file__).parents[1], check=True, stdout=subprocess.PIPE)
    return int(json.loads(run.stdout))


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


def main() -> None:
    name, path = sys.argv[1], Path(sys.argv[2])
    work = WORKS[name]
    # What is loaded and set up once is no part of it.
    small = path.with_name("small.log")
    work(small)
    gc.collect()
    # The peak begins anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    result = work(path)
    print(json.dumps(_status("VmHWM") - before))
    del result


if __name__ == "__main__":
    main()
