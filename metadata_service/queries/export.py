"""Lineage that is larger than an answer, as a stream: the lineage of an entity, or everything there is, page by page at one position.

A stream stands at one size, whatever is projected meanwhile. What it holds in memory is one page, and for the lineage of an entity the URNs of what is
reached; everything is read in the order of its URNs and needs no more than the page. Behind each page stands a cursor from which a stream that
broke is continued, and only the last line says that it is whole. `export_ndjson` and `export_openlineage` say what is in a page.
"""
from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_right
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lineproof_schema.urn import WALK_KINDS, kind_of
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge, Family
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.reference import ends
from metadata_service.queries.context import Asked, QueryContext, Room, Viewer, standing
from metadata_service.queries.cursors import Cursor, read_cursor, write_cursor
from metadata_service.queries.errors import InvalidArgument, InvalidCursor, Rebuilding
from metadata_service.queries.lineage import MAX_DEPTH
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import Root, asked_roots
from metadata_service.queries.shapes import Direction, Level

__all__ = ["FORMAT", "Line", "Page", "Selection", "Stream", "Told", "open_stream"]

FORMAT: Final = "lineproof-lineage@v1"
PAGE: Final = 500  # entities told together
PAGE_EDGES: Final = 20_000  # edges read together; entities that have more between them are read apart
MOST_EDGES: Final = 1_000_000  # of one entity
MAX_REACHED: Final = 1_000_000  # entities of one lineage; their URNs take some 250 MB
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is told: the lineage of `urn`, `depth` hops far (None = all of it), or without a URN everything. `columns` tells columns as well."""

    urn: str | None = None
    direction: Direction = Direction.UPSTREAM
    depth: int | None = None
    columns: bool = True

    @property
    def families(self) -> tuple[Family, ...]:
        """The edges that are followed."""
        return (DERIVED_FROM, COLUMN_DERIVED_FROM) if self.columns else (DERIVED_FROM,)

    @property
    def kinds(self) -> list[str]:
        """The kinds of entities that are told."""
        return sorted(kind for kind in WALK_KINDS if self.columns or kind != "column")


@dataclass(slots=True)
class Told:
    """What a stream has told so far, from its first line on, also where it was continued."""

    nodes: int = 0
    edges: int = 0
    restricted: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Entities told together with their hops from the nearest root (None where everything is told); `key` is where the next page begins, None at the end."""

    distance: Mapping[str, int | None]
    key: list[Any] | None


@dataclass(slots=True)
class Stream:
    """An opened stream, to be read once. `reached` are the entities of the asked lineage; None: everything is told."""

    context: QueryContext
    selection: Selection
    question: Sequence[Any]
    after: list[Any] | None = None
    told: Told = field(default_factory=Told)
    roots: tuple[Root, ...] = ()
    reached: Mapping[str, int] | None = None

    @property
    def resumed(self) -> bool:
        """Whether it goes on where another broke."""
        return self.after is not None

    def cursor(self, page: Page, masked: Collection[str]) -> str | None:
        """The cursor behind a page: where to go on, and what was told up to there. None at the end, and where it would name what is `masked`."""
        urns, told = list(page.distance), self.told
        if page.key is None or not urns or urns[-1] in masked:
            return None
        place = [page.key, told.nodes, told.edges, told.restricted, told.truncated or self.context.notes.truncated]
        return write_cursor(self.context.room.cursor_secret, self.question, Cursor(self.context.size, place))

    async def pages(self, kinds: Sequence[str]) -> AsyncIterator[Page]:
        """The entities of these kinds, in an order that is the same each time. Whoever tells a page has to `stand` behind it, also if it is empty."""
        async for page in self._everything(kinds) if self.reached is None else self._reached(kinds, self.reached):
            yield page

    async def _everything(self, kinds: Sequence[str]) -> AsyncIterator[Page]:
        first, after = (str(self.after[0]), str(self.after[1])) if self.after is not None else (kinds[0], None)
        for number, kind in enumerate(kinds):
            if kind < first:
                continue
            start = after if kind == first else None
            while True:
                urns = await self.context.graph.listed(kind, self.context.at, start, PAGE)
                start = urns[-1] if len(urns) == PAGE else None
                key = [kind, start] if start is not None else [kinds[number + 1], ""] if number + 1 < len(kinds) else None
                yield Page(dict.fromkeys(urns), key)
                if start is None:
                    break

    async def _reached(self, kinds: Sequence[str], reached: Mapping[str, int]) -> AsyncIterator[Page]:
        wanted = frozenset(kinds)
        order = sorted((abs(distance), distance, urn) for urn, distance in reached.items() if kind_of(urn) in wanted)
        start = bisect_right(order, tuple(self.after)) if self.after is not None else 0
        for first in range(start, len(order), PAGE):
            part = order[first:first + PAGE]
            yield Page({urn: distance for _, distance, urn in part}, list(part[-1]) if first + PAGE < len(order) else None)

    async def edges(self, urns: Sequence[str], way: Way = "UPSTREAM") -> AsyncIterator[list[Edge]]:
        """The edges of these entities between what is told, some at a time; each entity's own come together unless they are too many."""
        if not urns:
            return
        most = PAGE_EDGES if len(urns) > 1 else MOST_EDGES
        found = await self.context.graph.neighbours(urns, way, self.selection.families, self.context.at, most + 1)
        if len(found) > most and len(urns) > 1:
            half = len(urns) // 2
            for part in (urns[:half], urns[half:]):
                async for some in self.edges(part, way):
                    yield some
            return
        if len(found) > most:
            self.context.notes.truncate(f"edges of one entity (the first {most})")
        await self.stand()
        yield [edge for edge in found[:most] if self.reached is None or (edge.upstream in self.reached and edge.downstream in self.reached)]

    async def stand(self) -> None:
        """What was read is only told if the graph still had the position when it had been read, and what was not found was not wiped away.

        Raises:
            Rebuilding: the graph is being made again and no longer has the position.
        """
        position = await self.context.graph.position()
        if position.size < self.context.size:
            raise Rebuilding(f"the graph is being made again and stands at {position.size}, the stream at {self.context.size}",
                             projected=position.size, whole=self.context.size)

    async def placed(self, urns: Collection[str]) -> set[str]:
        """Those of these hidden entities that have a place in the stream: in the lineage of an entity all, else those that stand beside something visible.
        Of the others a viewer learns nothing, not even how many there are."""
        if self.reached is not None:
            return set(urns)
        found: set[str] = set()
        for way in ("UPSTREAM", "DOWNSTREAM") if urns else ():
            async for edges in self.edges(sorted(urns), way):
                masked = await hidden(self.context, {end for edge in edges for end in (edge.downstream, edge.upstream)})
                found.update(near for edge in edges for near, far in (ends(edge, way),) if far not in masked)
        return found

    def stands_for(self, urn: str) -> str:
        """What stands for an entity that the viewer may not see: the same within a stream and what continues it, and nowhere else."""
        told = f"{self.context.size}\n{urn}".encode()
        return "restricted:" + hmac.new(self.context.room.cursor_secret, told, hashlib.sha256).hexdigest()[:24]


