"""The same question put to the service through GraphQL, and written by hand against the tables (SQL) and the graph (Cypher)."""
from __future__ import annotations

import http.client
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson

from benchmarks.serving import Service
from metadata_service.graph.ops import OPEN
from tests.services.neo4j_server import Neo4jServer

__all__ = ["Asker", "GraphQL", "Question", "Rows", "bolt", "sqlite"]

LIMITS = {"nodes": 20_000, "edges": 100_000}
IDLE = 2.0  # seconds after which a kept connection is opened anew, before the service closes it: the other side may take its time
NO_BOUND = 10_000  # hops of a recursive query that has to name some
LINEAGE = """query($urn: ID!, $direction: Direction, $depth: Int, $level: Level, $at: Position, $limits: Limits) {
  lineage(urn: $urn, direction: $direction, depth: $depth, level: $level, at: $at, limits: $limits) {
  computedAt { size } completeness { truncated restricted unknown reasons { code detail } }
  nodes { urn kind namespace name distance hiddenUpstream hiddenDownstream restricted }
  edges { downstream upstream from to openedBy basis via transformation commit } } }"""
IMPACT = """query($urn: ID!, $at: Position, $limits: Limits) { impact(urn: $urn, at: $at, limits: $limits) {
  computedAt { size } completeness { truncated restricted unknown reasons { code detail } }
  affected { urn kind severity use distance deployments { urn environment } } } }"""

Rows = tuple[int, int]  # (nodes, edges) of a lineage answer; (affected models in use, their deployments) of an impact answer


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each of `roots`, one after the other. `at` is a position, None = now."""

    name: str
    roots: Sequence[str]
    ask: Literal["lineage", "impact"] = "lineage"
    direction: Literal["UPSTREAM", "DOWNSTREAM"] = "UPSTREAM"
    depth: int | None = None
    level: Literal["ASSET", "COLUMN"] = "ASSET"
    at: int | None = None

    @property
    def upstream(self) -> bool:
        """Whether the walk goes up: what a change breaks lies below."""
        return self.ask == "lineage" and self.direction == "UPSTREAM"

    def past(self, at: int) -> Question:
        """The same, as of a position."""
        return replace(self, at=at)


class Asker(Protocol):
    """Whoever can be asked."""

    def __call__(self, question: Question, urn: str) -> Rows: ...


class GraphQL:
    """Asks over one kept connection; the answer is parsed, as a user would."""

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection(service.host, service.port, timeout=120)
        self._headers = {"authorization": f"Bearer {service.token}", "content-type": "application/json"}
        self._answered = 0.0

    def __call__(self, question: Question, urn: str) -> Rows:
        if time.monotonic() - self._answered > IDLE:
            self._connection.close()
        variables: dict[str, Any] = {"urn": urn, "at": None if question.at is None else {"size": question.at}, "limits": LIMITS}
        if question.ask == "lineage":
            variables |= {"direction": question.direction, "depth": question.depth, "level": question.level}
        document = LINEAGE if question.ask == "lineage" else IMPACT
        self._connection.request("POST", "/graphql", json.dumps({"query": document, "variables": variables}), self._headers)
        answer = orjson.loads(self._connection.getresponse().read())
        self._answered = time.monotonic()
        found = (answer.get("data") or {}).get(question.ask)
        if found is None or any(found["completeness"][name] for name in ("truncated", "restricted", "unknown")):
            raise RuntimeError(f"{question.name} of {urn}: {str(answer)[:1000]}")
        if question.ask == "lineage":
            return len(found["nodes"]), len(found["edges"])
        used = [each["deployments"] for each in found["affected"] if each["kind"] == "MODEL_VERSION"]
        return sum(map(bool, used)), sum(map(len, used))


@contextmanager
def sqlite(path: Path) -> Iterator[Asker]:
    """What one would write by hand against the tables: a recursive walk, then its edges."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.execute("PRAGMA cache_size = -65536")

    def ask(question: Question, urn: str) -> Rows:
        bound = NO_BOUND if question.depth is None else question.depth
        given = {"urn": urn, "bound": bound, "at": question.at}
        first, second = _sql(question)
        if question.ask == "impact":
            found = connection.execute(first, given).fetchall()
            return len({row[0] for row in found}), len(found)
        return len(connection.execute(first, given).fetchall()), len(connection.execute(second, given).fetchall())

    yield ask
    connection.close()


