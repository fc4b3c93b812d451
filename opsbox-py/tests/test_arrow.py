"""Who takes a table, and whose memory it is."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import opsbox
import polars as pl
import pyarrow as pa
import pytest
from conftest import query
from typing_extensions import Buffer

LOG = (
    b"2026-01-02 03:04:05 [INFO] a message that is longer than twelve bytes\n"
    b"2026-01-02 03:04:06 [WARN] short\n"
    b"broken\n"
    b"2026-01-02 03:04:07 [INFO]\n"
)
ROWS = [
    ("2026-01-02 03:04:05", "INFO", "a message that is longer than twelve bytes"),
    ("2026-01-02 03:04:06", "WARN", "short"),
    ("2026-01-02 03:04:07", "INFO", None),
]


def parse(log: Buffer = LOG) -> opsbox.Table:
    return opsbox.Parser("app", types="text").parse(log)


def test_polars() -> None:
    assert pl.DataFrame(parse()).rows() == ROWS


def test_pyarrow() -> None:
    table = pa.table(parse())
    assert table.schema == pa.schema([(n, pa.string_view()) for n in parse().column_names])
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS
    assert pa.schema(parse()) == table.schema
    table.validate(full=True)


def test_duckdb() -> None:
    logs = parse()
    assert query("select * from logs", logs) == ROWS
    counts = query("select level, count(*) from logs group by 1 order by 1", logs)
    assert counts == [("INFO", 2), ("WARN", 1)]


def test_duckdb_and_polars_agree_on_a_large_table(generated: bytes) -> None:
    logs = opsbox.Parser("combined").parse(generated)
    by_duckdb = query("select status, count(*) from logs group by 1 order by 1 nulls first", logs)
    frame = pl.DataFrame(logs).group_by("status").len().sort("status")
    assert frame.rows() == by_duckdb
    assert sum(count for _, count in by_duckdb) == len(logs)


def test_a_table_can_be_taken_many_times() -> None:
    table = parse()
    assert pl.DataFrame(table).equals(pl.DataFrame(table))
    # A capsule that nobody takes frees what it holds.
    table.__arrow_c_stream__()
    table.__arrow_c_schema__()


def test_no_rows_and_no_columns() -> None:
    assert pl.DataFrame(parse(b"broken\n")).shape == (0, 3)
    assert pa.table(parse(b"")).num_rows == 0
    nothing = opsbox.Parser("ndjson").parse(b"{}\n{}\n")
    assert (len(nothing), nothing.column_names) == (2, [])


def test_a_table_of_empty_columns_is_refused_before_it_takes_the_memory() -> None:
    wide = b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(1024)) + b"}\n"
    with pytest.raises(opsbox.ExportError, match="1024 columns of 30001 rows, most of them empty"):
        opsbox.Parser("ndjson").parse(wide + b"{}\n" * 30_000)
    assert len(opsbox.Parser("ndjson", fields=["k3"]).parse(wide + b"{}\n" * 30_000)) == 30_001


def test_data_buffers_are_the_input() -> None:
    log = LOG
    column = pa.table(parse(log))["message"].chunk(0)
    data = column.buffers()[2]
    assert data is not None
    source = pa.py_buffer(log)
    assert (data.address, data.size) == (source.address, source.size)


def test_columns_outlive_parser_table_and_input() -> None:
    def make() -> pa.ChunkedArray:
        log = b"".join(b"2026-01-02 03:04:05 [INFO] message number %d\n" % n for n in range(1000))
        return pa.table(parse(log))["message"]

    column = make()
    gc.collect()
    noise = [bytes(40_000) for _ in range(50)]
    assert column.to_pylist() == [f"message number {n}" for n in range(1000)]
    del noise


def test_the_last_owner_may_go_in_another_thread() -> None:
    held = [pa.table(parse(bytes(bytearray(LOG))))]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_other_buffers_are_copied() -> None:
    log = bytearray(LOG)
    table = parse(log)
    log[:] = b"\0" * len(log)
    assert pl.DataFrame(table).rows() == ROWS
    assert pl.DataFrame(parse(memoryview(LOG))).rows() == ROWS


def test_bad_bytes_change_neither_type_nor_neighbours() -> None:
    log = LOG.replace(b"short", b"sh\xff\xc3(rt")
    column = pa.table(parse(log))["message"]
    assert column.type == pa.string_view()
    assert column.to_pylist() == [ROWS[0][2], "sh\ufffd\ufffd(rt", None]


def test_threads_share_a_parser(tmp_path: Path) -> None:
    parser = opsbox.Parser("app")
    path = tmp_path / "app.log"
    path.write_bytes(LOG * 500)
    results: list[int] = []

    def work() -> None:
        for _ in range(20):
            results.append(pl.DataFrame(parser.parse_file(path)).height)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == [1500] * 80
