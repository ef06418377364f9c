"""Whether those who read a column of one type can go on when it has another. SQL types of any dialect, Avro's, JSON Schema's, Arrow's.

Types are compared by what they hold, not by how they are spelled: `int4` is `INTEGER`, `NUMBER(38, 0)` is `DECIMAL(38, 0)`. Without the `sql` extra
only equal texts are the same, and nothing is known of others.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Fit", "fit", "spelled"]


class Fit(Enum):
    """What a change of type means to readers. WIDER: every value it could hold it still can. OTHER: it cannot, or they are values of another kind."""

    SAME = "same"
    WIDER = "wider"
    OTHER = "other"
    UNKNOWN = "unknown"


_SAME_AS: Final = {"SERIAL": "INT", "BIGSERIAL": "BIGINT", "SMALLSERIAL": "SMALLINT", "MEDIUMINT": "INT", "DATETIME": "TIMESTAMP", "DATETIME2": "TIMESTAMP",
                   "TIMESTAMPNTZ": "TIMESTAMP", "TIMESTAMPLTZ": "TIMESTAMPTZ", "BIGDECIMAL": "DECIMAL", "MONEY": "DECIMAL", "DECFLOAT": "DECIMAL"}
_DIGITS: Final = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19, "INT128": 39, "INT256": 78,  # of the largest value
                  "UTINYINT": 3, "USMALLINT": 5, "UINT": 10, "UBIGINT": 20, "UINT128": 39, "UINT256": 78}
_FLOATS: Final = {"FLOAT": 7, "DOUBLE": 15}  # decimal digits that are exact
_TEXTS: Final = frozenset({"CHAR", "NCHAR", "BPCHAR", "VARCHAR", "NVARCHAR", "TEXT", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "NAME"})
_BYTES: Final = frozenset({"BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB"})
_WORDS: Final = {"bytes": "VARBINARY", "float32": "FLOAT", "float64": "DOUBLE", "float16": "FLOAT", "halffloat": "FLOAT", "utf8": "TEXT", "large_utf8": "TEXT",
                 "large_string": "TEXT", "large_binary": "VARBINARY", "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINT", "uint64": "UBIGINT",
                 "date32": "DATE", "date64": "DATE"}  # of schema languages, which SQL has not or reads otherwise
_OF_ARROW: Final = tuple((re.compile(pattern, re.IGNORECASE), sql) for pattern, sql in (  # types with a unit, a time zone or a named item
    (r"\b(?:timestamp|datetime64)\[(?:s|ms|us|ns)\]", "TIMESTAMP"), (r"\b(?:timestamp|datetime64)\[(?:s|ms|us|ns),[^]]*\]", "TIMESTAMPTZ"),
    (r"\bdate(?:32|64)\[\w+\]", "DATE"), (r"\btime(?:32|64)\[\w+\]", "TIME"), (r"\bdecimal(?:32|64|128|256)(?=\()", "DECIMAL"),
    (r"\bfixed_size_binary\[(\d+)\]", r"BINARY(\1)"), (r"\b(?:large_)?list<(?:item|element): *", "ARRAY<")))
_FIELDS: Final = frozenset({"STRUCT", "OBJECT", "UNION", "NESTED"})
_NESTED: Final = frozenset({"ARRAY", "LIST", "MAP", "RANGE"})
_WORD: Final = re.compile(r"\w+")
_ONE_INTEGER: Final = frozenset({"bigquery", "sqlite"})  # dialects in which all integer types are one


@lru_cache(maxsize=10_000)  # a project has few types, and thousands of columns
def spelled(text: str, dialect: str | None) -> str:
    """A type of a dialect in the one spelling that `fit` reads; as it is if it cannot be read."""
    found = _read(text, dialect)
    return text.strip() if found is None else str(found.sql())


def fit(before: str, after: str) -> Fit:
    """What it means to the readers of a column that its type is `after` and no longer `before`. Alternatives stand apart by `|`."""
    if before.casefold() == after.casefold():
        return Fit.SAME
    old, new = _alternatives(before), _alternatives(after)
    if len(old) == len(new) == 1:
        return _fit_read(old[0], new[0])
    fits = [{_fit_read(one, other) for other in new} for one in old]
    if all(Fit.SAME in found for found in fits):
        return Fit.SAME if len(old) == len(new) else Fit.WIDER
    if all(found & {Fit.SAME, Fit.WIDER} for found in fits):
        return Fit.WIDER
    return Fit.UNKNOWN if any(Fit.UNKNOWN in found for found in fits) else Fit.OTHER


def _alternatives(text: str) -> list[str]:
    parts, depth, start = list[str](), 0, 0
    for place, mark in enumerate(text):
        depth += (mark in "<([") - (mark in ">)]")
        if mark == "|" and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _fit_read(before: str, after: str) -> Fit:
    if before.strip().casefold() == after.strip().casefold():
        return Fit.SAME
    old, new = _read(before, None), _read(after, None)
    return Fit.UNKNOWN if old is None or new is None else _fit(old, new)


def _read(text: str, dialect: str | None) -> exp.DataType | None:
    try:
        from sqlglot import Dialect, exp
        from sqlglot.errors import SqlglotError
    except ModuleNotFoundError:  # the `sql` extra
        return None
    name = _WORDS.get(text.strip().casefold(), text.strip())
    if dialect is None:
        for pattern, sql in _OF_ARROW:
            name = pattern.sub(sql, name)
    try:
        if name.upper() in exp.DataType.Type.__members__ and dialect is None:  # how `spelled` writes what only some dialects have
            found = exp.DataType(this=exp.DataType.Type[name.upper()])
        else:
            found = exp.DataType.build(name, dialect=Dialect.get_or_raise(dialect))
    except (SqlglotError, ValueError, TypeError, RecursionError):
        return None
    if "<" in name and len(_WORD.findall(str(found.sql(dialect)))) < len(_WORD.findall(name)):
        return None  # a word within it is none of the parser's, which leaves it out
    for each in found.find_all(exp.DataType):
        name = _SAME_AS.get(_name(each), "TINYINT" if _name(each) == "BOOLEAN" and dialect == "mysql" else _name(each))
        if name in _DIGITS:
            each.set("expressions", [])  # MySQL's display width
            name = "BIGINT" if dialect in _ONE_INTEGER else name
        if name != _name(each):
            each.set("this", exp.DataType.Type[name])
    return found


def _name(kind: exp.DataType) -> str:
    return str(getattr(kind.this, "value", kind.this)).upper()


def _fit(before: exp.DataType, after: exp.DataType) -> Fit:
    old, new = _name(before), _name(after)
    if before.sql().casefold() == after.sql().casefold():
        return Fit.SAME
    for group in (_TEXTS, _BYTES):
        if old in group and new in group:
            return _longer(_numbers(before), _numbers(after))
    if {old, new} & _FIELDS:
        return _fields(before, after) if old == new else Fit.OTHER
    if old in _NESTED and old == new and len(before.expressions) == len(after.expressions):
        return _worst(_fit(one, other) for one, other in zip(before.expressions, after.expressions, strict=True))
    if old in _DIGITS or old in _FLOATS or old == "DECIMAL":
        return _number(before, after)
    if old == "DATE" and new == "TIMESTAMP":
        return Fit.WIDER
    if old == new == "ENUM":
        return Fit.WIDER if {each.sql() for each in before.expressions} <= {each.sql() for each in after.expressions} else Fit.OTHER
    if old == new and all(len(_numbers(each)) == len(each.expressions) for each in (before, after)):
        return _longer(_numbers(before), _numbers(after))
    return Fit.UNKNOWN if old == new or "USERDEFINED" in (old, new) else Fit.OTHER


def _number(before: exp.DataType, after: exp.DataType) -> Fit:
    old, new = _name(before), _name(after)
    if old == "DECIMAL":
        if new != "DECIMAL":
            return Fit.OTHER
        digits, wider = _numbers(before), _numbers(after)
        if not digits or not wider:
            return Fit.WIDER if not wider else Fit.OTHER
        (whole, part), (more, finer) = ((each[0] - (each[1] if each[1:] else 0), each[1] if each[1:] else 0) for each in (digits, wider))
        return Fit.SAME if (whole, part) == (more, finer) else Fit.WIDER if more >= whole and finer >= part else Fit.OTHER
    if new == "DECIMAL":
        digits = _numbers(after)
        enough = not digits or digits[0] - (digits[1] if digits[1:] else 0) >= _DIGITS.get(old, 10_000)
        return Fit.WIDER if enough else Fit.OTHER
    if new in _FLOATS:
        return Fit.WIDER if {**_DIGITS, **_FLOATS}[old] <= _FLOATS[new] else Fit.OTHER
    if old in _DIGITS and new in _DIGITS:
        signs = old.startswith("U"), new.startswith("U")
        return Fit.WIDER if _DIGITS[new] > _DIGITS[old] and signs in ((False, False), (True, True), (True, False)) else Fit.OTHER
    return Fit.OTHER


def _numbers(kind: exp.DataType) -> list[int]:
    """Length, or precision and scale; empty if it has none, or no number (`max`)."""
    said = [str(each.this.this) if hasattr(each.this, "this") else str(each.this) for each in kind.expressions]
    return [int(each) for each in said] if all(each.isdigit() for each in said) else []


def _longer(before: list[int], after: list[int]) -> Fit:
    if before == after:
        return Fit.SAME
    return Fit.WIDER if not after or (before and all(one <= other for one, other in zip(before, after, strict=False))) else Fit.OTHER


def _fields(before: exp.DataType, after: exp.DataType) -> Fit:
    old, new = ({each.name.casefold(): each.args.get("kind") for each in kind.expressions} for kind in (before, after))
    if not old.keys() <= new.keys() or not old:
        return Fit.OTHER if old else Fit.UNKNOWN
    found = _worst(_fit(kind, new[name]) if kind is not None and new[name] is not None else Fit.UNKNOWN for name, kind in old.items())
    return Fit.WIDER if found is Fit.SAME and old.keys() != new.keys() else found


def _worst(found: Iterable[Fit]) -> Fit:
    ranked = [Fit.SAME, Fit.WIDER, Fit.UNKNOWN, Fit.OTHER]
    return max(found, key=ranked.index, default=Fit.SAME)
