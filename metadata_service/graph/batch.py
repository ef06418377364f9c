"""A batch of operations, folded to its net effect: what both adapters write.

Folding keeps the number of statements apart from the number of operations, and lets rows of one kind go to the database together:
nodes first, then what hangs on them. The order of operations inside a batch matters only among those on one row, and is kept there.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from metadata_service.graph.errors import DanglingReference
from metadata_service.graph.ops import (
    OPEN,
    CloseEdge,
    Edge,
    EntryRecord,
    GraphOp,
    Link,
    OpenEdge,
    PutState,
    Revise,
    SetStat,
    Touch,
    UpsertNode,
)

__all__ = ["Batch", "RevisionWrite", "fold", "require_known"]

_LINK_TYPE = re.compile(r"[A-Z][A-Z_]{0,62}")  # becomes a relationship type, which cannot be a parameter in Cypher
_EDGE_TYPES = {"DERIVED_FROM", "COLUMN_DERIVED_FROM", "DERIVED_FROM_PAST", "COLUMN_DERIVED_FROM_PAST"}


@dataclass(slots=True)
class RevisionWrite:
    """A revision that begins in this batch, and perhaps ends in it."""

    value: Any
    to: int = OPEN


@dataclass(slots=True)
class Batch:
    """The net effect of a batch. Keys identify rows: applying it twice writes the same rows."""

    nodes: dict[str, UpsertNode] = field(default_factory=dict)
    revisions: dict[tuple[str, str, int], RevisionWrite] = field(default_factory=dict)  # (urn, fact, from_)
    ended: dict[tuple[str, str, int], int] = field(default_factory=dict)  # revisions of earlier batches: (urn, fact, from_) -> to
    edges: dict[tuple[str, int], Edge] = field(default_factory=dict)  # (key, from_); `to` is set when it closes in this batch
    closed: dict[tuple[str, int], tuple[Edge, int]] = field(default_factory=dict)  # edges of earlier batches -> to
    links: dict[tuple[str, str, str], Link] = field(default_factory=dict)
    stats: dict[str, SetStat] = field(default_factory=dict)
    touches: dict[tuple[str, int], str] = field(default_factory=dict)
    entries: dict[int, EntryRecord] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)

    def referenced(self) -> set[str]:
        """URNs that must be nodes (of this batch or of earlier ones)."""
        urns = {urn for urn, _, _ in self.revisions} | {urn for urn, _, _ in self.ended}
        for edge in self.edges.values():
            urns.update((edge.downstream, edge.upstream))
        for edge, _ in self.closed.values():
            urns.update((edge.downstream, edge.upstream))
        for link in self.links.values():
            urns.update((link.src, link.dst))
        return urns


def fold(ops: Sequence[GraphOp]) -> Batch:
    """The net effect of `ops`.

    Raises:
        ValueError: a link type that is no relationship type, or an interval that ends before it begins.
    """
    batch = Batch()
    for op in ops:
        match op:
            case Revise():  # the frequent ones first
                _revise(batch, op)
            case Touch():
                if batch.touches.get((op.urn, op.index)) != "subject":
                    batch.touches[(op.urn, op.index)] = op.role
            case PutState():
                batch.states[op.key] = op.value
            case UpsertNode():
                batch.nodes.setdefault(op.urn, op)
            case OpenEdge():
                batch.edges.setdefault((op.edge.key, op.edge.from_), op.edge)
            case CloseEdge():
                _close(batch, op)
            case Link():
                if not _LINK_TYPE.fullmatch(op.type) or op.type in _EDGE_TYPES:
                    raise ValueError(f"{op.type!r} is no link type")
                batch.links.setdefault((op.type, op.src, op.dst), op)
            case SetStat():
                batch.stats[op.set_id] = op
            case EntryRecord():
                batch.entries[op.index] = op
    return batch


def _revise(batch: Batch, op: Revise) -> None:
    if op.previous_from is not None:
        if op.previous_from > op.from_:
            raise ValueError(f"{op.fact} of {op.urn} would end at {op.from_}, before it began at {op.previous_from}")
        previous = (op.urn, op.fact, op.previous_from)
        pending = batch.revisions.get(previous)
        if pending is None:
            batch.ended.setdefault(previous, op.from_)
        elif op.previous_from == op.from_:
            del batch.revisions[previous]
        else:
            pending.to = min(pending.to, op.from_)
    if op.value is not None:
        batch.revisions.setdefault((op.urn, op.fact, op.from_), RevisionWrite(op.value))


def _close(batch: Batch, op: CloseEdge) -> None:
    if op.to < op.edge.from_:
        raise ValueError(f"edge {op.edge.key} would close at {op.to}, before it opened at {op.edge.from_}")
    identity = (op.edge.key, op.edge.from_)
    pending = batch.edges.get(identity)
    if pending is None:
        batch.closed.setdefault(identity, (op.edge, op.to))
    elif op.to == op.edge.from_:
        del batch.edges[identity]
    elif pending.to == OPEN:
        values = {name: getattr(pending, name) for name in Edge.__slots__}
        batch.edges[identity] = Edge(**{**values, "to": op.to})


def require_known(referenced: set[str], known: set[str]) -> None:
    """Refuse a batch whose edges, links or facts hang on entities that do not exist.

    Raises:
        DanglingReference: with the first few of them.
    """
    if missing := sorted(referenced - known):
        raise DanglingReference(f"{len(missing)} entities were never upserted, the first: {', '.join(missing[:3])}")
