"""Generated logs, the same in every run, as the benches in Rust have them."""

from __future__ import annotations

import random
from pathlib import Path

SEED = 2026
PATHS = ["products", "search/results", "static/js/bundle", "api/v1/items", "account/orders", "img"]
QUERIES = [
    "",
    "",
    "?ref=home",
    "?page=2&sort=price&order=desc",
    "?q=running+shoes&size=42&utm_source=ad",
]
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.14.1",
    "kube-probe/1.34",
]


def access_line(rng: random.Random) -> str:
    """A line of a combined access log, about 238 bytes."""
    second = rng.randrange(3600)
    low = 1 << rng.randrange(20)
    kind = rng.randrange(10)
    if kind < 2:
        referer = "-"
    elif kind < 4:
        referer = "https://www.google.com/"
    else:
        referer = f"https://shop.example.com/{rng.choice(PATHS)}/{rng.getrandbits(32)}{rng.choice(QUERIES)}"
    return (
        f"198.51.{rng.randrange(256)}.{rng.randrange(256)} - - "
        f"[02/Nov/2026:09:{second // 60:02}:{second % 60:02} +0000] "
        f'"{rng.choice(["GET", "GET", "GET", "POST", "HEAD"])} '
        f'/{rng.choice(PATHS)}/{rng.getrandbits(32)}{rng.choice(QUERIES)} HTTP/1.1" '
        f"{rng.choice([200, 200, 200, 304, 404, 500])} {low + rng.randrange(low)} "
        f'"{referer}" "{rng.choice(AGENTS)}"\n'
    )


def request_line(rng: random.Random) -> str:
    """A line of NDJSON, 588 bytes with its line feed; in three of ten lines the keys are shuffled."""
    http = [
        f'"method":"{rng.choice(["GET", "POST", "DELETE"])}"',
        f'"path":"/api/v1/{rng.choice(["orders", "carts/items", "users/me", "search"])}/{rng.getrandbits(32)}"',
        f'"status":{rng.choice([200, 200, 200, 204, 404, 500])}',
        f'"bytes":{rng.randrange(100_000)}',
        f'"user_agent":"{rng.choice(AGENTS[:1] + AGENTS[6:])}"',
    ]
    pairs = [
        f'"time":"2026-11-02T09:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z"',
        f'"level":"{rng.choice(["info", "info", "warn", "error"])}"',
        f'"service":"{rng.choice(["checkout", "catalogue", "identity"])}"',
        f'"host":"web-{rng.randrange(256)}.example.com"',
        f'"pid":{rng.getrandbits(16)}',
        f'"trace_id":"{rng.getrandbits(128):032x}"',
        f'"span_id":"{rng.getrandbits(64):016x}"',
        '"logger":"com.example.shop.http.AccessLog"',
        f'"http":{{{",".join(http)}}}',
        f'"duration_ms":{rng.randrange(2000)}.{rng.randrange(99)}',
        f'"user":{rng.getrandbits(32)}',
        f'"cached":{rng.choice(["true", "false"])}',
        '"env":"production"',
        f'"region":"{rng.choice(["eu-west-1", "us-east-2"])}"',
        f'"version":"3.{rng.randrange(20)}.{rng.randrange(9)}"',
    ]
    message = "request served from the primary after a retry of the replica; " * 4
    room = 587 - sum(len(pair) + 1 for pair in pairs) - len('{"message":""}')
    pairs.insert(7, f'"message":"{message[: max(room, 0)]}"')
    if rng.randrange(10) < 3:
        rng.shuffle(pairs)
    return "{" + ",".join(pairs) + "}\n"


def write(path: Path, lines: int, one) -> None:
    """A file of so many lines."""
    rng = random.Random(SEED)
    with path.open("w", newline="\n") as out:
        for _ in range(lines):
            out.write(one(rng))


def repeat(source: Path, path: Path, size: int) -> None:
    """A file of at least ``size`` bytes, of the lines of another."""
    block = source.read_bytes()
    with path.open("wb") as out:
        while out.tell() < size:
            out.write(block)
