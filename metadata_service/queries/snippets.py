"""The lines of code behind an edge: of the file that says it, and of the macro that made its text."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lineproof_schema.urn import holder, parse_urn
from metadata_service.graph.ops import Edge
from metadata_service.projector.code import sql_digest
from metadata_service.projector.macros import macros_fact
from metadata_service.projector.plain import as_dict
from metadata_service.queries.context import QueryContext
from metadata_service.queries.trace_shapes import MacroPlace, Snippet

__all__ = ["macro_of", "snippet_of"]

SNIPPET_LINES: Final = 3  # shown before and after the line meant
MAX_SOURCE_BYTES: Final = 1_000_000


async def macro_of(context: QueryContext, downstream: str, edge: Edge, facts: Mapping[str, object], *, shown: bool) -> MacroPlace | None:
    """The macro that made the expression of `edge`, if one did."""
    places = facts.get(macros_fact(holder(downstream)))
    said = as_dict(places.get(parse_urn(downstream).components[2])) if isinstance(places, Mapping) and holder(downstream) != downstream else {}
    if not said or said.get("call") != [edge.file, edge.line, edge.column]:  # another run of this code rendered it otherwise
        return None
    name, within, file, line = str(said["name"]), int(said["within"]), said.get("file"), said.get("line")
    digest = as_dict(facts.get("modules")).get(name)
    snippet = await _lines(context, digest, file or name, line or within, (line or within) - within + 1) if shown else None
    return MacroPlace(name, file, line, said.get("column"), within, snippet)


async def snippet_of(context: QueryContext, edge: Edge, facts: Mapping[str, object]) -> Snippet | None:
    """The lines around the place, if the artifact store has the file, or the job told the statement."""
    if edge.line is None:
        return None
    if edge.file is None:
        return await _of_statement(context, edge, facts)
    if facts.get("path") in (None, edge.file):
        first = facts.get("rawCodeLine")
        return await _lines(context, facts.get("rawCode"), edge.file, edge.line, first if isinstance(first, int) else 1)
    return await _lines(context, as_dict(facts.get("modules")).get(edge.file), edge.file, edge.line, 1)


async def _of_statement(context: QueryContext, edge: Edge, facts: Mapping[str, object]) -> Snippet | None:
    """The lines of a statement that came with an event and lies in no file: the one which is the code, or which the parser had read."""
    if edge.via is None or edge.line is None:
        return None
    history = await context.graph.revisions(edge.via, context.at)
    texts = {sql_digest(row.value): row.value for row in history if row.fact == "sql" and isinstance(row.value, str)}
    parsed = [as_dict(row.value).get("sql") for row in history if row.fact == "derivation" and row.from_ <= edge.from_]
    text = next((texts[digest] for digest in (facts.get("rawCode"), *reversed(parsed)) if isinstance(digest, str) and digest in texts), None)
    return _cut(text, f"statement of {parse_urn(edge.via).name}", edge.line, 1) if text is not None else None


async def _lines(context: QueryContext, digest: object, file: str, line: int, first: int) -> Snippet | None:
    """Lines around `line` of a file, of which the artifact holds what stands from line `first` on."""
    raw = await context.room.source(digest) if context.room.source is not None and isinstance(digest, str) else None
    if raw is None or len(raw) > MAX_SOURCE_BYTES:
        return None
    return _cut(raw.decode("utf-8", "replace"), file, line, first)


def _cut(text: str, file: str, line: int, first: int) -> Snippet | None:
    lines = text.splitlines()
    at = line - first
    if not 0 <= at < len(lines):
        return None
    start = max(0, at - SNIPPET_LINES)
    return Snippet(file, start + first, line, tuple(lines[start:at + SNIPPET_LINES + 1]))
