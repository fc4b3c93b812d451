"""What the tests share: generated access logs, and the definition to compare with."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Any

import duckdb
import opsbox
import pytest

# The combined format as Apache httpd and nginx document it, written for Python's re, with the
# columns of the preset "combined" but without the parts of the request line.
COMBINED = re.compile(
    rb'(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>""|(?:[^"\\]|\\.)+?) '
    rb"\[(?P<time_local>\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    rb'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<body_bytes_sent>\d+|-) '
    rb'"(?P<http_referer>(?:[^"\\]|\\.)*)" "(?P<http_user_agent>(?:[^"\\]|\\.)*)"'
)

# A request line: method, target, and the protocol from HTTP/1.0 on. A backslash and the byte after
# it belong together, here as in the whole line.
REQUEST = re.compile(
    rb"(?P<request_method>[A-Z][A-Z-]*) (?P<request_uri>(?:[^\\]|\\.)+?)"
    rb"(?: (?P<server_protocol>HTTP/\d(?:\.\d)?))?"
)


def expected_columns(line: bytes) -> dict[str, bytes | None] | None:
    """What Python's re says of a line, or None if it does not fit."""
    match = COMBINED.fullmatch(line)
    if match is None:
        return None
    columns: dict[str, bytes | None] = dict(match.groupdict())
    request = REQUEST.fullmatch(match["request"])
    for name in REQUEST.groupindex:
        columns[name] = request[name] if request else None
    return columns


def access_log(lines: int, seed: int) -> bytes:
    """Lines as real traffic has them, with its oddities; about one in twenty is broken."""
    rng = random.Random(seed)
    agents = [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0",
        "curl/8.5.0",
        "-",
        r"quote \" and slash \\",
        "größe/1.0",
        "",
    ]
    requests = [
        "GET / HTTP/1.1",
        "POST /api/v1/items?id=7&q=a%20b HTTP/2.0",
        "GET /a b c HTTP/1.1",
        "GET /index.html",
        "-",
        "",
        r"\x16\x03\x01\x02\x00",
        "PROPFIND /dav HTTP/1.0",
        "get /lower HTTP/1.1",
    ]
    users = ["-", "ada", "a b", "x [y] z", '""', r"a\"b", r"\" [x] \"GET / HTTP/1.1\" 200"]
    out = []
    for _ in range(lines):
        line = (
            f"{rng.randrange(1, 255)}.0.2.{rng.randrange(256)} - {rng.choice(users)} "
            f"[{rng.randrange(1, 29):02}/May/2026:10:{rng.randrange(60):02}:03 +0000] "
            f'"{rng.choice(requests)}" {rng.choice([200, 304, 404, 500, "-"])} '
            f"{rng.choice(['-', rng.randrange(10**6)])} "
            f'"{rng.choice(["-", "https://example.com/?q=1"])}" "{rng.choice(agents)}"'
        ).encode()
        match rng.randrange(40):
            case 0:
                line = line[: rng.randrange(len(line))]
            case 1:
                at = rng.randrange(len(line))
                line = line[:at] + bytes([rng.choice(b'"\\[] x\x00\xff')]) + line[at:]
        out.append(line)
    return b"\n".join(out) + b"\n"


def query(sql: str, logs: opsbox.Table) -> list[tuple[Any, ...]]:
    """What duckdb says of a table that is called logs."""
    relation = duckdb.sql(sql)
    assert relation is not None and logs is not None
    return relation.fetchall()


@pytest.fixture(scope="session")
def generated() -> bytes:
    return access_log(20_000, seed=2026)


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """The folder of real logs, which is not part of the repository."""
    folder = Path(
        os.environ.get("OPSBOX_LOGS", Path(__file__).parents[3] / "shared" / "data")
    )
    if not folder.is_dir():
        message = f"there is no folder of real logs at {folder}; name one with OPSBOX_LOGS"
        if os.environ.get("OPSBOX_REQUIRE_COUNTERPARTS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder
