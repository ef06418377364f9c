"""What a rule may read, and the draft in which it writes.

A rule reads current nodes and the projector's own state through a `Draft`. What is not loaded yet reads as not being there, so
that the rule goes on and comes to all it reads; at its end the draft raises `Missing` with everything of that kind, and the
runner loads it and projects the entry again. The draft sees its own writes, drops what would change nothing, and joins repeated
changes of one fact: the operations that come out are effective, so the graph's digest can be kept by adding them up.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import CloseEdge, Edge, EntryRecord, GraphOp, Link, OpenEdge, PutState, Revise, SetStat, Touch, UpsertNode
from metadata_service.projector.names import MAX_PROJECTED_URN, bounded, of
from metadata_service.projector.parts import Known, KnownList, made_of
from metadata_service.projector.plain import plain

if TYPE_CHECKING:
    from metadata_service.graph.port import NodeRow
    from metadata_service.projector.authority import Authority
    from metadata_service.projector.entry import ProjectableEntry

__all__ = ["Draft", "Missing", "Reads", "Rejected", "View", "link_key", "trail"]

MAX_FACT_NAME: Final = 400  # bytes; PostgreSQL indexes rows of at most 2,704
MAX_INDEXED: Final = 2_000  # bytes of an actor or commit in an entry's record, for the same reason
MAX_IGNORED_LISTED: Final = 50  # ignored claims listed in an outcome; beyond it they are counted


class Missing(Exception):
    """The entry read nodes and state values that are not loaded. `ops` are its operations if none of them exists."""

    def __init__(self, urns: Iterable[str], states: Iterable[str], ops: list[GraphOp] | None = None) -> None:
        self.urns = tuple(urns)
        self.states = tuple(states)
        self.ops = ops or []
        super().__init__(f"{len(self.urns)} nodes, {len(self.states)} states")


class Rejected(Exception):
    """The claim is logged and has no effect. `reason` is a stable word, `status` is rejected or ignored."""

    def __init__(self, reason: str, detail: str, *, status: str = "rejected", **extra: Any) -> None:
        super().__init__(detail)
        self.reason = reason
        self.status = status
        self.detail = {"message": detail, **extra}


class Reads:
    """What a rule will surely read, so that a whole batch is loaded at once."""

    __slots__ = ("states", "urns")

    def __init__(self) -> None:
        self.urns: set[str] = set()
        self.states: set[str] = set()


class View(Protocol):
    """The graph as it stands before this entry."""

    def node(self, urn: str) -> NodeRow | None:
        """The current node, None if there is none; raises `Missing` when unknown."""

    def state(self, key: str) -> Any | None:
        """The projector's own value under `key`; raises `Missing` when unknown. Not to be changed in place."""

    def unloaded(self, urns: Iterable[str], states: Iterable[str]) -> tuple[list[str], list[str]]:
        """Those that `node` and `state` would raise for."""


@lru_cache(4_096)
def fact_name(name: str) -> str:
    """A fact's name as every store can index it: producers choose the keys of facets and the names of checks."""
    if len(name) <= MAX_FACT_NAME and name.isascii() and "\0" not in name:
        return name
    kept: str = plain(name)
    if len(kept.encode()) <= MAX_FACT_NAME:
        return kept
    return f"{kept[:MAX_FACT_NAME // 8]}…{hashlib.sha256(kept.encode()).hexdigest()[:16]}"


def _stands(current: Any, value: Any) -> bool:
    """Whether `value` is `current` once it is made plain. What is known remembers what it was compared with."""
    if not isinstance(value, (Known, KnownList)):
        return _same(current, value) or (current is not None and _same(current, plain(value)))
    if current is None or value.made.get("stands") is current:
        return current is not None
    same = _same(current, made_of(value, "plain", plain))
    if same:
        value.made["stands"] = current
    return same


def _same(current: Any, value: Any) -> bool:
    return type(current) is type(value) and bool(current == value)


@lru_cache(65_536)
def link_key(kind: str, src: str, dst: str) -> str:
    """State key that remembers that a link is there."""
    return "link:" + hashlib.sha256(f"{kind}\n{src}\n{dst}".encode()).hexdigest()[:32]


