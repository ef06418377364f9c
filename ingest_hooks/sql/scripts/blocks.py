"""The parts of a text that may be statements: without what is wrapped around a routine's body, and without words of control."""
from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlglot import Dialect
from sqlglot.tokens import Token, TokenType

from ingest_hooks.sql.scripts.unseparated import ends_before

__all__ = ["Parts", "blanked", "read_parts"]

# words that can stand before a statement of a block; the statement begins behind one of `_BEFORE`
_CONTROL: Final = frozenset({"BEGIN", "IF", "ELSE", "ELSEIF", "ELSIF", "LOOP", "WHILE", "FOR", "REPEAT", "EXCEPTION", "WHEN", "END", "DO", "DECLARE", "RETURN",
                             "LET", "RAISE", "PERFORM", "OPEN", "FETCH", "CLOSE", "LEAVE", "ITERATE", "BREAK", "CONTINUE", "COMMIT", "ROLLBACK"})
_SWALLOWING: Final = _CONTROL - {"COMMIT", "ROLLBACK"}
_BEFORE: Final = frozenset({"BEGIN", "ATOMIC", "THEN", "ELSE", "LOOP", "DO", "QUERY", "REPEAT", "TRY", "CATCH"})
_BARE: Final = frozenset({"IF", "WHILE"})  # of T-SQL: a condition and one statement, with nothing between
_STARTS: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "WITH", "SELECT", "REPLACE", "COPY", "TRUNCATE"})
_REPLACE: Final = re.compile(r"^(\s*)replace(\s+into\b)", re.IGNORECASE | re.MULTILINE)
_UNLOAD: Final = re.compile(r"^(\s*)unload(\s*\(\s*)'((?:[^']|'')*)'(\s*\)\s*to\s*'[^']*')([^;]*)", re.IGNORECASE | re.MULTILINE)
_IN_A_STRING: Final = re.compile(r"\bexec(?:ute)?\b(?:\s+immediate\b|\s+sp_executesql\b)?\s*(?:\(\s*)?N?(?:'(?P<one>(?:[^']|'')*)'"
                                 r'|"{3}(?P<three>.*?)"{3})'
                                 r"(?:\s*\))?(?=\s*(?:;|$|\bend\b))", re.IGNORECASE | re.DOTALL)
_HEAD: Final = re.compile(r"\s*(?:(?:create|alter)\b(?:\s+or\s+\w+)?(?:\s+(?:temp|temporary|secure|aggregate))*\s+(?:proc|procedure|function)\b|do\b|"
                          rf"execute\s+immediate\b|(?P<block>begin)\s+(?:{'|'.join(sorted(_STARTS | _CONTROL))})\b|"
                          r"(?P<declare>declare)\b[^;]*;.*?\bbegin\b)", re.IGNORECASE | re.DOTALL)
