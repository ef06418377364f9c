"""The levels `derived` and `complete`: the question of a bundle is asked again, of the entries it shows or of the whole log, and must be answered the same."""
from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from lineproof_audit.bundle import parse_bundle
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.export import export_log
from lineproof_audit.folder import open_folder
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import Trust, TrustedLog
from lineproof_audit.verify import LEVELS, Verdict, verify_bundle
from metadata_service.cli import documents
from metadata_service.cli.replay import question_of, replayed_from_evidence, replayed_from_log
from tests.big_log import grow
from tests.service_world import ServiceWorld, openlineage_run

URN = "urn:lineproof:dataset:demo:clean"


@dataclass
class Evidence:
    """Bundles of one answer, the whole log as files, and what its verifier believes."""

    world: ServiceWorld
    bundle: dict[str, Any]
    bare: dict[str, Any]
    export: Path
    trust: Trust

    async def verdict(self, bundle: dict[str, Any], require: str, log: str | None = None) -> Verdict:
        """As `lineproof log verify` comes to it."""
        first = verify_bundle(bundle, self.trust)
        question = question_of(bundle)
        assert question is not None
        assert first.checkpoint is not None
        replays = {"derived": (await replayed_from_evidence(question, parse_bundle(bundle))).reasons}
        if log is not None:
            replays["complete"] = (await replayed_from_log(question, first.checkpoint, log, self.trust)).reasons
        return verify_bundle(bundle, self.trust, require, replays)


async def graphql(world: ServiceWorld, document: str, variables: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await world.http.post("/graphql", json={"query": document, "variables": variables},
                                   headers={"Lineproof-Min-Size": str(world.size()), **(headers or {})})
    body: dict[str, Any] = answer.json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


async def covered(world: ServiceWorld) -> None:
    for _ in range(600):
        note = world.rooms.log.reader.checkpoint()
        if note is not None and peek_checkpoint(note).size == world.size():
            return
        await anyio.sleep(0.05)
    raise AssertionError("no checkpoint covers the log")


@pytest.fixture
async def evidence(projected: ServiceWorld, tmp_path: Path) -> Evidence:
    """A small pipeline, what is upstream of a table, and runs of other jobs; one of them reads from the same table, which the answer counts."""
    world = projected
    for job, reads, writes in (("load", (), ("raw",)), ("clean", ("raw",), ("clean",)), ("other", ("else",), ("where",)), ("aside", ("raw",), ("aside",)),
                               ("clean", ("raw",), ("clean",))):
        assert (await world.http.post("/api/v1/lineage", json=openlineage_run(job, inputs=reads, outputs=writes))).status_code == 200
    await covered(world)
    variables = {"urn": URN, "direction": "UPSTREAM"}
    answer = await graphql(world, documents.LINEAGE, variables)
    assert answer["lineage"]["edges"]
    asked = {"entries": sorted({edge["openedBy"] for edge in answer["lineage"]["edges"]}), "query": {"document": documents.LINEAGE, "variables": variables},
             "answer": answer, "withLeaves": True}
    bundle = (await graphql(world, documents.EVIDENCE, {**asked, "withContext": True}))["evidence"]["bundle"]
    bare = (await graphql(world, documents.EVIDENCE, asked))["evidence"]["bundle"]
    export_log(world.rooms.log.store, open_folder(tmp_path / "export"), origin=world.origin, tool_version="tests")
    trust = Trust((TrustedLog(NoteVerifier(world.origin, world.rooms.log.keyring.keys_for("log")[0])),))
    return Evidence(world, bundle, bare, tmp_path / "export", trust)


@pytest.mark.anyio
async def test_an_answer_follows_from_its_entries_and_from_the_whole_log(evidence: Evidence) -> None:
    verdict = await evidence.verdict(evidence.bundle, "complete", str(evidence.export))
    assert (verdict.ok, verdict.levels) == (True, LEVELS)
    assert verdict.statement.endswith("Not shown: that what producers said is true.")
    world = evidence.world  # the log goes on, the answer is of where it was
    await world.http.post("/api/v1/lineage", json=openlineage_run("later", inputs=("clean",), outputs=("report",)))
    await covered(world)
    verdict = await evidence.verdict(evidence.bundle, "complete", str(world.rooms.settings.data))
    assert (verdict.ok, verdict.levels) == (True, LEVELS)


@pytest.mark.anyio
async def test_the_past_versions_and_producers_can_be_asked_again_too(evidence: Evidence) -> None:
    world, past = evidence.world, {"size": evidence.world.size() - 1}
    for document, variables in ((documents.LINEAGE, {"urn": URN, "direction": "UPSTREAM", "at": past}), (documents.LINEAGE, {"urn": URN, "level": "VERSION"}),
                                (documents.LINEAGE, {"urn": URN, "level": "VERSION", "at": past}), (documents.ENTITY, {"urn": URN}),
                                (documents.ENTITY, {"urn": URN, "at": past})):
        answer = await graphql(world, document, variables)
        asked = {"entries": [world.size() - 1], "query": {"document": document, "variables": variables}, "answer": answer, "withLeaves": True}
        bundle = (await graphql(world, documents.EVIDENCE, {**asked, "withContext": True}))["evidence"]["bundle"]
        verdict = await evidence.verdict(bundle, "complete", str(evidence.export))
        assert verdict.ok, (variables, verdict.reasons)
        assert "complete" in verdict.levels
    forged = json.loads(json.dumps(bundle))
    forged["answer"]["entity"]["entity"]["producers"][0]["current"] = False
    assert "complete" not in (await evidence.verdict(forged, "included", str(evidence.export))).levels


@pytest.mark.anyio
async def test_entries_that_do_not_suffice_reach_no_more_than_the_keys(evidence: Evidence) -> None:
    verdict = await evidence.verdict(evidence.bare, "derived")
    assert (verdict.ok, verdict.code, verdict.levels) == (False, "below-required", ("included", "keys-complete"))
    assert "asked again, the answer differs" in verdict.reasons["derived"][0]
    assert (await evidence.verdict(evidence.bare, "keys-complete")).ok
    assert (await evidence.verdict(evidence.bare, "derived", str(evidence.export))).ok  # the whole log gives it, which is more


def forged(answer: dict[str, Any], how: str) -> None:
    found = answer["lineage"]
    if how == "an edge is left out":
        del found["edges"][0]
    elif how == "a node is added":
        found["nodes"].append({**found["nodes"][0], "urn": "urn:lineproof:dataset:demo:invented"})
    elif how == "an edge is said to be of another entry":
        found["edges"][0]["openedBy"] -= 1
    elif how == "it is said to be complete":
        found["completeness"]["complete"] = not found["completeness"]["complete"]
    elif how == "it is of another size":
        found["computedAt"]["size"] -= 1
    else:
        found["computedAt"]["rootHash"] = "0" * 64


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["an edge is left out", "a node is added", "an edge is said to be of another entry", "it is said to be complete",
                                 "it is of another size", "it is of another root"])
