"""What does not grow with the input: a call, the import, the wheel; and rows one after the other."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from . import access


def seconds_of_a_call(log: bytes) -> float:
    """The least CPU time of a call that parses a kilobyte, of many."""
    import opsbox

    parse = opsbox.Parser("combined").parse
    calls = 200
    best = float("inf")
    for _ in range(50):
        start = time.process_time()
        for _ in range(calls):
            parse(log)
        best = min(best, (time.process_time() - start) / calls)
    return best


def seconds_of_import(module: str | None) -> float:
    """The CPU time of a Python that imports a module, or nothing, and ends."""
    program = f"import {module}" if module else "pass"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Isolated: neither the folder nor what the environment adds is looked through.
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def records_by_opsbox(path: Path, *, mmap: bool = False) -> int:
    import opsbox

    table = opsbox.Parser("combined", fields=access.NAMES).parse_file(path, mmap=mmap)
    found = 0
    for record in table.records():
        found += record["status"] == 404
    return found


def records_mapped(path: Path) -> int:
    return records_by_opsbox(path, mmap=True)


def records_by_re(path: Path) -> int:
    match = re.compile(access.PATTERN.encode()).match
    found = 0
    with path.open("rb") as log:
        for line in log:
            record = match(line.rstrip(b"\r\n"))
            if record:
                found += record["status"] == b"404"
    return found
