"""Whose memory it is, and when it is given back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import opsbox
import polars as pl
import pyarrow as pa
import pytest

LINE = b"2026-01-02 03:04:05 [INFO] message number %06d\n"


def log(lines: int) -> bytes:
    return b"".join(LINE % number for number in range(lines))


def eventually(condition: Callable[[], bool]) -> bool:
    """Memory is given back by another thread: that takes a moment, and no test hangs on it."""
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.005)
    return False


class Owner(bytes):
    """Bytes that say when they go."""

    def __del__(self) -> None:
        GONE.append(True)


GONE: list[bool] = []


def resizable(buffer: bytearray) -> bool:
    """Whether nobody looks at the buffer any more."""
    try:
        buffer.append(0)
        buffer.pop()
    except BufferError:
        return False
    return True


def test_a_bytearray_cannot_be_resized_while_anything_made_of_it_is_there() -> None:
    buffer = bytearray(log(1000))
    table = opsbox.Parser("app").parse(buffer, copy=False)
    assert not resizable(buffer)
    column = pa.table(table)["message"]
    piece = table[10:12]
    record = table[5]
    del table
    assert not resizable(buffer)
    del piece, record
    assert not resizable(buffer)
    assert column[999].as_py() == "message number 000999"
    del column
    assert eventually(lambda: resizable(buffer))


def test_compact_lets_the_input_go() -> None:
    buffer = bytearray(log(1000) + b"broken\n")
    table = opsbox.Parser("app").parse(buffer, copy=False)
    some = table[990:].compact()
    record = some[9]
    del table
    assert eventually(lambda: resizable(buffer))
    buffer[:] = b"\0" * len(buffer)
    assert record["message"] == "message number 000999"
    assert (record.line, record.offset, record.raw) == (1000, 999 * len(LINE % 0), None)
    assert [(line.line, line.raw) for line in some.unmatched] == [(1001, b"broken")]


@pytest.mark.parametrize("strings", ["view", "utf8", "large_utf8"])
def test_compact_sends_little(strings: str) -> None:
    table = opsbox.Parser("app").parse(log(20_000))[:10]
    assert pa.table(table).nbytes > 100_000  # the whole input goes with the views
    compact = pa.table(table.compact(strings=strings))  # type: ignore[arg-type]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, compact.schema) as writer:
        writer.write_table(compact)
    assert len(sink.getvalue()) < 4000
    assert compact["message"].to_pylist() == [f"message number {n:06}" for n in range(10)]


def test_the_owner_lives_as_long_as_a_column() -> None:
    GONE.clear()
    column = pa.table(opsbox.Parser("app").parse(Owner(log(1000))))["message"]
    gc.collect()
    noise = [bytes(40_000) for _ in range(50)]
    assert not GONE
    assert column.to_pylist() == [f"message number {n:06}" for n in range(1000)]
    del column, noise
    assert eventually(lambda: bool(GONE))


def test_the_interpreter_may_wait_for_a_thread_that_drops_the_last_holder() -> None:
    """A destructor that asks for the interpreter would wait for ever: arrow drops in its own threads, without it."""
    program = """
import threading, opsbox, pyarrow as pa, pyarrow.compute as pc
for _ in range(200):
    held = [pa.table(opsbox.Parser("app").parse(bytearray(%r), copy=False))]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    held = [pa.RecordBatchReader.from_stream(opsbox.Parser("app").parse(bytearray(%r), copy=False))]
    # Read, and dropped, by a thread that does not hold the interpreter.
    import pyarrow.dataset
    scanner = pyarrow.dataset.Scanner.from_batches(held.pop())
    scanner.count_rows()
    del scanner
print("done")
""" % (log(3), log(3))
    assert run(program) == "done"


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_consumer_outlives_the_interpreter_s_end() -> None:
    """What is left at the end is dropped then, in whatever order."""
    program = """
