"""Reads the schema that an Arrow consumer asks for.

It comes as a capsule around C structs (https://arrow.apache.org/docs/format/CDataInterface.html).
This is imported only when a consumer hands one over.
"""

from __future__ import annotations

import ctypes
from typing import Any


class _Schema(ctypes.Structure):
    """``struct ArrowSchema``."""

    format: bytes | None
    name: bytes | None
    metadata: int | None
    flags: int
    n_children: int
    children: Any
    dictionary: Any
    release: int | None
    private_data: int | None


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def column_formats(capsule: object) -> list[tuple[str, str]]:
    """The name and the format string of each column; empty for what is no schema of columns."""
    schema = _Schema.from_address(_pointer(capsule, b"arrow_schema"))
    if not schema.release:
        raise ValueError("the requested schema was released before it was read")
    if schema.format != b"+s":
        return []
    columns = (schema.children[index].contents for index in range(schema.n_children))
    return [
        ((column.name or b"").decode(), (column.format or b"").decode()) for column in columns
    ]
