"""Objects that are called again from what they call, and bytes and numbers that are not what was promised."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import opsbox
import pytest

LOG = b"n=1 text=longer-than-twelve-bytes\n"


@pytest.fixture
def pipeline() -> opsbox.Pipeline:
    return opsbox.Pipeline.from_text('[output]\nformat = "ndjson"\n', format="logfmt", variables={})


def test_a_pipeline_that_its_source_calls(pipeline: opsbox.Pipeline) -> None:
    def source() -> Iterator[bytes]:
        yield LOG
        pipeline.process(LOG)

    for call in (pipeline.process, lambda it: pipeline.run(it, io.BytesIO())):
        with pytest.raises(RuntimeError, match="at work in this thread"):
            call(source())
    # It is free again.
    assert pipeline.process(LOG).startswith(b'{"n":"1"')
    assert len(pipeline.parse(LOG * 100_000)) == 100_000


def test_a_pipeline_that_its_progress_calls(pipeline: opsbox.Pipeline) -> None:
    def progress(done: int, total: int | None) -> None:
        pipeline.parse(LOG)

    # What is called at the end may: the work is done.
    pipeline.run(LOG, io.BytesIO(), progress=progress)


def test_batches_that_their_source_reads() -> None:
    def source() -> Iterator[bytes]:
        yield LOG
        next(batches)

    batches = opsbox.Parser("logfmt").stream(source(), batch_bytes=1)
    with pytest.raises(RuntimeError, match="at work in this thread"):
        list(batches)

    def closing() -> Iterator[bytes]:
        yield LOG
        assert closed.bytes_read >= 0
        closed.close()

    closed = opsbox.Parser("logfmt").stream(closing(), batch_bytes=1)
    with pytest.raises(RuntimeError, match="at work in this thread"):
        list(closed)


def test_bytes_that_are_changed_meanwhile() -> None:
    log = bytearray(LOG * 2)
    table = opsbox.Parser("logfmt", fields=["text"]).parse(log, copy=False)
    at = log.index(b"than")
    log[at : at + 2] = b"\xff\xfe"
    assert table["text"].to_list()[0] == "longer-\ufffd\ufffdan-twelve-bytes"
    assert dict(table[0])["text"] == "longer-\ufffd\ufffdan-twelve-bytes"
    assert len(table.compact()["text"].to_list()) == 2


@pytest.mark.parametrize("count", [1000, -1])
def test_a_sink_that_counts_wrong(count: int, pipeline: opsbox.Pipeline) -> None:
    class Sink:
        def write(self, data: bytes) -> int:
            return count

    with pytest.raises(ValueError, match=f"wrote {count} of"):
        pipeline.run(LOG, Sink())


def test_numbers_out_of_range() -> None:
    parser = opsbox.Parser("logfmt")
    for wrong in (-1, 0, 2**62, 2**70):
        with pytest.raises(ValueError, match="batch_bytes is"):
            parser.stream([LOG], batch_bytes=wrong)
        with pytest.raises(ValueError, match="batch_bytes is"):
            parser.feed(batch_bytes=wrong)
        with pytest.raises(ValueError, match="max_line_bytes is"):
            opsbox.Parser("logfmt", max_line_bytes=wrong)
    for wrong in (-1, 1_000_000):
        with pytest.raises(ValueError, match="threads is"):
            opsbox.Parser("logfmt", threads=wrong)
    for wrong in (-1, 0, 2**64 - 1):
        with pytest.raises(ValueError, match="first_line is"):
            parser.parse(LOG, first_line=wrong)
    with pytest.raises(ValueError, match="first_offset is 0 or more, not -1"):
        parser.parse(LOG, first_offset=-1)


def test_batches_are_one_stream_of_arrow() -> None:
    import polars as pl

    batches = opsbox.Parser("logfmt", fields=["n"]).stream([LOG])
    assert pl.DataFrame(batches).height == 1
    with pytest.raises(opsbox.OpsboxError, match="they come once"):
        pl.DataFrame(batches)


def test_times_that_python_cannot_show() -> None:
    log = b"0000-01-01T00:00:00Z\n2026-01-02T03:04:05Z\n0001-01-01T00:30:00+01:00\n0001-01-01T00:00:00Z\n"
    table = opsbox.Parser(r"(?P<a>\S+)", types={"a": "rfc3339"}).parse(log)
    years = [it and it.year for it in table["a"].to_list()]
    assert years == [None, 2026, None, 1]
    (invalid,) = table.invalid
    assert (invalid.count, invalid.reasons) == (2, {"out of range": 2})
    assert [(line, value) for line, value, _ in invalid.examples] == [(1, log[:20]), (3, log[42:67])]
    with pytest.raises(opsbox.ParseError, match="out of range"):
        opsbox.Parser(r"(?P<a>\S+)", types={"a": "rfc3339"}, on_error="raise").parse(log)


def test_lines_before_a_source_raises_come() -> None:
    def source() -> Iterator[bytes]:
        yield LOG * 2 + b"n="
        raise ConnectionResetError("gone")

    batches = opsbox.Parser("logfmt").stream(source())
    assert next(batches)["n"].to_list() == ["1", "1"]
    with pytest.raises(ConnectionResetError, match="gone"):
        next(batches)
    assert list(batches) == []


def test_a_pipe_without_writer_sees_signals(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = """
import os, signal, sys, threading
import opsbox
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    getattr(opsbox.Parser("app"), sys.argv[2])(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""
    for method in ("parse_file", "scan"):
        done = subprocess.run([sys.executable, "-c", program, pipe, method], capture_output=True, timeout=60, check=True)
        assert done.stdout == b"interrupted\n"


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(opsbox.ParseError, match='column "n": malformed: one'):
        opsbox.Parser("logfmt", fields=["n"], types={"n": "integer"}, on_error="raise").parse(b"n=one\n")
    with pytest.raises(opsbox.ReadError, match="not those of a Zstandard file"):
        list(opsbox.Parser("logfmt").scan(io.BytesIO(LOG), compression="zstd"))


def test_attributes_have_docstrings() -> None:
    for kind in (opsbox.Preset, opsbox.Detection):
        assert all(vars(kind)[name].__doc__ for name in vars(kind) if name[0] != "_"), kind


def test_arguments_of_another_kind() -> None:
    with pytest.raises(TypeError, match=r"fields=\['status'\]"):
        opsbox.Parser("combined", fields="status")
    assert opsbox.Parser("combined", fields=(it for it in ["status"])).columns == ["status"]
    with pytest.raises(ValueError, match="null byte"):
        opsbox.Parser("combined").parse_file("a\0b")
    with pytest.raises(TypeError, match="not bytes"):
        opsbox.Parser("combined").scan(b"/x")  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="there is no row"):
        opsbox.Parser("logfmt").parse(LOG)[2**70]
