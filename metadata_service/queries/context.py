"""Where a question is asked: the sources it reads, who asks, and at which position.

`answer` gives every question one consistent position: it computes at "now" without an interval predicate, and computes again at
the fixed size if the projector moved the graph meanwhile.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import anyio
from anyio import to_thread

from lineproof_audit.accounting import Streams
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.keyring import Keyring
from lineproof_audit.reader import LogReader
from lineproof_audit.witness import Group, Witness
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.graph.ops import Edge, Family
from metadata_service.graph.port import Claim, Glance, GraphStore, NodeRow, Provenance, Reach, Walk
from metadata_service.graph.port import Direction as Way
from metadata_service.projector.dataset_facts import FED_BY_JOBS_STATE
from metadata_service.projector.runner import REBUILDING_STATE
from metadata_service.queries.errors import InvalidPosition, NotHistorical, NotProjected, PositionBeyondLog, Rebuilding
from metadata_service.queries.notes import Notes
from metadata_service.queries.shapes import ComputedAt, micros

__all__ = ["EVERYTHING", "Asked", "QueryContext", "Room", "Viewer", "answer", "now_only", "standing"]

WAIT_SECONDS = 2.0  # how long a read of one's own writes waits for the projector (ARCHITECTURE, life of an event, 7)
POLL_SECONDS = 0.02
STATES: Final = (REBUILDING_STATE, FED_BY_JOBS_STATE)  # what questions ask of the projector's own state
MAX_COVERED = 10_000  # positions of which the covering checkpoint is remembered

T = TypeVar("T")


class Viewer(Protocol):
    """Who asks (`metadata_service.access.Viewer`). Grants are today's, also for past positions."""

    @property
    def roles(self) -> frozenset[str]:
        """admin, ingest, reader, auditor, operator."""

    @property
    def sees_all(self) -> bool:
        """True iff no namespace and no classification is hidden: masking is skipped."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Namespace prefixes that may be visible."""

    def can_see(self, namespace: str | None, classification: str | None = None) -> bool:
        """May this namespace with this classification be shown? A None namespace asks for what belongs to none."""


@dataclass(frozen=True, slots=True)
class _Everything:
    roles: frozenset[str] = frozenset({"admin", "auditor", "reader", "operator"})
    sees_all: bool = True
    prefixes: tuple[str, ...] = ("",)

    def can_see(self, namespace: str | None, classification: str | None = None) -> bool:
        return True


EVERYTHING: Viewer = _Everything()  # the owner of a data directory who reads it in process


@dataclass(frozen=True, slots=True)
class Room:
    """The sources of all answers. `keyring` gives the fold of all key entries so far (called in a worker thread); `source` the bytes of an
    artifact by its SHA-256 (hex), where they are kept; `held` its size, None where it is not; `notarise` signs a payload of a DSSE type with
    the log's notary key; `streams` remembers the numbers that producers gave their events (without it, each question reads the log for them);
    `quorum` are the witnesses whose cosignatures proofs should carry; `covered` remembers the smallest published tree that holds a size: those
    that are published later are larger."""

    graph: GraphStore
    reader: LogReader
    keyring: Callable[[], Keyring]
    cursor_secret: bytes
    source: Callable[[str], Awaitable[bytes | None]] | None = None
    held: Callable[[str], Awaitable[int | None]] | None = None
    notarise: Callable[[str, bytes], bytes] | None = None
    streams: Streams | None = None
    quorum: Witness | Group | None = None
    covered: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """The position asked for: `size` or `time` (or neither = now), and the least size the caller insists on (its own writes)."""

    size: int | None = None
    time: datetime | None = None
    min_size: int | None = None

    @property
    def past(self) -> bool:
        return self.size is not None or self.time is not None


@dataclass(frozen=True, slots=True)
class _AtHand:
    """What was read together with the position: the entities a question is about (`nodes` has those that exist), `STATES`, and its first walk."""

    urns: frozenset[str]
    nodes: Mapping[str, NodeRow]
    states: Mapping[str, Any]
    walk: Walk | None
    reach: Reach | None


