"""What is written to: devices, pipes, links, and files that others have open."""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import opsbox
import pytest

COMMAND = [sys.executable, "-m", "opsbox"]
LOG = b"n=1\nn=2\n"
ROWS = b'{"n":"1"}\n{"n":"2"}\n'


@pytest.fixture
def pipeline() -> opsbox.Pipeline:
    return opsbox.Pipeline.from_text('[output]\nformat = "ndjson"\n', format="logfmt", variables={})


def shell(command: str, folder: Path, *, code: int = 0) -> bytes:
    done = subprocess.run(
        ["sh", "-c", command.replace("OPSBOX", f"{sys.executable} -m opsbox")],
        cwd=folder, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stderr


def test_pipelines_write_to_what_is_no_file(pipeline: opsbox.Pipeline, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    pipeline.run(LOG, pipe)
    reader.join(60)
    assert got == [ROWS] and pipe.is_fifo()
    with pytest.raises(OSError, match="/dev/full"):
        pipeline.run(LOG * 10_000, "/dev/full")
    assert Path("/dev/full").is_char_device()


def test_pipelines_keep_links_and_modes(pipeline: opsbox.Pipeline, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"before")
    target.chmod(0o640)
    link.symlink_to(target)
    pipeline.run(LOG, link)
    assert link.is_symlink() and target.read_bytes() == ROWS
    assert target.stat().st_mode & 0o777 == 0o640
    before = os.umask(0o027)
    try:
        pipeline.run(LOG, tmp_path / "new")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640

    def source() -> object:
        # A second run to the same file while the first is at work.
        other = opsbox.Pipeline.from_text('[output]\nformat = "ndjson"\n', format="logfmt", variables={})
        other.run(LOG, target)
        yield LOG

    pipeline.run(source(), target)  # type: ignore[arg-type]
    assert sorted(it.name for it in tmp_path.iterdir()) == ["link", "new", "target"]


def test_standard_output_by_its_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(LOG + b"=\n")
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        shell(f"(echo before; OPSBOX parse in.log --format logfmt --quiet -o {name}; echo after) > out", tmp_path)
        assert (tmp_path / "out").read_bytes() == b"before\n" + ROWS + b"after\n"
    shell("(echo before; OPSBOX parse in.log --format logfmt --quiet -o x --unmatched /dev/stdout; echo after) > out", tmp_path)
    assert (tmp_path / "out").read_bytes() == b"before\n=\nafter\n"


@pytest.mark.parametrize(
    "where", ["-o x --unmatched x", "-o x --unmatched ./x", "--unmatched -", "--unmatched /dev/stdout", "-o x --unmatched - > x"]
)
def test_rows_and_unmatched_lines_have_places_of_their_own(where: str, tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(LOG)
    said = shell(f"OPSBOX parse in.log --format logfmt {where}", tmp_path, code=2)
    assert b"are the same" in said
    assert {it.name for it in tmp_path.iterdir()} <= {"in.log", "x"}
    assert not (tmp_path / "x").exists() or (tmp_path / "x").read_bytes() == b""
    shell("OPSBOX parse in.log --format logfmt -o /dev/null --unmatched /dev/null", tmp_path)


def test_errors_name_the_path_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(LOG)
    said = shell("OPSBOX parse in.log --format logfmt -o missing/x", tmp_path, code=3)
    assert b"No such file or directory: 'missing/x'" in said
    assert b"No such file or directory: ''" in shell("OPSBOX parse in.log --format logfmt -o ''", tmp_path, code=3)


def test_csv_quotes_carriage_returns(tmp_path: Path) -> None:
    log = tmp_path / "in.log"
    log.write_bytes(b'{"v":"a\\rb","w":"c\\r\\nd"}\n{"v":"\\n","w":"e"}\n')
    done = subprocess.run([*COMMAND, "parse", log, "--format", "ndjson", "--to", "csv"], capture_output=True, timeout=60, check=True)
    rows = list(csv.reader(io.StringIO(done.stdout.decode(), newline="")))
    assert rows == [["v", "w"], ["a\rb", "c\r\nd"], ["\n", "e"]]
    assert done.stdout.startswith(b"v,w\n")


def test_an_empty_condition_is_none(tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(LOG)
    shell("OPSBOX parse in.log --format logfmt --where ''", tmp_path, code=2)


def test_json_keeps_its_types(tmp_path: Path) -> None:
    log = tmp_path / "in.log"
    log.write_bytes(b'{"a":1,"d":true,"x":[1, 2],"s":"1","f":1.10,"n":{"m":-2e3}}\n{"a":"1","z":null}\n{"a":3}\n')
    command = [*COMMAND, "parse", str(log), "--format", "ndjson", "--to", "ndjson", "--quiet"]
    out = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    assert out == b'{"a":1,"d":true,"x":[1, 2],"s":"1","f":1.10,"n.m":-2e3}\n{"a":"1"}\n{"a":3}\n'
    out = subprocess.run([*command, "--where", "a = 3", "--select", "a,s"], capture_output=True, timeout=60, check=True).stdout
    assert out == b'{"a":3}\n'


def test_empty_input_has_columns(tmp_path: Path) -> None:
    import pyarrow.parquet

    (tmp_path / "in.log").write_bytes(b"")
    shell("OPSBOX parse in.log --format app --to csv -o out.csv", tmp_path)
    assert (tmp_path / "out.csv").read_bytes() == ",".join(opsbox.Parser("app").columns).encode() + b"\n"
    shell("OPSBOX parse in.log --format ndjson --select a,b --to csv -o out.csv", tmp_path)
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\n"
    shell("OPSBOX parse in.log --format app --to parquet -o out.parquet", tmp_path)
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").column_names == opsbox.Parser("app").columns
    shell("OPSBOX parse in.log --format app --to ndjson -o out", tmp_path)
    assert (tmp_path / "out").read_bytes() == b""


def test_a_late_column_of_parquet_says_one_thing(tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(b'{"a":1}\n' * 300_000 + b'{"a":1,"late":2}\n')
    said = shell("OPSBOX parse in.log --format ndjson --quiet --to parquet -o x", tmp_path, code=2)
    assert said.count(b"\n") == 1 and b"late" in said
    assert not (tmp_path / "x").exists()


def test_compressed_standard_input_is_recognised(tmp_path: Path) -> None:
    log = b"".join(b"2026-01-02 03:04:05 [INFO] message %d\n" % n for n in range(20_000))
    (tmp_path / "in.log").write_bytes(log)
    (tmp_path / "in.gz").write_bytes(gzip.compress(log, 1))
    (tmp_path / "few.gz").write_bytes(gzip.compress(log[:4000]))
    shell("OPSBOX parse in.log -o plain; cat in.gz | OPSBOX parse - -o packed; cmp plain packed", tmp_path)
    shell("cat few.gz | OPSBOX mask - -o masked", tmp_path, code=1)
    assert (tmp_path / "masked").read_bytes().count(b"\n") > 90


def test_sigterm_leaves_nothing(tmp_path: Path) -> None:
    command = [*COMMAND, "parse", "-", "--format", "logfmt", "-o", str(tmp_path / "out")]
    running = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert running.stdin is not None
    running.stdin.write(LOG)
    running.stdin.flush()
    while not any(tmp_path.iterdir()):
        assert running.poll() is None
        time.sleep(0.01)
    running.terminate()
    assert running.wait(60) == 143
    running.stdin.close()
    assert list(tmp_path.iterdir()) == []


def test_the_summary_says_what_was_not_read(tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(LOG)
    assert b"stopped at the limit" in shell("OPSBOX parse in.log --format logfmt --limit 1", tmp_path)
    assert b"stopped" not in shell("OPSBOX parse in.log --format logfmt --limit 5", tmp_path)
