"""The closed set of things the projector can say to a graph, and the digest of what they leave behind.

Positions are tree sizes. What entry `i` opens is visible from size `i + 1`: `from_ = i + 1`. What entry `j` closes gets
`to = j + 1`. A row is visible at size N iff `from_ <= N < to`; `to == OPEN` while it is current.
All ops are idempotent: applying a batch twice leaves what applying it once does.
An interval that would be empty (a fact set twice, or an edge opened and closed, by one entry) is never kept: it was visible nowhere.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Final, Literal

import orjson
import rfc8785

__all__ = ["COLUMN_DERIVED_FROM", "DERIVED_FROM", "DIGEST_MODULUS", "OPEN", "CloseEdge", "Edge", "EntryRecord", "Family", "GraphOp", "Link", "OpenEdge",
           "PutState", "Revise", "SetStat", "Touch", "UpsertNode", "canonical_json", "digest_delta", "edge_digest", "link_digest", "node_digest",
           "revision_digest"]

OPEN: Final = 2**53 - 1  # `to` of everything current: the largest integer JSON carries exactly
DIGEST_MODULUS: Final = 2**256

Family = Literal["DERIVED_FROM", "COLUMN_DERIVED_FROM"]
DERIVED_FROM: Final = "DERIVED_FROM"
COLUMN_DERIVED_FROM: Final = "COLUMN_DERIVED_FROM"


@dataclass(slots=True, unsafe_hash=True)  # not frozen, though nobody changes one: walks make them by the ten thousand, at a ninth of the cost
class Edge:
    """`downstream` DERIVED_FROM `upstream`, as one edge set (job, transformation version, output) says.

    `key` identifies what is said, without `commit` and without the interval: a revert opens the same key again with a new `from_`.
    """

    family: Family
    downstream: str
    upstream: str
    set_id: str
    via: str | None
    transformation: str | None
    commit: str | None
    basis: str  # lineage | columnLineage | inputsOutputs | derivation | declared
    tenant: str
    from_: int
    opened_by: int
    to: int = OPEN
    type: str | None = None  # DIRECT | INDIRECT
    subtype: str | None = None
    expression: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    parser: str | None = None
    status: str | None = None  # complete | partial | unknown
    version: str | None = None  # the upstream version that was read, where an edge pins one

    @property
    def key(self) -> str:
        """32 hex digits over everything said, without commit and interval."""
        return hashlib.sha256(_canonical_scalars(_SAID(self))).hexdigest()[:32]


_EVERYTHING = attrgetter(*(f.name for f in fields(Edge)))
_SAID = attrgetter(*(f.name for f in fields(Edge) if f.name not in ("commit", "from_", "to", "opened_by")))


# Not frozen, as `Edge`: an event makes a hundred operations.
@dataclass(slots=True)
class UpsertNode:
    """The entity exists from `from_` on. The first one wins; kind, namespace and name follow from the URN."""

    urn: str
    tenant: str
    from_: int


@dataclass(slots=True)
class Revise:
    """Fact `fact` of `urn` has `value` from `from_` on; the revision that began at `previous_from` ends there.

    `value is None` only ends the previous one. `previous` is the ended value (the digest needs it).
    """

    urn: str
    fact: str
    value: Any
    from_: int
    previous: Any = None
    previous_from: int | None = None


@dataclass(slots=True)
class OpenEdge:
    """The edge is visible from `edge.from_` on."""

    edge: Edge


@dataclass(slots=True)
class CloseEdge:
    """The open edge (`edge.key`, `edge.from_`) ends at `to`; `edge` is the edge as it was opened."""

    edge: Edge
    to: int


@dataclass(slots=True)
class Link:
    """A provenance relationship, never closed: EXECUTED, OF, USED, GENERATED, CHILD_OF, FROM_COMMIT, RUNS_IN, VERSION_OF, COLUMN_OF, …

    (`type`, `src`, `dst`) identifies it; the first one wins. `type` is an upper-case name ([A-Z_]), and no edge family.
    """

    type: str
    src: str
    dst: str
    from_: int
    props: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SetStat:
    """Now-only counters of an edge set; absolute values, so that a repeat is harmless. `last_seen` in µs since the epoch."""

    set_id: str
    last_seen: int
    runs: int


@dataclass(slots=True)
class Touch:
    """Entry `index` concerned `urn` (also when it was rejected, and when `urn` never came to exist): the audit trail.

    `role` is subject | mention; of both, subject wins.
    """

    urn: str
    index: int
    role: str = "subject"


@dataclass(slots=True)
class EntryRecord:
    """One per entry: what it was and what became of it. Times in µs since the epoch; `status` is applied | ignored | rejected | partial."""

    index: int
    received: int
    event_type: str
    tenant: str
    signer: str
    signed_by: str
    status: str
    reason: str | None = None
    detail: dict[str, Any] | None = None
    caller: str | None = None
    actor: str | None = None
    commit: str | None = None
    claimed: int | None = None
    event_id: str | None = None


@dataclass(slots=True)
class PutState:
    """The projector's own memory under `key` (None deletes it). Not part of the digest, never shown."""

    key: str
    value: Any