class Draft:
    """The operations of one entry in the making."""

    def __init__(self, entry: ProjectableEntry, view: View) -> None:
        self.entry = entry
        self.authority: Authority
        self.at = entry.visible_from
        self.commit: str | None = None
        self.actor: str | None = None
        self._view = view
        self._nodes: dict[str, NodeRow | None] = {}  # as they stood before this entry
        self._missing_urns: set[str] = set()
        self._missing_states: set[str] = set()
        self._ops: list[GraphOp | None] = []
        self._created: set[str] = set()
        self._facts: dict[tuple[str, str], tuple[Any, int]] = {}  # written value, place of its op
        self._states: dict[str, Any] = {}
        self._links: set[tuple[str, str, str]] = set()
        self._opened: dict[str, int] = {}
        self._touched: dict[str, str] = {}
        self._ignored: list[dict[str, Any]] = []
        self._notes: dict[str, Any] = {}

    # -- reading

    def need(self, urns: Iterable[str] = (), states: Iterable[str] = ()) -> None:
        """Announce reads that the rule may turn away from before it comes to them."""
        missing_urns, missing_states = self._view.unloaded(urns, states)
        self._missing_urns.update(missing_urns)
        self._missing_states.update(missing_states)

    def require_loaded(self, ops: list[GraphOp]) -> None:
        """Raise `Missing` if anything read was not loaded; `ops` are what came out as if it did not exist."""
        if self._missing_urns or self._missing_states:
            raise Missing(self._missing_urns, self._missing_states, ops)

    def _node(self, urn: str) -> NodeRow | None:
        if urn in self._nodes:
            return self._nodes[urn]
        try:
            node = self._view.node(urn)
        except Missing:
            self._missing_urns.add(urn)
            node = None
        self._nodes[urn] = node
        return node

    def exists(self, urn: str) -> bool:
        """Whether the entity is in the graph, this draft included."""
        return urn in self._created or self._node(urn) is not None

    def fact(self, urn: str, fact: str) -> Any:
        """The current value of a fact, None if it has none."""
        fact = fact_name(fact)
        written = self._facts.get((urn, fact))
        if written is not None:
            return written[0]
        node = self._node(urn)
        return None if node is None else node.facts.get(fact)

    def since(self, urn: str, fact: str) -> int | None:
        """The size from which the fact had its value before this entry; None if it never had one."""
        node = self._node(urn)
        return None if node is None else node.since.get(fact_name(fact))

    def facts(self, urn: str) -> Mapping[str, Any]:
        """All facts as they stood before this entry."""
        node = self._node(urn)
        return {} if node is None else node.facts

    def state(self, key: str) -> Any:
        """The projector's own value under `key`."""
        if key in self._states:
            return self._states[key]
        try:
            return self._view.state(key)
        except Missing:
            self._missing_states.add(key)
            return None

    def own(self, key: str) -> Any:
        """What this entry put under a key that no other entry writes."""
        return self._states.get(key)

    # -- writing

    def put(self, key: str, value: Any) -> None:
        """Remember `value` (None forgets)."""
        if self.state(key) != value:
            self._states[key] = value

    def enlist(self, key: str, item: str) -> None:
        """Remember `item` in the list under `key`, which is kept in order."""
        self.put(key, sorted({*(self.state(key) or ()), item}))

    def put_own(self, key: str, value: Any) -> None:
        """Remember `value` under a key that no other entry writes."""
        self._states[key] = value

    def ensure(self, urn: str) -> bool:
        """The entity exists from here on; True if it did not before."""
        if self.exists(urn):
            return False
        parsed = parse_urn(bounded(urn))
        tenant = self.authority.tenant_of(parsed.namespace) if parsed.namespace is not None else self.entry.tenant
        self._created.add(urn)
        self._ops.append(UpsertNode(urn, tenant, self.at))
        parent = parsed.parent
        if parent is not None:
            above = of(parent.kind, *parent.components)
            self.ensure(above)
            self.link("COLUMN_OF" if parsed.kind == "column" else "IMPLEMENTS" if parsed.kind == "transformation" else "VERSION_OF", urn, above)
        return True

    def stands(self, urn: str, fact: str, value: Any) -> bool:
        """Whether the fact has this value, as stores keep it."""
        return _stands(self.fact(urn, fact), value)

    def revise(self, urn: str, fact: str, value: Any) -> bool:
        """Fact `fact` has `value` from here on; True if that changes something. The entity must exist."""
        fact = fact_name(fact)
        written = self._facts.get((urn, fact))
        current = self.fact(urn, fact) if written is None else written[0]
        if _stands(current, value):
            return False
        value = made_of(value, "plain", plain)
        if written is not None:
            place = written[1]
            op = self._ops[place]
            if isinstance(op, Revise):
                unchanged = op.previous == value and type(op.previous) is type(value)
                self._ops[place] = None if unchanged else replace(op, value=value)
                if unchanged:
                    del self._facts[(urn, fact)]
                else:
                    self._facts[(urn, fact)] = (value, place)
                return True
        node = self._node(urn) if urn not in self._created else None
        since = node.since.get(fact) if node is not None else None
        self._facts[(urn, fact)] = (value, len(self._ops))
        self._ops.append(Revise(urn, fact, value, self.at, previous=current if since is not None else None, previous_from=since))
        return True

    def link(self, kind: str, src: str, dst: str, *, known_new: bool = False, **props: Any) -> None:
        """A provenance link; one (type, src, dst) is made once, whatever its `props`.

        `known_new` promises that the caller keeps count itself; links of an entity made by this entry cannot be there yet either.
        """
        key = (kind, src, dst)
        if key in self._links:
            return
        if not known_new and src not in self._created:
            guard = link_key(kind, src, dst)
            if self.state(guard) is not None:
                return
            self._states[guard] = 1
        elif src in self._created and kind in _GUARDED:
            self._states[link_key(kind, src, dst)] = 1
        self._links.add(key)
        self._ops.append(Link(kind, src, dst, self.at, dict(props)))

    def open_edge(self, edge: Edge) -> None:
        """The edge is visible from here on."""
        self._opened[edge.key] = len(self._ops)
        self._ops.append(OpenEdge(edge))
        self.touch(edge.downstream)

    def close_edge(self, edge: Edge) -> None:
        """The open edge ends here; one that this entry opened never was."""
        self.touch(edge.downstream)
        if edge.from_ == self.at:
            place = self._opened.pop(edge.key, None)
            if place is not None:
                self._ops[place] = None
            return
        self._ops.append(CloseEdge(edge, self.at))

    def stat(self, set_id: str, last_seen: int, runs: int) -> None:
        """Now-only counters of an edge set."""
        self._ops.append(SetStat(set_id, last_seen, runs))

    def touch(self, urn: str, role: str = "subject") -> None:
        """The entry concerned this entity; `subject` outweighs `mention`."""
        if self._touched.get(urn) != "subject":
            self._touched[urn] = role

    def ignore(self, what: str, urn: str, code: str = "out-of-scope") -> None:
        """Part of the event stays in the entry and is not projected."""
        said = {"what": what, "urn": urn, "code": code}
        if said not in self._ignored:
            self._ignored.append(said)

    def note(self, **detail: Any) -> None:
        """Something the outcome should say."""
        self._notes.update(detail)

    # -- the end

    def finish(self, status: str | None = None, reason: str | None = None) -> list[GraphOp]:
        """All operations, the entry's record and its touches last."""
        detail = dict(self._notes)
        if self._ignored:
            detail["ignored"] = self._ignored[:MAX_IGNORED_LISTED]
            if len(self._ignored) > MAX_IGNORED_LISTED:
                detail["ignoredMore"] = len(self._ignored) - MAX_IGNORED_LISTED
            status = status or "partial"
            reason = reason or ",".join(sorted({item["code"] for item in self._ignored}))
        ops = [op for op in self._ops if op is not None]
        ops.extend(PutState(key, value) for key, value in self._states.items())
        ops.extend(trail(self.entry, self._touched, status or "applied", reason, detail or None, actor=self.actor, commit=self.commit))
        return ops


