"""Log files as Arrow columns that point into the file's bytes.

>>> import opsbox
>>> logs = opsbox.Parser("logfmt").parse(b"level=info took=3ms\\nlevel=warn took=9ms\\n")
>>> logs
<opsbox.Table: 2 rows, 0 unmatched lines, columns level, took>

A table speaks the Arrow PyCapsule interface: ``polars.DataFrame(logs)``,
``pyarrow.table(logs)`` and ``duckdb.sql("from logs")`` take it. The columns point
into the input: what a consumer copies after that is its own affair.

>>> logs["level"].to_list(), logs[1]["took"]
(['info', 'warn'], '9ms')

Not sure which format a log has?

>>> opsbox.detect(b"2026-01-02 03:04:05 [INFO] up\\n" * 10).format
'app'
"""

from ._errors import (
    ConfigError,
    DetectionError,
    ExportError,
    FormatError,
    MaskError,
    OpsboxError,
    ParseError,
    PipelineError,
    ReadError,
)
from ._opsbox import (
    Batch,
    Batches,
    Column,
    Detection,
    Feed,
    InvalidValues,
    Parser,
    Pipeline,
    PipelineReport,
    Preset,
    Record,
    Rows,
    StageReport,
    Table,
    Unmatched,
    UnmatchedLines,
    __version__,
    detect,
    formats,
)

__all__ = [
    "Batch",
    "Batches",
    "Column",
    "ConfigError",
    "Detection",
    "DetectionError",
    "ExportError",
    "Feed",
    "FormatError",
    "InvalidValues",
    "MaskError",
    "OpsboxError",
    "ParseError",
    "Parser",
    "Pipeline",
    "PipelineError",
    "PipelineReport",
    "Preset",
    "ReadError",
    "Record",
    "Rows",
    "StageReport",
    "Table",
    "Unmatched",
    "UnmatchedLines",
    "__version__",
    "detect",
    "formats",
]
