"""The parser against Python's re, and what it says of bad input."""

from __future__ import annotations

import doctest
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import opsbox
import pyarrow as pa
import pytest
from conftest import access_log, expected_columns


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def assert_equal_to_re(log: bytes, table: opsbox.Table) -> None:
    """Every column of every row, and every unmatched line."""
    rows: list[dict[str, str | None]] = []
    unmatched: list[int] = []
    for number, line in enumerate(re.split(rb"\r?\n", log)[:-1], start=1):
        columns = expected_columns(line)
        if columns is None:
            unmatched.append(number)
        else:
            rows.append({name: text(value) for name, value in columns.items()})
    got = pa.table(table)
    for name in table.column_names:
        expected = [row[name] for row in rows]
        assert got[name].to_pylist() == expected, name
    assert [line.line for line in table.unmatched] == unmatched
    assert len(table) + table.unmatched_count == table.line_count == len(rows) + len(unmatched)


def test_columns_equal_what_re_extracts(generated: bytes) -> None:
    table = opsbox.Parser("combined", types="text").parse(generated)
    assert 0 < table.unmatched_count < table.line_count / 10
    assert_equal_to_re(generated, table)


@pytest.mark.parametrize("seed", range(5))
def test_columns_equal_what_re_extracts_on_other_seeds(seed: int) -> None:
    log = access_log(2000, seed)
    assert_equal_to_re(log, opsbox.Parser("combined", types="text").parse(log))


def test_columns_equal_what_re_extracts_on_a_real_log(real_logs: Path) -> None:
    path = real_logs / "apache-combined-10k.log"
    table = opsbox.Parser("combined", types="text").parse_file(path)
    assert_equal_to_re(path.read_bytes(), table)
    assert (len(table), table.line_count) == (9999, 10_000)


def test_a_pattern_is_a_format() -> None:
    parser = opsbox.Parser(r"(?P<host>\S+) took (?P<millis>\d+) ms")
    assert parser.columns == ["host", "millis"]
    assert parser.format == "pattern"
    table = parser.parse(b"db-1 took 12 ms\ndb-2 took ages\n")
    assert pa.table(table).to_pylist() == [{"host": "db-1", "millis": "12"}]
    (line,) = table.unmatched
    assert (line.line, line.offset, line.raw) == (2, 16, b"db-2 took ages")
    assert line.reason == "does not fit the pattern from byte 10 on"
    assert str(line) == "line 2 (byte 16): does not fit the pattern from byte 10 on: db-2 took ages"


def test_discovered_columns() -> None:
    log = b'{"a":1,"b":{"c":"x\\ny"}}\n{"a":null,"d":[1,2]}\n'
    table = opsbox.Parser("ndjson").parse(log)
    assert table.column_names == ["a", "b.c", "d"]
    assert pa.table(table).to_pylist() == [
        {"a": "1", "b.c": "x\ny", "d": None},
        {"a": None, "b.c": None, "d": "[1,2]"},
    ]


def test_detect() -> None:
    detection = opsbox.detect(b"ts=1 level=info\nts=2 level=warn\n")
    assert detection.format == "logfmt"
    assert opsbox.detect(memoryview(b"ts=1 level=info\n")).format == "logfmt"
    assert detection.candidates == [("logfmt", 2)]
    assert detection.confidence == pytest.approx(2 / 3)
    with pytest.raises(opsbox.DetectionError, match="no line with text"):
        opsbox.detect(b"")


def test_formats_are_all_usable() -> None:
    names = [preset.name for preset in opsbox.formats()]
    assert {"combined", "app", "syslog-rfc3164", "syslog-rfc5424", "logfmt", "ndjson", "cri"} <= {
        *names
    }
    for preset in opsbox.formats():
        table = opsbox.Parser(preset.name).parse(preset.example.encode())
        rows, lines = len(table), table.line_count
        assert (rows, lines) == (1, preset.example.count("\n") + 1), preset


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(opsbox.FormatError, match='did you mean "combined"'):
        opsbox.Parser("combind")
    with pytest.raises(opsbox.OpsboxError, match="look-around is refused"):
        opsbox.Parser(r"(?P<a>x)(?!y)")
    with pytest.raises(FileNotFoundError) as missing:
        opsbox.Parser("app").parse_file(tmp_path / "missing.log")
    assert Path(missing.value.filename) == tmp_path / "missing.log"
    assert str(missing.value).startswith("[Errno 2] there is no such file: '")
    with pytest.raises(IsADirectoryError, match="it is a folder; give a log file"):
        opsbox.Parser("app").parse_file(tmp_path)
    with pytest.raises(TypeError):
        opsbox.Parser("app").parse("text")  # type: ignore[arg-type]


def test_empty_and_binary_input(tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    assert opsbox.Parser("combined").parse_file(empty).line_count == 0
    noise = bytes(range(256)) * 64
    table = opsbox.Parser("combined").parse(noise)
    assert (len(table), table.unmatched_count) == (0, 64 + 1)


def test_an_over_long_line_is_unmatched_and_the_next_is_not() -> None:
    log = b"x" * 5000 + b"\n2026-01-02 03:04:05 [INFO] after\n"
    table = opsbox.Parser("app", max_line_bytes=1000).parse(log)
    (line,) = table.unmatched
    assert (line.reason, line.raw) == ("longer than the limit of 1000 bytes", b"x" * 1000)
    assert pa.table(table)["message"].to_pylist() == ["after"]


def test_docstrings_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    tests = finder.find(opsbox)
    for name in opsbox.__all__:
        tests += finder.find(getattr(opsbox, name), name, module=False, globs={})
    names = {test.name for test in tests if test.examples}
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0
    assert {"opsbox", "Parser", "Parser.parse", "Parser.astream", "Record", "Pipeline"} <= names


def test_importing_takes_nothing_along() -> None:
    program = """
import sys
before = set(sys.modules)
import opsbox
opsbox.Parser("app").parse(b"2026-01-02 03:04:05 [INFO] up\\n")[0]["message"]
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(Path(opsbox.__file__).parents[1])})
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("opsbox")} == {
        "opsbox",
        "opsbox._errors",
        "opsbox._opsbox",
    }
    assert not loaded & {"asyncio", "ctypes", "logging", "mmap", "pyarrow", "re", "typing"}


def test_nothing_is_needed_at_run_time() -> None:
    try:
        requires = importlib.metadata.requires("opsbox") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("opsbox is not installed here, but in the path")
    extras = ("; extra == 'spark'", "; extra == 'test'")
    assert requires and all(require.endswith(extras) for require in requires)
