"""One entity at a position: its facts, since when, and what it is linked to. And the search for entities by name."""
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from lineproof_schema.urn import parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.context import QueryContext
from metadata_service.queries.cursors import Cursor, page_size, read_cursor, write_cursor
from metadata_service.queries.errors import AmbiguousName, InvalidArgument
from metadata_service.queries.lineage import owner_names
from metadata_service.queries.mask import SEARCH_PAGE, asked, hidden, place_of, visible_hits, withheld
from metadata_service.queries.producers import Producer, producers
from metadata_service.queries.shapes import Completeness, ComputedAt, Kind, Long

__all__ = ["SEARCH_RANKS", "Entity", "EntityAnswer", "EntityLink", "EntityRow", "Fact", "SearchAnswer", "entity", "resolve_name", "search"]

MAX_TEXT_CHARACTERS = 8_192  # no URN is longer, and databases limit patterns
LINK_LIMIT = 200
CANDIDATES = 20
OTHER_CASE = 50  # what a fit in another case is worse
SEARCH_RANKS: Final = (
    (Kind.DATASET, Kind.COLUMN, Kind.FEATURE, Kind.MODEL, Kind.CONSUMER, Kind.JOB),
    (Kind.DATASET_VERSION, Kind.FEATURE_VERSION, Kind.MODEL_VERSION, Kind.DEPLOYMENT),
    (Kind.RUN, Kind.TRANSFORMATION, Kind.COMMIT, Kind.REPOSITORY, Kind.IMAGE, Kind.PRINCIPAL, Kind.ARTIFACT))  # every kind, as search results come


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact and the size it has held since. `value` is null if it names what the viewer may not see."""

    name: str
    value: Any
    since: Long


@dataclass(frozen=True, slots=True)
class EntityLink:
    """A provenance link; `outgoing` when this entity is its source. `urn` is the other end."""

    type: str
    outgoing: bool
    urn: str
    since: Long
    props: Any


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity at a position. `producers` are those of a dataset, from its first to the position; of other kinds there are none."""

    urn: str
    kind: Kind
    namespace: str | None
    name: str
    since: Long
    dropped: bool
    owners: tuple[str, ...]
    description: str | None
    tags: tuple[str, ...]
    classification: str | None
    facts: tuple[Fact, ...]
    links: tuple[EntityLink, ...]
    producers: tuple[Producer, ...] = ()


@dataclass(frozen=True, slots=True)
class EntityAnswer:
    """`entity` is null when nothing of that name is visible at the position; the reasons say so."""

    computed_at: ComputedAt
    completeness: Completeness
    entity: Entity | None


