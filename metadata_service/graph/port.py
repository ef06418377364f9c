"""The GraphStore port: what the service asks of a graph, and nothing more.

Two adapters (`sql`, `neo4j`) implement it and one contract suite (`tests/contract/test_graph_store.py`) holds them equal.
Positions (`at`, `from_`, `to`, `size`) are tree sizes; `at=None` means now. There is no viewer here: queries mask after the walk.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from metadata_service.graph.ops import Edge, EntryRecord, Family, GraphOp, Link, SetStat

__all__ = ["Claim", "Claims", "Direction", "Glance", "GraphStore", "Limits", "Loaded", "NodeRow", "Page", "Path", "Position", "Provenance", "Reach",
           "ReachedNode", "RevisionRow", "TouchRow", "Walk"]

Direction = Literal["UPSTREAM", "DOWNSTREAM"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the graph stands: entries 0..size-1 are projected, `root` is the tree's root there, `digest` the graph's (64 hex)."""

    size: int
    root: str
    digest: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one walk; what is beyond them is reported, never silently dropped. `seconds` bounds the wall time of a walk."""

    nodes: int = 5_000
    edges: int = 20_000
    seconds: float = 10.0


@dataclass(slots=True)  # not frozen: see Edge
class NodeRow:
    """An entity at a position: `facts` are the values visible there, `since` where each began."""

    urn: str
    kind: str
    namespace: str | None
    name: str
    tenant: str
    from_: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision of one fact, valid in sizes [from_, to)."""

    urn: str
    fact: str
    value: Any
    from_: int
    to: int


@dataclass(slots=True, unsafe_hash=True)  # not frozen: see Edge
class ReachedNode:
    """A node of a walk. `hidden_*` count distinct neighbours that exist at the position and are not in the answer."""

    urn: str
    distance: int
    hidden_upstream: int = 0
    hidden_downstream: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """A walk's answer: nodes by (distance, urn), the edges between them (by key), and why it stopped early, if it did.

    `size` is where the graph stood from the beginning of the walk to its end, None where the walk cannot tell.
    """

    nodes: tuple[ReachedNode, ...]
    edges: tuple[Edge, ...]
    truncated: bool = False
    reasons: tuple[str, ...] = ()
    size: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """How edges between `urn` and other assets came about; which assets those are it does not say."""

    urn: str
    via: str | None
    basis: str
    status: str | None
    subtype: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims in order, where the graph stood when they were read, and whether a limit left some out."""

    rows: tuple[Claim, ...]
    size: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """What `reachable` is asked, but for the position."""

    roots: tuple[str, ...]
    direction: Direction
    depth: int | None
    families: tuple[Family, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Path:
    """Edges from one node to another, in walking order."""

    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What hangs beside a node: links in which it is `src` (`out`) or `dst` (`into`), oldest first."""

    out: tuple[Link, ...]
    into: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class TouchRow:
    """An entry that concerned an entity."""

    urn: str
    role: str
    entry: EntryRecord


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: rows by (name, urn), and the (name, urn) to continue after, or None at the end."""

    rows: tuple[NodeRow, ...]
    after: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a projection batch reads before it starts: current nodes by URN, and the projector's own state by key."""

    nodes: Mapping[str, NodeRow]
    states: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Glance:
    """What a question begins with: where the graph stands, nodes by URN, and the projector's own state by key. Unknown ones are left out.

    `reach` is the answer of the walk that was asked for with it; None without one, or where the walk has to be asked for by itself.
    """

    position: Position
    nodes: Mapping[str, NodeRow]
    states: Mapping[str, Any]
    reach: Reach | None = None