def trail(entry: ProjectableEntry, touched: Mapping[str, str], status: str, reason: str | None, detail: dict[str, Any] | None, *,
          actor: str | None = None, commit: str | None = None) -> list[GraphOp]:
    """The record of an entry and the entities it concerned."""
    leaf = entry.leaf
    ops: list[GraphOp] = [EntryRecord(index=entry.index, received=leaf.received, event_type=leaf.event_type, tenant=leaf.tenant, signer=leaf.signer,
                                      signed_by=leaf.signed_by, status=status, reason=reason, detail=plain(detail), caller=leaf.caller, actor=_indexed(actor),
                                      commit=_indexed(commit), claimed=entry.claimed, event_id=plain(entry.event_id))]
    ops.extend(Touch(urn, entry.index, role) for urn, role in touched.items() if len(urn) <= MAX_PROJECTED_URN)
    return ops


def _indexed(text: str | None) -> str | None:
    kept: str | None = plain(text)
    return kept if kept is None or len(kept.encode()) <= MAX_INDEXED else kept[:MAX_INDEXED // 8]


# links whose source can get another one later, so even the first needs its guard
_GUARDED: Final = frozenset({"OWNED_BY", "SAME_AS", "AUTHORED_BY", "FROM_COMMIT", "RUNS_IN", "USES", "TRAINED_ON", "DEPLOYS", "PINS", "MATERIALIZED_AS",
                             "IN_REPOSITORY", "WRITES", "READS", "CHILD_OF", "DEPENDS_ON", "FED_BY"})
