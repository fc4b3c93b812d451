"""The scripts of examples/python, on the samples of the repository, against a plain count."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ACCESS = EXAMPLES / "samples" / "access.log"


def run(name: str, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
    command = [sys.executable, EXAMPLES / "python" / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def test_top_talkers_of_the_sample() -> None:
    out, said = run("top_talkers.py", "--top", "5")
    lines = ACCESS.read_text().splitlines()
    counts = Counter(
        line.split()[0]
        for line in lines
        if re.search(r'" (\d{3}|-) (\d+|-) "[^"]*" "[^"]*"$', line)
    )
    found = re.findall(r"^│ (\S+) +┆ (\d+) ", out, flags=re.MULTILINE)
    assert [(address, int(count)) for address, count in found] == sorted(
        counts.items(), key=lambda it: (-it[1], it[0])
    )[:5]
    assert f"{len(lines) - counts.total()} of {len(lines)} lines do not fit" in said


def test_top_talkers_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    line = '{} - - [02/Nov/2026:09:{:02}:00 +0000] "GET / HTTP/1.1" {} {} "-" "curl"\n'
    path.write_text(
        "".join(
            line.format("192.0.2.7", n, status, 500) for n, status in enumerate([200, 404, 500])
        )
        + line.format("192.0.2.8", 7, 200, "-")
    )
    out, said = run("top_talkers.py", path)
    rows = [
        [cell.strip() for cell in it.strip("│").split("┆")]
        for it in out.splitlines()
        if it.startswith("│")
    ]
    assert rows[1][:5] == ["192.0.2.7", "3", "1", "1", "1.5"]
    assert rows[2][:5] == ["192.0.2.8", "1", "0", "0", "0.0"]
    assert "09:00:00" in rows[1][5] and "09:02:00" in rows[1][6]
    assert said == ""
    _, said = run("top_talkers.py", tmp_path / "missing", code=2)
    assert said.startswith("top_talkers: ") and "missing" in said


def test_error_windows(tmp_path: Path) -> None:
    out, said = run("error_windows.py")
    assert out.splitlines()[1].split(maxsplit=5)[:5] == ["2026-11-02", "09:00:00", "11", "2", "1"]
    assert said == "1 of 12 lines do not fit\n"
    path = tmp_path / "app.log"
    path.write_text(
        "".join(f"2026-01-02 03:{n // 60:02}:{n % 60:02} [INFO] ok\n" for n in range(300))
        + "2026-01-02 03:01:59 [ERROR] job 17 failed\n"
        + "2026-01-02 03:02:00 [ERROR] job 18 failed\n" * 2
        + "2026-01-02 03:02:01 [FATAL] out of memory\n"
    )
    out, said = run("error_windows.py", path, "--seconds", "60")
    assert out.splitlines()[1:] == [
        "2026-01-02 03:01:00       61        0        1  job N failed",
        "2026-01-02 03:02:00       63        0        3  job N failed",
    ]
    assert said == ""
