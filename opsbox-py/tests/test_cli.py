"""The command, as a shell runs it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import opsbox
import polars as pl
import pyarrow.parquet
import pytest
from conftest import access_log

COMMAND = [sys.executable, "-m", "opsbox"]
APP = (
    b"2026-01-02 03:04:05 [INFO] started\n"
    b'2026-01-02 03:04:06 [ERROR] a "quoted", slow; thing\n'
    b"broken\n"
    b"2026-01-02 03:04:07 [WARN]\n"
)


def run(*arguments: str | Path, stdin: bytes = b"", code: int = 0) -> tuple[str, str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout.decode(), done.stderr.decode()


def rows_of(path: Path, format: str) -> list[dict[str, Any]]:
    """What the library says, as JSON has it."""
    table = opsbox.Parser(format).parse_file(path)
    return [
        {
            name: it.isoformat() if hasattr(it, "isoformat") else it
            for name, it in record.items()
            if it is not None
        }
        for record in table.records()
    ]


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "access.log"
    path.write_bytes(access_log(3000, seed=7))
    return path


def test_ndjson_is_what_the_library_says(access: Path) -> None:
    out, said = run("parse", access, "--to", "ndjson", code=1)
    assert list(map(json.loads, out.splitlines())) == rows_of(access, "combined")
    table = opsbox.Parser("combined").parse_file(access)
    assert (
        f"{table.line_count} lines = {len(table)} rows + {table.unmatched_count} unmatched" in said
    )


def test_standard_input_gives_the_same(access: Path) -> None:
    log = access.read_bytes()
    from_file, _ = run("parse", access, code=1)
    assert run("parse", stdin=log, code=1)[0] == from_file
    assert run("parse", "-", "--format", "combined", "--quiet", stdin=log, code=1) == (
        from_file,
        "",
    )
    compressed = gzip.compress(log)
    assert run("parse", "-", "--format", "combined", stdin=compressed, code=1)[0] == from_file


def test_compressed_files_are_recognised(access: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(access.read_bytes()))
    assert run("parse", path, code=1)[0] == run("parse", access, code=1)[0]


def test_csv_is_read_by_others(access: Path) -> None:
    fields = ["status", "request_uri", "http_user_agent"]
    out, _ = run("parse", access, "--to", "csv", "--select", ",".join(fields), code=1)
    expected = [[row.get(it) for it in fields] for row in rows_of(access, "combined")]
    first, *rows = csv.reader(io.StringIO(out))
    assert first == fields
    assert rows == [["" if it is None else str(it) for it in row] for row in expected]


def test_parquet_is_read_by_others(access: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    run("parse", access, "--to", "parquet", "-o", path, "--where", "status >= 400", code=1)
    table = pyarrow.parquet.read_table(path)
    expected = (
        opsbox.Parser("combined").parse_file(access).to_polars().filter(pl.col("status") >= 400)
    )
    assert 0 < expected.height < 3000
    assert pl.DataFrame(table).equals(expected)
    # The same by a pipe.
    piped = subprocess.run(
        [*COMMAND, "parse", str(access), "--to", "parquet", "--where", "status >= 400"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert pyarrow.parquet.read_table(io.BytesIO(piped.stdout)).equals(table)


def without(modules: list[str], folder: Path) -> dict[str, str]:
    """An environment in which these cannot be imported."""
    for module in modules:
        (folder / f"{module}.py").write_text("raise ImportError('not here')")
    blocker = "import importlib.util as u\nf = u.find_spec\n"
    blocker += f"u.find_spec = lambda name, package=None: None if name in {modules!r} else f(name, package)\n"
    (folder / "sitecustomize.py").write_text(blocker)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_parquet_by_polars_and_by_nobody(access: Path, tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    path = tmp_path / "out.parquet"
    command = [*COMMAND, "parse", str(access), "--to", "parquet", "-o", str(path), "--where", "status >= 400"]
    by_polars = subprocess.run(
        command, env=without(["pyarrow"], folder), capture_output=True, timeout=60, check=False
    )
    assert by_polars.returncode == 1, by_polars.stderr
    expected = (
        opsbox.Parser("combined").parse_file(access).to_polars().filter(pl.col("status") >= 400)
    )
    assert pl.read_parquet(path).equals(expected)
    path.unlink()
    env = without(["pyarrow", "polars"], folder)
    nobody = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert (nobody.returncode, path.exists()) == (2, False)
    assert b"pip install pyarrow" in nobody.stderr


def test_a_table_is_for_people(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(APP.replace(b"started", b"moves the \x1b[2Jcursor"))
    out, said = run("parse", path, "--to", "table", code=1)
    assert out == (
        "timestamp                  level  message\n"
        "2026-01-02T03:04:05+00:00  INFO   moves the \\x1b[2Jcursor\n"
        '2026-01-02T03:04:06+00:00  ERROR  a "quoted", slow; thing\n'
        "2026-01-02T03:04:07+00:00  WARN\n"
    )
    (line,) = opsbox.Parser("app").parse_file(path).unmatched
    assert said.splitlines() == [
        "opsbox: 4 lines = 3 rows + 1 unmatched",
        f"opsbox:   line 3 (byte {line.offset}): {line.reason}",
    ]


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ("status >= 500", lambda it: (it["status"] or 0) >= 500),
        (
            "status=404 and request_method = GET",
            lambda it: it["status"] == 404 and it["request_method"] == "GET",
        ),
        (
            "status = 404 or not request_method = GET",
            lambda it: it["status"] == 404 or it["request_method"] != "GET",
        ),
        ("status in (304, 500)", lambda it: it["status"] in (304, 500)),
        ("not (status in (304, 500))", lambda it: it["status"] not in (304, 500)),
        ("status not in (304, 500)", lambda it: it["status"] not in (304, 500, None)),
        (
            "request_uri ~ '^/api.*q='",
            lambda it: bool(re.search("^/api.*q=", it["request_uri"] or "")),
        ),
        (
            "request_uri !~ api",
            lambda it: it["request_uri"] is not None and "api" not in it["request_uri"],
        ),
        ("request_method is null", lambda it: it["request_method"] is None),
        ("server_protocol IS NOT NULL", lambda it: it["server_protocol"] is not None),
        ('http_user_agent = "größe/1.0"', lambda it: it["http_user_agent"] == "größe/1.0"),
        ("remote_user != ada", lambda it: it["remote_user"] not in ("ada", None)),
        (
            "time_local >= 2026-05-15T00:00:00",
            lambda it: it["time_local"].isoformat() >= "2026-05-15T00:00:00",
        ),
    ],
)
def test_conditions(access: Path, condition: str, fits: Any) -> None:
    out, _ = run("parse", access, "--select", "remote_addr,request", "--where", condition, code=1)
    table = opsbox.Parser("combined").parse_file(access)
    expected = [
        {name: it[name] for name in ("remote_addr", "request") if it[name] is not None}
        for it in table.records()
        if fits(it)
    ]
    assert 0 < len(expected) < len(table)
    assert list(map(json.loads, out.splitlines())) == expected


def test_numbers_in_text_compare_as_numbers() -> None:
    log = b"ms=9 a=x\nms=10\nms=x\nms=-1e3\n"
    out, _ = run("parse", "--format", "logfmt", "--where", "ms >= 9.5", stdin=log)
    assert out == '{"ms":"10"}\n'
    out, _ = run(
        "parse",
        "--format",
        "logfmt",
        "--types",
        "ms=float",
        "--select",
        "ms,a",
        "--where",
        "ms < 9.5",
        stdin=log,
        code=1,
    )
    assert out == '{"ms":9.0,"a":"x"}\n{"ms":-1000.0}\n'
    # Of text that is quoted, the letters count.
    out, _ = run("parse", "--format", "logfmt", "--where", "ms < '9'", stdin=log)
    assert out == '{"ms":"10"}\n{"ms":"-1e3"}\n'


def test_a_limit_and_lines_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(APP * 3)
    kept = tmp_path / "broken.txt"
    out, said = run(
        "parse", path, "--limit", "2", "--where", "level != INFO", "--unmatched", kept, code=1
    )
    assert [json.loads(line)["level"] for line in out.splitlines()] == ["ERROR", "WARN"]
    assert kept.read_bytes() == b"broken\n" * 3
    assert "12 lines = 9 rows (2 of them written) + 3 unmatched" in said
    assert run("parse", path, "--limit", "0", "--quiet") == ("", "")


def test_columns_that_come_later() -> None:
    log = b"a=1\n" + b"a=2\n" * 300_000 + b"b=3\n"
    out, _ = run("parse", "--format", "logfmt", stdin=log)
    assert out.endswith('{"a":"2"}\n{"b":"3"}\n')
    _, said = run("parse", "--format", "logfmt", "--to", "csv", stdin=log, code=2)
    assert 'a later line has the field "b"' in said
    out, _ = run("parse", "--format", "logfmt", "--to", "csv", "--select", "a,b", stdin=log)
    assert out.startswith("a,b\n1,\n") and out.endswith("2,\n,3\n")


def test_lines_are_passed_on_as_they_come() -> None:
    command = [*COMMAND, "parse", "--format", "logfmt", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for n in range(3):
            process.stdin.write(b"n=%d\nk=1 " % n)
            process.stdin.flush()
            # Comes while the input is open, or never.
            assert process.stdout.readline() == (
                b'{"n":"0"}\n' if n == 0 else b'{"k":"1","n":"%d"}\n' % n
            )
        process.stdin.close()
        assert process.stdout.read() == b'{"k":"1"}\n'
        assert process.wait(timeout=60) == 0


def test_a_line_that_is_too_long_is_one_line_that_does_not_fit() -> None:
    log = b"a=1\n" + b"x" * (5 << 20) + b"\na=2\n=\n"
    out, said = run("parse", "--format", "logfmt", stdin=log, code=1)
    assert out == '{"a":"1"}\n{"a":"2"}\n'
    assert "4 lines = 2 rows + 2 unmatched" in said
    assert "line 2 (byte 4): longer than the limit" in said
    assert f"line 4 (byte {len(log) - 2})" in said


def test_who_has_read_enough_is_left_in_peace(access: Path) -> None:
    for to in ("ndjson", "csv", "table", "parquet"):
        command = [*COMMAND, "parse", str(access), "--to", to, "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            process.stdout.close()
            assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 141), to


def test_interrupted_it_says_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    command = [*COMMAND, "parse", "--format", "logfmt", "-o", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"a=1\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        # The file that is to become the output is there once it works.
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 130)
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_whole_or_not_there(access: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")
    out.chmod(0o640)
    run(
        "parse",
        "--format",
        "logfmt",
        "--to",
        "csv",
        "-o",
        out,
        stdin=b"a=1\n" + b"a=1\n" * 600_000 + b"b=1\n",
        code=2,
    )
    assert out.read_text() == "before"
    link = tmp_path / "link.csv"
    link.symlink_to(out)
    run("parse", access, "--to", "csv", "--select", "status", "-o", link, code=1)
    assert link.is_symlink() and out.read_text().startswith("status\n")
    assert out.stat().st_mode & 0o777 == 0o640
    assert sorted(it.name for it in tmp_path.iterdir()) == ["link.csv", "out.csv"]
    run("parse", access, "-o", "/dev/null", code=1)
    _, said = run("parse", access, "-o", tmp_path / "no" / "out", code=3)
    assert "No such file or directory" in said


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["parse", "missing.log"], 3, "missing.log"),
        (["parse", ".", "--format", "app"], 3, "director"),
        (["parse", "--format", "combind"], 2, 'did you mean "combined"'),
        (["parse", "--format", "app", "--select", "levle"], 2, "levle"),
        (["parse", "--format", "app", "--select", "level,level"], 2, "named twice"),
        (["parse", "--format", "app", "--where", "levle=x"], 2, 'no column "levle"'),
        (["parse", "--format", "app", "--where", "level="], 2, "a value is missing at the end"),
        (["parse", "--format", "app", "--where", "level ~ '('"], 2, "no regular expression"),
        (
            ["parse", "--format", "app", "--where", "timestamp > yesterday"],
            2,
            "timestamp is a time",
        ),
        (["parse", "--format", "app", "--types", "level=colour"], 2, "colour"),
        (["parse", "--to", "xml"], 2, "invalid choice"),
        (["parse", "--limit", "-1"], 2, "-1"),
        (["parse", "--format", "app", "--to", "parquet", "--output", "/dev/full"], 3, ""),
        (["detect"], 1, "standard input"),
        (["formats", "nothing"], 2, "no format"),
        ([], 2, "COMMAND"),
    ],
)
def test_mistakes_are_told_with_an_exit_code(arguments: list[str], code: int, says: str) -> None:
    stdin = b"" if arguments == ["detect"] else APP
    _, said = run(*arguments, stdin=stdin, code=code)
    assert says in said


def test_detect_and_formats(access: Path) -> None:
    out, _ = run("detect", access)
    assert re.fullmatch(r"combined  confidence 0\.9\d\d, fits \d+ of \d+ lines\n", out)
    assert run("detect", "--all", stdin=APP)[0].startswith("app  confidence 0.6")
    _, said = run("detect", stdin=b"%%%\n", code=1)
    assert said.startswith("opsbox: standard input: ")
    listed, _ = run("formats")
    assert [line.split()[0] for line in listed.splitlines()] == [it.name for it in opsbox.formats()]
    for preset in opsbox.formats():
        told, _ = (
            run("formats", preset.name)
            if preset.name in ("combined", "ndjson", "mysql-slow")
            else ("", "")
        )
        assert not told or (preset.summary in told and preset.example.splitlines()[0] in told)
    assert "  status  integer\n" in run("formats", "combined")[0]


def test_progress_is_shown_on_a_terminal_alone(access: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.log"
    large.write_bytes(access.read_bytes() * 40)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "parse", str(large), "--format", "combined"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                chunk = os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            said += chunk
        assert process.wait(timeout=60) == 1
    os.close(ours)
    assert re.search(rb"\r *\d+% of \d+\.\d MB, \d+\.\d .?B/s, \d+ s left", said), said[:300]
    # The line is wiped before the summary.
    assert re.search(rb"\r +\ropsbox: \d+ lines", said)


SECRETS = (
    b"2026-01-02 03:04:05 [INFO] receipt to ann.lee@example.com\n"
    b"2026-01-02 03:04:06 [WARN] token=9f86d081884c7d659a2feaa0c55ad015 was refused\n"
    b"panic: last mail to carl@example.net\n"
)


def test_mask_leaves_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(SECRETS)
    out, said = run("mask", path, code=1)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["level"] for row in rows if "level" in row] == ["INFO", "WARN"]
    assert len(rows) == 3 and "unmatched" in rows[2]
    for secret in ("ann.lee", "9f86d081", "carl@"):
        assert secret not in out + said
    assert "was refused" in out
    # The same of a pipe, and of a file that is compressed, into a file.
    assert run("mask", "--quiet", stdin=SECRETS, code=1) == (out, "")
    path.write_bytes(gzip.compress(SECRETS))
    clean = tmp_path / "clean.ndjson"
    assert run("mask", path, "-o", clean, "--quiet", code=1) == ("", "")
    assert clean.read_text() == out


def test_mask_by_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "clean.toml"
    config.write_text('[mask]\n[output]\nformat = "logfmt"\n')
    out, _ = run("mask", "--config", config, stdin=SECRETS, code=1)
    assert out.startswith("timestamp=") and "ann.lee" not in out and len(out.splitlines()) == 2
    assert run("mask", "--config", config, "--format", "app", stdin=SECRETS, code=1)[0] == out
    config.write_text('[input]\npreset = "logfmt"\n[output]\nformat = "ndjson"\n')
    assert run("mask", "--config", config, stdin=b"a=1\n")[0] == '{"a":"1"}\n'
    config.write_text("[mask]\npolcy = 1\n")
    _, said = run("mask", "--config", config, stdin=SECRETS, code=2)
    assert "polcy" in said and "clean.toml" in said
    _, said = run("mask", "--config", tmp_path / "none.toml", stdin=SECRETS, code=2)
    assert "none.toml" in said


def test_mask_ends_quietly_when_nobody_reads(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(SECRETS * 50_000)
    command = [*COMMAND, "mask", str(path), "--format", "app"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 141)
