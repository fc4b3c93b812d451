"""Where bytes come from, and what becomes of those that change, end early or are compressed."""

from __future__ import annotations

import gzip
import io
import logging
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import opsbox
import polars as pl
import pyarrow as pa
import pytest
from conftest import access_log

import zstandard

LOG = b"".join(b"2026-01-02 03:04:05 [INFO] message number %05d\n" % n for n in range(2000))
LINE = LOG.index(b"\n") + 1
MESSAGES = [f"message number {n:05}" for n in range(2000)]
PARSER = opsbox.Parser("app")


def messages(table: opsbox.Rows) -> list[str]:
    return table["message"].to_list()


def address(table: opsbox.Table, chunk: int = 0) -> int:
    data = pa.table(table)["message"].chunk(chunk).buffers()[2]
    assert data is not None
    return int(data.address)


def address_of(buffer: object) -> int:
    return int(pa.py_buffer(buffer).address)


def test_what_nobody_can_write_to_stays_where_it_is(tmp_path: Path) -> None:
    assert address(PARSER.parse(LOG)) == address_of(LOG)
    view = memoryview(LOG)[LINE:]
    assert address(PARSER.parse(view)) == address_of(LOG) + LINE
    assert messages(PARSER.parse(view)) == MESSAGES[1:]
    path = tmp_path / "app.log"
    path.write_bytes(LOG)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        table = PARSER.parse(mapped)
        assert address(table) == address_of(mapped)
        with pytest.raises(BufferError):
            mapped.close()
        del table


def test_what_can_be_written_to_is_copied() -> None:
    for buffer in (bytearray(LOG), memoryview(bytearray(LOG)).toreadonly()):
        table = PARSER.parse(buffer)
        assert address(table) != address_of(buffer)
        if isinstance(buffer, bytearray):
            buffer[:] = b"\0" * len(buffer)
            buffer.append(1)
        assert messages(table) == MESSAGES
    assert address(PARSER.parse(LOG, copy=True)) != address_of(LOG)


def test_what_can_be_written_to_stays_where_it_is_if_asked_for() -> None:
    buffer = bytearray(LOG)
    table = PARSER.parse(buffer, copy=False)
    assert address(table) == address_of(buffer)


def test_a_window_is_a_place_in_the_input() -> None:
    log = LOG * 400
    table = PARSER.parse(log)
    chunks = pa.table(table)["message"].num_chunks
    assert chunks > 1
    start = 0
    for number, batch in enumerate(table.to_batches()):
        assert address(table, number) == address_of(log) + start
        first = batch[0]
        assert first.raw == log[start : start + len(first.raw or b"")]
        assert first.offset == start and first.line == start // LINE + 1
        start += len(batch) * LINE
    assert start == len(log)


def test_a_buffer_with_gaps_is_copied() -> None:
    spaced = bytearray(2 * len(LOG))
    spaced[::2] = LOG
    assert messages(PARSER.parse(memoryview(spaced)[::2])) == MESSAGES
    with pytest.raises(BufferError, match="not contiguous"):
        PARSER.parse(memoryview(spaced)[::2], copy=False)


def test_other_items_are_bytes_too() -> None:
    assert messages(PARSER.parse(memoryview(LOG).cast("c"))) == MESSAGES
    numbers = memoryview(bytearray(LOG + b" " * (-len(LOG) % 8))).cast("Q")
    assert messages(PARSER.parse(numbers, copy=False))[:3] == MESSAGES[:3]


@pytest.mark.parametrize("wrong", ["text", 7, None, ["a"]])
def test_what_has_no_buffer(wrong: object) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        PARSER.parse(wrong)  # type: ignore[arg-type]


def members(data: bytes) -> bytes:
    return gzip.compress(data[:5000]) + gzip.compress(data[5000:])


def frames(data: bytes) -> bytes:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    checked = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True)
    plain = zstandard.ZstdCompressor(level=19, write_content_size=False)
    return skippable + plain.compress(data[:5000]) + skippable + checked.compress(data[5000:])


@pytest.mark.parametrize("compress", [gzip.compress, members, frames, zstandard.compress])
def test_compressed_files_are_told_by_their_first_bytes(
    tmp_path: Path, compress: object
) -> None:
    assert callable(compress)
    path = tmp_path / "app.log.1"
    path.write_bytes(compress(LOG))
    assert messages(PARSER.parse_file(path)) == MESSAGES
    assert [m for batch in PARSER.scan(path, batch_rows=99) for m in messages(batch)] == MESSAGES
    with path.open("rb") as file:
        assert messages(PARSER.parse_file(file)) == MESSAGES
    # Without, the bytes are lines that do not fit.
    assert len(PARSER.parse_file(path, compression=None)) == 0
    with pytest.raises(ValueError, match="cannot be mapped"):
        PARSER.parse_file(path, mmap=True)


