"""Chunks, cut anywhere; batches in bounded memory; and the same asynchronously."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import opsbox
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = (
    b"\xef\xbb\xbf2026-01-02 03:04:05 [INFO] gr\xc3\xb6\xc3\x9fe\r\n"
    b"no line\n"
    b"\n"
    b"2026-01-02 03:04:06 [WARN] \xff\xfe broken bytes\n"
    b"\x00\x01\n"
    b"2026-01-02 03:04:07 [INFO]\n"
    b"2026-01-02 03:04:08 [INFO] last"
)
PARSER = opsbox.Parser("app")

Row = tuple[int | None, int | None, bytes | None, tuple[object, ...]]
Line = tuple[int, int, bytes, str]


def all_of(batches: Iterable[opsbox.Rows]) -> tuple[list[Row], list[Line]]:
    rows: list[Row] = []
    unmatched: list[Line] = []
    for batch in batches:
        rows += [(row.line, row.offset, row.raw, tuple(row.values())) for row in batch]
        unmatched += [(line.line, line.offset, line.raw, line.reason) for line in batch.unmatched]
        assert batch.line_count == len(batch) + batch.unmatched_count
    return rows, unmatched


def fed(parser: opsbox.Parser, chunks: Iterable[bytes], batch_bytes: int) -> Iterator[opsbox.Batch]:
    feed = parser.feed(batch_bytes=batch_bytes)
    for chunk in chunks:
        yield from feed.push(chunk)
    yield from feed.close()


WHOLE = all_of([PARSER.parse(LOG)])


@pytest.mark.parametrize("cut", range(len(LOG) + 1))
def test_every_boundary(cut: int) -> None:
    chunks = [LOG[:cut], b"", LOG[cut:]]
    for batch_bytes in (1, 40, 1 << 20):
        assert all_of(PARSER.stream(chunks, batch_bytes=batch_bytes)) == WHOLE
        assert all_of(fed(PARSER, chunks, batch_bytes)) == WHOLE


def test_byte_by_byte() -> None:
    chunks = [LOG[at : at + 1] for at in range(len(LOG))]
    assert all_of(PARSER.stream(chunks, batch_bytes=1)) == WHOLE
    assert all_of(fed(PARSER, chunks, 1)) == WHOLE


LINES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b'{"a":1,"b":{"c":"x"}}',
            b'{"a":"\\u00e9\\n"}',
            b"level=info msg=\"a \\\"b\\\" c\" n=3",
            b"2026-01-02 03:04:05 [INFO] message",
            b'192.0.2.7 - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"',
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(LINES, max_size=12),
    mutations=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=2)), max_size=4),
    cuts=st.lists(st.integers(0, 1000), max_size=5),
    format=st.sampled_from(["combined", "app", "ndjson", "logfmt", r"(?P<word>\S+) (?P<rest>.*)"]),
    batch_bytes=st.sampled_from([1, 7, 100, 1 << 20]),
)
def test_any_bytes_cut_anywhere(
    lines: list[bytes],
    mutations: list[tuple[int, bytes]],
    cuts: list[int],
    format: str,
    batch_bytes: int,
) -> None:
    log = bytearray(b"\n".join(lines))
    for at, noise in mutations:
        at %= len(log) + 1
        log[at : at + len(noise)] = noise
    data = bytes(log)
    parser = opsbox.Parser(format)
    table = parser.parse(data)
    whole = all_of([table])

    # Every line is accounted for, and is where it is said to be.
    places = sorted([row[:3] for row in whole[0]] + [line[:3] for line in whole[1]])
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    expected = []
    for number, line in enumerate(data[start:].split(b"\n"), start=1):
        expected.append((number, start, line.removesuffix(b"\r")))
        start += len(line) + 1
    if expected[-1][2] == b"" and not data.endswith(b"\r"):
        expected.pop()
    assert places == expected

    # Arrow and records agree.
    for record, row in zip(table.records(), pa.table(table).to_pylist(), strict=True):
        assert dict(record) == row

    # So do the pieces, but for columns that are found in the lines, which each batch finds by itself.
    positions = sorted(cut % (len(data) + 1) for cut in cuts)
    chunks = [data[a:b] for a, b in zip([0, *positions], [*positions, len(data)], strict=True)]
    found = not parser.columns
    for batches in (
        parser.stream(chunks, batch_bytes=batch_bytes),
        fed(parser, chunks, batch_bytes),
        parser.stream(io.BytesIO(data), batch_bytes=batch_bytes),
    ):
        rows, unmatched = all_of(batches)
        assert unmatched == whole[1]
        assert [row[:3] for row in rows] == [row[:3] for row in whole[0]]
        if not found:
            assert rows == whole[0]


def test_columns_that_are_found_in_the_lines() -> None:
    log = b'{"a":1}\n{"b":2}\n' * 3
    batches = list(opsbox.Parser("ndjson").stream([log], batch_bytes=10))
    assert [batch.column_names for batch in batches] == [["a"], ["b"]] * 3
    parser = opsbox.Parser("ndjson", fields=["b", "a"])
    assert {tuple(batch.column_names) for batch in parser.stream([log], batch_bytes=10)} == {("b", "a")}


def test_batch_rows_is_the_most(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(b"2026-01-02 03:04:05 [INFO] %d\n" % n for n in range(1000)) + b"oops\n")
    for batches in (
        PARSER.scan(path, batch_rows=64),
        PARSER.stream(io.BytesIO(path.read_bytes()), batch_rows=64),
    ):
        sizes, rows, unmatched = [], [], []
        for batch in batches:
            sizes.append(len(batch))
            rows += batch["message"].to_list()
            unmatched += [line.line for line in batch.unmatched]
        assert sizes == [64] * 15 + [40]
        assert rows == [str(n) for n in range(1000)]
        assert unmatched == [1001]
    for wrong in (PARSER.scan, PARSER.stream):
        with pytest.raises(ValueError, match="1 or more"):
            wrong(io.BytesIO(b""), batch_rows=0)


def test_a_scan_is_an_arrow_stream(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(b"2026-01-02 03:04:05 [INFO] number %d\n" % n for n in range(100_000)))
    expected = [f"number {n}" for n in range(100_000)]
    with PARSER.scan(path) as batches:
        reader = pa.RecordBatchReader.from_stream(batches)
        assert reader.schema == pa.table(PARSER.parse(b"")).schema
        assert len(chunks := list(reader)) > 1
        assert [m for chunk in chunks for m in chunk.column("message").to_pylist()] == expected
    assert pl.DataFrame(PARSER.scan(path))["message"].to_list() == expected
    text = pa.schema([("timestamp", pa.timestamp("us", "UTC")), ("level", pa.string()), ("message", pa.string())])
    reader = pa.RecordBatchReader.from_stream(PARSER.scan(path), schema=text)
    assert reader.schema == text and reader.read_all()["message"].to_pylist() == expected
    with pytest.raises(opsbox.FormatError, match="name them with fields="):
        pa.RecordBatchReader.from_stream(opsbox.Parser("ndjson").scan(path))
    strict = opsbox.Parser("app", on_error="raise").stream([b"oops\n"])
    with pytest.raises(pa.ArrowInvalid, match="line 1 .byte 0.: does not fit"):
        pa.RecordBatchReader.from_stream(strict).read_all()


def test_what_comes_before_an_error_comes_first() -> None:
    line = b"2026-01-02 03:04:05 [INFO] x\n"

    def chunks() -> Iterator[bytes]:
        yield line * 3
        raise ConnectionResetError("gone")

    batches = PARSER.stream(chunks())
    assert len(next(batches)) == 3
    with pytest.raises(ConnectionResetError, match="gone"):
        next(batches)
    assert list(batches) == []
    cut = PARSER.stream([gzip.compress(line * 3)[:-9]], compression="gzip")
    assert len(next(cut)) == 3
    with pytest.raises(opsbox.ReadError):
        next(cut)


def test_closed(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"2026-01-02 03:04:05 [INFO] x\n")
    with PARSER.scan(path) as batches:
        assert repr(batches) == f'<opsbox.Batches of "{path}">'
    assert list(batches) == []
    feed = PARSER.feed()
    feed.close()
    with pytest.raises(ValueError, match="closed"):
        feed.push(b"x")
    assert feed.close() == []


def test_chunks_have_to_be_bytes() -> None:
    with pytest.raises(TypeError, match="bytes, not str"):
        list(PARSER.stream(["text"]))  # type: ignore[list-item]
    with pytest.raises(TypeError):
        list(PARSER.stream([7]))  # type: ignore[list-item]
    with pytest.raises(TypeError):
        PARSER.stream(7)  # type: ignore[arg-type]


async def chunks_of(log: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(log), size):
        await asyncio.sleep(0)
        yield log[at : at + size]


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_asynchronous_chunks(size: int) -> None:
    async def run(batch_bytes: int) -> list[opsbox.Batch]:
        batches = PARSER.astream(chunks_of(LOG, size), batch_bytes=batch_bytes)
        return [batch async for batch in batches]

    for batch_bytes in (1, 50, 1 << 20):
        assert all_of(asyncio.run(run(batch_bytes))) == WHOLE


def test_an_iterable_is_taken_asynchronously_too() -> None:
    async def run() -> list[opsbox.Batch]:
        return [batch async for batch in PARSER.astream([LOG[:30], LOG[30:]])]

    assert all_of(asyncio.run(run())) == WHOLE


def test_lines_of_a_silent_source_come_in_time() -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield LOG[:-5]
            await go_on.wait()
            yield LOG[-5:]

        batches = PARSER.astream(slow(), flush_seconds=0.01)
        # The source waits for what was read: without a flush this would never come.
        first = await asyncio.wait_for(anext(batches), timeout=60)
        assert len(first) == 3
        go_on.set()
        rest = [batch async for batch in batches]
        assert all_of([first, *rest]) == WHOLE

    asyncio.run(run())


def test_the_loop_goes_on_while_rust_works() -> None:
    log = b"2026-01-02 03:04:05 [INFO] message\n" * 200_000

    async def run() -> int:
        turns = 0
        done = False

        async def tick() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        rows = 0
        async for batch in PARSER.astream([log], batch_bytes=len(log)):
            rows += len(batch)
        done = True
        await ticking
        assert rows == 200_000
        return turns

    # As many as there are without a thread, and those while it works.
    assert asyncio.run(run()) > 5


def test_a_task_that_is_cancelled_ends_its_source() -> None:
    async def run() -> bool:
        ended = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield LOG
                    await asyncio.sleep(0.001)
            finally:
                ended.set()

        async def read() -> None:
            async for _ in PARSER.astream(endless(), batch_bytes=1):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended.is_set()

    assert asyncio.run(run())