GraphOp = UpsertNode | Revise | OpenEdge | CloseEdge | Link | SetStat | Touch | EntryRecord | PutState


def _canonical_scalars(values: tuple[str | int | None, ...]) -> bytes:
    """RFC 8785 of an array of strings, integers and nulls.

    For these a fast encoder writes the same bytes as the canonical one; a property test holds them equal.
    """
    return orjson.dumps(values)


_SIMPLE: Final = frozenset({str, bool, type(None)})


def canonical_json(value: Any) -> bytes:
    """RFC 8785 of a JSON value.

    Without floats and with ASCII keys only, sorted JSON is the same bytes, an order of magnitude sooner; a test holds them equal.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if _is_simple(value) else rfc8785.dumps(value)


def _is_simple(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _SIMPLE or (kind is int and -OPEN <= value <= OPEN)
    for item in value:  # loops, and the usual leaves at once: this is asked of every row
        kind = type(item)
        if kind not in _SIMPLE and not (-OPEN <= item <= OPEN if kind is int else _is_simple(item)):
            return False
    return True


def _number(canonical: bytes) -> int:
    return int.from_bytes(hashlib.sha256(canonical).digest())


def node_digest(urn: str, tenant: str, from_: int) -> int:
    """Digest of one node row."""
    return _number(_canonical_scalars(("node", urn, tenant, from_)))


def revision_digest(urn: str, fact: str, value: Any, from_: int, to: int) -> int:
    """Digest of one revision row."""
    said = ("revision", urn, fact, value, from_, to)
    return _number(_canonical_scalars(said) if type(value) is str else canonical_json(said))


def edge_digest(edge: Edge) -> int:
    """Digest of one edge row, interval and commit included."""
    return _number(_canonical_scalars(("edge", *_EVERYTHING(edge))))


def link_digest(link: Link) -> int:
    """Digest of one link row."""
    return _number(canonical_json(["link", link.type, link.src, link.dst, link.from_, link.props]))


def digest_delta(ops: Iterable[GraphOp]) -> int:
    """What `ops` add to the order-independent digest (sum modulo 2^256 over nodes, revisions, edges and links).

    Every op must be effective: no node that exists, no link that exists. The runner sees to it.
    """
    total = 0
    for op in ops:
        match op:
            case Revise():
                if op.previous_from is not None:
                    total -= revision_digest(op.urn, op.fact, op.previous, op.previous_from, OPEN)
                    if op.previous_from < op.from_:
                        total += revision_digest(op.urn, op.fact, op.previous, op.previous_from, op.from_)
                if op.value is not None:
                    total += revision_digest(op.urn, op.fact, op.value, op.from_, OPEN)
            case Touch() | PutState():
                pass
            case Link():
                total += link_digest(op)
            case UpsertNode():
                total += node_digest(op.urn, op.tenant, op.from_)
            case OpenEdge():
                total += edge_digest(op.edge)
            case CloseEdge():
                total -= edge_digest(op.edge)
                if op.edge.from_ < op.to:
                    total += edge_digest(replace(op.edge, to=op.to))
            case _:
                pass
    return total % DIGEST_MODULUS