@pytest.mark.parametrize("compress", [gzip.compress, frames])
def test_broken_compressed_files(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    whole = compress(LOG)
    path = tmp_path / "app.log"
    for broken in (whole[: len(whole) // 2], whole[:-2], whole[:-9] + b"\0" + whole[-8:]):
        path.write_bytes(broken)
        with pytest.raises(opsbox.ReadError) as error:
            PARSER.parse_file(path)
        assert isinstance(error.value, OSError)
        assert error.value.offset is not None and error.value.line is not None
        assert "reading failed at byte" in str(error.value)
    with pytest.raises(ValueError, match="compression is"):
        PARSER.parse_file(path, compression="lzma")  # type: ignore[arg-type]


def test_real_commands_compress(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(LOG)
    tried = 0
    for command in ("gzip", "zstd"):
        if shutil.which(command) is None:
            continue
        tried += 1
        packed = subprocess.run([command, "-c", path], capture_output=True, check=True).stdout
        (tmp_path / "packed").write_bytes(packed)
        assert messages(PARSER.parse_file(tmp_path / "packed")) == MESSAGES
    if tried == 0:
        pytest.skip("neither gzip nor zstd is here")


def test_file_objects(tmp_path: Path) -> None:
    assert messages(PARSER.parse_file(io.BytesIO(LOG))) == MESSAGES
    with pytest.raises(TypeError, match="open the file in binary mode"):
        PARSER.parse_file(io.StringIO(LOG.decode()))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cannot be mapped"):
        PARSER.parse_file(io.BytesIO(LOG), mmap=True)

    class Failing(io.RawIOBase):
        def __init__(self) -> None:
            self.reads = 0

        def read(self, size: int = -1, /) -> bytes:
            self.reads += 1
            if self.reads > 3:
                raise PermissionError("no more")
            return LOG[:1000]

    with pytest.raises(PermissionError, match="no more"):
        PARSER.parse_file(Failing())


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    for data in (LOG, gzip.compress(LOG)):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        writer = subprocess.Popen([sys.executable, "-c", f"open({str(path)!r}, 'wb').write({data!r})"])
        assert messages(PARSER.parse_file(path)) == MESSAGES
        assert writer.wait(timeout=60) == 0
        path.unlink()


def test_a_file_that_shrinks_is_as_it_was_read(tmp_path: Path) -> None:
    """A mapped file that is cut ends the process; so files are read, unless mmap=True says that nobody cuts it."""
    path = tmp_path / "app.log"
    path.write_bytes(LOG)
    table = PARSER.parse_file(path)
    mapped = PARSER.parse_file(path, mmap=True)
    assert messages(mapped) == MESSAGES
    del mapped
    os.truncate(path, 0)
    assert messages(table) == MESSAGES


def test_empty_inputs(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    for table in (
        PARSER.parse(b""),
        PARSER.parse(bytearray(), copy=False),
        PARSER.parse_file(path),
        PARSER.parse_file(path, mmap=True),
        PARSER.parse_file(io.BytesIO()),
        opsbox.Parser("app", threads=4).parse_file(path),
    ):
        assert (len(table), table.line_count, list(table.records())) == (0, 0, [])
        assert pl.DataFrame(table).shape == (0, 3)
        assert table["message"].to_list() == []
    assert list(PARSER.scan(path)) == []


def test_byte_order_marks_at_windows() -> None:
    """Only the first of an input is skipped, also where an input is parsed in parts."""
    bom = b"\xef\xbb\xbf"
    log = bom + (LOG[:LINE] + bom + LOG[LINE : 2 * LINE]) * 300_000
    table = opsbox.Parser("app", threads=2).parse(log)
    assert (len(table), table.unmatched_count) == (300_000, 300_000)
    assert (table[0].line, table[0].offset) == (1, 3)
    assert (table[-1].line, table[-1].offset) == (599_999, 3 + 299_999 * (2 * LINE + 3))
    assert table.unmatched[-1].raw == bom + LOG[LINE : 2 * LINE - 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_windows_and_threads_change_nothing(threads: int, tmp_path: Path) -> None:
    log = access_log(2000, seed=5) * 160
    path = tmp_path / "access.log"
    path.write_bytes(log)
    parser = opsbox.Parser("combined", threads=threads)
    one = opsbox.Parser("combined").parse(log[: len(log) // 160])
    unmatched = [(line.line, line.offset, line.raw, line.reason) for line in one.unmatched]
    for table in (parser.parse(log), parser.parse_file(path), parser.parse_file(path, mmap=True)):
        assert len(pa.table(table)["status"].chunks) > 1
        assert len(table) == 160 * len(one)
        assert table.line_count == 320_000
        frame = pl.DataFrame(table).with_row_index()
        assert frame.filter(pl.col("index") >= 159 * len(one)).drop("index").equals(
            pl.DataFrame(one)
        )
        moved = [(line.line - 318_000, line.offset - len(log) // 160 * 159, line.raw, line.reason)
                 for line in table.unmatched[-len(unmatched) :]]
        assert moved == unmatched
        row = table[159 * len(one) + 3]
        assert (row.line, row.raw) == ((one[3].line or 0) + 318_000, one[3].raw)


def test_columns_that_only_some_windows_have() -> None:
    first = b'{"a":1}\n' * 100
    pad = b'{"b":"%s"}\n' % (b"x" * 1000)
    log = first + pad * 30_000 + b'{"c":{"d":2}}\n'
    table = opsbox.Parser("ndjson").parse(log)
    assert table.column_names == ["a", "b", "c.d"]
    assert len(pa.table(table)["a"].chunks) > 1
    assert (table["a"].null_count, table["c.d"].null_count) == (30_001, 30_100)
    assert (table[0]["a"], table[-1]["c.d"], table[-1].line) == ("1", "2", 30_101)
    assert pl.DataFrame(table)["b"].drop_nulls().len() == 30_000


def test_places_go_on_from_what_is_said() -> None:
    table = PARSER.parse(LOG[: 2 * LINE] + b"broken\n", first_line=11, first_offset=1000)
    assert [(row.line, row.offset) for row in table] == [(11, 1000), (12, 1000 + LINE)]
    assert [(line.line, line.offset) for line in table.unmatched] == [(13, 1000 + 2 * LINE)]
    with pytest.raises(ValueError, match="first_line is 1 or more"):
        PARSER.parse(LOG, first_line=0)


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(LOG * 400)
    size = path.stat().st_size
    for threads in (1, 2):
        said: list[tuple[int, int | None]] = []
        opsbox.Parser("app", threads=threads).parse_file(
            path, progress=lambda done, total: said.append((done, total))
        )
        assert said == sorted(said) and len(said) > 1
        assert said[-1] == (size, size)
    tqdm = pytest.importorskip("tqdm")
    with tqdm.tqdm(total=None, file=io.StringIO()) as bar:
        for batch in PARSER.scan(path, progress=bar):
            assert len(batch) > 0
        assert (bar.n, bar.total) == (size, size)

    program = f"import opsbox; opsbox.Parser('app').parse_file({str(path)!r}, progress=True)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "100%" in done.stderr and done.stderr.endswith("\n")

    class Stop(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stop

    with pytest.raises(Stop):
        PARSER.parse_file(path, progress=stop)


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="opsbox")
    secret = b"password=hunter2 is no line of an app"
    opsbox.Parser("app", on_error="skip").parse(LOG[: 10 * LINE] + secret + b"\n")
    levels = [(record.levelname, record.name) for record in caplog.records]
    assert levels == [("WARNING", "opsbox"), ("DEBUG", "opsbox")]
    assert f"1 of 11 lines do not fit app and were skipped; the first is line 11 (byte {10 * LINE})" in caplog.text
    assert "buffer: 10 rows of 11 lines, 1 unmatched" in caplog.text
    assert "hunter2" not in caplog.text


def chunks_of(log: bytes, size: int) -> Iterator[bytes]:
    return (log[at : at + size] for at in range(0, len(log), size))


def test_three_gigabytes_and_offsets_beyond_31_bits(tmp_path: Path) -> None:
    """A sparse file: NUL bytes in lines of 1 MiB, and log lines between them."""
    size = 3 << 30
    if shutil.disk_usage(tmp_path).free < (1 << 30):
        pytest.skip("there is no room for a sparse file on the disk")
    with open("/proc/meminfo") as about:
        room = next(int(line.split()[1]) for line in about if line.startswith("MemAvailable"))
    path = tmp_path / "large.log"
    line = b"\n2026-01-02 03:04:05 [INFO] a message of more than twelve bytes, at %d\n"
    places = list(range(0, size - 1000, 600 << 20)) + [size - 1000]
    with path.open("wb") as file:
        for place in range(0, size, 1 << 20):
            file.seek(place)
            file.write(b"\n")
        for place in places:
            file.seek(place)
            file.write(line % place)
        file.truncate(size)
    expected = [(place + 1, f"a message of more than twelve bytes, at {place}") for place in places]
    parser = opsbox.Parser("app", on_error="skip")

    scanned = []
    for batch in parser.scan(path):
        scanned += [(row.offset, row["message"]) for row in batch]
    assert scanned == expected
    if room * 1024 < 2 * size:
        pytest.skip("scanned; there is no memory to map it whole")
    table = parser.parse_file(path, mmap=True)
    assert [(row.offset, row["message"]) for row in table] == expected
    assert pl.DataFrame(table)["message"].to_list() == [message for _, message in expected]
    assert table.line_count == len(table) + table.unmatched_count


def test_a_scan_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    with path.open("wb") as file:
        for _ in range(60):
            file.write(LOG * 10)
    program = f"""
import opsbox, threading
def anonymous():
    with open("/proc/self/smaps_rollup") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Anonymous:"))
parser = opsbox.Parser("app")
before = anonymous()
peak = rows = 0
for batch in parser.scan({str(path)!r}):
    rows += len(batch)
    peak = max(peak, anonymous())
print(rows, peak - before)
"""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the system does not say what memory is in use")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rows, kib = map(int, done.stdout.split())
    assert rows == 60 * 20_000
    assert kib <= 16 << 10


@pytest.mark.parametrize(
    ("name", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_compressed_bytes_are_called_so(name: str, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(LOG)
    with pytest.raises(opsbox.ReadError, match=f"compressed bytes .{name}.*io.BytesIO"):
        opsbox.Parser("app").parse(packed)
    assert len(opsbox.Parser("app").parse_file(io.BytesIO(packed)))
