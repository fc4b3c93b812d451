"""The parser on a local cluster of two workers gives what it gives on one machine."""

from __future__ import annotations

import datetime
import gzip
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opsbox
import opsbox.spark
import pyarrow as pa
import pytest
from conftest import access_log

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def missing(message: str) -> None:
    if os.environ.get("OPSBOX_REQUIRE_COUNTERPARTS") == "1":
        pytest.fail(message)
    pytest.skip(message)


# Spark leaves sockets and processes to the end of the process, which Python warns of.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A cluster of a master and two workers, each a process of its own."""
    # A folder with pyspark and py4j, which are large; they need not be in the environment.
    folder = os.environ.get("OPSBOX_PYSPARK")
    if folder:
        sys.path.insert(0, folder)
    for name in ("pyspark", "pandas"):
        if importlib.util.find_spec(name) is None:
            missing(
                f"there is no {name}: install it, or name a folder with pyspark in OPSBOX_PYSPARK"
            )
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        missing("there is no Java, which Spark needs: version 17 or later")
    from pyspark.sql import SparkSession

    before = {name: os.environ.get(name) for name in ("PYSPARK_PYTHON", "PYTHONPATH")}
    os.environ["PYSPARK_PYTHON"] = sys.executable
    if folder:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, before["PYTHONPATH"] or ""])
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .appName("opsbox tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.executor.memory", "512m")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        # A broken line stays broken: once is enough to see it.
        .config("spark.task.maxFailures", "1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Several files, of which the last ends without a line feed, and one is compressed."""
    folder = tmp_path_factory.mktemp("logs")
    paths = [folder / name for name in ("a.log", "b.log", "c.log", "d.log.gz", "empty.log")]
    for seed, path in enumerate(paths[:3]):
        path.write_bytes(access_log(500 + seed, seed))
    paths[1].write_bytes(paths[1].read_bytes().replace(b"\n", b"\r\n"))
    paths[2].write_bytes(paths[2].read_bytes().rstrip(b"\n"))
    paths[3].write_bytes(gzip.compress(access_log(100, 9)))
    paths[4].touch()
    return paths


def on_one_machine(
    paths: list[Path], format: str = "combined", **options: Any
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in paths:
        rows += pa.table(opsbox.Parser(format, **options).parse_file(path)).to_pylist()
    return rows


def on_spark(frame: DataFrame) -> list[dict[str, Any]]:
    return [
        {
            # Spark gives times without their zone, in that of this process.
            name: value.astimezone(datetime.timezone.utc)
            if isinstance(value, datetime.datetime)
            else value
            for name, value in row.asDict().items()
        }
        for row in frame.collect()
    ]


def test_the_work_is_shared_by_two_workers(spark: SparkSession, logs: list[Path]) -> None:
    frame = opsbox.spark.splits(logs[:3], split_bytes=10_000)

    def who(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import time

        for batch in batches:
            # So that one worker has not done all before the other is there.
            time.sleep(0.05)
            yield pa.record_batch({"parent": pa.array([os.getppid()] * batch.num_rows, pa.int64())})

    parents = {row["parent"] for row in frame.mapInArrow(who, "parent bigint").collect()}
    assert len(parents) == 2


@pytest.mark.parametrize("split_bytes", [7919, None])
def test_rows_are_those_of_one_machine(
    spark: SparkSession, logs: list[Path], split_bytes: int | None
) -> None:
    frame = opsbox.spark.parse(logs, "combined", split_bytes=split_bytes)
    expected = on_one_machine(logs)
    types = {name: kind for name, kind in frame.dtypes if kind != "string"}
    assert types == {"time_local": "timestamp", "status": "bigint", "body_bytes_sent": "bigint"}
    assert frame.columns == opsbox.Parser("combined").columns
    assert len(expected) > 1300
    # In the same order, too.
    assert on_spark(frame) == expected


def test_lines_that_do_not_fit_are_those_of_one_machine(
    spark: SparkSession, logs: list[Path]
) -> None:
    got = opsbox.spark.unmatched(logs, "combined", split_bytes=7919).collect()
    expected = [
        (str(path), line.offset, line.reason, line.raw)
        for path in logs
        for line in opsbox.Parser("combined").parse_file(path).unmatched
    ]
    assert len(expected) > 30
    assert [
        (row["path"], row["offset"], row["reason"], bytes(row["raw"])) for row in got
    ] == expected


def test_splits_that_cut_every_line(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "small.log"
    path.write_bytes(b"n=1 level=info\n=\n\nn=22\nn=333")
    frame = opsbox.spark.splits(path, split_bytes=3)
    assert frame.count() == 9
    rows = opsbox.spark.parse(frame, "logfmt", fields=["n", "level"], types={"n": "integer"})
    assert [tuple(row) for row in rows.collect()] == [(1, "info"), (22, None), (333, None)]
    assert [row["offset"] for row in opsbox.spark.unmatched(frame, "logfmt").collect()] == [
        line.offset for line in opsbox.Parser("logfmt").parse_file(path).unmatched
    ]


def test_typed_fields_of_ndjson_with_dots_in_their_names(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = tmp_path / "requests.ndjson"
    with path.open("w") as out:
        for n in range(500):
            out.write(
                f'{{"http":{{"status":{200 + n % 5},"m":"GET"}},"ms":{n}.5,"ok":{str(n % 2 == 0).lower()}}}\n'
            )
    options: dict[str, Any] = {
        "fields": ["http.status", "http.m", "ms", "ok"],
        "types": {"http.status": "integer", "http.m": "category", "ms": "float", "ok": "boolean"},
    }
    frame = opsbox.spark.parse(path, "ndjson", split_bytes=5000, **options)
    assert frame.dtypes == [
        ("http.status", "bigint"),
        ("http.m", "string"),
        ("ms", "double"),
        ("ok", "boolean"),
    ]
    assert on_spark(frame) == on_one_machine([path], "ndjson", **options)
    counts = frame.groupBy("`http.status`").count().orderBy("`http.status`").collect()
    assert [tuple(row) for row in counts] == [(200 + n, 100) for n in range(5)]


def test_errors(spark: SparkSession, logs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(opsbox.FormatError, match="combined"):
        opsbox.spark.parse(logs, "combind")
    with pytest.raises(ValueError, match="name those that are wanted"):
        opsbox.spark.parse(logs, "logfmt")
    with pytest.raises(FileNotFoundError):
        opsbox.spark.parse(tmp_path / "missing", "combined")
    with pytest.raises(ValueError, match='on_error is "keep"'):
        opsbox.spark.parse(logs, "combined", on_error="keep")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no column start"):
        opsbox.spark.parse(spark.createDataFrame([("a",)], "path string"), "combined")
    from pyspark.errors import PythonException

    cut = spark.createDataFrame([(str(logs[3]), 0, 10)], "path string, start long, end long")
    with pytest.raises(PythonException, match="d.log.gz is one split, .* since it is compressed"):
        opsbox.spark.parse(cut, "combined").collect()
    with pytest.raises(PythonException, match="the records of mysql-slow have several lines"):
        opsbox.spark.unmatched(cut, "mysql-slow").collect()
    first, second = opsbox.Parser("combined").parse_file(logs[0]).unmatched[:2]
    from_first_on = spark.createDataFrame(
        [(str(logs[0]), first.offset + 1, None)], "path string, start long, end long"
    )
    with pytest.raises(PythonException, match=f"a.log, byte {second.offset}: "):
        opsbox.spark.parse(from_first_on, "combined", on_error="raise").collect()


def test_the_example_gives_what_polars_gives(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last: the example stops the session."""
    examples = Path(__file__).resolve().parents[2] / "examples" / "python"
    sys.path.insert(0, str(examples))
    try:
        spark_job = importlib.import_module("spark_job")
        top_talkers = importlib.import_module("top_talkers")
    finally:
        sys.path.remove(str(examples))
    table = opsbox.Parser("combined", fields=top_talkers.FIELDS).parse_file(top_talkers.SAMPLE)
    expected = top_talkers.top_talkers(table.to_polars(), 20).to_dicts()
    got = spark_job.top_talkers(
        opsbox.spark.parse(spark_job.SAMPLE, "combined", fields=spark_job.FIELDS), 20
    )
    assert on_spark(got) == expected
    assert spark_job.main(["--top", "3"]) == 0
    shown = capsys.readouterr()
    assert f"|{expected[0]['remote_addr']} " in shown.out.replace("|", "|", 1)
    assert f"{spark_job.SAMPLE}: {table.unmatched_count} lines do not fit" in shown.err
