"""What the graph contract tests build their graphs from: a feeder that plays the projector's part, and a model that knows the right answers."""
from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lineproof_schema.urn import format_urn
from metadata_service.graph.ops import (
    DIGEST_MODULUS,
    OPEN,
    CloseEdge,
    Edge,
    EntryRecord,
    Family,
    GraphOp,
    Link,
    OpenEdge,
    Revise,
    Touch,
    UpsertNode,
    digest_delta,
    edge_digest,
    link_digest,
    node_digest,
    revision_digest,
)
from metadata_service.graph.port import Direction, GraphStore, NodeRow, RevisionRow
from metadata_service.graph.rows import edge_order, node_of

TENANT = "default"


def dataset(name: str, namespace: str = "warehouse") -> str:
    """A dataset's URN."""
    return format_urn("dataset", namespace, name)


def column(name: str, field_: str) -> str:
    """A column's URN."""
    return format_urn("column", "warehouse", name, field_)


def edge(downstream: str, upstream: str, at: int, *, family: Family = "DERIVED_FROM", set_id: str = "set", commit: str | None = None,
         expression: str | None = None) -> Edge:
    """An edge opened by entry `at - 1`."""
    return Edge(family, downstream, upstream, set_id, format_urn("job", "etl", "load"), format_urn("transformation", "etl", "load", "1"), commit, "lineage",
                TENANT, at, at - 1, expression=expression, line=None if expression is None else 12)


def record(index: int, **changes: object) -> EntryRecord:
    """An entry record; entry `index` is received at `index` seconds."""
    return replace(EntryRecord(index, index * 1_000_000, "openlineage.run", TENANT, "aa", "PRODUCER", "applied"), **changes)  # type: ignore[arg-type]