async def test_a_forged_answer_is_neither_derived_nor_complete(evidence: Evidence, how: str) -> None:
    bundle = copy.deepcopy(evidence.bundle)
    forged(bundle["answer"], how)
    assert (await evidence.verdict(bundle, "keys-complete")).ok  # these levels speak of entries, not of answers
    assert (await evidence.verdict(bundle, "derived")).code == "below-required"
    verdict = await evidence.verdict(bundle, "included", str(evidence.export))
    assert (verdict.ok, verdict.code) == (False, "invalid-proof")  # the log contradicts it


@pytest.mark.anyio
async def test_counts_of_what_lies_beyond_an_answer_are_held_by_the_whole_log_alone(evidence: Evidence) -> None:
    more, less = copy.deepcopy(evidence.bundle), copy.deepcopy(evidence.bundle)
    place = next(at for at, node in enumerate(evidence.bundle["answer"]["lineage"]["nodes"]) if node["hiddenDownstream"])
    more["answer"]["lineage"]["nodes"][place]["hiddenDownstream"] += 1
    less["answer"]["lineage"]["nodes"][place]["hiddenDownstream"] -= 1
    question = question_of(more)
    assert question is not None
    replay = await replayed_from_evidence(question, parse_bundle(more))
    assert (replay.reasons, len(replay.left_open)) == ((), 1)
    assert "1 count of what lies beyond the answer" in replay.left_open[0]
    assert (await evidence.verdict(less, "derived")).code == "below-required"  # the entries show more than that
    for changed in (more, less):
        assert (await evidence.verdict(changed, "included", str(evidence.export))).code == "invalid-proof"


@pytest.mark.anyio
async def test_a_log_that_is_not_the_one_of_the_checkpoint_or_not_sound_completes_nothing(evidence: Evidence, tmp_path: Path) -> None:
    name = "lineproof/bodies/000.p/" + str(evidence.world.size())
    raw = bytearray((evidence.export / name).read_bytes())
    raw[-200] ^= 1
    (evidence.export / name).write_bytes(raw)
    assert "not sound" in (await evidence.verdict(evidence.bundle, "included", str(evidence.export))).reasons["complete"][0]
    tiles = str(evidence.world.rooms.settings.data / "tiles")
    assert "leaves and no bodies" in (await evidence.verdict(evidence.bundle, "included", tiles)).reasons["complete"][0]
    assert "no log" in (await evidence.verdict(evidence.bundle, "included", str(tmp_path / "nowhere"))).reasons["complete"][0]
    grow(evidence.world.rooms.log.store, evidence.world.size() + 1)  # an entry whose signer nobody registered
    assert "not sound" in (await evidence.verdict(evidence.bundle, "included", str(evidence.world.rooms.settings.data))).reasons["complete"][0]


@pytest.mark.anyio
async def test_what_a_viewer_may_not_read_is_not_added_to_the_evidence(evidence: Evidence) -> None:
    question = evidence.bundle["query"]
    reader = evidence.world.as_("auditor", prefixes=("elsewhere",))
    asked = {"entries": [], "query": question, "answer": evidence.bundle["answer"], "withLeaves": True, "withContext": True}
    shown = (await graphql(evidence.world, documents.EVIDENCE, asked, reader))["evidence"]["bundle"]
    assert len(evidence.bundle["entries"]) > 3
    assert not {entry["index"] for entry in shown["entries"]} & {entry["index"] for entry in evidence.bare["entries"]}


@pytest.mark.parametrize("bundle", [
    {}, {"query": "?", "answer": {}}, {"query": {"document": "{ checkpoint { size } }", "variables": {}}, "answer": {"checkpoint": {}}},
    {"query": {"entries": [1]}, "answer": None}, {"query": {"document": 1, "variables": {}}, "answer": {"x": {"computedAt": {"size": 1, "rootHash": ""}}}},
])
def test_what_is_no_question_cannot_be_asked_again(bundle: dict[str, Any]) -> None:
    assert question_of(json.loads(json.dumps(bundle))) is None