@dataclass(slots=True)
class _Reads:
    """How often the graph was asked, and where it stood after the last of these reads that told: the `told`-th."""

    number: int = 0
    told: int = 0
    size: int | None = None


@dataclass(frozen=True, slots=True)
class QueryContext:
    """One question at one position: `at` is what the port is asked with (None = now), `size` the position it stands for."""

    room: Room
    viewer: Viewer
    at: int | None
    size: int
    root: str
    notes: Notes
    at_hand: _AtHand | None = None
    _reads: _Reads = field(default_factory=_Reads)

    @property
    def graph(self) -> GraphStore:
        self._reads.number += 1
        return self.room.graph

    async def reach(self, walk: Walk) -> Reach:
        """What `walk` reaches at the position; the walk that the question began with is not done again."""
        if self.at_hand is not None and self.at_hand.reach is not None and self.at_hand.walk == walk:
            self._reads.told, self._reads.size = 0, self.at_hand.reach.size
            return self.at_hand.reach
        reach = await self.graph.reachable(walk.roots, walk.direction, walk.depth, walk.families, self.at, walk.limits)
        self._reads.told, self._reads.size = self._reads.number, reach.size
        return reach

    async def claims(self, urns: Sequence[str], way: Way, at: int | None, limit: int) -> Sequence[Claim]:
        """What dataset edges of `urns` say besides their other ends. Where there is more than `limit`, the answer says so."""
        found = await self.graph.claims(urns, way, at, limit)
        self._reads.told, self._reads.size = self._reads.number, found.size
        if found.cut:
            self.notes.truncate(f"edges of what was reached (the first {limit})")
        return found.rows

    async def moved(self) -> bool:
        """Whether the projector moved the graph under an answer for now. Where the last read told where the graph stood after it, nothing more is read."""
        if self.at is not None or (self._reads.number, self._reads.size) == (self._reads.told, self.size):
            return False
        return (await self.graph.position()).size != self.size

    def unknown(self, urn: str) -> None:
        """Nothing of that name exists at the position, as far as the viewer may know."""
        self.notes.doubt("unknown-urn", f"{urn} does not exist at size {self.size}", urn)

    async def nodes(self, urns: Sequence[str]) -> Mapping[str, NodeRow]:
        """The nodes among `urns` that exist at the position; what the question began with is not read again."""
        if self.at_hand is not None and self.at_hand.urns.issuperset(urns):
            return {urn: self.at_hand.nodes[urn] for urn in urns if urn in self.at_hand.nodes}
        return await self.graph.get(urns, self.at)

    async def state(self, key: str) -> Any:
        """A value of the projector's own state, None without one. It knows the present only."""
        states = self.at_hand.states if self.at_hand is not None else (await self.graph.load([], [key])).states
        return states.get(key)

    async def edges(self, frontier: Sequence[str], way: Way, families: Sequence[Family], limit: int) -> list[Edge]:
        """Edges that leave `frontier` at the position. Where there are more than `limit`, the answer says so."""
        found = await self.graph.neighbours(frontier, way, families, self.at, limit + 1) if frontier else []
        if len(found) > limit:
            self.notes.truncate(f"edges of what was reached (the first {limit})")
        return found[:limit]

    async def links(self, urns: Sequence[str], types: Sequence[str], limit: int, what: str) -> dict[str, Provenance]:
        """Links of these types at the position, as `GraphStore.provenance` gives them. Where there are more than `limit`, the answer says so."""
        found = await self.graph.provenance(urns, types, self.at, limit + 1) if urns else {}
        sides = [side for links in found.values() for side in (links.out, links.into) if len(side) > limit]
        if any(sum(link.type == kind for link in side) > limit for side in sides for kind in types):
            self.notes.truncate(f"{what} (the newest {limit})")
        return found

    async def computed_at(self) -> ComputedAt:
        """The answer's header."""
        covered = self.room.covered
        if self.size not in covered:
            note = await to_thread.run_sync(self.room.reader.checkpoint_covering, self.size)
            if note is None:
                return ComputedAt(self.size, self.root, None)
            if len(covered) >= MAX_COVERED:
                covered.clear()
            covered[self.size] = peek_checkpoint(note).size
        return ComputedAt(self.size, self.root, covered[self.size])


