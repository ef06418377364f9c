"""Lineage of 100 K nodes and 300 K edges through GraphQL over HTTP, beside the hand-written query for the same subgraph.

The graphs are loaded by `GraphStore.apply`, not through the log: what is measured is asking. Each question is asked in turn with the
query beside it, on roots spread over the last layer, so that both meet the same machine and nobody profits from a warm answer.
"""
from __future__ import annotations

import asyncio
import http.client
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.dag import HALF, SIZE, Dag, load
from benchmarks.events import run_event
from benchmarks.figures import Report, Target, percentile
from benchmarks.logs import append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import Service, serving
from metadata_service.graph.ops import OPEN
from tests.services.neo4j_server import Neo4jServer

__all__ = ["TITLE", "run"]

TITLE = "Lineage through GraphQL"
DEPTH = 5
LIMITS = {"nodes": 20_000, "edges": 100_000}
SMALL_ANSWER = 5_000  # nodes up to which the embedded store has to be faster than Neo4j
VERSIONS = 10
WARM = 3
DOCUMENT = """query($urn: ID!, $depth: Int, $at: Position, $limits: Limits) { lineage(urn: $urn, depth: $depth, at: $at, limits: $limits) {
  computedAt { size } completeness { complete reasons { code } }
  nodes { urn kind namespace name distance hiddenUpstream hiddenDownstream restricted }
  edges { downstream upstream from to openedBy basis via transformation commit } } }"""

Rows = tuple[int, int]  # (nodes, edges) of an answer
Ask = Callable[[str], Rows]


