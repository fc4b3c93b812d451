"""The grammar of conditions; what they mean on rows is in test_cli.py."""

from __future__ import annotations

import doctest
from datetime import datetime, timezone

import pytest
from opsbox._cli import where
from opsbox._cli.where import MAX_DEPTH, WhereError, parse


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a field is missing at the end"),
        ("status", 'an operator is missing at the end, after "status"'),
        ("status =", 'a value is missing at the end, after "="'),
        ("a = 1 b = 2", '"b" (character 7) is too much'),
        ("(a = 1", '")" is missing at the end'),
        ("a = 1)", '")" (character 6) is too much'),
        ("a in (1, 2", '")" is missing at the end'),
        ("a in ()", 'a value is wanted where ")" (character 7) is'),
        ("a ! b", "no operator at character 3"),
        ("a == 1", 'a value is wanted where "=" (character 4) is'),
        ("and = 1", 'a field is wanted where "and" (character 1) is; quote it'),
        ("a is 1", '"null" is wanted where "1" (character 6) is'),
        ("a not = 1", '"in" is wanted where "="'),
        ('a = "x', "the quote has no end at character 5"),
        ("a ~ '['", "no regular expression"),
        ("(" * (MAX_DEPTH + 1) + "a = 1" + ")" * (MAX_DEPTH + 1), "inside of each other"),
        ("not " * 1000 + "a = 1", "inside of each other"),
    ],
)
def test_what_is_no_condition_is_told_with_its_place(text: str, says: str) -> None:
    with pytest.raises(WhereError) as error:
        parse(text)
    assert says in str(error.value)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    fits = parse("a = 1 or b = 1 and not c = 1")
    answers = {
        (a, b, c): fits({"a": a, "b": b, "c": c}) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    }
    assert answers == {(a, b, c): bool(a or (b and not c)) for a, b, c in answers}


def test_quotes() -> None:
    row = {"and": 'say "x" \\', "a b": "x"}
    assert parse(r"""'and' = "say \"x\" \\" """)(row)
    assert parse("\"a b\" = 'x'")(row)
    assert not parse('"a b"!=x')(row)
    assert parse("a\tin\n('x',y)")({"a": "y"})


def test_numbers_are_numbers() -> None:
    assert parse("n = 1e3")({"n": 1000})
    assert parse("n in (-1, +2.50)")({"n": 2.5})
    assert not parse("n > 9")({"n": "10x"})
    assert parse("n = 007")({"n": "007"})
    assert not parse("n = 7")({"n": "007"})
    with pytest.raises(WhereError, match='n is a number, and "1_0"'):
        parse("n = 1_0")({"n": 1})
    with pytest.raises(WhereError, match="n is true or false"):
        parse("n = 1")({"n": True})


def test_times() -> None:
    row = {"t": datetime(2026, 5, 17, 10, 5, 3, tzinfo=timezone.utc)}
    assert parse("t > 2026-05-17")(row)
    assert parse("t = 2026-05-17T12:05:03+02:00")(row)
    assert not parse("t < '2026-05-17 10:05:03'")(row)


def test_examples_run() -> None:
    assert doctest.testmod(where).attempted >= 5
    assert doctest.testmod(where).failed == 0