_TASK: Final = re.compile(rf"\s*create\b(?:\s+or\s+\w+)?\s+task\b.*?\bas\s+(?={'|'.join(sorted(_STARTS))}|begin\b)", re.IGNORECASE | re.DOTALL)
_DOLLARS: Final = re.compile(r"(?P<tag>\$\w*\$)(?P<body>.*?)(?P=tag)", re.DOTALL)
_ON_CONFLICT: Final = re.compile(r"do\s+(?:nothing|update)\b", re.IGNORECASE)
_GO: Final = re.compile(r"^([ \t]*)go\b([ \t]+\d+)?(?=[ \t]*$)", re.IGNORECASE | re.MULTILINE)
_WITHOUT_SEMICOLONS: Final = frozenset({"TSQL", "Fabric"})
_TELLS: Final = re.compile(r"\b(?:insert|update|delete|merge|copy|from)\b", re.IGNORECASE)
_BODY: Final = re.compile(rf"\bas\s+(?={'|'.join(sorted(_STARTS))})\b", re.IGNORECASE)
_BLOCK: Final = re.compile(r"\bbegin\b", re.IGNORECASE)
_END: Final = re.compile(r"\bend\b", re.IGNORECASE)
_DECLARATIONS: Final = re.compile(r"\b(?:declare|is|as)\b(.*?)\bbegin\b", re.IGNORECASE | re.DOTALL)
_NAME: Final = re.compile(r"\s*(?:\$\w*\$\s*)?(?:declare\s+)?(\w+)\s+\w", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"[(,]\s*(?:(?:in|out|inout)\s+)?[\"`]?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parts:
    """A text with its tokens, and those of each statement in it. What is no part of any is blanked out, so that places stay.

    `routine`: it is the body of something that only runs when it is called. `variables`: case-folded names of parameters and variables.
    """

    sql: str
    tokens: Sequence[Token]
    statements: Sequence[Sequence[Token]]
    routine: bool
    variables: frozenset[str]


def read_parts(sql: str, tool: Dialect) -> Parts:
    """Take a text apart.

    Raises:
        SqlglotError: it has no tokens of this dialect.
    """
    sql = _spelled(_GO.sub(lambda found: f"{found[1]};".ljust(len(found[0])), sql) if type(tool).__name__ in _WITHOUT_SEMICOLONS else sql)
    body = _routine_body(sql)
    routine, parameters = body is not None, frozenset[str]()
    if body is not None:
        parameters = _parameters(sql, body) | _declared(sql)
        behind = _behind(sql, body)
        routine = _TELLS.search(body) is not None or not behind.strip("; \t\n")  # what neither reads nor writes does not matter to what is behind it
        body = "".join(inside if outside.isspace() else outside for inside, outside in zip(body, behind, strict=True)) if routine else behind
    sql, tokens, led = _without_control(body if body is not None else sql, tool)
    statements = [part for part in _split(tokens, led, tool) if body is None or any(token.text.upper() in _STARTS | {"TABLE"} for token in part)]
    return Parts(sql, tokens, statements, routine, _variables(tokens) | parameters)


def _behind(sql: str, body: str) -> str:
    """What a script says behind the statement that makes a routine, all else blanked out; it begins with the semicolon that ends that statement."""
    end = sql.find(";", len(body.rstrip()))
    return blanked(sql, end if end >= 0 else len(sql), len(sql))


def _spelled(sql: str) -> str:
    """The text with `REPLACE INTO` and `UNLOAD ('query') TO 'path'` in words that parsers know, and what `EXEC ('…')` and its kin run in place of that, every
    other character where it was."""
    def copy(found: re.Match[str]) -> str:
        return f"{found[1]}copy  {found[2]} {_out_of_string(found[3])} {found[4]}{' ' * len(found[5])}"

    def run(found: re.Match[str]) -> str:
        kind = "one" if found["one"] is not None else "three"
        before, behind = (re.sub(r"[^\n]", " ", sql[start:end]) for start, end in ((found.start(), found.start(kind)), (found.end(kind), found.end())))
        return before + (_out_of_string(found["one"]) if kind == "one" else found["three"]) + behind

    sql = _IN_A_STRING.sub(run, sql)
    return _UNLOAD.sub(copy, _REPLACE.sub(r"\1insert \2", sql))


def _out_of_string(text: str) -> str:
    """SQL as it stood in a string, each doubled quote as one and a space."""
    return re.sub("''", lambda quote: " '" if text.count("''", 0, quote.start()) % 2 == 0 else "' ", text)


def _routine_body(sql: str) -> str | None:
    """The body of CREATE PROCEDURE, CREATE FUNCTION, CREATE TASK, DO, EXECUTE IMMEDIATE or a bare block, all else blanked out; None if it is none of these."""
    task = _TASK.match(sql)
    if task is not None:
        return blanked(sql, task.end(), len(sql))
    head = _HEAD.match(sql)
    if head is None:
        return None
    quoted = _DOLLARS.search(sql, head.end())
    if quoted is not None:
        return blanked(sql, quoted.start("body"), quoted.end("body"))
    block = _BLOCK.search(sql, head.start("block") if head["block"] else head.end())
    if block is None:
        bare = _BODY.search(sql, head.end())  # T-SQL: CREATE PROCEDURE p AS INSERT …
        return blanked(sql, bare.end(), len(sql)) if bare is not None and "proc" in head[0].lower() else None
    ends = list(_END.finditer(sql, block.end()))
    return blanked(sql, block.start(), ends[-1].start() if ends else len(sql))


def _without_control(sql: str, tool: Dialect) -> tuple[str, Sequence[Token], frozenset[int]]:
    """The text without the words of control that the dialect takes for commands of their own, which swallow what follows; its tokens; and where those begin
    that stood behind such words."""
    ends: list[int] = []
    while True:
        tokens = tool.tokenize(sql)
        swallowing = next((token for token in tokens if token.token_type is TokenType.COMMAND and token.text.upper() in _SWALLOWING
                           and not _ON_CONFLICT.match(sql, token.start)), None)
        if swallowing is None:
            starts = [token.start for token in tokens]
            return sql, tokens, frozenset(starts[at] for end in ends if (at := bisect_right(starts, end)) < len(starts))
        ends.append(swallowing.start + len(swallowing.text) - 1)
        sql = sql[:swallowing.start] + " " * (swallowing.end + 1 - swallowing.start) + sql[swallowing.end + 1:]


def _parameters(sql: str, body: str) -> frozenset[str]:
    """What stands in parentheses before the body, the first word of each part."""
    return frozenset(found[1].casefold() for found in _PARAMETER.finditer(sql[:len(body) - len(body.lstrip())]))


def _declared(sql: str) -> frozenset[str]:
    """What a routine declares before its block: `DECLARE a int; b text; BEGIN`, in Oracle `AS a NUMBER; BEGIN`."""
    sections = (part for section in _DECLARATIONS.finditer(sql) for part in section[1].split(";"))
    return frozenset(name[1].casefold() for part in sections if (name := _NAME.match(part)) is not None)


def _variables(tokens: Sequence[Token]) -> frozenset[str]:
    """Names that DECLARE and LET introduce."""
    return frozenset(after.text.casefold() for before, after in pairwise(tokens) if before.text.upper() in ("DECLARE", "LET"))


def blanked(sql: str, start: int, end: int) -> str:
    """The text with everything outside [start, end) as spaces: what is left stays where it was."""
    def blank(text: str) -> str:
        return "".join(char if char == "\n" else " " for char in text)

    return blank(sql[:start]) + sql[start:end] + blank(sql[end:])


def _split(tokens: Sequence[Token], led: Collection[int], tool: Dialect) -> Iterator[Sequence[Token]]:
    """The tokens of each statement."""
    first, depth = 0, 0
    for number, token in enumerate(tokens):
        kind = token.token_type
        if depth <= 0 and ends_before(tokens, first, number, tool):
            yield from _statement(tokens[first:number], led)
            first = number
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if kind is TokenType.SEMICOLON and depth <= 0:
            yield from _statement(tokens[first:number], led)
            first, depth = number + 1, 0
    yield from _statement(tokens[first:], led)


def _statement(tokens: Sequence[Token], led: Collection[int]) -> Iterator[Sequence[Token]]:
    if not tokens:
        return
    if tokens[0].text.upper() not in _CONTROL and (tokens[0].start not in led or tokens[0].text.upper() in _STARTS):
        yield tokens
        return
    for number, token in enumerate(tokens[1:], start=1):
        if token.text.upper() in _STARTS and tokens[number - 1].text.upper() in _BEFORE:
            yield tokens[number:]
            return
    if tokens[0].start in led:
        yield tokens
        return
    words = [token.text.upper() for token in tokens]
    if "DECLARE" in words and "TABLE" in words[words.index("DECLARE"):]:
        yield tokens[words.index("DECLARE"):]
        return
    leading = next((word for word in words if word not in _BEFORE and word != "END"), "")
    depth = 0
    for number, token in enumerate(tokens if leading in _BARE else ()):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and words[number] in _STARTS:
            yield tokens[number:]
            return
