"""Runs: parents, twins, ids, ownership by jobs, scope, derivations."""
from __future__ import annotations

import hashlib

import pytest

from lineproof_schema.openlineage import run_uuid
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from tests.unit.projector.recorded import columns, ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio


def parent(run: str, job: str = "dag") -> dict[str, object]:
    return {"parent": {"run": {"runId": run}, "job": {"namespace": "jobs", "name": job}}}


async def test_a_parent_may_arrive_after_its_child(world: World) -> None:
    world.log.run("task", "child", outputs=["t"], code="v1", run_facets=parent(uid("dagrun")), minutes=1)
    world.log.run("dag", "dagrun", minutes=2)
    await world.project()
    assert ("run:" + uid("child"), "run:" + uid("dagrun")) in world.links("CHILD_OF")
    assert ("run:" + uid("dagrun"), "jobs:dag") in world.links("OF")
    assert world.facts(f"urn:lineproof:run:{uid('dagrun')}")["status"] == "COMPLETE"


async def test_run_ids_that_are_no_uuids_meet_their_children(world: World) -> None:
    derived = run_uuid("manual__2026", "jobs", "dag")
    world.log.run("task", "child", run_facets=parent("manual__2026"))
    world.log.lineage({"eventType": "START", "eventTime": "2026-01-01T00:00:00Z", "producer": "x:y", "run": {"runId": "manual__2026"},
                       "job": {"namespace": "jobs", "name": "dag"}})
    await world.project()
    assert ("run:" + uid("child"), "run:" + derived) in world.links("CHILD_OF")
    assert world.facts(f"urn:lineproof:run:{derived}")["originalRunId"] == "manual__2026"


