"""The registry's answers are the same on every graph: resolution, pins, history, compatibility by column use."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from metadata_service.projector import Projector
from metadata_service.registry.aliases import aliases_of, history
from metadata_service.registry.errors import NoManifest, Retired, UnknownEntity
from metadata_service.registry.resolution import resolve
from metadata_service.registry.versions import feature_version, model_version, select, versions_of
from tests.unit.projector.recorded import RecordedLog, columns, derived, ds, new_log

pytestmark = pytest.mark.anyio
HEAD = "urn:lineproof:feature:ml:delay"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), pytest.param("neo4j", marks=pytest.mark.neo4j)])
async def graph(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[GraphStore]:
    """An empty graph of each adapter."""
    match request.param:
        case "sqlite":
            url = f"sqlite:///{tmp_path / 'graph.db'}"
        case "postgresql":
            url = str(request.getfixturevalue("postgres_database"))
        case _:
            url = str(request.getfixturevalue("neo4j_server").url)
    store = open_graph(url)
    await store.setup()
    await store.wipe()
    yield store
    await store.close()


def feature(log: RecordedLog, version: str, schema: list[str], **more: Any) -> int:
    return log.cloud("lineproof.feature-version.v1", {
        "namespace": "ml", "name": "delay", "version": version, "column": {"namespace": "db", "name": "features", "column": "delay"},
        "definition": {"entities": ["flight"], "dtype": "int", "sql": f"select {version}"},
        "offline": {"uri": f"s3://features/{version}", "schema": [{"name": name, "type": "int"} for name in schema]}, **more})


def tell(log: RecordedLog) -> dict[str, int]:
    """Three versions (2 lost the read column, 3 an unread one), an alias that moved, models of both bindings, a deployment that ended."""
    log.run("make", "r1", inputs=["raw"], outputs=[ds("features", schema=columns("delay", "read", "unread"), columnLineage=derived(
        delay=[("raw", "k")], read=[("raw", "k")], unread=[("raw", "k")]))], code="v1")
    log.run("use", "r2", inputs=["features"], outputs=[ds("report", schema=columns("x"), columnLineage=derived(x=[("features", "read")]))], code="v1")
    feature(log, "1", ["delay", "read", "unread"])
    feature(log, "2", ["delay", "unread"], compatibility={"with": "1", "kind": "additive", "adapterDigest": "a" * 64})
    feature(log, "3", ["delay", "read"], compatibility={"with": "1", "kind": "additive"})
    at: dict[str, int] = {}
    alias = {"kind": "feature", "namespace": "ml", "name": "delay", "alias": "prod"}
    at["first"] = log.cloud("lineproof.alias.v1", {**alias, "to": "1", "expected": None, "reason": "begin"})
    model = {"namespace": "ml", "name": "model", "artifact": "c" * 64, "features": ["ml:delay@prod"]}
    at["stable"] = log.cloud("lineproof.model-version.v1", {**model, "version": "1"})
    log.cloud("lineproof.model-version.v1", {**model, "version": "2", "binding": "flexible", "ttlSeconds": 30})
    at["stale"] = log.cloud("lineproof.alias.v1", {**alias, "to": "3", "expected": None})
    deployment = {"namespace": "ml", "name": "model", "id": "d1", "modelVersion": "1", "environment": "prod"}
    at["deployed"] = log.cloud("lineproof.deployment.v1", {**deployment, "action": "deploy"})
    at["second"] = log.cloud("lineproof.alias.v1", {**alias, "to": "2", "expected": at["first"]})
    at["retired"] = log.cloud("lineproof.deployment.v1", {**deployment, "action": "retire"})
    return at


async def test_the_registry_answers_alike_on_every_graph(graph: GraphStore) -> None:
    log = new_log()
    at = tell(log)
    projector = Projector(log, graph)
    while await projector.step():
        pass

    assert [(row.version, row.via, row.alias_index, row.ttl_seconds) for row in (await resolve(graph, None, [], "ml:model@1")).rows] == [
        ("1", "pin", at["first"], None)]
    assert [(row.version, row.via, row.alias_index, row.ttl_seconds) for row in (await resolve(graph, None, [], "ml:model@2")).rows] == [
        ("2", "alias", at["second"], 30)]
    assert [row.version for row in (await resolve(graph, at["second"], [], "ml:model@2")).rows] == ["1"]
    deployed = await resolve(graph, at["retired"], ["ml:delay"], "urn:lineproof:deployment:ml:model:d1")
    assert [(row.version, row.offline.uri if row.offline else None) for row in deployed.rows] == [("1", "s3://features/1")]
    assert deployed.subject is not None
    assert (deployed.subject.manifest_index, deployed.subject.live_in) == (at["stable"], ("prod",))
    with pytest.raises(Retired):
        await resolve(graph, None, [], "urn:lineproof:deployment:ml:model:d1")

    size = log.size()
    moves = await history(graph, HEAD, "prod", size)
    assert [(move.index, move.to, move.was, move.status) for move in moves] == [
        (at["first"], "1", None, "applied"), (at["stale"], "3", "1", "rejected"), (at["second"], "2", "1", "applied")]
    assert await history(graph, HEAD, "prod", at["second"]) == moves[:2]
    for position, expected in ((None, ("2", at["second"], None)), (at["second"], ("1", at["first"], "begin"))):
        head = (await graph.get([HEAD], position))[HEAD]
        assert [(each.version, each.index, each.reason) for each in await aliases_of(graph, head)] == [expected]

    head = (await graph.get([HEAD]))[HEAD]
    versions = (await versions_of(graph, None, [HEAD]))[HEAD]
    assert [row.urn.rpartition(":")[2] for row in versions.values()] == ["1", "2", "3"]
    found = {}
    for urn, row in versions.items():
        detail = await feature_version(graph, None, head, versions, row)
        found[urn.rpartition(":")[2]] = detail
    lost, spared = found["2"].compatibility, found["3"].compatibility
    assert lost is not None
    assert spared is not None
    assert (lost.declared, lost.checked, lost.agrees) == ("additive", "breaking", False)
    assert [(use.column, use.urn, use.certain) for use in lost.used_by] == [("read", "urn:lineproof:column:db:report:x", True)]
    assert (spared.declared, spared.checked, spared.schema, spared.agrees) == ("additive", "additive", "breaking", True)
    assert spared.because == "nobody is known to read what changed: unread"
    assert [(each.from_, each.to, each.digest) for each in found["1"].adapters] == [("1", "2", "a" * 64)]
    assert found["2"].aliases == ("prod",)

    model = (await graph.get(["urn:lineproof:model:ml:model"]))["urn:lineproof:model:ml:model"]
    chosen = select(model, (await versions_of(graph, None, [model.urn]))[model.urn], "1")
    assert chosen is not None
    stable = model_version(model, chosen[0], ())
    assert stable.pins is not None
    assert [(pin.version, pin.alias_index) for pin in stable.pins.features] == [("1", at["first"])]


async def test_a_refused_registration_is_told_from_one_that_never_was(graph: GraphStore) -> None:
    """Nothing of it is in the graph but that it was tried; also where the name is as bad as names get."""
    log = new_log()
    tell(log)
    odd = {"namespace": "s3://b/\"ü\"", "name": "mö/'d' 100%@x", "version": "v:1", "artifact": "d" * 64}
    refused = log.cloud("lineproof.model-version.v1", {**odd, "features": ["ml:delay@prod", "ml:gone@7"]})
    projector = Projector(log, graph)
    while await projector.step():
        pass
    urn = format_urn("model-version", odd["namespace"], odd["name"], odd["version"])
    assert await graph.get([urn]) == {}
    with pytest.raises(NoManifest) as told:
        await resolve(graph, None, [], urn)
    assert (told.value.extra["index"], told.value.extra["missing"]) == (refused, ["ml:gone@7"])
    for model, at in ((urn, refused), ("ml:never@1", None)):
        with pytest.raises(UnknownEntity):
            await resolve(graph, at, [], model)
    again = log.cloud("lineproof.model-version.v1", {**odd, "features": ["ml:delay@prod"]})
    while await projector.step():
        pass
    found = await resolve(graph, None, [], urn)
    assert [row.version for row in found.rows] == ["2"]
    assert found.subject is not None
    assert found.subject.manifest_index == again


async def test_a_reader_of_unknown_columns_is_supposed_to_read_all(graph: GraphStore) -> None:
    log = new_log()
    tell(log)
    log.run("vague", "r3", inputs=["features"], outputs=["export"], code="v1")
    projector = Projector(log, graph)
    while await projector.step():
        pass
    head = (await graph.get([HEAD]))[HEAD]
    versions = (await versions_of(graph, None, [HEAD]))[HEAD]
    detail = await feature_version(graph, None, head, versions, versions["urn:lineproof:feature-version:ml:delay:3"])
    assert detail.compatibility is not None
    assert (detail.compatibility.checked, detail.compatibility.agrees) == ("breaking", False)
    assert [(use.column, use.urn, use.certain) for use in detail.compatibility.used_by] == [("unread", "urn:lineproof:dataset:db:export", False)]
