"""Pipelines that a file describes."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import opsbox
import polars as pl
import pytest

CONFIG = """
keep_unmatched = "message"

[input]
preset = "app"

[clean]
columns = ["message"]

[mask]

[enrich]
labels = { "service.name" = "shop" }

[output]
format = "ndjson"
"""
LOG = (
    b'2026-01-02 03:04:05 [INFO] {"user":{"mail":"ada@example.com"},"n":1}\n'
    b"2026-01-02 03:04:06 [WARN] card 4111 1111 1111 1111 refused\n"
    b"no line, of bob@example.com\n"
)


@pytest.fixture
def pipeline(tmp_path: Path) -> opsbox.Pipeline:
    path = tmp_path / "clean.toml"
    path.write_text(CONFIG)
    return opsbox.Pipeline.from_file(path, variables={})


def test_from_a_file(pipeline: opsbox.Pipeline) -> None:
    assert pipeline.format == "app"
    assert pipeline.stages == ["clean", "mask", "enrich"]
    assert repr(pipeline) == '<opsbox.Pipeline of "app": clean, mask, enrich>'
    rows = [json.loads(line) for line in pipeline.process(LOG).splitlines()]
    assert rows[0]["message.user.mail"] == "[REDACTED:PII_EMAIL]"
    assert "4111" not in rows[1]["message"]
    assert rows[2]["unmatched"] == "no_match" and "bob@" not in rows[2]["message"]
    assert {row["service.name"] for row in rows} == {"shop"}


def test_run_reads_and_writes_anything(pipeline: opsbox.Pipeline, tmp_path: Path) -> None:
    expected = pipeline.process(LOG)
    source, sink = tmp_path / "app.log", tmp_path / "clean.ndjson"
    source.write_bytes(LOG)
    packed = tmp_path / "app.log.gz"
    packed.write_bytes(gzip.compress(LOG))
    for given in (source, str(source), packed, LOG, bytearray(LOG), [LOG[:50], LOG[50:]], io.BytesIO(LOG)):
        written = io.BytesIO()
        report = pipeline.run(given, written)
        assert written.getvalue() == expected
        report = pipeline.run(given if not isinstance(given, io.BytesIO) else source, sink)
        assert sink.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "app.log",
        "app.log.gz",
        "clean.ndjson",
        "clean.toml",
    ]
    assert (report.lines, report.rows, report.unmatched_lines) == (3, 2, 1)
    assert report.unmatched == {"no_match": 1}
    assert report.unmatched_examples == [(3, LOG.index(b"no line"), report.unmatched_examples[0][2])]
    assert (report.written_rows, report.written_bytes) == (3, len(expected))
    assert report.input_bytes == len(LOG)
    assert [stage.name for stage in report.stages] == pipeline.stages
    assert report.stages[1].counts["tag.PII_EMAIL"] == 3
    assert "read 3 lines" in str(report) and "ada@" not in str(report)


def test_columns_have_nothing_of_the_input(pipeline: opsbox.Pipeline) -> None:
    table = pipeline.parse(LOG)
    assert len(table) == 2 and table["timestamp"].type == "timestamp"
    assert table[0]["message.user.mail"] == "[REDACTED:PII_EMAIL]"
    assert [(line.line, line.raw) for line in table.unmatched] == [(3, b"")]
    assert (table[1].line, table[1].offset, table[1].raw) == (2, 69, None)
    frame = pl.DataFrame(table)
    assert frame["service.name"].to_list() == ["shop", "shop"]
    log = LOG[: LOG.index(b"no line")] * 40_000
    assert len(pipeline.parse(log)) == 80_000


def test_a_file_is_there_when_all_of_it_is(pipeline: opsbox.Pipeline, tmp_path: Path) -> None:
    sink = tmp_path / "out" / "clean.ndjson"
    with pytest.raises(FileNotFoundError):
        pipeline.run(LOG, sink)
    sink.parent.mkdir()
    sink.write_bytes(b"before")

    def broken() -> object:
        yield LOG
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        pipeline.run(broken(), sink)  # type: ignore[arg-type]
    assert sink.read_bytes() == b"before"
    assert [path.name for path in sink.parent.iterdir()] == ["clean.ndjson"]
    with pytest.raises(IsADirectoryError):
        pipeline.run(LOG, sink.parent)


def test_a_sink_that_fails(pipeline: opsbox.Pipeline) -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as error:
        pipeline.run(LOG, Full())
    assert error.value.errno == 28

    class Slow(io.RawIOBase):
        """Takes a few bytes at a time."""

        def __init__(self) -> None:
            self.taken = b""

        def write(self, data: object, /) -> int:
            assert isinstance(data, bytes)
            self.taken += data[:7]
            return min(7, len(data))

    slow = Slow()
    pipeline.run(LOG, slow)
    assert slow.taken == pipeline.process(LOG)


def test_broken_input_says_what_was_done_before(pipeline: opsbox.Pipeline, tmp_path: Path) -> None:
    packed = tmp_path / "cut.gz"
    packed.write_bytes(gzip.compress(LOG)[:-9])
    with pytest.raises(opsbox.PipelineError, match="reading failed at byte") as error:
        pipeline.run(packed, io.BytesIO())
    assert error.value.report is not None
    assert error.value.report.lines == 3
    assert error.value.line == 4


def test_wrong_configurations(tmp_path: Path) -> None:
    with pytest.raises(opsbox.ConfigError) as error:
        opsbox.Pipeline.from_text('[input]\npreset = "app"\n[output]\nformat = "xml"\n', path="x.toml")
    assert (error.value.line, error.value.field, error.value.path) == (4, "output.format", "x.toml")
    assert error.value.column == 10
    with pytest.raises(opsbox.ConfigError, match="says what the lines look like"):
        opsbox.Pipeline.from_text("")
    assert opsbox.Pipeline.from_text("", format="logfmt").format == "logfmt"
    with pytest.raises(opsbox.FormatError, match="did you mean"):
        opsbox.Pipeline.from_text('[input]\npreset = "combind"\n')
    with pytest.raises(opsbox.ConfigError):
        opsbox.Pipeline.from_file(tmp_path / "missing.toml")
    with pytest.raises(ValueError, match="language is"):
        opsbox.Pipeline.from_text("", language="ini")  # type: ignore[arg-type]
    (tmp_path / "clean.yaml").write_text("input: {preset: app}")
    with pytest.raises(opsbox.ConfigError, match="write TOML or JSON"):
        opsbox.Pipeline.from_file(tmp_path / "clean.yaml")
    policy = tmp_path / "mask.toml"
    policy.write_text("[[pattern]]\n")
    config = tmp_path / "clean.toml"
    config.write_text('[input]\npreset = "app"\n[mask]\npolicy = "mask.toml"\n')
    with pytest.raises(opsbox.OpsboxError, match="mask.toml"):
        opsbox.Pipeline.from_file(config)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("toml", '[input]\npreset = "logfmt"\n[output]\nformat = "logfmt"\n'),
        ("json", '{"input": {"preset": "logfmt"}, "output": {"format": "logfmt"}}'),
    ],
)
def test_languages_and_variables(language: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opsbox.Pipeline.from_text(text, language=language)  # type: ignore[arg-type]
    assert made.process(b"b=1  a=2\n") == b"b=1 a=2\n"
    monkeypatch.setenv("OPSBOX_LOG__OUTPUT__FORMAT", "ndjson")
    made = opsbox.Pipeline.from_text(text, language=language)  # type: ignore[arg-type]
    assert made.process(b"b=1  a=2\n") == b'{"b":"1","a":"2"}\n'
    made = opsbox.Pipeline.from_text(text, language=language, variables={})  # type: ignore[arg-type]
    assert made.process(b"b=1  a=2\n") == b"b=1 a=2\n"


def test_progress(pipeline: opsbox.Pipeline) -> None:
    said: list[tuple[int, int | None]] = []
    log = LOG * 1000
    pipeline.run(log, io.BytesIO(), progress=lambda done, total: said.append((done, total)))
    assert said[-1] == (len(log), len(log)) and said == sorted(said)