async def answer(room: Room, viewer: Viewer, asked: Asked, compute: Callable[[QueryContext], Awaitable[T]], *, about: Sequence[str] = (),
                 walk: Walk | None = None) -> T:
    """Compute an answer at the asked position; every part of it sees the same size.

    `about` are the URNs that the question starts from, and `walk` the first it does: they are read together with the position. Of a viewer from whom
    something is hidden it is not known then whether the walk may begin at all, so that it has to wait.

    Raises:
        PositionBeyondLog, NotProjected, InvalidPosition: see `Asked`.
    """
    context = await _open(room, viewer, asked, frozenset(filter(_is_urn, about)), walk if viewer.sees_all else None)
    result = await compute(context)
    if await context.moved():
        result = await compute(QueryContext(room, viewer, context.size, context.size, context.root, Notes()))
    return result


async def standing(room: Room, viewer: Viewer, asked: Asked) -> QueryContext:
    """The asked position, fixed: whatever is read at it, and however long that takes, stays the same while the projector moves on.

    Raises:
        PositionBeyondLog, NotProjected, InvalidPosition: see `Asked`.
    """
    context = await _open(room, viewer, asked, frozenset(), None)
    return replace(context, at=context.size, at_hand=None)


def now_only(asked: Asked, what: str) -> None:
    """Refuse a past position for a question that only knows the present."""
    if asked.past:
        raise NotHistorical(f"{what} only knows the present; leave out `at`")


def _is_urn(text: str) -> bool:
    """The others are refused by the question itself."""
    try:
        return bool(parse_urn(text))
    except UrnError:
        return False


async def _open(room: Room, viewer: Viewer, asked: Asked, about: frozenset[str], walk: Walk | None) -> QueryContext:
    if (asked.size is not None and asked.size < 0) or (asked.min_size is not None and asked.min_size < 0):
        raise InvalidPosition("a tree size is never negative")
    wanted = asked.size
    if asked.time is not None:
        if asked.time.tzinfo is None:
            raise InvalidPosition("a time needs a zone, e.g. 2026-01-31T12:00:00Z")
        wanted = await to_thread.run_sync(room.reader.size_at, micros(asked.time))
    least = max(wanted or 0, asked.min_size or 0)
    glance = await room.graph.glance(sorted(about), STATES, wanted, walk)
    await _refuse_half_a_graph(room, glance)
    if glance.position.size < least:
        log_size = await to_thread.run_sync(room.reader.size)
        if log_size < least:
            raise PositionBeyondLog(f"the log has {log_size} entries, position {least} was asked for", size=log_size)
        await _wait(room, least)
        glance = await room.graph.glance(sorted(about), STATES, wanted, walk)
    position, at_hand = glance.position, _AtHand(about, glance.nodes, glance.states, walk, glance.reach)
    if wanted is None or wanted == position.size:
        return QueryContext(room, viewer, None, position.size, position.root, Notes(), at_hand)
    root = await to_thread.run_sync(room.reader.root_at, wanted)
    return QueryContext(room, viewer, wanted, wanted, root.hex(), Notes(), at_hand)


async def _refuse_half_a_graph(room: Room, glance: Glance) -> None:
    """A graph that is being made again must not pass for the graph of an earlier position: "now" would be the past.

    Only a graph behind its log can be one.
    """
    whole, size = glance.states.get(REBUILDING_STATE), glance.position.size
    if whole is not None and size < await to_thread.run_sync(room.reader.size):
        raise Rebuilding(f"the graph stands at {size} and is whole again at {whole}", projected=size, whole=whole)


async def _wait(room: Room, least: int) -> None:
    with anyio.move_on_after(WAIT_SECONDS):
        while True:
            await anyio.sleep(POLL_SECONDS)
            if (await room.graph.position()).size >= least:
                return
    projected = (await room.graph.position()).size
    raise NotProjected(f"the graph stands at {projected}, position {least} was asked for", projected=projected)
