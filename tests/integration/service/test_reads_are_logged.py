"""Auditors' questions and reads of classified data become entries: one per viewer and minute, none about themselves."""
from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from metadata_service.graph.ops import Revise
from tests.service_world import ServiceWorld

pytestmark = pytest.mark.anyio
CHECKPOINT = "{ checkpoint { size } }"
ENTITY = 'query ($urn: ID!) { entity(urn: $urn) { entity { urn } } }'


async def ask(world: ServiceWorld, headers: dict[str, str], query: str, **variables: Any) -> dict[str, Any]:
    answer = await world.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    assert answer.status_code == 200
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def logged(world: ServiceWorld, since: int) -> list[dict[str, Any]]:
    entries = [entry for entry in world.rooms.log.reader.entries(since) if entry.fields.event_type == "lineproof.access.v1"]
    assert all(entry.fields.signed_by == "SERVICE" and entry.fields.tenant == world.tenant for entry in entries)
    bodies = [json.loads(base64.b64decode(json.loads(entry.envelope or b"")["payload"]))["data"] for entry in entries]
    assert [body["viewer"] for body in bodies] == [entry.fields.caller for entry in entries]
    return bodies


async def test_what_an_auditor_asks_is_one_entry_a_minute(projected: ServiceWorld) -> None:
    world, reads = projected, projected.app.state.services.reads
    clock = [reads._clock()]
    reads._clock = lambda: clock[0]
    auditor, other, reader = world.as_("auditor", subject="ada"), world.as_("auditor", subject="bo"), world.as_("reader", subject="cy")
    size = world.size()
    for _ in range(3):
        await ask(world, auditor, CHECKPOINT)
    await ask(world, auditor, "{ keyHistory { keys { keyId } } }")
    await ask(world, other, CHECKPOINT)
    await ask(world, reader, CHECKPOINT)
    assert reads.flush() == 0  # the minute is not over
    clock[0] += 61
    assert reads.flush() == 2
    first, second = sorted(logged(world, size), key=lambda body: -body["reads"])
    assert (first["reads"], first["what"], second["reads"], second["what"]) == (4, ["checkpoint", "keyHistory"], 1, ["checkpoint"])
    assert first["viewer"] != second["viewer"]
    clock[0] += 61
    assert reads.flush() == 0  # writing them is no read
    assert world.size() == size + 2


async def test_reads_of_classified_data_are_logged_whoever_reads(projected: ServiceWorld) -> None:
    world, reads = projected, projected.app.state.services.reads
    for name, classification in (("salaries", "confidential"), ("weather", "public"), ("plain", None)):
        data = {"namespace": "demo", "name": name, **({"classification": classification} if classification else {"description": "d"})}
        answer = await world.post(world.cloudevent(data=data), Prefer="wait=projected")
        assert answer.json()["outcome"]["status"] == "applied"
    reader, size = world.as_("reader", subject="cy"), world.size()
    low = {"Authorization": f"Bearer {world.rooms.tokens.create('low', tenant=world.tenant, roles=['reader'], ceiling='internal').secret}"}
    for headers, name in ((reader, "weather"), (reader, "plain"), (low, "salaries")):
        await ask(world, headers, ENTITY, urn=f"urn:lineproof:dataset:demo:{name}")
    assert reads.flush(everything=True) == 0  # nothing classified was shown
    await ask(world, reader, ENTITY, urn="urn:lineproof:dataset:demo:salaries")
    assert reads.flush(everything=True) == 1
    assert [body["what"] for body in logged(world, size)] == [["classified"]]


FEATURE = {"namespace": "demo", "name": "delay", "version": "1", "column": {"namespace": "demo", "name": "features", "column": "delay"},
           "definition": {"entities": ["flight"], "dtype": "double", "sql": "select 1", "sources": [{"namespace": "demo", "name": "raw"}]}}


@pytest.mark.parametrize(("level", "shown"), [("confidential", ["classified"]), ("public", [])])
async def test_what_is_resolved_over_rest_is_logged_like_the_same_question_in_graphql(projected: ServiceWorld, level: str, shown: list[str]) -> None:
    world, services = projected, projected.app.state.services
    answer = await world.post(world.cloudevent("lineproof.feature-version.v1", FEATURE), Prefer="wait=projected")
    assert answer.json()["outcome"]["status"] == "applied"
    stands = await services.graph.position()
    version = Revise("urn:lineproof:feature-version:demo:delay:1", "classification", level, stands.size - 1)  # no event says so of a feature yet
    await services.graph.apply([version], expected_size=stands.size, size=stands.size, root=stands.root, digest_delta=0)
    for reference, seen in (("demo:delay@1", shown), ("demo:delay@1", shown), ("demo:none@1", [])):  # the second time from memory
        for headers, what in ((world.as_("auditor", subject="ada"), ["resolve"]), (world.as_("reader", subject="cy"), [])):
            size = world.size()
            assert (await world.http.post("/resolve", json={"references": [reference]}, headers=headers)).status_code == 200
            services.reads.flush(everything=True)
            assert [each["what"] for each in logged(world, size)] == [sorted([*what, *seen])] * bool(what or seen)


async def test_what_auditors_ask_over_rest_is_logged(projected: ServiceWorld) -> None:
    world, reads = projected, projected.app.state.services.reads
    size = world.size()
    for path in ("/features/demo:delay/versions/1", "/features/demo:delay/aliases/none", "/models/demo:late/versions/1", f"/api/v1/log/entries/{size - 1}",
                 f"/api/v1/artifacts/sha256:{'0' * 64}"):
        for who in ("auditor", "reader"):
            assert (await world.http.get(path, headers=world.as_(who, subject=who))).status_code in (200, 404)
    reads.flush(everything=True)
    assert [(each["reads"], each["what"]) for each in logged(world, size)] == [(5, ["aliases", "artifact", "event", "feature", "model"])]


async def test_reads_that_cannot_be_appended_are_kept(world: ServiceWorld) -> None:
    reads = world.app.state.services.reads
    await ask(world, world.as_("auditor"), CHECKPOINT)
    appender, reads._appender = reads._appender, _Full()
    with pytest.raises(Exception, match="full"):
        reads.flush(everything=True)
    reads._appender = appender
    size = world.size()
    assert reads.flush(everything=True) == 1
    assert [body["reads"] for body in logged(world, size)] == [1]


class _Full:
    """A queue that is full: what a failing disk makes of one."""

    def submit_many(self, entries: Any) -> list[Any]:
        from concurrent.futures import Future

        from lineproof_audit.errors import QueueFull

        futures: list[Future[Any]] = []
        for _ in entries:
            futures.append(Future())
            futures[-1].set_exception(QueueFull("the queue is full"))
        return futures