class GraphStore(Protocol):
    """A graph that entries are projected into. All methods raise `GraphUnavailable` when the store cannot be reached."""

    async def setup(self) -> None:
        """Create tables, constraints and indexes where missing."""

    async def close(self) -> None:
        """Release connections; idempotent."""

    async def position(self) -> Position:
        """Where the graph stands; size 0 with the empty tree's root when nothing is projected."""

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Loaded:
        """Batched reads of the projector: nodes with their current facts, and state values. Unknown ones are left out."""

    async def known_links(self, links: Sequence[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
        """Those of these (type, src, dst) that exist: a `Link` that does is no effective operation, and must stay out of the digest delta."""

    async def apply(self, batch: Sequence[GraphOp], *, expected_size: int, size: int, root: str, digest_delta: int) -> None:
        """Apply `batch` and move to (`size`, `root`) in one transaction.

        Whatever the batch refers to (ends of edges and links, entities of facts) must be upserted by it or before it; a `Touch` may name anything.

        Raises:
            ProjectionConflict: the graph does not stand at `expected_size` (another projector moved it), or a wipe was cut short.
            DanglingReference: something hangs on an entity that does not exist.
        """

    async def wipe(self) -> None:
        """Drop everything projected (rebuild in place)."""

    async def forget(self) -> None:
        """Give up what deleted rows left behind in files of the store, as far as it can (after `wipe` and projecting again)."""

    async def glance(self, urns: Sequence[str], states: Sequence[str], at: int | None = None, walk: Walk | None = None) -> Glance:
        """`position`, `get` at `at`, current state values, and what `reachable` gives for `walk` at `at`, in one round trip.

        What is told is of one state of the graph if `position` stands there again afterwards, or if there is a `reach` and its size is the position's.
        """

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes that exist at `at`, with the facts visible there."""

    async def revisions(self, urn: str, at: int | None = None) -> list[RevisionRow]:
        """All revisions of all facts of an entity that began at or before `at`, by (from_, fact); those that ended after `at` are open, as they were then."""

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """Edges leaving `frontier` in `direction` that are visible at `at`, by (key, from_), at most `limit`; `to` is OPEN, as it was then."""

    async def claims(self, urns: Sequence[str], direction: Direction, at: int | None, limit: int) -> Claims:
        """What the DERIVED_FROM edges that leave `urns` in `direction` at `at` say besides their other ends, each once, for a fraction of what the edges cost.

        No more than `limit` different ones are read in one go, in whatever way a store counts them; where there were more, the answer is `cut`.
        """

    async def edge_history(self, urns: Sequence[str], families: Sequence[Family], start: int, end: int, limit: int,
                           direction: Direction = "UPSTREAM") -> list[Edge]:
        """Edges from `urns` in `direction` that began or ended at a size in (`start`, `end`], by (key, from_), at most `limit`; `to` as it stood at `end`."""

    async def reachable(self, roots: Sequence[str], direction: Direction, depth: int | None, families: Sequence[Family], at: int | None,
                        limits: Limits) -> Reach:
        """Everything within `depth` hops of `roots` (None = no bound), the roots included at distance 0 if they exist."""

    async def paths(self, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
        """One shortest path from `start` to `end` walking in `direction`; empty if there is none, a path of no edges if they are the same node.

        Of several shortest ones it is that with the smallest (key, from_), compared edge by edge from the end.

        Raises:
            WalkTooLarge: neither found nor ruled out within the limits.
        """

    async def provenance(self, urns: Sequence[str], types: Sequence[str] | None, at: int | None, limit: int = 1_000) -> dict[str, Provenance]:
        """Links visible at `at` of those of these nodes that exist there: the newest `limit` per node, direction and type."""

    async def touches(self, urns: Sequence[str], start: int, end: int, *, after: int | None = None, limit: int = 100,
                      event_types: Sequence[str] | None = None) -> list[TouchRow]:
        """Entries with start <= index < end that concerned any of `urns`, by (index, urn), after index `after`; one row per (urn, entry).

        `limit` counts entries: a page never splits one, so the last index of a page is where the next continues.
        """

    async def concerned(self, indices: Sequence[int]) -> list[TouchRow]:
        """What these entries concerned, by (index, urn)."""

    async def entries(self, start: int, end: int, *, limit: int = 100, actor: str | None = None, commit: str | None = None,
                      event_types: Sequence[str] | None = None) -> list[EntryRecord]:
        """Entry records with start <= index < end, by index."""

    async def outcome(self, index: int) -> EntryRecord | None:
        """What became of entry `index`; None if it is not projected yet."""

    async def set_stats(self, set_ids: Sequence[str]) -> dict[str, SetStat]:
        """Now-only counters of edge sets."""

    async def search(self, text: str, kinds: Sequence[str] | None, prefixes: Sequence[str] | None, after: tuple[str, str] | None, first: int) -> Page:
        """Current nodes whose name or namespace contains `text` (Unicode case folding), within namespace `prefixes` (None = all).

        Entities without a namespace (runs, commits, principals, …) count as namespace "": only the prefix "" has them.
        """

    async def listed(self, kind: str, at: int | None, after: str | None, limit: int) -> list[str]:
        """URNs of the entities of a kind that exist at `at`, in their order, the first `limit` behind `after`. A page costs its rows, wherever it stands."""

    async def size_at(self, time: int) -> int:
        """The number of projected entries received at or before `time` (µs since the epoch)."""

    async def digest(self) -> str:
        """The digest recomputed from the stored rows (64 hex); equals `position().digest` unless the store was altered."""

    async def counts(self) -> dict[str, int]:
        """Rows by kind: nodes, edges, past_edges, revisions, links, entries."""
