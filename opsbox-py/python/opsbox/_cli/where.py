"""Conditions on rows, as ``--where`` has them.

::

    condition   = any ;
    any         = all { "or" all } ;
    all         = single { "and" single } ;
    single      = "not" single | "(" any ")" | comparison ;
    comparison  = field operator value
                | field [ "not" ] "in" "(" value { "," value } ")"
                | field "is" [ "not" ] "null" ;
    operator    = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ;
    field       = word | quoted ;
    value       = word | quoted ;

A word is what has no space, quote, bracket, comma or character of an operator in it; ``"..."`` and ``'...'`` are
quoted, with ``\\"``, ``\\'`` and ``\\\\`` in them. The small words are the same in capitals.

- A whole number, decimal number or boolean is compared as such, a time with one in ISO 8601 (UTC if it does not say),
  text as text. Text and a number that is not quoted: ``<``, ``<=``, ``>``, ``>=`` compare numbers, and text that is
  none does not fit.
- ``~`` is a regular expression of Python's ``re`` that is found anywhere in the field's text.
- A field that a row does not have fits no comparison, ``!=`` and ``!~`` included; ``is null`` asks for it. ``not``
  turns an answer round, whatever it came from.

>>> fits = parse("status >= 500 and not (method = GET or path ~ '^/health')")
>>> sorted(fits.fields)
['method', 'path', 'status']
>>> fits({"status": 503, "method": "POST", "path": "/buy"})
True
>>> fits({"status": 503, "method": None, "path": "/healthz"})
False
>>> parse("status >= ")
Traceback (most recent call last):
opsbox._cli.where.WhereError: a value is missing at the end, after ">="
"""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

MAX_DEPTH = 50
"""Brackets and ``not`` inside of each other; a condition made by a program may have more than Python can call."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator> <= | >= | != | !~ | [=<>~(),] )
      | "(?P<double> (?: [^"\\] | \\. )* )"
      | '(?P<single> (?: [^'\\] | \\. )* )'
      | (?P<word> [^\s"'=<>!~(),]+ )
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SMALL_WORDS = frozenset(["and", "or", "not", "in", "is", "null"])


class WhereError(ValueError):
    """A condition that is none, with the place."""


class Where:
    """A condition: called with a row it says whether the row fits; ``fields`` are those that it looks at."""

    def __init__(self, test: Test, fields: frozenset[str]) -> None:
        self.fields = fields
        self._test = test

    def __call__(self, row: Row) -> bool:
        return self._test(row)


class _Token(NamedTuple):
    kind: str  # operator, word, quoted
    text: str
    at: int

    def said(self) -> str:
        return f'"{self.text}" (character {self.at + 1})'


def parse(text: str) -> Where:
    """The condition that a text is. Raises WhereError."""
    return _Reader(text).all_of_it()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._fields: set[str] = set()

    def all_of_it(self) -> Where:
        test = self._any()
        if (more := self._peek()) is not None:
            raise WhereError(f'{more.said()} is too much: after a comparison comes "and" or "or"')
        return Where(test, frozenset(self._fields))

    def _any(self) -> Test:
        tests = [self._all()]
        while self._word("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._single()]
        while self._word("and"):
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _single(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise WhereError(f"more than {MAX_DEPTH} brackets or nots inside of each other")
        try:
            if self._word("not"):
                test = self._single()
                return lambda row: not test(row)
            if self._operator("("):
                test = self._any()
                self._expect(")")
                return test
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        field = self._take("a field").text
        self._fields.add(field)
        if self._word("is"):
            present = self._word("not")
            if not self._word("null"):
                raise self._wrong('"null"')
            return lambda row: (row[field] is not None) is present
        absent_from = self._word("not")
        if self._word("in"):
            tests = [_comparison(field, "=", value) for value in self._list()]
            if absent_from:
                return lambda row: row[field] is not None and not any(test(row) for test in tests)
            return lambda row: any(test(row) for test in tests)
        token = self._peek()
        if (
            absent_from
            or token is None
            or token.text not in (*_ORDERS, "~", "!~")
            or token.kind != "operator"
        ):
            raise self._wrong('"in"' if absent_from else "an operator")
        self._next += 1
        return _comparison(field, token.text, self._take("a value"))

    def _list(self) -> list[_Token]:
        self._expect("(")
        values = [self._take("a value")]
        while self._operator(","):
            values.append(self._take("a value"))
        self._expect(")")
        return values

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _word(self, word: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "word" and token.text.lower() == word
        self._next += found
        return found

    def _operator(self, text: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "operator" and token.text == text
        self._next += found
        return found

    def _expect(self, text: str) -> None:
        if not self._operator(text):
            raise self._wrong(f'"{text}"')

    def _take(self, what: str) -> _Token:
        token = self._peek()
        small = token is not None and token.kind == "word" and token.text.lower() in _SMALL_WORDS
        if token is None or token.kind == "operator" or small:
            raise self._wrong(what)
        self._next += 1
        return token

    def _wrong(self, wanted: str) -> WhereError:
        token = self._peek()
        if token is not None:
            quote = "; quote it if it is meant as text" if token.kind == "word" else ""
            return WhereError(f"{wanted} is wanted where {token.said()} is{quote}")
        after = f', after "{self._tokens[-1].text}"' if self._tokens else ""
        return WhereError(f"{wanted} is missing at the end{after}")


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            why = "the quote has no end" if rest[0] in "\"'" else "that is no operator"
            raise WhereError(f"{why} at character {len(text) - len(rest) + 1}: {rest[:20]}")
        kind = match.lastgroup or ""
        value = match[kind]
        if kind in ("double", "single"):
            kind, value = "quoted", re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        tokens.append(_Token(kind, value, match.start(match.lastgroup or 0)))
        at = match.end()
    return tokens


def _comparison(field: str, order: str, value: _Token) -> Test:
    if order in ("~", "!~"):
        return _search(field, value, wanted=order == "~")
    compare = _ORDERS[order]
    number = _number(value.text) if value.kind == "word" else None
    text = value.text
    as_number = number is not None and order not in ("=", "!=")
    # The value as what fields are, found once: of a column all are the same.
    values: dict[type, Any] = {}

    def test(row: Row) -> bool:
        found = row[field]
        if found is None:
            return False
        if isinstance(found, str):
            if not as_number:
                return compare(found, text)
            found = _number(found)
            return found is not None and compare(found, number)
        wanted = values.get(type(found))
        if wanted is None:
            wanted = values[type(found)] = _as(found, field, value)
        return compare(found, wanted)

    return test


def _search(field: str, value: _Token, *, wanted: bool) -> Test:
    try:
        pattern = re.compile(value.text)
    except re.error as error:
        raise WhereError(f"{value.said()} is no regular expression: {error}") from None

    def test(row: Row) -> bool:
        found = row[field]
        return found is not None and (pattern.search(str(found)) is not None) is wanted

    return test


def _number(text: str) -> int | float | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    return int(text) if text.lstrip("+-").isdigit() and len(text) < 400 else float(text)


def _as(found: object, field: str, value: _Token) -> Any:
    """The value as what the field is."""
    text = value.text
    if isinstance(found, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise WhereError(f"{field} is true or false, and {value.said()} is neither")
    if isinstance(found, (int, float)):
        if (number := _number(text)) is not None:
            return number
        raise WhereError(f"{field} is a number, and {value.said()} is none")
    if isinstance(found, datetime.datetime):
        try:
            time = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise WhereError(f"{field} is a time, and {value.said()} is none in ISO 8601") from None
        if found.tzinfo is None:
            return time.replace(tzinfo=None)
        return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)
    return text
