"""NDJSON of 588 bytes a line to a polars DataFrame: seven typed columns, two of them of an inner object."""

from __future__ import annotations

from pathlib import Path

import polars as pl

NAMES = ["time", "level", "service", "message", "duration_ms", "http.method", "http.status"]
TYPES = {"time": "rfc3339", "duration_ms": "float", "http.status": "integer"}


def opsbox_typed(path: Path, *, mmap: bool = False) -> pl.DataFrame:
    import opsbox

    parser = opsbox.Parser("ndjson", fields=NAMES, types=TYPES)
    return pl.DataFrame(parser.parse_file(path, mmap=mmap))


def opsbox_mapped(path: Path) -> pl.DataFrame:
    return opsbox_typed(path, mmap=True)


def orjson_loop(path: Path) -> pl.DataFrame:
    import orjson

    loads = orjson.loads
    columns: list[list] = [[] for _ in NAMES]
    time, level, service, message, duration, method, status = (column.append for column in columns)
    with path.open("rb") as log:
        for line in log:
            row = loads(line)
            http = row["http"]
            time(row["time"])
            level(row["level"])
            service(row["service"])
            message(row["message"])
            duration(row["duration_ms"])
            method(http["method"])
            status(http["status"])
    frame = pl.DataFrame(dict(zip(NAMES, columns, strict=True)))
    return frame.with_columns(pl.col("time").str.to_datetime(TIME, time_unit="us", time_zone="UTC"))


TIME = "%Y-%m-%dT%H:%M:%S%.fZ"
_POLARS = {
    "time": pl.String, "level": pl.String, "service": pl.String, "message": pl.String, "duration_ms": pl.Float64,
    "http": pl.Struct({"method": pl.String, "status": pl.Int64}),
}  # fmt: skip


def polars_read_ndjson(path: Path) -> pl.DataFrame:
    frame = pl.read_ndjson(path, schema=_POLARS)
    http = pl.col("http").struct
    return frame.select(
        pl.col("time").str.to_datetime(TIME, time_unit="us", time_zone="UTC"),
        *NAMES[1:5],
        http.field("method").alias("http.method"),
        http.field("status").alias("http.status"),
    )


def duckdb(path: Path) -> pl.DataFrame:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    return connection.sql(
        """
        select "time", level, service, message, duration_ms, http.method as "http.method", http.status as "http.status"
        from read_json($path, format='newline_delimited', columns={
            "time": 'timestamptz', level: 'varchar', service: 'varchar', message: 'varchar', duration_ms: 'double',
            http: 'struct(method varchar, status bigint)'})
        """,
        params={"path": str(path)},
    ).pl()


def pyarrow_json(path: Path) -> pl.DataFrame:
    import pyarrow as pa
    from pyarrow import json

    text = pa.string()
    schema = pa.schema(
        {
            "time": pa.timestamp("us", "UTC"), "level": text, "service": text, "message": text,
            "duration_ms": pa.float64(), "http": pa.struct({"method": text, "status": pa.int64()}),
        }
    )  # fmt: skip
    table = json.read_json(
        path,
        read_options=json.ReadOptions(use_threads=False, block_size=16 << 20),
        parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return pl.from_arrow(table.flatten()).select(NAMES)
