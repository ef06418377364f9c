"""What a viewer may see. Walks are masked after they are done, so that a hidden node keeps its place in a path.

A column takes the classification of its dataset unless it has one of its own. Kinds without a namespace (run, commit, …) are
visible iff something visible links them.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lineproof_schema.urn import NAMESPACED_KINDS, Urn, UrnError, format_urn, parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.context import QueryContext

__all__ = ["asked", "hidden", "may_see", "named_in", "visible_prefixes", "withheld"]

BESIDE_LIMIT = 50  # links looked at to decide whether a run or commit belongs to something visible


async def hidden(context: QueryContext, urns: Iterable[str]) -> frozenset[str]:
    """Those of `urns` (walk nodes and other namespaced entities) that the viewer may not see."""
    if context.viewer.sees_all:
        return frozenset()
    parsed = {urn: parse_urn(urn) for urn in urns}
    wanted = {owner for urn in parsed.values() for owner in _classified(urn)}
    rows = await context.graph.get(sorted(wanted), context.at)
    return frozenset(text for text, urn in parsed.items() if not _visible(context, urn, rows))


async def may_see(context: QueryContext, urn: str) -> bool:
    """Whether one entity of any kind is visible."""
    if context.viewer.sees_all:
        return True
    parsed = parse_urn(urn)
    if parsed.kind in NAMESPACED_KINDS:
        return urn not in await hidden(context, [urn])
    if not context.viewer.can_see(None, None):
        return False
    links = (await context.graph.provenance([urn], None, context.at, BESIDE_LIMIT)).get(urn)
    if links is None:
        return False
    beside = {link.dst for link in links.out} | {link.src for link in links.into}
    named = [other for other in beside if parse_urn(other).kind in NAMESPACED_KINDS]
    if named:
        return len(await hidden(context, named)) < len(named)
    further = await context.graph.provenance(sorted(beside), None, context.at, BESIDE_LIMIT)
    second = {end for row in further.values() for link in (*row.out, *row.into) for end in (link.src, link.dst)}
    named = [other for other in second if parse_urn(other).kind in NAMESPACED_KINDS]
    return bool(named) and len(await hidden(context, named)) < len(named)


async def asked(context: QueryContext, urn: str) -> NodeRow | None:
    """The entity that a viewer asks about; None, which the answer admits, if it does not exist or may not be seen: the two read alike."""
    row = (await context.nodes([urn])).get(urn)
    if row is not None and await may_see(context, urn):
        return row
    context.unknown(urn)
    return None


async def withheld(context: QueryContext, values: Sequence[Any]) -> list[bool]:
    """Of each value of a fact, whether it names what the viewer may not see: facets say what a dataset is made of, as edges do."""
    if context.viewer.sees_all:
        return [False] * len(values)
    named = [set(named_in(value)) for value in values]
    masked = await hidden(context, {urn for urns in named for urn in urns})
    return [not urns.isdisjoint(masked) for urns in named]


def named_in(value: Any) -> Iterator[str]:
    """URNs of the namespaced entities that a JSON value names, as URNs or as `{namespace, name}`."""
    if isinstance(value, Mapping):
        namespace, name = value.get("namespace"), value.get("name")
        if isinstance(namespace, str) and isinstance(name, str) and namespace and name:
            yield from _dataset(namespace, name)
        for key, item in value.items():
            yield from named_in(key)
            yield from named_in(item)
    elif isinstance(value, str):
        if value.startswith("urn:lineproof:"):
            yield from _named(value)
    elif isinstance(value, Sequence):
        for item in value:
            yield from named_in(item)


def _dataset(namespace: str, name: str) -> Iterator[str]:
    try:
        yield format_urn("dataset", namespace, name)  # or a job: they are seen alike
    except UrnError:
        return


def _named(urn: str) -> Iterator[str]:
    try:
        parsed = parse_urn(urn)
    except UrnError:
        return
    if parsed.kind in NAMESPACED_KINDS:
        yield str(parsed)


def visible_prefixes(context: QueryContext) -> list[str] | None:
    """Namespace prefixes a search may look into; None = all of them."""
    if context.viewer.sees_all:
        return None
    return list(context.viewer.prefixes)


def _classified(urn: Urn) -> tuple[str, ...]:
    return (str(urn), str(urn.parent)) if urn.parent is not None else (str(urn),)


def _visible(context: QueryContext, urn: Urn, rows: Mapping[str, NodeRow]) -> bool:
    own = rows.get(str(urn))
    parent = rows.get(str(urn.parent)) if urn.parent is not None else None
    levels = [row.facts["classification"] for row in (own, parent) if row is not None and row.facts.get("classification") is not None]
    return all(context.viewer.can_see(urn.namespace, level) for level in levels or [None])