@dataclass(frozen=True, slots=True)
class EntityRow:
    """A search hit, as of now."""

    urn: str
    kind: Kind
    namespace: str | None
    name: str
    owners: tuple[str, ...]
    description: str | None
    dropped: bool


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What people name first (datasets, columns, features, models, consumers), then their versions, then runs, commits and code.

    In each of the three by name, within a page the very name that was typed before what only contains it; `after` continues, null at the end.
    """

    computed_at: ComputedAt
    completeness: Completeness
    rows: tuple[EntityRow, ...]
    after: str | None


async def entity(context: QueryContext, urn: str, *, made_by: bool = False) -> EntityAnswer:
    """The entity `urn` at the position; `made_by` reads the producers of a dataset as well. Raises UrnError."""
    parse_urn(urn)
    row = await asked(context, urn)
    if row is None:
        return EntityAnswer(await context.computed_at(), context.notes.completeness(), None)
    links = await _links(context, urn)
    told = sorted(row.facts.items())
    untold = await withheld(context, [value for _, value in told])
    context.notes.restrict(sum(untold))
    facts = tuple(Fact(name, None if silent else value, row.since.get(name, row.from_)) for (name, value), silent in zip(told, untold, strict=True))
    dropped = row.facts.get("existence") == "dropped"
    found = Entity(urn, Kind(row.kind), row.namespace, row.name, row.from_, dropped, owner_names(row), _text(row, "description"),
                   tuple(map(str, row.facts.get("tags") or ())), _text(row, "classification"), facts, links,
                   await producers(context, urn) if made_by and row.kind == "dataset" else ())
    return EntityAnswer(await context.computed_at(), context.notes.completeness(), found)


async def resolve_name(context: QueryContext, name: str, kinds: Collection[Kind] | None = None) -> str | None:
    """The URN that a person means by `name`: `<ns>/<name>[.column]`, `<ns>:<name>`, or a bare name if it is unique.

    A bare name fits an entity whose whole name it is, or whose name ends in it after a dot (`weather.wind_speed` is a column of
    `main.weather` as well). Exact fits win. None when nothing fits.

    Raises:
        AmbiguousName: several fit equally well.
        InvalidArgument: the name is too long to be one.
    """
    _check_length(name)
    wanted = {kind.value for kind in kinds} if kinds else None
    fits: dict[int, set[str]] = {}
    for text in _search_texts(name):
        for row in await visible_hits(context, text, sorted(wanted) if wanted else None, SEARCH_PAGE):
            if score := _fit(name, row):
                fits.setdefault(score, set()).add(row.urn)
    for score in sorted(fits):
        found = sorted(fits[score])
        if len(found) > 1:
            raise AmbiguousName(f"{name!r} fits {len(found)} entities", candidates=found[:CANDIDATES])
        return found[0]
    return None


async def search(context: QueryContext, text: str, kinds: Collection[Kind] | None = None, first: int | None = None, after: str | None = None) -> SearchAnswer:
    """Current entities whose name or namespace contains `text`, within the viewer's namespaces; what is not visible is not hinted at.

    Raises:
        InvalidArgument, InvalidCursor.
    """
    _check_length(text)
    rows = page_size(first, 20)
    names = sorted(kind.value for kind in kinds) if kinds else None
    question = ["search", text, names, sorted(context.viewer.prefixes)]
    secret = context.room.cursor_secret
    rank, *start = read_cursor(secret, question, after).after if after is not None else [0, "", ""]
    hits: list[NodeRow] = []
    following: list[Any] | None = None
    for number, ranked in list(enumerate(SEARCH_RANKS))[rank:]:
        wanted = [kind.value for kind in ranked if names is None or kind.value in names]
        begin = (start[0], start[1]) if number == rank and any(start) else None
        room = rows - len(hits)
        page = await visible_hits(context, text, wanted, room + 1, begin) if wanted else []  # one more tells whether there is another page
        hits += sorted(page[:room], key=lambda row: not _exact(text, row))  # else as they came, by name
        if len(page) > room:
            following = [number, *(place_of(page[room - 1]) if room else ("", ""))]
            break
    found = tuple(EntityRow(row.urn, Kind(row.kind), row.namespace, row.name, owner_names(row), _text(row, "description"),
                            row.facts.get("existence") == "dropped") for row in hits)
    return SearchAnswer(await context.computed_at(), context.notes.completeness(), found,
                        write_cursor(secret, question, Cursor(context.size, following)) if following is not None else None)


def _exact(text: str, row: NodeRow) -> bool:
    """Whether it is the name itself that was typed, or its last part."""
    wanted, name = text.casefold(), row.name.casefold()
    return name == wanted or name.endswith(f".{wanted}")


async def _links(context: QueryContext, urn: str) -> tuple[EntityLink, ...]:
    found = (await context.graph.provenance([urn], None, context.at, LINK_LIMIT)).get(urn)
    if found is None:
        return ()
    links = [*(EntityLink(link.type, True, link.dst, link.from_, link.props) for link in found.out),
             *(EntityLink(link.type, False, link.src, link.from_, link.props) for link in found.into)]
    if len(found.out) >= LINK_LIMIT or len(found.into) >= LINK_LIMIT:
        context.notes.truncate(f"links (more than {LINK_LIMIT})")
    masked = await hidden(context, [link.urn for link in links if parse_urn(link.urn).namespace is not None])
    context.notes.restrict(len(masked))
    return tuple(link for link in links if link.urn not in masked)


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidArgument(f"a name to look for has at most {MAX_TEXT_CHARACTERS} characters, not {len(text)}")


def _search_texts(name: str) -> list[str]:
    """What to look for: the whole name, and its last part (a column is found by its own name), without a version."""
    bare = name.rsplit("/", 1)[-1].rsplit(":", 1)[-1].split("@", 1)[0]
    return list(dict.fromkeys([bare, bare.rsplit(".", 1)[-1]]))


def _fit(name: str, row: NodeRow) -> int:
    """How well a row fits a friendly name: 1 best, 0 not at all. Any fit as it is written is better than one in another case."""
    written, folded = _fit_written(name, row, str), _fit_written(name, row, str.casefold)
    return written or (folded and OTHER_CASE + folded)


def _fit_written(name: str, row: NodeRow, fold: Callable[[str], str]) -> int:
    name = fold(name)
    parsed = parse_urn(row.urn)
    full = ".".join(parsed.components[1:]) if len(parsed.components) > 1 else parsed.components[0]
    versioned = parsed.kind in ("feature-version", "model-version")
    spelled = fold(f"{parsed.components[1]}@{parsed.components[2]}" if versioned else full)
    namespaced = {fold(f"{row.namespace}{mark}{spelled}") for mark in "/:."}
    if parsed.kind in ("dataset-version", "transformation", "deployment") and name not in namespaced:
        return 0
    rank = {"dataset": 0, "column": 0, "feature": 0, "model": 1, "consumer": 1, "feature-version": 2, "model-version": 2}.get(parsed.kind, 4)
    if name in namespaced:
        return 1 + rank
    if name == spelled:
        return 11 + rank
    if spelled.endswith("." + name):
        return 21 + rank
    return 0


def _text(row: NodeRow, fact: str) -> str | None:
    value = row.facts.get(fact)
    return value if isinstance(value, str) else None