@dataclass(slots=True)
class Model:
    """The graph in plain Python: the oracle."""

    nodes: dict[str, UpsertNode] = field(default_factory=dict)
    revisions: dict[tuple[str, str, int], tuple[object, int]] = field(default_factory=dict)
    edges: dict[tuple[str, int], Edge] = field(default_factory=dict)
    links: dict[tuple[str, str, str], Link] = field(default_factory=dict)

    def play(self, ops: Sequence[GraphOp]) -> None:
        """Apply one by one."""
        for op in ops:
            match op:
                case UpsertNode():
                    self.nodes.setdefault(op.urn, op)
                case Revise():
                    if op.previous_from is not None:
                        value, _ = self.revisions.pop((op.urn, op.fact, op.previous_from))
                        if op.previous_from < op.from_:
                            self.revisions[(op.urn, op.fact, op.previous_from)] = (value, op.from_)
                    if op.value is not None:
                        self.revisions[(op.urn, op.fact, op.from_)] = (op.value, OPEN)
                case OpenEdge():
                    self.edges[(op.edge.key, op.edge.from_)] = op.edge
                case CloseEdge():
                    del self.edges[(op.edge.key, op.edge.from_)]
                    if op.edge.from_ < op.to:
                        self.edges[(op.edge.key, op.edge.from_)] = replace(op.edge, to=op.to)
                case Link():
                    self.links.setdefault((op.type, op.src, op.dst), op)
                case _:
                    pass

    def open_edges(self) -> list[Edge]:
        """The current edges."""
        return [one for one in self.edges.values() if one.to == OPEN]

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes at a position."""
        position = OPEN - 1 if at is None else at
        found = {}
        for urn in sorted(set(urns)):
            node = self.nodes.get(urn)
            if node is not None and node.from_ <= position:
                seen = {fact: (value, from_) for (of, fact, from_), (value, to) in self.revisions.items() if of == urn and from_ <= position < to}
                found[urn] = replace(node_of(urn, node.tenant, node.from_, []), facts={fact: value for fact, (value, _) in seen.items()},
                                     since={fact: from_ for fact, (_, from_) in seen.items()})
        return found

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """The visible edges of `frontier`."""
        position = OPEN - 1 if at is None else at
        found = [replace(one, to=OPEN) for one in self.edges.values() if one.family in families and one.from_ <= position < one.to
                 and (one.downstream if direction == "UPSTREAM" else one.upstream) in set(frontier)]
        return sorted(found, key=edge_order)[:limit]

    def history(self, urn: str, at: int) -> list[RevisionRow]:
        """The revisions of an entity as they stood at a position."""
        rows = [RevisionRow(urn, fact, value, from_, to if to <= at else OPEN)
                for (of, fact, from_), (value, to) in self.revisions.items() if of == urn and from_ <= at]
        return sorted(rows, key=lambda row: (row.from_, row.fact))

    def digest(self) -> str:
        """The digest, summed row by row."""
        total = sum(node_digest(urn, node.tenant, node.from_) for urn, node in self.nodes.items())
        total += sum(revision_digest(urn, fact, value, from_, to) for (urn, fact, from_), (value, to) in self.revisions.items())
        total += sum(edge_digest(one) for one in self.edges.values()) + sum(link_digest(link) for link in self.links.values())
        return f"{total % DIGEST_MODULUS:064x}"


@dataclass(slots=True)
class Feeder:
    """Plays batches into a store, and into the model beside it."""

    store: GraphStore
    model: Model = field(default_factory=Model)
    size: int = 0

    async def feed(self, *ops: GraphOp, entries: int = 1) -> int:
        """Apply effective `ops` as what the next `entries` entries said; the size afterwards."""
        size = self.size + entries
        await self.store.apply(ops, expected_size=self.size, size=size, root=root_of(size), digest_delta=digest_delta(ops))
        self.model.play(ops)
        self.size = size
        return size

    async def repeat(self, *ops: GraphOp) -> None:
        """Apply `ops` that change nothing any more."""
        await self.store.apply(ops, expected_size=self.size, size=self.size, root=root_of(self.size), digest_delta=0)

    async def nodes(self, *urns: str) -> int:
        """Upsert entities by one entry."""
        return await self.feed(*(UpsertNode(urn, TENANT, self.size + 1) for urn in urns))

    async def chain(self, *pairs: tuple[str, str], family: Family = "DERIVED_FROM") -> int:
        """One entry that opens these (downstream, upstream) edges, and whatever nodes they need."""
        at = self.size + 1
        new = sorted({urn for pair in pairs for urn in pair} - self.model.nodes.keys())
        return await self.feed(*(UpsertNode(urn, TENANT, at) for urn in new), *(OpenEdge(edge(down, up, at, family=family)) for down, up in pairs))


def root_of(size: int) -> str:
    """A root hash that depends on the size."""
    return hashlib.sha256(b"root %d" % size).hexdigest()


def random_history(seed: int, entries: int = 40, names: int = 14) -> list[list[GraphOp]]:
    """What `entries` entries do to a small, dense, cyclic graph: one list of effective operations per entry."""
    rng = random.Random(seed)
    urns = [dataset(f"t{n}") for n in range(names)] + [column(f"t{n}", "c") for n in range(names)]
    model = Model()
    history: list[list[GraphOp]] = []
    for index in range(entries):
        at, ops = index + 1, list[GraphOp]()

        def say(*new: GraphOp, into: list[GraphOp] = ops) -> None:
            model.play(new)
            into.extend(new)

        for urn in rng.sample(urns, 3):
            if urn not in model.nodes:
                say(UpsertNode(urn, TENANT, at))
        existing = sorted(model.nodes)
        for _ in range(rng.randint(0, 5)):
            kind = rng.choice(("dataset", "column"))
            ends = [urn for urn in existing if f":{kind}:" in urn]
            if ends:
                new = edge(rng.choice(ends), rng.choice(ends), at, family="DERIVED_FROM" if kind == "dataset" else "COLUMN_DERIVED_FROM",
                           set_id=f"set{rng.randint(0, 1)}", commit=rng.choice((None, f"urn:lineproof:commit:r:{index}")),
                           expression=rng.choice((None, "a + b", 'it\'s "ü" \x00\n')))
                if (new.key, at) not in model.edges and all(one.key != new.key for one in model.open_edges()):
                    say(OpenEdge(new))
        for one in rng.sample(sorted(model.open_edges(), key=edge_order), k=min(len(model.open_edges()), rng.randint(0, 3))):
            say(CloseEdge(one, at))
        for urn in rng.sample(existing, k=min(3, len(existing))):
            fact = rng.choice(("owners", "schema", "facet:x\x00y"))
            current = next(((value, from_) for (of, name, from_), (value, to) in model.revisions.items() if (of, name) == (urn, fact) and to == OPEN), None)
            value = rng.choice((None, {"n": rng.randint(0, 3)}, ["ü", 1.5], "text"))
            if current is not None or value is not None:
                say(Revise(urn, fact, value, at, *(current or (None, None))))
        src, dst = rng.choice(existing), rng.choice(existing)
        if ("SAME_AS", src, dst) not in model.links:
            say(Link("SAME_AS", src, dst, at, {"inferred": rng.random() < 0.5}))
        ops += [record(index), *(Touch(urn, index) for urn in rng.sample(urns, 2))]
        history.append(ops)
    return history