async def test_a_run_belongs_to_the_job_of_its_first_entry(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    other = world.log.run("b", "r1", inputs=["y"], outputs=["t"], code="v1", signer="other")
    await world.project()
    assert world.outcome(other) == ("ignored", "out-of-scope")
    assert world.assets() == {("t", "x")}
    assert "t" in world.touched(other)


@pytest.mark.parametrize("first", ["producer", "notary"])
async def test_an_unsigned_event_beside_its_signed_twin_changes_nothing(world: World, first: str) -> None:
    second = "notary" if first == "producer" else "producer"
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1", signer=first)
    twin = world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1", signer=second)
    await world.project()
    assert len(world.graph.edges) == 1
    assert [stat.runs for stat in world.graph.stats.values()] == [1]
    assert world.outcome(twin) == ("applied", None)
    assert world.facts(f"urn:lineproof:run:{uid('r1')}")["signedBy"] == "PRODUCER"


async def test_facets_outside_the_signers_scope_stay_in_the_entry(world: World) -> None:
    foreign = {"namespace": "theirs", "name": "src", "facets": {"schema": columns("hacked"), "lifecycleStateChange": {"lifecycleStateChange": "DROP"}}}
    index = world.log.run("a", "r1", inputs=[foreign], outputs=["t", {"namespace": "theirs", "name": "out"}], code="v1", signer="narrow")
    await world.project()
    assert world.outcome(index) == ("partial", "out-of-scope")
    assert world.facts("urn:lineproof:dataset:theirs:src") == {}
    assert {(edge.downstream, edge.upstream) for edge in world.edges(DERIVED_FROM)} == {(dataset("t"), "urn:lineproof:dataset:theirs:src")}
    ignored = world.graph.records[index].detail["ignored"]
    assert {(item["what"], item["urn"]) for item in ignored} == {("facets", "urn:lineproof:dataset:theirs:src"), ("output", "urn:lineproof:dataset:theirs:out")}


async def test_a_job_outside_the_signers_scope_is_rejected_and_still_in_the_trail(world: World) -> None:
    index = world.log.run("a", "r1", outputs=["t"], code="v1", signer="narrow", namespace="theirs")
    await world.project()
    assert world.outcome(index) == ("rejected", "out-of-scope")
    assert world.graph.nodes == {}
    assert "t" in world.touched(index)


async def test_unknown_and_revoked_keys_are_rejected_at_their_index(world: World) -> None:
    from tests.unit.projector.recorded import KEYS

    unknown = world.log.run("a", "r0", outputs=["t"], code="v1", signer="log")
    good = world.log.run("a", "r1", outputs=["t"], code="v1", signer="other")
    world.log.cloud("lineproof.key.v1", {"action": "revoke", "keyId": KEYS["other"].keyid, "lastValid": good}, signer="admin", tenant="0" * 32)
    late = world.log.run("a", "r2", outputs=["t"], code="v1", signer="other")
    forged = world.log.cloud("lineproof.key.v1", {"action": "revoke", "keyId": KEYS["producer"].keyid, "lastValid": 0}, signer="producer")
    still = world.log.run("a", "r3", outputs=["t"], code="v1")
    await world.project()
    assert [world.outcome(index)[0] for index in (unknown, good, late, forged, still)] == ["rejected", "applied", "rejected", "rejected", "applied"]
    assert world.outcome(late)[1] == "revoked-key"


async def test_an_envelope_for_another_log_is_rejected(world: World) -> None:
    facet = {"lineproof_producer": {"audience": "log.test/staging", "stream": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "sequence": "1"}}
    index = world.log.run("a", "r1", outputs=["t"], code="v1", run_facets=facet)
    await world.project()
    assert world.outcome(index) == ("rejected", "wrong-audience")


async def test_a_derivation_applies_to_open_edges_at_once_and_to_runs_after_it(world: World) -> None:
    world.log.run("a", "r1", inputs=["x", "y"], outputs=["t"], code="v1", minutes=1)
    sql = hashlib.sha256(b"select /* v1 */ 1").hexdigest()
    body = {"job": {"namespace": "jobs", "name": "a"}, "sql": sql, "parser": "p/1", "status": "complete",
            "columns": [{"output": {"namespace": "db", "name": "t"}, "field": "k", "expression": "x.k + 1", "line": 1, "column": 8,
                         "inputs": [{"namespace": "db", "name": "x", "field": "k"}]}]}
    refused = world.log.cloud("lineproof.derivation.v1", body)
    index = world.log.cloud("lineproof.derivation.v1", body, signer="notary")
    await world.project()
    assert world.outcome(refused) == ("rejected", "out-of-scope")
    assert world.assets() == {("t", "x")}
    assert world.assets(at=index) == {("t", "x"), ("t", "y")}
    (edge,) = world.edges(COLUMN_DERIVED_FROM)
    assert (edge.basis, edge.expression, edge.parser, edge.opened_by) == ("derivation", "x.k + 1", "p/1", index)
    edges = len(world.graph.edges)
    world.log.run("a", "r2", inputs=["x", "y"], outputs=["t"], code="v1", minutes=2)
    await world.project()
    assert len(world.graph.edges) == edges
    assert world.assets() == {("t", "x")}


async def test_an_event_that_names_lesser_code_than_another_of_its_run_keeps_what_it_says_with_the_run(world: World) -> None:
    better = "urn:lineproof:transformation:jobs:a:1"
    timing = {"columns": {"c": {"kind": "event"}}}
    world.log.run("a", "r1", state="START", lineproof_transformation={"urn": better})
    index = world.log.run("a", "r1", outputs=[ds("t", schema=columns("c"), lineproof_columns={"timing": timing, "fields": {}})], code="v1", minutes=1)
    await world.project()
    assert world.outcome(index) == ("applied", None)
    run = world.facts(f"urn:lineproof:run:{uid('r1')}")
    assert (run["transformation"], run[f"timing:{dataset('t')}"]) == (better, timing)


async def test_a_commit_names_its_author_and_runs_name_the_commit(world: World) -> None:
    world.log.cloud("lineproof.commit.v1", {"repository": "git.test/o/r", "sha": "a" * 40, "author": {"name": "Ana", "email": "Ana@Example.test"},
                                            "committedAt": "2026-01-01T00:00:00Z", "subject": "fix"})
    run = world.log.run("a", "r1", outputs=["t"], sourceCodeLocation={"type": "git", "url": "https://git.test/o/r", "repoUrl": "git@git.test:o/r.git",
                                                                   "version": "a" * 40, "path": "m.sql"})
    await world.project()
    commit = "urn:lineproof:commit:git.test%2Fo%2Fr:" + "a" * 40
    assert (world.graph.records[run].commit, world.graph.records[run].actor) == (commit, "ana@example.test")
    assert world.facts(commit)["subject"] == "fix"
    assert {dst for _, dst in world.links("AUTHORED_BY")} == {"principal:ana%40example.test"}
    assert {dst for _, dst in world.links("FROM_COMMIT")} == {commit.removeprefix("urn:lineproof:commit:")}