@dataclass(slots=True)
class Question:
    """One question asked again and again: how many seconds each took, and the largest answer."""

    ask: Ask
    seconds: list[float] = field(default_factory=list)
    rows: Rows = (0, 0)

    def once(self, urn: str) -> Rows:
        """Ask; the answer's rows."""
        began = time.perf_counter()
        rows = self.ask(urn)
        self.seconds.append(time.perf_counter() - began)
        self.rows = max(self.rows, rows)
        return rows

    def ms(self, share: float) -> float:
        """Percentile in ms."""
        return percentile(self.seconds, share) * 1e3


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    large = Dag("bench", scale.nodes, scale.edges)
    plain, aged = Dag("plain", scale.nodes // 20, scale.edges // 20), Dag("aged", scale.nodes // 20, scale.edges // 20, VERSIONS)
    dags = [large, plain, aged]
    embedded: dict[str, Question] = {}
    with workplace() as directory:
        with open_log(directory) as bench:
            append_all(bench.log, bench.entries(map(run_event, range(SIZE))))
            counts = asyncio.run(_timed_load(report, f"sqlite:///{directory / 'data' / 'graph.db'}", dags, bench.log.reader, "SQLite"))
        with _sqlite(directory / "data" / "graph.db") as raw, serving(directory, projector="off") as service:
            embedded = _measure(report, scale, dags, service, raw, "SQLite", "raw SQL", counts, None)
    server = services.neo4j("lineage")
    if server is None:
        return
    with workplace() as directory:
        with open_log(directory) as bench:
            append_all(bench.log, bench.entries(map(run_event, range(SIZE))))
            counts = asyncio.run(_timed_load(report, server.url, dags, bench.log.reader, "Neo4j"))
        with _bolt(server) as raw, serving(directory, projector="off", graph_url=server.url) as service:
            remote = _measure(report, scale, dags, service, raw, "Neo4j", "raw Bolt", counts, Target(ratio_at_most=1.5))
    for name, question in embedded.items():
        other = remote[name]
        report.add(f"{name}, SQLite against Neo4j, p50", question.ms(0.5), "ms", against="Neo4j", ratio=question.ms(0.5) / other.ms(0.5),
                   size=_rows(question), target=Target(ratio_at_most=1.0) if question.rows[0] <= SMALL_ANSWER else None)


async def _timed_load(report: Report, url: str, dags: list[Dag], reader: Any, name: str) -> dict[str, int]:
    began = time.perf_counter()
    counts = await load(url, dags, reader)
    rows = counts["nodes"] + counts["edges"] + counts["past_edges"]
    report.add(f"loading the graphs by GraphStore.apply, {name}", rows / (time.perf_counter() - began), "rows/s",
               size=f"{counts['nodes']:,} nodes, {counts['edges']:,} edges, {counts['past_edges']:,} closed edges")
    return counts


def _measure(report: Report, scale: Scale, dags: Sequence[Dag], service: Service, raw: Callable[[str, int | None], Rows], name: str, beside: str,
             counts: dict[str, int], target: Target | None) -> dict[str, Question]:
    large, plain, aged = dags
    roots, asked = large.roots(scale.questions + WARM), _GraphQL(service)
    taken: dict[str, Question] = {}
    for what, depth in ((f"lineage, depth {DEPTH}", DEPTH), ("lineage, full closure", None)):
        now, then, hand = (Question(_bind(asked, depth, None)), Question(_bind(asked, depth, HALF + HALF // 4)), Question(_bind_raw(raw, depth)))
        for number, root in enumerate(roots):
            answers = {question.once(root) for question in (now, hand, then)}
            if len(answers) != 1 or answers == {(0, 0)}:
                raise RuntimeError(f"{what} of {root} on {name}: GraphQL now, {beside} and GraphQL as-of answer {answers}")
            if number + 1 == WARM:
                for question in (now, then, hand):
                    question.seconds.clear()
        size = f"{_rows(now)}, of {counts['nodes']:,} nodes and {counts['edges']:,} edges"
        for share, shown in ((0.5, "p50"), (0.95, "p95")):
            report.add(f"{what}, {beside}, {name}, {shown}", hand.ms(share), "ms", size=size)
            report.add(f"{what}, GraphQL, {name}, {shown}", now.ms(share), "ms", against=beside, ratio=now.ms(share) / hand.ms(share), size=size,
                       target=target if shown == "p50" else None)
        report.add(f"{what}, GraphQL as-of, {name}, p50", then.ms(0.5), "ms", against="now", ratio=then.ms(0.5) / now.ms(0.5), size=size,
                   target=Target(ratio_at_most=2.0), note="at a position whose answer is the same")
        taken[what] = now
    fresh, old = Question(_bind(asked, None, None)), Question(_bind(asked, None, None))
    for number, (one, other) in enumerate(zip(plain.roots(scale.questions + WARM), aged.roots(scale.questions + WARM), strict=True)):
        if fresh.once(one) != old.once(other):
            raise RuntimeError(f"closed versions changed the answer of {other} on {name}")
        if number + 1 == WARM:
            fresh.seconds.clear()
            old.seconds.clear()
    report.add(f"full closure with {VERSIONS} closed versions per edge, {name}, p50", old.ms(0.5), "ms", against="none", ratio=old.ms(0.5) / fresh.ms(0.5),
               size=f"{_rows(old)}, of {aged.nodes:,} nodes and {aged.edges:,} edges", target=Target(ratio_at_most=1.2))
    return taken


def _rows(question: Question) -> str:
    return f"up to {question.rows[0]:,} nodes and {question.rows[1]:,} edges"


def _bind(asked: _GraphQL, depth: int | None, at: int | None) -> Ask:
    return lambda urn: asked(urn, depth, at)


def _bind_raw(raw: Callable[[str, int | None], Rows], depth: int | None) -> Ask:
    return lambda urn: raw(urn, depth)


class _GraphQL:
    """Asks over one kept connection; the answer is parsed, as a user would."""

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection(service.host, service.port, timeout=60)
        self._headers = {"authorization": f"Bearer {service.token}", "content-type": "application/json"}

    def __call__(self, urn: str, depth: int | None, at: int | None) -> Rows:
        variables = {"urn": urn, "depth": depth, "at": None if at is None else {"size": at}, "limits": LIMITS}
        self._connection.request("POST", "/graphql", json.dumps({"query": DOCUMENT, "variables": variables}), self._headers)
        answer = orjson.loads(self._connection.getresponse().read())
        if answer.get("errors") or not answer["data"]["lineage"]["completeness"]["complete"]:
            raise RuntimeError(f"{str(answer)[:1000]}")
        return len(answer["data"]["lineage"]["nodes"]), len(answer["data"]["lineage"]["edges"])


@contextmanager
def _sqlite(path: Path) -> Iterator[Callable[[str, int | None], Rows]]:
    """What one would write by hand against the tables: a recursive walk, then its edges."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.execute("PRAGMA cache_size = -65536")
    walk = (f"WITH RECURSIVE walk(id, distance) AS (SELECT id, 0 FROM graph_node WHERE urn = ? UNION SELECT e.up_id, walk.distance + 1 FROM walk "
            f"CROSS JOIN graph_edge e WHERE e.down_id = walk.id AND e.family = 0 AND e.to_ = {OPEN} AND walk.distance < ?), "
            "reached AS MATERIALIZED (SELECT id, min(distance) AS distance FROM walk GROUP BY id) ")
    nodes = walk + "SELECT n.urn, n.kind, n.namespace, r.distance FROM reached r CROSS JOIN graph_node n WHERE n.id = r.id"
    edges = (walk + "SELECT d.urn, u.urn, e.from_, e.to_, e.opened_by, c.body FROM reached r CROSS JOIN graph_edge e CROSS JOIN graph_node d "
             "CROSS JOIN graph_node u CROSS JOIN graph_context c "
             f"WHERE e.down_id = r.id AND e.family = 0 AND e.to_ = {OPEN} AND d.id = e.down_id AND u.id = e.up_id AND c.id = e.context_id "
             "AND +e.up_id IN (SELECT id FROM reached)")  # the plus keeps SQLite from seeking each pair

    def ask(urn: str, depth: int | None) -> Rows:
        bound = 1_000 if depth is None else depth
        return len(connection.execute(nodes, (urn, bound)).fetchall()), len(connection.execute(edges, (urn, bound)).fetchall())

    yield ask
    connection.close()


@contextmanager
def _bolt(server: Neo4jServer) -> Iterator[Callable[[str, int | None], Rows]]:
    """What one would write by hand in Cypher: the pruning breadth-first search, then the edges among what it found."""
    from neo4j import GraphDatabase

    edges = ("UNWIND $urns AS urn MATCH (n:Entity {urn: urn})-[r:DERIVED_FROM]->(o) WHERE o.urn IN $urns RETURN urn AS downstream, o.urn AS upstream, "
             "r.from AS from, r.opened_by AS opened_by, r.basis AS basis, r.via AS via, r.transformation AS transformation, r.commit AS commit")
    with GraphDatabase.driver(server.uri, auth=server.auth) as driver, driver.session(database="neo4j") as session:
        def ask(urn: str, depth: int | None) -> Rows:
            nodes = (f"MATCH (s:Entity {{urn: $root}}) MATCH p = (s)-[:DERIVED_FROM*0..{'' if depth is None else depth}]->(m) "
                     "RETURN m.urn AS urn, m.kind AS kind, m.namespace AS namespace, min(length(p)) AS distance")
            found = session.run(nodes, root=urn).values()
            return len(found), len(session.run(edges, urns=[row[0] for row in found]).values())

        yield ask
