"""A dbt node's macros outside dbt: callables that render as dbt would have, and that say where their text comes from."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, Template, TemplateError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.sql import MacroPlace
from ingest_hooks.sql.templates.marks import Marks

__all__ = ["PathOf", "macros_of"]

PathOf = Callable[[str], str]  # a file's path in the project -> as it is told
logger = logging.getLogger("ingest_hooks")


_ASKS_THE_DATABASE = ("macro.dbt.is_incremental",)  # `context` knows the answer


class _Returned(Exception):
    """`return(value)` inside a macro: the value is what the call gives, whatever type it has."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def macros_of(artifacts: Artifacts, node: Node, context: Mapping[str, Any], marks: Marks | None, path: PathOf) -> dict[str, Any]:
    """By bare name, by package, and through `adapter.dispatch`; they may call each other in any order. With `marks`, their text is marked."""
    environment = Environment(extensions=["jinja2.ext.do", *([_Marking] if marks is not None else [])])  # noqa: S701 - SQL, not HTML
    compiled: dict[str, Any] = {}
    by_name: dict[str, Any] = {}
    packages: dict[str, SimpleNamespace] = {}

    def late(name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                made = compiled[name](*arguments, **named)
            except _Returned as returned:
                return returned.value
            return marks.called(made) if marks is not None and isinstance(made, str) else made

        return call

    def dispatch(name: str, *_: Any, **__: Any) -> Any:
        return by_name.get(f"{artifacts.adapter}__{name}") or by_name[f"default__{name}"]

    def give_back(value: Any = None) -> Any:
        raise _Returned(value)

    macros = {unique_id: macro for unique_id, macro in artifacts.macro_closure(node).items() if unique_id not in _ASKS_THE_DATABASE}
    for unique_id, macro in macros.items():
        name = str(macro["name"])
        by_name[name] = late(unique_id)
        setattr(packages.setdefault(str(macro["package_name"]), SimpleNamespace()), name, by_name[name])
    known = {**by_name, **packages, "adapter": SimpleNamespace(**vars(context.get("adapter") or SimpleNamespace()), dispatch=dispatch)}
    environment.globals.update(context)
    environment.globals.update(known)
    environment.globals["return"] = give_back
    for unique_id, macro in macros.items():
        text = str(macro["macro_sql"])
        if marks is not None:
            environment.globals[_MARK] = _marker(artifacts, macro, marks, path)
        try:
            code = environment.compile(text, name=unique_id, filename=unique_id)
            compiled[unique_id] = getattr(Template.from_code(environment, code, environment.globals).module, str(macro["name"]))
        except (TemplateError, TypeError, LookupError, AttributeError) as error:
            logger.debug("dbt hook: macro %s cannot be used outside dbt: %s", unique_id, error)
    return known


_MARK = "lineproof_mark_of_line"


_Mark = Callable[[int, int | None, str | None], str]


class _Marking(Extension):
    """Puts a mark before each line of text and before each expression of what is compiled."""

    _places: Iterator[tuple[int, int | None]] = iter(())

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        self._places = iter(list(self._found(source)))
        return source

    def _found(self, source: str) -> Iterator[tuple[int, int | None]]:
        """Line and column of each stretch of text and each expression; tokens know their line alone."""
        text, at = source.replace("\r\n", "\n").replace("\r", "\n"), 0
        for line, kind, value in self.environment.lexer.tokeniter(source, None):
            start = text.find(value, at)
            known = start >= 0 and not text[at:start].strip()  # white space that a `-` takes away
            if kind in ("data", "variable_begin"):
                yield line, start - text.rfind("\n", 0, start) if known else None
            at = start + len(value) if known else at

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        mark: _Mark = self.environment.globals[_MARK]  # type: ignore[assignment]
        return self._marked(stream, mark)

    def _marked(self, stream: TokenStream, mark: _Mark) -> Iterator[Token]:
        for token in stream:
            if token.type == "data":
                first, column = next(self._places)
                lines = token.value.split("\n")
                yield Token(token.lineno, "data", "\n".join(f"{mark(first + number, 1 if number else column, line)}{line}" if line else line
                                                            for number, line in enumerate(lines)))
                continue
            if token.type == "variable_begin":
                yield Token(token.lineno, "data", mark(*next(self._places), None))
            yield token


def _marker(artifacts: Artifacts, macro: Node, marks: Marks, path: PathOf) -> _Mark:
    """Line and column in the macro's text, and what stands there -> its mark."""
    name = str(macro["unique_id"])
    file, first, indent = artifacts.macro_place(macro)

    def mark(within: int, column: int | None, text: str | None) -> str:
        if column is not None and within == 1 and first is not None:
            column += indent
        return marks.at(MacroPlace(name, path(file) if file is not None else None, first + within - 1 if first is not None else None, within, column), text)

    return mark
