"""`lineproof features|aliases|rollback` as a person types them: on a data directory that nobody serves."""
from __future__ import annotations

from pathlib import Path

import pytest

from metadata_service.graph.port import GraphStore
from tests.command_line import as_json, lineproof, told_home
from tests.flights_world import World, open_world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with three versions of a feature, not projected yet."""
    return told_home(tmp_path_factory.mktemp("home"), _told)


async def _told(directory: Path, graph: GraphStore) -> World:
    world = open_world(directory, graph)
    for version in ("1", "2", "3"):
        world.say("lineproof.feature-version.v1", {
            "namespace": "ml", "name": "delay", "version": version, "owners": ["ml-team"], "column": {"namespace": "db", "name": "f", "column": "delay"},
            "definition": {"entities": ["flight"], "dtype": "double" if version < "3" else "text", "sql": f"select {version}"},
            **({"compatibility": {"with": "2", "kind": "additive", "adapterDigest": "a" * 64}} if version == "3" else {})})
    model = {"namespace": "ml", "name": "spät/\"er\"", "artifact": "b" * 64}
    world.say("lineproof.model-version.v1", {**model, "version": "1", "features": ["ml:delay@2"]})
    world.say("lineproof.model-version.v1", {**model, "version": "2", "features": ["ml:delay@9"]})
    deployment = {"namespace": "ml", "name": model["name"], "modelVersion": "1", "environment": "prod"}
    world.say("lineproof.deployment.v1", {**deployment, "id": "d1", "action": "deploy"})
    world.say("lineproof.deployment.v1", {**deployment, "id": "d2", "action": "deploy"})
    world.say("lineproof.deployment.v1", {**deployment, "id": "d2", "action": "retire"})
    return world


def test_aliases_move_go_back_and_tell_their_history(home: Path) -> None:
    first = as_json(home, "aliases", "move", "delay", "--alias", "prod", "--to", "1", "--reason", "begin")["moveAlias"]
    assert (first["status"], first["was"]) == ("applied", None)
    second = as_json(home, "aliases", "move", "ml:delay", "--alias", "prod", "--to", "2")["moveAlias"]
    assert (second["status"], second["was"]) == ("applied", "1")
    stale = lineproof(home, "aliases", "move", "ml:delay", "--alias", "prod", "--to", "3", "--expected", str(first["index"]), code=2)
    assert "[rejected]" in stale
    text = lineproof(home, "rollback", "ml:delay", "--alias", "prod")
    assert "prod 2 → 1" in text
    now = as_json(home, "aliases", "list", "ml:delay")["aliases"]["aliases"]
    assert [(each["alias"], each["version"], each["restores"]) for each in now] == [("prod", "1", first["index"])]
    then = as_json(home, "aliases", "list", "ml:delay", "--at", str(second["index"] + 1))["aliases"]["aliases"]
    assert [each["version"] for each in then] == ["2"]
    history = as_json(home, "aliases", "history", "ml:delay", "--alias", "prod")["aliases"]["history"]
    assert [(move["to"], move["status"]) for move in history] == [("1", "applied"), ("2", "applied"), ("3", "rejected"), ("1", "applied")]
    assert all(move["signedBy"] == "SERVICE" and move["caller"] for move in history)
    shown = lineproof(home, "aliases", "history", "ml:delay")
    assert "rejected: alias-moved" in shown
    assert "rollback of entry" in shown


def test_features_are_listed_and_shown(home: Path) -> None:
    rows = as_json(home, "features")["features"]["rows"]
    assert [(row["reference"], row["versions"], row["newest"]) for row in rows] == [("ml:delay", 3, "3")]
    assert "ml:delay" in lineproof(home, "features")
    found = as_json(home, "features", "delay@3")["feature"]["feature"]["version"]
    assert (found["compatibility"]["with"], found["compatibility"]["checked"]) == ("2", "breaking")
    shown = lineproof(home, "features", "ml:delay@3")
    assert f"2 → 3: sha256:{'a' * 64}  MISSING in the artifact store" in shown
    assert "declared additive  the declaration is wrong" in shown
    assert "against 2: breaking" in shown
    assert "dtype differs" in shown
    assert "[not-found]" in lineproof(home, "features", "ml:delay@9", code=2)
    assert "[not-found]" in lineproof(home, "aliases", "list", "ml:nothing", code=2)
    assert "[not-found]" in lineproof(home, "rollback", "ml:delay", "--alias", "nothing", code=2)


def test_models_are_listed_and_shown_with_manifest_and_deployments(home: Path) -> None:
    assert [(row["name"], row["versions"]) for row in as_json(home, "models")["features"]["rows"]] == [("spät/\"er\"", 1)]
    found = as_json(home, "models", "ml:sp%C3%A4t%2F%22er%22@1")["model"]["model"]
    assert [(pin["reference"], pin["version"]) for pin in found["version"]["pins"]["features"]] == [("ml:delay@2", "2")]
    assert [(each["id"], each["live"], each["manifest"]["digest"] == found["version"]["pins"]["digest"]) for each in found["deployments"]] == [
        ("d1", True, True), ("d2", False, True)]
    shown = lineproof(home, "models", "spät/\"er\"")
    assert "ml:delay@2 → delay@2" in shown
    assert found["version"]["pins"]["digest"] in shown
    assert "deployment d1  spät/\"er\"@1 in prod  live" in shown
    assert "deployment d2  spät/\"er\"@1 in prod  retired" in shown
    refused = lineproof(home, "models", "ml:sp%C3%A4t%2F%22er%22@2", code=2)
    assert "[not-found]" in refused
    rejected = lineproof(home, "audit", "urn:lineproof:model-version:ml:sp%C3%A4t%2F%22er%22:2")
    assert "rejected" in rejected
    assert "no-manifest" in rejected
    assert "which ml:delay@9 is not" in rejected
    assert "percent-encoded" in lineproof(home, "models", "no such@thing%", code=2)


def test_a_protected_alias_moves_and_goes_back_with_an_approval_only(home: Path) -> None:
    assert "champion" in lineproof(home, "aliases", "protect", "champion")
    assert as_json(home, "aliases", "protect", "champion") | {"index": 0} == {"protectedAliases": ["champion"], "index": 0, "changed": False}
    move = ("aliases", "move", "ml:delay", "--alias", "champion", "--to")
    assert "name the approval" in lineproof(home, *move, "1", code=2)
    lineproof(home, *move, "1", "--approval", "CHG-1")
    lineproof(home, *move, "2", "--approval", "CHG-2")
    assert "name the approval" in lineproof(home, "rollback", "ml:delay", "--alias", "champion", code=2)
    assert "champion 2 → 1" in lineproof(home, "rollback", "ml:delay", "--alias", "champion", "--approval", "CHG-3")
    history = as_json(home, "features", "ml:delay")["feature"]["feature"]["history"]
    assert [(each["to"], each["outcome"], each["approval"]) for each in history if each["alias"] == "champion"] == [
        ("1", "approval-required", None), ("1", None, "CHG-1"), ("2", None, "CHG-2"), ("1", "approval-required", None), ("1", None, "CHG-3")]
    assert "approved by CHG-3" in lineproof(home, "features", "ml:delay")
    assert "no alias" in lineproof(home, "aliases", "unprotect", "champion")
    assert "champion 1 → 2" in lineproof(home, *move, "2")
