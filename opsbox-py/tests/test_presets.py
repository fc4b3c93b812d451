"""Every preset: its columns against Python's re, and against what the Rust side writes as NDJSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import opsbox
import pytest

PRESETS = {preset.name: preset for preset in opsbox.formats()}
# Its records have several lines; test_table.py has it.
MULTILINE = {"mysql-slow"}
BY_REGEX = sorted(name for name, preset in PRESETS.items() if preset.regex) 
BY_KEYS = sorted(name for name, preset in PRESETS.items() if not preset.regex)


def generated(preset: opsbox.Preset, lines: int, seed: int) -> bytes:
    """Lines like the example of a preset: other digits and letters, and some that are broken."""
    rng = random.Random(f"{preset.name} {seed}")
    out = []
    for _ in range(lines):
        line = bytearray(rng.choice(preset.example.encode().splitlines()))
        for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
            if not line:
                break
            at = rng.randrange(len(line))
            byte = line[at]
            match rng.randrange(12):
                case 0:
                    del line[at : at + rng.randrange(1, 4)]
                case 1:
                    line.insert(at, rng.choice(b' "[]\\:-|=,.x7\t\x00\xff\xc3'))
                case 2:
                    del line[at:]
                case 3:
                    line[at:at] = "größe ".encode()
                case 4:
                    line[at:at] = line[at : at + rng.randrange(1, 40)]
                case _ if 0x30 <= byte <= 0x39:
                    line[at] = rng.choice(b"0123456789")
                case _ if chr(byte).isalpha():
                    line[at] = rng.choice(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        out.append(bytes(line).replace(b"\n", b" ").replace(b"\r", b" "))
    return b"\n".join(out) + b"\n"


def python_regex(regex: str) -> re.Pattern[bytes]:
    """The pattern in Python's words: a column that is captured at several places is a group each."""
    groups = r"\(\?P?<(\w+)(?:\[(\w+)\])?>"

    def renamed(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}{'__' + match[2] if match[2] else ''}>"

    return re.compile(re.sub(groups, renamed, regex).encode())


def matched(pattern: re.Pattern[bytes], columns: list[str], line: bytes) -> list[str | None] | None:
    """What re says of a line: the first group of a column that took part."""
    match = pattern.fullmatch(line)
    if match is None:
        return None
    groups = match.groupdict()
    values: list[str | None] = []
    for column in columns:
        parts = (groups[name] for name in groups if name.split("__or")[0] == column)
        value = next((part for part in parts if part is not None), None)
        values.append(None if value is None else value.decode(errors="replace"))
    return values


@pytest.mark.parametrize("name", [name for name in BY_REGEX if name not in MULTILINE])
def test_columns_equal_what_re_extracts(name: str) -> None:
    preset = PRESETS[name]
    assert preset.regex is not None
    pattern = python_regex(preset.regex)
    log = generated(preset, 1500, seed=1) + preset.example.encode() + b"\n"
    parser = opsbox.Parser(name, types="text")
    table = parser.parse(log)
    rows, unmatched = [], []
    for number, line in enumerate(log.split(b"\n")[:-1], start=1):
        values = matched(pattern, parser.columns, line)
        if values is None:
            unmatched.append((number, line))
        else:
            rows.append((number, line, values))
    assert len(rows) > 150, "the generator makes too few lines that fit"
    assert len(unmatched) > 50, "the generator makes too few lines that do not fit"
    got = [(row.line, row.raw, row.values()) for row in table.records()]
    assert got == rows
    assert [(line.line, line.raw) for line in table.unmatched] == unmatched
    assert table.line_count == len(rows) + len(unmatched)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_columns_equal_what_rust_writes(name: str) -> None:
    """The NDJSON of a pipeline comes from the spans, without Arrow and Python in between."""
    preset = PRESETS[name]
    log = generated(preset, 1500, seed=2)
    if name in MULTILINE:
        log = (preset.example.encode().rstrip(b"\n") + b"\n") * 50
    config = f'[input]\npreset = "{name}"\n[output]\nnulls = true\nnested = false\ninfer = false\n'
    written = opsbox.Pipeline.from_text(config, variables={}).process(log)
    table = opsbox.Parser(name, types="text").parse(log)
    # A number is compared as it is written.
    lines = written.splitlines()
    expected = [json.loads(line, parse_int=str, parse_float=str) for line in lines]
    assert len(expected) == len(table) > (40 if name in MULTILINE else 100)
    for row, (record, wanted) in enumerate(zip(table.records(), expected, strict=True)):
        assert dict(record) == {column: wanted.get(column) for column in record}, row
        assert wanted.keys() <= set(record)


def flattened(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def test_ndjson_equals_json() -> None:
    rng = random.Random(7)
    words = ["", "a", "größe", 'q"uote', "back\\slash", "line\nfeed", "\u2028", "\x00", "x" * 40]
    documents = []
    for number in range(3000):
        document: dict[str, Any] = {"n": number}
        for key in rng.sample(["a", "b", "c.d", "größe", "deep"], rng.randrange(6)):
            document[key] = rng.choice(words)
        if rng.random() < 0.3:
            document["o"] = {"x": rng.choice(words), "y": {"z": rng.randrange(9)}}
        documents.append(document)
    log = "".join(
        json.dumps(document, ensure_ascii=rng.random() < 0.5) + "\n" for document in documents
    ).encode()
    table = opsbox.Parser("ndjson").parse(log)
    assert table.unmatched_count == 0
    for record, document in zip(table.records(), documents, strict=True):
        expected = {key: str(value) for key, value in flattened(document).items()}
        assert {key: value for key, value in record.items() if value is not None} == expected