def _sql(question: Question) -> tuple[str, str]:
    near, far = ("down_id", "up_id") if question.upstream else ("up_id", "down_id")
    family = 1 if question.level == "COLUMN" else 0
    kept = [f"e.to_ = {OPEN}"] if question.at is None else [f"e.to_ = {OPEN} AND e.from_ <= :at", f"e.to_ <> {OPEN} AND e.from_ <= :at AND e.to_ > :at"]
    steps = " ".join(f"UNION SELECT e.{far}, walk.distance + 1 FROM walk CROSS JOIN graph_edge e WHERE e.{near} = walk.id AND e.family = {family} AND {kept_} "
                     "AND walk.distance < :bound" for kept_ in kept)
    walk = (f"WITH RECURSIVE walk(id, distance) AS (SELECT id, 0 FROM graph_node WHERE urn = :urn {steps}), "
            "reached AS MATERIALIZED (SELECT id, min(distance) AS distance FROM walk GROUP BY id) ")
    if question.ask == "impact":
        visible = f"v.to_ = {OPEN}" if question.at is None else "v.from_ <= :at AND v.to_ > :at"
        models = (walk + "SELECT n.urn, r.distance, d.urn, v.value FROM reached r CROSS JOIN graph_node n CROSS JOIN graph_link l CROSS JOIN graph_node d "
                  "CROSS JOIN graph_revision v WHERE n.id = r.id AND n.kind = 'model-version' AND l.dst_id = n.id AND l.type = 'DEPLOYS' AND d.id = l.src_id "
                  f"AND v.node_id = d.id AND v.fact = 'environment' AND {visible}")
        return models, ""
    nodes = walk + "SELECT n.urn, n.kind, n.namespace, r.distance FROM reached r CROSS JOIN graph_node n WHERE n.id = r.id"
    edges = walk + " UNION ALL ".join(
        "SELECT d.urn, u.urn, e.from_, e.to_, e.opened_by, c.body FROM reached r CROSS JOIN graph_edge e CROSS JOIN graph_node d "
        f"CROSS JOIN graph_node u CROSS JOIN graph_context c WHERE e.down_id = r.id AND e.family = {family} AND {each} AND d.id = e.down_id "
        "AND u.id = e.up_id AND c.id = e.context_id AND +e.up_id IN (SELECT id FROM reached)" for each in kept)  # the plus keeps SQLite from seeking each pair
    return nodes, edges


@contextmanager
def bolt(server: Neo4jServer) -> Iterator[Asker]:
    """What one would write by hand in Cypher: the pruning breadth-first search, then the edges among what it found."""
    from neo4j import GraphDatabase

    with GraphDatabase.driver(server.uri, auth=server.auth, notifications_min_severity="OFF") as driver, driver.session(database="neo4j") as session:
        def ask(question: Question, urn: str) -> Rows:
            nodes, edges = _cypher(question)
            found = session.run(nodes, root=urn, at=question.at).values()
            if question.ask == "impact":
                return len({row[0] for row in found}), len(found)
            return len(found), len(session.run(edges, urns=[row[0] for row in found], at=question.at).values())

        yield ask


def _cypher(question: Question) -> tuple[str, str]:
    kind = "COLUMN_DERIVED_FROM" if question.level == "COLUMN" else "DERIVED_FROM"
    kinds = kind if question.at is None else f"{kind}|{kind}_PAST"
    hops = f"-[:{kinds}*0..{'' if question.depth is None else question.depth}]-"
    walk = f"{hops}>" if question.upstream else f"<{hops}"
    all_visible = "" if question.at is None else "WHERE all(r IN relationships(p) WHERE r.from <= $at AND r.to > $at) "
    one_visible = "" if question.at is None else "AND r.from <= $at AND r.to > $at "
    search = f"MATCH (s:Entity {{urn: $root}}) MATCH p = (s){walk}(m) {all_visible}"
    if question.ask == "impact":
        fact = f"v.to = {OPEN}" if question.at is None else "v.from <= $at AND v.to > $at"
        return (f"{search}WITH m, min(length(p)) AS distance WHERE m.kind = 'model-version' MATCH (d)-[:DEPLOYS]->(m) "
                f"MATCH (v:Revision {{urn: d.urn, fact: 'environment'}}) WHERE {fact} RETURN m.urn, distance, d.urn, v.value", "")
    return (f"{search}RETURN m.urn AS urn, m.kind AS kind, m.namespace AS namespace, min(length(p)) AS distance",
            f"UNWIND $urns AS urn MATCH (n:Entity {{urn: urn}})-[r:{kinds}]->(o) WHERE o.urn IN $urns {one_visible}"
            "RETURN urn AS downstream, o.urn AS upstream, r.from AS from, r.opened_by AS opened_by, "
            "r.basis AS basis, r.via AS via, r.transformation AS transformation, r.commit AS commit")
