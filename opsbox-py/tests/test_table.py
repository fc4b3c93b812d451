"""Tables, rows, columns, types and errors, as a Python programmer uses them."""

from __future__ import annotations

import copy
import datetime
import math
import pickle
from collections.abc import Mapping, Sequence

import opsbox
import polars as pl
import pyarrow as pa
import pytest
from conftest import query

LOG = (
    b"2026-01-02 03:04:05 [INFO] a message that is longer than twelve bytes\n"
    b"broken\r\n"
    b"2026-01-02 03:04:06 [WARN] short\r\n"
    b"\n"
    b"2026-01-02 03:04:07 [INFO]"
)
TIME = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.fixture
def table() -> opsbox.Table:
    return opsbox.Parser("app").parse(LOG)


def test_a_table_is_what_it_looks_like(table: opsbox.Table) -> None:
    assert (len(table), table.shape, table.line_count) == (3, (3, 3), 5)
    assert table.column_names == ["timestamp", "level", "message"]
    assert table.schema == {"timestamp": "timestamp", "level": "text", "message": "text"}
    assert "level" in table and "nothing" not in table and 3 not in table
    assert repr(table) == (
        "<opsbox.Table: 3 rows, 2 unmatched lines, columns timestamp, level, message>"
    )
    assert [row["level"] for row in table] == ["INFO", "WARN", "INFO"]
    with pytest.raises(KeyError, match="the columns are timestamp, level, message"):
        table["nothing"]
    with pytest.raises(IndexError, match="no row 3 of 3"):
        table[3]
    with pytest.raises(ValueError, match="no step"):
        table[::2]
    with pytest.raises(TypeError, match="indexed by the name of a column"):
        table[1.5]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        pickle.dumps(table)


def test_rows_are_mappings(table: opsbox.Table) -> None:
    row = table[-3]
    assert isinstance(row, Mapping)
    assert dict(row) == {
        "timestamp": TIME,
        "level": "INFO",
        "message": "a message that is longer than twelve bytes",
    }
    assert row == dict(row) and row == table[0] and row != table[1] and row != object()
    assert {**row}["level"] == row.get("level") == "INFO"
    assert row.get("nothing") is None and row.get("nothing", 7) == 7
    assert len(row) == 3 and list(row) == row.keys() == table.column_names
    assert row.values() == list(row.values()) and row.items() == list(zip(row, row.values()))
    assert "level" in row and "nothing" not in row
    # A name that is made at run time is another object.
    assert row["".join(["le", "vel"])] == "INFO"
    for wrong in ("nothing", 0, None):
        with pytest.raises(KeyError):
            row[wrong]  # type: ignore[index]
    with pytest.raises(TypeError, match="unhashable"):
        hash(row)
    match row:
        case {"level": "INFO", "message": message}:
            assert message.startswith("a message")
        case _:
            pytest.fail("a row does not match as a mapping does")
    assert repr(table[1]) == (
        "<opsbox.Record {'timestamp': datetime.datetime(2026, 1, 2, 3, 4, 6, "
        "tzinfo=datetime.timezone.utc), 'level': 'WARN', 'message': 'short'}>"
    )
    assert table[2]["message"] is None


def test_rows_know_where_they_are(table: opsbox.Table) -> None:
    places = [(row.line, row.offset, row.raw) for row in table.records()]
    lines = LOG.split(b"\n")
    assert places == [
        (1, 0, lines[0]),
        (3, LOG.index(lines[2]), lines[2][:-1]),
        (5, LOG.index(lines[4]), lines[4]),
    ]


