"""The text of statements that the parser leaves as text, and of those it would misread. Needs the `sql` extra."""
from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import sqlglot
from sqlglot.tokens import TokenType

__all__ = ["actions", "created", "defined", "forward", "moved", "plain", "renamed", "takes_away"]

_PART: Final = r"(?:[\w$-]+|\"[^\"]+\"|`[^`]+`|\[[^]]+\])"
_NAME: Final = rf"({_PART}(?:\.{_PART})*)"
_ALTER: Final = r"^alter\s+\w+\s+(?:if\s+exists\s+)?(?:only\s+)?" + _NAME + r"\s+"
_ALTERED: Final = re.compile(_ALTER, re.IGNORECASE)
_CREATED: Final = re.compile(r"^create\s+((?:(?!(?:on|for|from|into|to|as)\b)\w+\s+)*?)(?:table|view)\s+(if\s+not\s+exists\s+)?" + _NAME, re.IGNORECASE)
_DEFINED: Final = re.compile(
    r"^create\s+(?:\w+\s+){0,3}?(?:function|macro|type|domain)\s+(?:if\s+not\s+exists\s+)?" + _NAME + r"\s*(\([^)]*\))?", re.IGNORECASE)
_KIND: Final = re.compile(r"^((?:alter|drop)\s+)(?:materialized|foreign|external|dynamic|iceberg|snapshot)\s+(?=(?:table|view)\b)", re.IGNORECASE)
_RENAMED: Final = re.compile(r"(?:table\s+)?([\w.`\"]+)\s+to\s+([\w.`\"]+)", re.IGNORECASE)
_SET_SCHEMA: Final = re.compile(_ALTER + r"set\s+schema\s+" + _NAME + "$", re.IGNORECASE)
_TRANSFER: Final = re.compile(r"^alter\s+schema\s+" + _NAME + r"\s+transfer\s+(?:object\s*::\s*)?" + _NAME + "$", re.IGNORECASE)
_RENAME_COLUMN: Final = re.compile(  # of which the parser makes another name of the table
    r"(\balter\s+table\b[^;]*?\brename\s+)(?!(?:to|column|constraint|index|key|as)\b)([\w\"`]+\s+to\b)", re.IGNORECASE)
_GO: Final = re.compile(r"^[ \t]*go(?:[ \t]+\d+)?[ \t]*$", re.IGNORECASE | re.MULTILINE)  # which SQL Server's tools take as the end of a batch
_FOR_PSQL: Final = re.compile(r"^[ \t]*\\\w.*$", re.MULTILINE)
_MIGRATION: Final = r"^[ \t]*--[ \t]*(?:\+goose|\+migrate|migrate:)[ \t]*"
_BACKWARD: Final = re.compile(rf"{_MIGRATION}down\b.*?(?={_MIGRATION}up\b|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_TAKES_AWAY: Final = re.compile(r"\b(alter|drop|rename|sp_rename|swap)\b", re.IGNORECASE)
_CHANGES_NO_COLUMN: Final = re.compile(  # of single statements of those, what readers do not notice
    r"^(?=alter|drop)(.*?\b)?(owner\s+to|(attach|detach|add|drop)\s+partition|row\s+level\s+security|(enable|disable)\s+\w+|(validate|rename)\s+constraint|rebuild|(no\s+)?inherit|"
    r"replica\s+identity|add\s+value|set\s+(tblproperties|options|statistics|storage|compression|logged|unlogged|tablespace)|unset\s+\w+|"
    r"(add|drop)\s+search|convert\s+to\s+character|(drop|alter)\s+"
    r"(index|constraint|sequence|function|procedure|trigger|role|user|policy|extension|default|identity|foreign\s+key|primary\s+key))\b",
    re.IGNORECASE | re.DOTALL)


def forward(sql: str) -> list[str]:
    """What a server is told when a script is applied, batch by batch, in words that the parser follows; every line keeps its number."""
    ahead = _BACKWARD.sub(lambda undone: "\n" * undone[0].count("\n"), sql)
    text = _RENAME_COLUMN.sub(r"\1column \2", _FOR_PSQL.sub(";", ahead))
    batches = _GO.split(text)
    return ["\n" * sum(each.count("\n") for each in batches[:place]) + batch for place, batch in enumerate(batches)]


def takes_away(text: str) -> bool:
    """Whether a statement may take something from readers."""
    return _TAKES_AWAY.search(text) is not None and _CHANGES_NO_COLUMN.search(text) is None


def plain(text: str) -> str:
    """A statement about a special kind of table or view, as it is written for any."""
    return _KIND.sub(r"\1", text)


def created(text: str) -> tuple[str, bool] | None:
    """The name of the table or view that a statement makes, and whether only if there is none; None if it makes none that lasts."""
    found = _CREATED.match(text)
    return None if found is None or "temp" in found[1].casefold() else (found[3], found[2] is not None)


def defined(text: str) -> tuple[str, str] | None:
    """The name of the function, macro or type that a statement defines, with its parameters, and what it is."""
    found = _DEFINED.match(text)
    return None if found is None else (f"{found[1]}{found[2] or ''}".casefold(), text[found.end():])


def moved(text: str) -> tuple[str, str] | None:
    """The table or view that a statement moves, and into which schema."""
    if found := _SET_SCHEMA.match(text):
        return found[1], found[2]
    return (found[2], found[1]) if (found := _TRANSFER.match(text)) else None


def renamed(text: str) -> list[tuple[str, str]]:
    """Names before and after, of a `rename table`."""
    return _RENAMED.findall(text)


def actions(text: str, dialect: str | None) -> list[str]:
    """The actions of an `alter`, each as a statement of its own."""
    altered = _ALTERED.match(text)
    if altered is None:
        return [text]
    cuts, depth = [altered.end()], 0
    for token in sqlglot.tokenize(text, read=dialect):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if token.token_type is TokenType.COMMA and depth == 0:
            cuts.append(token.start)
    single = [text[start:end].strip(" ,") for start, end in pairwise([*cuts, len(text)])]
    verb = "drop " if single[0].casefold().startswith("drop ") else ""  # SQL Server has it once
    return [f"{altered[0]}{verb if each.casefold().startswith('column ') else ''}{each}" for each in single]