import opsbox, polars as pl, pyarrow as pa, sys
table = opsbox.Parser("app").parse(bytearray(%r), copy=False)
sys.kept = [pl.DataFrame(table), pa.table(table), table, table[0], table["message"]]
sys.kept.append(sys.kept)
print(len(table))
""" % log(50)
    assert run(program) == "50"


def test_threads_parse_and_export_at_once() -> None:
    parser = opsbox.Parser("app", types="text")
    data = log(5000)
    shared = parser.parse(data)
    expected = [f"message number {n:06}" for n in range(5000)]
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for turn in range(15):
                table = shared if (seed + turn) % 2 else parser.parse(data)
                match turn % 3:
                    case 0:
                        assert pl.DataFrame(table)["message"].to_list() == expected
                    case 1:
                        assert pa.table(table)["message"].to_pylist() == expected
                    case _:
                        assert [row["message"] for row in table.records()] == expected
                        assert table[4999].offset == 4999 * len(LINE % 0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_parses_too() -> None:
    program = """
import os, sys, threading, opsbox, pyarrow as pa, warnings
warnings.simplefilter("ignore")
data = %r * 200000
parser = opsbox.Parser("app", threads=2)
before = parser.parse(bytearray(data), copy=False)
held = [pa.table(before)]
thread = threading.Thread(target=held.clear); thread.start(); thread.join()
busy = threading.Thread(target=lambda: [parser.parse(data) for _ in range(3)]); busy.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        # The threads of the parent are not here; what they did for it is done again.
        table = opsbox.Parser("app", threads=2).parse(bytearray(data), copy=False)
        column = pa.table(table)["message"]
        assert column[len(table) - 1].as_py() == before[0]["message"]
        del table, column
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
busy.join()
print("done")
""" % (LINE % 7)
    assert run(program) == "done"


def test_no_memory_is_lost_over_ten_thousand_parses() -> None:
    program = """
import gc, opsbox, pyarrow as pa
data = %r
parser = opsbox.Parser("app")
combined = opsbox.Parser("ndjson")
def anonymous():
    with open("/proc/self/smaps_rollup") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Anonymous:"))
def work(times):
    for turn in range(times):
        table = parser.parse(data if turn %% 2 else bytearray(data), copy=None if turn %% 3 else False)
        pa.table(table)
        table[1].raw, table["message"].to_list(), list(table.unmatched), table[2:5].compact()
        try:
            opsbox.Parser("app", on_error="raise").parse(b"broken")
        except opsbox.ParseError:
            pass
        combined.parse(b'{"a":1}\\n{"b":"x\\\\ny"}\\n')
work(2000)
gc.collect()
first = anonymous()
work(8000)
gc.collect()
print(anonymous() - first)
""" % (log(50) + b"broken\n")
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the system does not say what memory is in use")
    # Each parse has 3 kB: lost ones would be 24 MB.
    assert int(run(program)) < 4000


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_is_kept_for_the_next_table_is_bounded() -> None:
    program = """
import gc, sys
import opsbox

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

parser = opsbox.Parser("app", threads=2)
line = b"2026-01-02 03:04:05 [INFO] a message of some length, so that it is not in its view\\n"
parser.parse(line * 1000)
before = resident()
for times in (100_000, 400_000, 150_000, 700_000, 300_000):
    log = line * times
    table = parser.parse(log)
    assert len(table) == times and table["message"][times - 1] == line[27:-1].decode()
    del log, table
    gc.collect()
print(resident() - before)
"""
    # 96 MiB, and what C's allocator keeps.
    assert int(run(program)) < 112 << 20


def test_memory_that_was_used_before_shows_nothing_of_it() -> None:
    """Threads take from each other what one has let go, and tables keep what is theirs."""
    parser = opsbox.Parser("app")
    failed: list[BaseException] = []

    def work(letter: str) -> None:
        try:
            kept = []
            for turn in range(6):
                message = f"{letter}{turn} " + letter * 30
                line = f"2026-01-02 03:04:05 [INFO] {message}\n".encode()
                kept.append((message, parser.parse(line * (60_000 + 7_000 * turn))))
                if turn % 2:
                    kept.pop(0)
                for message, table in kept:
                    column = pl.DataFrame(table)["message"]
                    assert column.unique().to_list() == [message]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