def test_unmatched_lines_are_a_sequence(table: opsbox.Table) -> None:
    unmatched = table.unmatched
    assert isinstance(unmatched, Sequence)
    first, second = unmatched
    assert (first.line, first.offset, first.raw, first.kind) == (2, 70, b"broken", "no_match")
    assert (second.line, second.raw, second.reason) == (4, b"", "the line is empty")
    assert str(first) == "line 2 (byte 70): does not fit the pattern from byte 0 on: broken"
    assert unmatched[-1].line == 4
    assert [line.line for line in unmatched[::-1]] == [4, 2]
    assert bool(unmatched) and not opsbox.Parser("app").parse(b"").unmatched
    with pytest.raises(IndexError):
        unmatched[2]


def test_what_is_shown_of_a_line_moves_no_cursor() -> None:
    table = opsbox.Parser("app").parse(b"\x1b[2J\xe2\x80\xaegpj.exe <b>\xff\n")
    shown = table.unmatched[0].text
    assert "\\u{1b}[2J\\u{202e}gpj.exe <b>\ufffd" in shown
    assert not set("\x1b\u202e") & set(shown)


def test_columns(table: opsbox.Table) -> None:
    level = table["level"]
    assert isinstance(level, Sequence)
    assert (level.name, level.type, len(level), level.null_count) == ("level", "text", 3, 0)
    assert level.to_list() == list(level) == ["INFO", "WARN", "INFO"]
    assert (level[0], level[-2], level[1:].to_list(), level[::-2]) == (
        "INFO",
        "WARN",
        ["WARN", "INFO"],
        ["INFO", "INFO"],
    )
    assert table["timestamp"][0] == TIME
    assert table["message"].null_count == 1
    assert repr(level) == "<opsbox.Column 'level': 3 rows of text>".replace("'", '"')
    with pytest.raises(IndexError):
        level[3]


def test_some_rows_and_columns(table: opsbox.Table) -> None:
    some = table[["message", "level"]]
    assert some.column_names == ["message", "level"]
    assert pl.DataFrame(some).columns == ["message", "level"]
    assert isinstance(some, opsbox.Table)
    with pytest.raises(KeyError, match="nothing"):
        table[["level", "nothing"]]
    middle = table[1:2]
    assert [row["level"] for row in middle] == ["WARN"]
    assert [line.line for line in middle.unmatched] == [2]
    assert (middle.line_count, middle[0].line) == (2, 3)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_slices_add_up(size: int) -> None:
    log = b"".join(
        b"no line %d\n" % n if n % 3 == 0 else b"2026-01-02 03:04:05 [INFO] %d\n" % n
        for n in range(100)
    )
    table = opsbox.Parser("app").parse(log)
    parts = [table[start : start + size] for start in range(0, len(table), size)]
    assert [row["message"] for part in parts for row in part] == table["message"].to_list()
    lines = [line.line for part in parts for line in part.unmatched]
    assert lines == [line.line for line in table.unmatched]
    assert sum(part.line_count for part in parts) == table.line_count == 100
    # A slice of a slice is one of the whole.
    again = [part[1:][:2] for part in parts]
    expected = [table[start : start + size][1:3] for start in range(0, len(table), size)]
    assert [dict(row) for part in again for row in part] == [
        dict(row) for part in expected for row in part
    ]
    assert table[len(table) :].line_count == 0 and table[50:50].line_count == 0


