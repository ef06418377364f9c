"""A graph store of dictionaries: the naive model that the adapters and the projector's properties are compared with."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import orjson

from lineproof_schema.urn import parse_urn
from metadata_service.graph.errors import ProjectionConflict
from metadata_service.graph.ops import (
    DIGEST_MODULUS,
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
    edge_digest,
    link_digest,
    node_digest,
    revision_digest,
)
from metadata_service.graph.port import Loaded, NodeRow, Position, Provenance, RevisionRow, TouchRow

EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class MemoryGraph:
    """Applies operations one by one, as they are defined."""

    def __init__(self) -> None:
        self.edges: dict[tuple[str, int], Edge] = {}
        self._empty()

    def _empty(self) -> None:
        self.nodes: dict[str, UpsertNode] = {}
        self.facts: dict[tuple[str, str, int], tuple[Any, int]] = {}
        self.current: dict[str, dict[str, int]] = {}
        self.edges = {}
        self.links: dict[tuple[str, str, str], Link] = {}
        self.stats: dict[str, SetStat] = {}
        self.touched: dict[tuple[str, int], str] = {}
        self.records: dict[int, EntryRecord] = {}
        self.states: dict[str, bytes] = {}
        self.at = Position(0, EMPTY_ROOT, "0" * 64)
        self.batches: list[list[GraphOp]] = []
        self.forgotten = 0

    async def setup(self) -> None: ...

    async def close(self) -> None: ...

    async def forget(self) -> None:
        self.forgotten += 1

    async def wipe(self) -> None:
        self._empty()

    async def position(self) -> Position:
        return self.at

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Loaded:
        return Loaded(await self.get(urns), {key: orjson.loads(self.states[key]) for key in states if key in self.states})

    async def apply(self, batch: Sequence[GraphOp], *, expected_size: int, size: int, root: str, digest_delta: int) -> None:
        if self.at.size != expected_size:
            raise ProjectionConflict(f"the graph stands at {self.at.size}")
        self.apply_ops(batch)
        self.batches.append(list(batch))
        self.at = Position(size, root, f"{(int(self.at.digest, 16) + digest_delta) % DIGEST_MODULUS:064x}")

    def apply_ops(self, batch: Sequence[GraphOp]) -> None:
        for op in batch:
            match op:
                case UpsertNode():
                    self.nodes.setdefault(op.urn, op)
                case Revise():
                    self._revise(op)
                case OpenEdge():
                    self._known(op.edge.downstream, op.edge.upstream)
                    self.edges.setdefault((op.edge.key, op.edge.from_), op.edge)
                case CloseEdge():
                    was = self.edges[(op.edge.key, op.edge.from_)]
                    if was.to == OPEN:
                        self.edges[(op.edge.key, op.edge.from_)] = replace(was, to=op.to)
                case Link():
                    self._known(op.src, op.dst)
                    self.links.setdefault((op.type, op.src, op.dst), op)
                case SetStat():
                    self.stats[op.set_id] = op
                case Touch():
                    if self.touched.get((op.urn, op.index)) != "subject":
                        self.touched[(op.urn, op.index)] = op.role
                case EntryRecord():
                    self.records[op.index] = op
                case PutState(value=None):
                    self.states.pop(op.key, None)
                case PutState():
                    self.states[op.key] = orjson.dumps(op.value)

    def _known(self, *urns: str) -> None:
        for urn in urns:
            assert urn in self.nodes, f"{urn} was never upserted"

    def _revise(self, op: Revise) -> None:
        self._known(op.urn)
        if op.previous_from is not None:
            value, to = self.facts[(op.urn, op.fact, op.previous_from)]
            assert value == op.previous
            if to == OPEN and op.previous_from < op.from_:
                self.facts[(op.urn, op.fact, op.previous_from)] = (value, op.from_)
        if op.value is not None:
            self.facts.setdefault((op.urn, op.fact, op.from_), (op.value, OPEN))
        known = self.current.setdefault(op.urn, {})
        if op.value is None:
            known.pop(op.fact, None)
        else:
            known[op.fact] = op.from_

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        wanted = set(urns)
        found: dict[str, NodeRow] = {}
        for urn in wanted:
            op = self.nodes.get(urn)
            if op is None or (at is not None and op.from_ > at):
                continue
            parsed = parse_urn(urn)
            found[urn] = NodeRow(urn, parsed.kind, parsed.namespace, parsed.name, op.tenant, op.from_, {}, {})
        if at is None:
            for urn, node in found.items():
                for fact, from_ in self.current.get(urn, {}).items():
                    node.facts[fact] = self.facts[(urn, fact, from_)][0]  # type: ignore[index]
                    node.since[fact] = from_  # type: ignore[index]
            return found
        for (urn, fact, from_), (value, to) in self.facts.items():
            if urn in found and from_ <= at < to:
                found[urn].facts[fact] = value  # type: ignore[index]
                found[urn].since[fact] = from_  # type: ignore[index]
        return found

    async def revisions(self, urn: str, at: int | None = None) -> list[RevisionRow]:
        rows = [RevisionRow(urn, fact, value, from_, to) for (node, fact, from_), (value, to) in self.facts.items()
                if node == urn and (at is None or from_ <= at)]
        return sorted(rows, key=lambda row: (row.from_, row.fact))

    async def neighbours(self, frontier: Sequence[str], direction: str, families: Sequence[str], at: int | None, limit: int) -> list[Edge]:
        near = set(frontier)
        found = [edge for edge in self.edges.values() if edge.family in families and _visible(edge.from_, edge.to, at)
                 and (edge.downstream if direction == "UPSTREAM" else edge.upstream) in near]
        return sorted(found, key=lambda edge: (edge.key, edge.from_))[:limit]

    async def provenance(self, urns: Sequence[str], types: Sequence[str] | None, at: int | None, limit: int = 1_000) -> dict[str, Provenance]:
        out: dict[str, list[Link]] = {urn: [] for urn in urns}
        into: dict[str, list[Link]] = {urn: [] for urn in urns}
        for link in sorted(self.links.values(), key=_link_order):
            if (types is None or link.type in types) and (at is None or link.from_ <= at):
                if link.src in out:
                    out[link.src].append(link)
                if link.dst in into:
                    into[link.dst].append(link)
        return {urn: Provenance(tuple(out[urn]), tuple(into[urn])) for urn in urns}

    async def touches(self, urns: Sequence[str], start: int, end: int, *, after: int | None = None, limit: int = 100,
                      event_types: Sequence[str] | None = None) -> list[TouchRow]:
        wanted = set(urns)
        rows = [TouchRow(urn, role, self.records[index]) for (urn, index), role in self.touched.items() if start <= index < end and urn in wanted]
        return sorted(rows, key=lambda row: (row.entry.index, row.urn))[:limit]

    async def concerned(self, indices: Sequence[int]) -> list[TouchRow]:
        rows = [TouchRow(urn, role, self.records[index]) for (urn, index), role in self.touched.items() if index in indices]
        return sorted(rows, key=lambda row: (row.entry.index, row.urn))

    async def outcome(self, index: int) -> EntryRecord | None:
        return self.records.get(index)

    async def set_stats(self, set_ids: Sequence[str]) -> dict[str, SetStat]:
        return {set_id: self.stats[set_id] for set_id in set_ids if set_id in self.stats}

    async def digest(self) -> str:
        total = sum(node_digest(op.urn, op.tenant, op.from_) for op in self.nodes.values())
        total += sum(revision_digest(urn, fact, value, from_, to) for (urn, fact, from_), (value, to) in self.facts.items())
        total += sum(map(edge_digest, self.edges.values())) + sum(map(link_digest, self.links.values()))
        return f"{total % DIGEST_MODULUS:064x}"


def _visible(from_: int, to: int, at: int | None) -> bool:
    return to == OPEN if at is None else from_ <= at < to


def _link_order(link: Link) -> tuple[int, str, str, str]:
    return link.from_, link.type, link.src, link.dst


def said(edge: Edge) -> tuple[Any, ...]:
    """What an edge says, without when: for comparing."""
    return tuple(getattr(edge, f.name) for f in fields(edge) if f.name not in ("from_", "to", "opened_by"))
