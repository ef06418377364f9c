"""What a viewer may see. Walks are masked after they are done, so that a hidden node keeps its place in a path.

A column takes the classification of its dataset unless it has one of its own. Kinds without a namespace (run, commit, …) are
visible iff something visible links them.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lineproof_schema.urn import NAMESPACED_KINDS, Urn, UrnError, format_urn, kind_of, parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.graph.rows import sort_name
from metadata_service.queries.context import QueryContext
from metadata_service.registry.names import parse_name

__all__ = ["MAX_FOUND", "SEARCH_PAGE", "asked", "doubt", "hidden", "may_see", "named_in", "place_of", "unseen", "visible_hits", "withheld"]

BESIDE_LIMIT = 50  # links looked at to decide whether a run or commit belongs to something visible
SEARCH_PAGE = 500
MAX_FOUND = 20_000  # entities looked through in one search
_REFERENCE: Final = re.compile(r"[^\s:@/]+:[^\s:@/]+@[^\s:@/]+")  # <namespace>:<name>@<version|alias>, percent-encoded


async def hidden(context: QueryContext, urns: Iterable[str]) -> frozenset[str]:
    """Those of `urns` (walk nodes and other namespaced entities) that the viewer may not see."""
    if context.viewer.sees_all:
        return frozenset()
    parsed = {urn: parse_urn(urn) for urn in urns}
    wanted = {owner for urn in parsed.values() for owner in _classified(urn)}
    rows = await context.graph.get(sorted(wanted), context.at)
    return frozenset(text for text, urn in parsed.items() if not _visible(context, urn, rows))


async def unseen(context: QueryContext, urns: Iterable[str]) -> frozenset[str]:
    """Those of `urns`, of any kind, that the viewer may not see, or that do not exist and have no namespace either."""
    if context.viewer.sees_all:
        return frozenset()
    wanted = set(urns)
    bare = {urn for urn in wanted if not _has_namespace(urn)}
    beside = await _beside(context, bare)
    alone = {urn for urn, others in beside.items() if not any(map(_has_namespace, others))}
    further = await _beside(context, {other for urn in alone for other in beside[urn]})
    for urn in alone:
        beside[urn] = {other for near in beside[urn] for other in further.get(near, ())}
    named = {urn: set(filter(_has_namespace, others)) for urn, others in beside.items()}
    masked = await hidden(context, (wanted - bare).union(*named.values()))
    return frozenset(urn for urn in wanted if (urn in masked if urn not in bare else named.get(urn, set()) <= masked))


async def may_see(context: QueryContext, urn: str) -> bool:
    """Whether one entity of any kind is visible."""
    return not await unseen(context, [urn])


async def asked(context: QueryContext, urn: str) -> NodeRow | None:
    """The entity that a viewer asks about; None, which the answer admits, if it does not exist or may not be seen: the two read alike."""
    row = (await context.nodes([urn])).get(urn)
    if row is not None and await may_see(context, urn):
        return row
    context.unknown(urn)
    return None


async def doubt(context: QueryContext, code: str, said: Mapping[str, str]) -> None:
    """Admit of each of these entities what is not known of it; what the viewer may not see has no name there either."""
    masked = await hidden(context, said)
    for urn, detail in said.items():
        context.notes.doubt(code, detail, None if urn in masked else urn)


async def withheld(context: QueryContext, values: Sequence[Any]) -> list[bool]:
    """Of each value of a fact, whether it names what the viewer may not see: facets say what a dataset is made of, as edges do."""
    if context.viewer.sees_all:
        return [False] * len(values)
    named = [set(named_in(value)) for value in values]
    masked = await unseen(context, {urn for urns in named for urn in urns})
    return [not urns.isdisjoint(masked) for urns in named]


def named_in(value: Any) -> Iterator[str]:
    """URNs of the entities that a JSON value names: as URNs, as `{namespace, name}`, or as references to a version of a feature or model."""
    if isinstance(value, Mapping):
        namespace, name = value.get("namespace"), value.get("name")
        if isinstance(namespace, str) and isinstance(name, str) and namespace and name:
            yield from _urns(lambda: format_urn("dataset", namespace, name))  # or a job: they are seen alike
        for key, item in value.items():
            yield from named_in(key)
            yield from named_in(item)
    elif isinstance(value, str):
        if kind_of(value) is not None:
            yield from _urns(lambda: str(parse_urn(value)))
        elif _REFERENCE.fullmatch(value):
            yield from _urns(lambda: parse_name(value, "feature").urn)
    elif isinstance(value, Sequence):
        for item in value:
            yield from named_in(item)


def _urns(read: Callable[[], str]) -> Iterator[str]:
    """What is no name names nothing."""
    try:
        yield read()
    except UrnError:
        return


async def visible_hits(context: QueryContext, text: str, kinds: Sequence[str] | None, most: int, after: tuple[str, str] | None = None) -> list[NodeRow]:
    """The first `most` current entities behind `after` whose name or namespace contains `text`, by (name, URN): those that the viewer may see, as if there
    were no others."""
    rows: list[NodeRow] = []
    prefixes, size = (None, min(most, SEARCH_PAGE)) if context.viewer.sees_all else (list(context.viewer.prefixes), SEARCH_PAGE)
    for _ in range(MAX_FOUND // SEARCH_PAGE):
        page = await context.graph.search(text, kinds, prefixes, after, size)
        masked = await unseen(context, [row.urn for row in page.rows])
        rows += [row for row in page.rows if row.urn not in masked]
        after = page.after
        if after is None or len(rows) >= most:
            return rows[:most]
    context.notes.truncate("names looked through")
    return rows[:most]


def place_of(row: NodeRow) -> tuple[str, str]:
    """Where a search goes on behind this row."""
    return sort_name(row.urn), row.urn


async def _beside(context: QueryContext, urns: Collection[str]) -> dict[str, set[str]]:
    """What each of the entities that exist is linked to."""
    links = await context.graph.provenance(sorted(urns), None, context.at, BESIDE_LIMIT) if urns else {}
    return {urn: {end for link in (*each.out, *each.into) for end in (link.src, link.dst)} - {urn} for urn, each in links.items()}


def _has_namespace(urn: str) -> bool:
    return kind_of(urn) in NAMESPACED_KINDS


def _classified(urn: Urn) -> tuple[str, ...]:
    return (str(urn), str(urn.parent)) if urn.parent is not None else (str(urn),)


def _visible(context: QueryContext, urn: Urn, rows: Mapping[str, NodeRow]) -> bool:
    own = rows.get(str(urn))
    parent = rows.get(str(urn.parent)) if urn.parent is not None else None
    levels = [row.facts["classification"] for row in (own, parent) if row is not None and row.facts.get("classification") is not None]
    return all(context.viewer.can_see(urn.namespace, level) for level in levels or [None])