def test_html_shows_text_as_text() -> None:
    log = b"2026-01-02 03:04:05 [INFO] <script>alert('x')</script> & \x1b[2J" + b"x" * 200 + b"\n"
    html = opsbox.Parser("app").parse(log * 30)._repr_html_()  # type: ignore[attr-defined]
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; \\u{1b}[2Jxxx" in html
    assert html.count("<tr>") == 11
    assert "30 rows, 0 unmatched lines" in html


def test_types() -> None:
    pattern = (
        r"(?P<i>\S*) (?P<f>\S*) (?P<b>\S*) (?P<ip>\S*) (?P<c>\S*) (?P<t>\S*) (?P<e>\S*) (?P<s>.*)"
    )
    types = {"i": "integer", "f": "float", "b": "boolean", "ip": "ip", "c": "category"}
    parser = opsbox.Parser(pattern, types=types | {"t": "rfc3339", "e": "epoch_ms"})  # type: ignore[arg-type]
    table = parser.parse(
        b"7 1.5 true 2001:DB8::1 red 2026-01-02T03:04:05.25Z 1767323045250 text\n"
        b"- - - - - - - -\n"
        b"x nan maybe host red 2026-02-31T00:00:00Z 1e3 \n"
    )
    when = TIME + datetime.timedelta(milliseconds=250)
    assert table[0].values() == [7, 1.5, True, "2001:db8::1", "red", when, when, "text"]
    assert table[1].values() == [None, None, None, None, "-", None, None, "-"]
    assert table[2].values()[:1] + table[2].values()[2:] == [None, None, None, "red", None, None, ""]
    assert table.schema == {
        "i": "integer",
        "f": "float",
        "b": "boolean",
        "ip": "text",
        "c": "category",
        "t": "timestamp",
        "e": "timestamp",
        "s": "text",
    }
    invalid = {column.column: column for column in table.invalid}
    assert invalid["i"].reasons == {"malformed": 1}
    assert invalid["t"].reasons == {"no such date or time of day": 1}
    assert invalid["ip"].examples == [(3, b"host", "malformed")]
    assert {"i", "b", "ip", "t", "e"} <= invalid.keys()
    arrow = pa.table(table)
    assert arrow.schema.field("t").type == pa.timestamp("us", tz="UTC")
    assert arrow.schema.field("c").type == pa.dictionary(pa.int32(), pa.string())
    for row, record in zip(arrow.to_pylist(), table.records(), strict=True):
        assert all(
            value == record[name] or (isinstance(value, float) and math.isnan(value))
            for name, value in row.items()
        )
    frame = pl.DataFrame(table)
    assert frame["i"].to_list() == [7, None, None]
    assert frame["c"].to_list() == ["red", "-", "red"]


def test_one_bad_byte_changes_no_type() -> None:
    log = b"level=info n=1 name=ada\nlevel=\xff n=\xff name=\xc3(\nlevel=warn n=3 name=zoe\n"
    parser = opsbox.Parser("logfmt", fields=["level", "n", "name"], types={"n": "integer"})
    good, bad = parser.parse(log.replace(b"\xff", b"2").replace(b"\xc3(", b"x")), parser.parse(log)
    assert pa.table(good).schema == pa.table(bad).schema
    assert bad["n"].to_list() == [1, None, 3]
    assert bad["name"].to_list() == ["ada", "\ufffd(", "zoe"]
    assert bad[1].raw == b"level=\xff n=\xff name=\xc3("


def test_raise_says_what_and_where() -> None:
    strict = opsbox.Parser("app", on_error="raise")
    with pytest.raises(opsbox.ParseError, match="line 2 .byte 70.: does not fit") as error:
        strict.parse(LOG)
    assert (error.value.line, error.value.offset, error.value.field) == (2, 70, None)
    assert (error.value.raw, error.value.reason) == (b"broken", "does not fit the pattern from byte 0 on")
    assert isinstance(error.value, ValueError) and isinstance(error.value, opsbox.OpsboxError)
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.line, again.raw, str(again)) == (2, b"broken", str(error.value))

    typed = opsbox.Parser("logfmt", fields=["n"], types={"n": "integer"}, on_error="raise")
    with pytest.raises(opsbox.ParseError) as error:
        typed.parse(b"n=1\nn=-\nn=x\n")
    assert (error.value.line, error.value.offset, error.value.field) == (3, 8, "n")
    assert (error.value.raw, error.value.reason) == (b"x", "malformed")
    assert len(strict.parse(LOG[:70])) == 1


def test_skip_counts() -> None:
    table = opsbox.Parser("app", on_error="skip").parse(LOG)
    assert (len(table), table.unmatched_count, list(table.unmatched)) == (3, 2, [])
    assert (table.line_count, table[2].line) == (5, 5)


