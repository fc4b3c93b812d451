"""Which lines are whose when a file is read in parts: each exactly once, whatever the parts."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from opsbox._splits import OwnedLines, Split, files_of, plan

LOGS = [
    b"",
    b"\n",
    b"one line without an end",
    b"a\nbb\n\n\nccc\n",
    b"a\r\nbb\r\n",
    b"\n\n\n",
    b"x" * 50 + b"\n" + b"y" * 3 + b"\n" + b"z" * 70,
]


def owned(path: Path, start: int, end: int | None, chunk: int) -> tuple[int, bytes]:
    lines = OwnedLines(Split(str(path), start, end), chunk)
    got = b"".join(lines)
    return lines.begin, got


def starts(log: bytes) -> list[int]:
    """Where lines begin, by definition."""
    return [at for at in range(len(log)) if at == 0 or log[at - 1 : at] == b"\n"]


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
def test_a_split_has_the_lines_that_start_in_it(tmp_path: Path, log: bytes, chunk: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(log)
    begins = [*starts(log), len(log)]
    for start in range(len(log) + 1):
        for end in range(start, len(log) + 2):
            mine = [at for at in begins[:-1] if start <= at < end]
            begin, got = owned(path, start, end, chunk)
            if not mine:
                assert got == b"", (start, end)
                continue
            assert (begin, got) == (mine[0], log[mine[0] : begins[begins.index(mine[-1]) + 1]]), (
                start,
                end,
            )
        assert owned(path, start, None, chunk) == owned(path, start, len(log) + 1, chunk)


@pytest.mark.parametrize("seed", range(20))
def test_any_splits_give_each_line_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log = b"".join(rng.choice([b"a", b"\n", b"\r\n", b"long line " * 9]) for _ in range(400))
    path = tmp_path / "log"
    path.write_bytes(log)
    cuts = sorted({0, len(log), *(rng.randrange(len(log)) for _ in range(rng.randrange(40)))})
    parts = [
        owned(path, start, end, rng.choice([1, 5, 64]))[1]
        for start, end in itertools.pairwise(cuts)
    ]
    assert b"".join(parts) == log
    assert all(part.endswith(b"\n") for part in [it for it in parts if it][:-1])


def test_a_file_is_planned_without_gaps(tmp_path: Path) -> None:
    sizes = {"empty": 0, "small": 10, "large": 1003}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    splits = plan([str(tmp_path / name) for name in sizes], 100)
    assert splits[:2] == [
        Split(str(tmp_path / "empty"), 0, 0),
        Split(str(tmp_path / "small"), 0, 10),
    ]
    large = splits[2:]
    assert (large[0].start, large[-1].end, len(large)) == (0, 1003, 10)
    assert all(before.end == after.start for before, after in itertools.pairwise(large))
    assert plan([str(tmp_path / "large")], None) == [Split(str(tmp_path / "large"), 0, None)]
    with pytest.raises(ValueError, match="split_bytes is 0"):
        plan([], 0)


def test_compressed_files_are_not_cut(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(random.Random(1).randbytes(5000)))
    assert plan([str(path)], 100) == [Split(str(path), 0, None)]


def test_what_is_named_as_files(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", ".hidden", "_SUCCESS", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    a, b, c = (str(tmp_path / name) for name in ("a.log", "b.log", "c.txt"))
    assert files_of(tmp_path) == [a, b, c]
    assert files_of(f"{tmp_path}/*.log") == [a, b]
    assert files_of([c, Path(a)]) == [c, a]
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        files_of([a, f"{tmp_path}/*.gz"])
    with pytest.raises(FileNotFoundError, match="the folder has no files"):
        files_of(tmp_path / "inner")