async def open_stream(room: Room, viewer: Viewer, asked: Asked, selection: Selection, form: str, after: str | None = None) -> Stream:
    """Open a stream; all that can be refused is refused here. `form` names what is made of it: a cursor belongs to one.

    Raises:
        PositionBeyondLog, NotProjected, InvalidPosition, InvalidArgument, InvalidCursor, UrnError, Rebuilding.
    """
    if selection.depth is not None and not 0 <= selection.depth <= MAX_DEPTH:
        raise InvalidArgument(f"depth is 0..{MAX_DEPTH}, or left out for everything")
    question = ["export", form, selection.urn, selection.direction.name, selection.depth, selection.columns, sorted(viewer.prefixes)]
    key, told = None, Told()
    if after is not None:
        cursor = read_cursor(room.cursor_secret, question, after)
        if asked.size not in (None, cursor.size) or asked.time is not None:
            raise InvalidCursor(f"the cursor belongs to size {cursor.size}")
        asked, key, told = replace(asked, size=cursor.size), cursor.after[0], Told(*cursor.after[1:])
    stream = Stream(await standing(room, viewer, asked), selection, question, key, told)
    if selection.urn is not None:
        await _reach(stream, selection.urn)
    if told.restricted:
        stream.context.notes.restrict(told.restricted)
    if told.truncated:
        stream.context.notes.truncate("something before the place from which this goes on")
    return stream


async def _reach(stream: Stream, urn: str) -> None:
    """Find the entities of a lineage: what `lineage` walks at both levels, a dataset and its columns together."""
    context, selection = stream.context, stream.selection
    levels = (Level.ASSET, Level.COLUMN) if selection.columns else (Level.ASSET,)
    roots = {root.urn: root for level in levels for root in reversed(await asked_roots(context, urn, level))}
    if not roots:
        stream.reached = {}
        return
    stream.roots = tuple(root for _, root in sorted(roots.items()))
    ways: list[Way] = ["UPSTREAM"] if selection.direction is Direction.UPSTREAM else ["DOWNSTREAM"]
    if selection.direction is Direction.BOTH:
        ways.append("UPSTREAM")
    reached: dict[str, int] = {}
    for way in ways:
        for each, hops in (await _walk(context, roots, way, selection)).items():
            if each not in reached or hops < reached[each]:
                reached[each] = -hops if way == "UPSTREAM" and selection.direction is Direction.BOTH else hops
    stream.reached = reached


async def _walk(context: QueryContext, roots: Iterable[str], way: Way, selection: Selection) -> dict[str, int]:
    level = sorted(roots)
    distance = dict.fromkeys(level, 0)
    hops = 0
    while level and (selection.depth is None or hops < selection.depth):
        hops += 1
        found: set[str] = set()
        for first in range(0, len(level), PAGE):
            edges = await context.graph.neighbours(level[first:first + PAGE], way, selection.families, context.at, MOST_EDGES)
            if len(edges) == MOST_EDGES:
                context.notes.truncate(f"edges of {PAGE} entities (the first {MOST_EDGES})")
            found.update(far for edge in edges for far in (ends(edge, way)[1],) if far not in distance)
        level = sorted(found)
        if len(distance) + len(level) > MAX_REACHED:
            context.notes.truncate(f"the walk stopped at {MAX_REACHED} nodes; {len(distance) + len(level) - MAX_REACHED} more are one hop away")
            distance.update(dict.fromkeys(level[:MAX_REACHED - len(distance)], hops))
            return distance
        distance.update(dict.fromkeys(level, hops))
    return distance