def test_errors_are_one_tree() -> None:
    names = [name for name in opsbox.__all__ if name.endswith("Error")]
    assert len(names) == 9
    for name in names:
        error = getattr(opsbox, name)
        assert issubclass(error, opsbox.OpsboxError) and error.__module__ == "opsbox"
        made = error("x")
        assert (made.line, made.offset, made.field) == (None, None, None)
    with pytest.raises(opsbox.FormatError) as error:
        opsbox.Parser(r"(?P<a>x)(?!y)")
    assert error.value.offset == 8
    with pytest.raises(opsbox.FormatError, match="the types are text, integer") as error:
        opsbox.Parser("app", types={"level": "number"})  # type: ignore[dict-item]
    assert error.value.field == "level"
    with pytest.raises(opsbox.FormatError) as error:
        opsbox.Parser("ndjson", types={"n": "integer"})
    assert error.value.field == "n" and "select them first" in str(error.value)
    for wrong in (
        {"on_error": "ignore"},
        {"types": "all"},
        {"strings": "bytes"},
        {"multiline": "yes"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            opsbox.Parser("app", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        opsbox.Parser("app", ["level"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="mapping of columns to types"):
        opsbox.Parser("app", types=["level"])  # type: ignore[arg-type]


PARSERS = [
    opsbox.Parser("combined"),
    opsbox.Parser("combined", fields=["status", "remote_addr"], types={"status": "category"}),
    opsbox.Parser("ndjson", fields=["n"], types={"n": "integer"}, strict=True, on_error="skip"),
    opsbox.Parser("app", types="text", threads=2, multiline="stack_traces", strings="utf8"),
    opsbox.Parser(r"(?P<word>\w+)", max_line_bytes=100),
    opsbox.Parser("%{IP:client} %{GREEDYDATA:rest}"),
]


@pytest.mark.parametrize("parser", PARSERS, ids=repr)
def test_parsers_pickle(parser: opsbox.Parser) -> None:
    log = b'{"n":1}\nhello\n192.0.2.1 rest\n' + LOG
    for made in (pickle.loads(pickle.dumps(parser)), copy.deepcopy(parser), eval(repr(parser))):
        assert repr(made) == repr(parser)
        assert made.columns == parser.columns
        assert made.max_line_bytes == parser.max_line_bytes
        assert pa.table(made.parse(log)).equals(pa.table(parser.parse(log)))


def test_records_of_several_lines() -> None:
    log = (
        b"2026-01-02 03:04:05 [ERROR] failed\n"
        b"java.lang.IllegalStateException: no\n"
        b"\tat org.example.Main.run(Main.java:7)\n"
        b"2026-01-02 03:04:06 [INFO] up\n"
    )
    parser = opsbox.Parser("app", multiline="stack_traces")
    table = parser.parse(b"  lost\n" + log)
    assert len(table) == 2 and table.line_count == 5
    assert "Main.java:7" in table[0]["message"]
    assert (table[0].line, table[1].line, table[1].offset) == (2, 5, 7 + log.rindex(b"2026"))
    assert table[0].raw == log[: log.rindex(b"2026") - 1]
    assert [(line.line, line.kind) for line in table.unmatched] == [(1, "no_record")]
    assert (table[:1].line_count, table[1:].line_count) == (4, 1)
    rows = [dict(row) for batch in parser.stream([log[:50], log[50:]]) for row in batch]
    assert rows == [dict(row) for row in parser.parse(log)]


def test_consumers_have_text_as_they_ask_for(table: opsbox.Table) -> None:
    for wanted in (pa.string(), pa.large_string(), pa.string_view()):
        schema = pa.schema(
            [("timestamp", pa.timestamp("us", "UTC")), ("level", wanted), ("message", wanted)]
        )
        made = pa.table(table, schema=schema)
        assert made.schema == schema
        assert made.to_pylist() == pa.table(table).to_pylist()
    mixed = pa.schema(
        [("timestamp", pa.timestamp("us", "UTC")), ("level", pa.string()), ("message", pa.string_view())]
    )
    reader = pa.RecordBatchReader.from_stream(table, schema=mixed)
    assert reader.schema == mixed
    (batch,) = table.to_batches()
    assert pa.record_batch(batch, schema=mixed).schema == mixed
    capsule = mixed.__arrow_c_schema__()
    assert pa.schema(Schema(table.__arrow_c_schema__(capsule))) == mixed
    # The capsule was read and not used up.
    assert pa.schema(Schema(capsule)) == mixed
    for wrong in (object(), table.__arrow_c_stream__()):
        with pytest.raises((ValueError, TypeError)):
            table.__arrow_c_stream__(wrong)


class Schema:
    """A capsule as an object that hands it over."""

    def __init__(self, capsule: object) -> None:
        self.capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self.capsule


def test_strings_as_the_parser_says() -> None:
    for strings, wanted in (("utf8", pa.string()), ("large_utf8", pa.large_string())):
        table = opsbox.Parser("app", strings=strings).parse(LOG)  # type: ignore[arg-type]
        arrow = pa.table(table)
        assert arrow.schema.field("message").type == wanted
        assert [row["message"] for row in table] == arrow["message"].to_pylist()
        views = pa.table(table.compact())
        assert views.schema.field("message").type == pa.string_view()
        assert views["message"].to_pylist() == arrow["message"].to_pylist()


def test_other_consumers(table: opsbox.Table) -> None:
    expected = [(TIME, "INFO"), (TIME + datetime.timedelta(seconds=1), "WARN")]
    assert table.to_polars().select("timestamp", "level").rows()[:2] == expected
    assert table.to_arrow().equals(pa.table(table))
    assert table.to_arrow(strings="utf8").schema.field("level").type == pa.string()
    assert query("select level, count(*) from logs group by 1 order by 1", logs=table) == [
        ("INFO", 2),
        ("WARN", 1),
    ]
    (batch,) = table.to_batches()
    assert batch.to_arrow(strings="utf8").equals(table.to_arrow(strings="utf8"))
    assert batch.to_polars().equals(table.to_polars())


def test_nanoarrow_which_takes_no_views() -> None:
    nanoarrow = pytest.importorskip("nanoarrow")
    table = opsbox.Parser("app", types="text").parse(LOG)
    expected = pa.table(table).to_pylist()
    text = nanoarrow.string()
    wanted = nanoarrow.struct({name: text for name in table.column_names})
    assert nanoarrow.ArrayStream(table, wanted).read_all().to_pylist() == expected
    (batch,) = table.to_batches()
    assert nanoarrow.Array(batch.compact(strings="utf8")).to_pylist() == expected


def test_pandas(table: opsbox.Table) -> None:
    pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert list(frame.columns) == table.column_names
    # What does not work on views.
    assert frame[frame["level"] == "INFO"].shape == (2, 3)
    assert frame.sort_values("level")["level"].to_list() == ["INFO", "INFO", "WARN"]
    assert frame["timestamp"][0] == TIME


def test_datafusion(table: opsbox.Table) -> None:
    datafusion = pytest.importorskip("datafusion")
    context = datafusion.SessionContext()
    context.from_arrow(table, name="logs")
    found = context.sql("select level, count(*) as n from logs group by level order by level")
    assert found.to_pydict() == {"level": ["INFO", "WARN"], "n": [2, 1]}


def test_a_table_has_no_array() -> None:
    """polars prefers the array to the stream, and an array is one batch."""
    assert not hasattr(opsbox.Table, "__arrow_c_array__")
    assert hasattr(opsbox.Batch, "__arrow_c_array__")
    assert not hasattr(opsbox.Batch, "__arrow_c_stream__")
