"""`lineproof features|aliases|rollback` as a person types them: on a data directory that nobody serves."""
from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metadata_service.graph.open import open_graph
from tests.command_line import as_json, lineproof
from tests.flights_world import open_world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with three versions of a feature, not projected yet."""
    directory = tmp_path_factory.mktemp("home")
    asyncio.run(_build(directory))
    return directory


async def _build(directory: Path) -> None:
    (directory / "data").mkdir()
    graph = open_graph(f"sqlite:///{directory / 'data' / 'graph.db'}")
    await graph.setup()
    world = open_world(directory, graph)
    for version in ("1", "2", "3"):
        world.say("lineproof.feature-version.v1", {
            "namespace": "ml", "name": "delay", "version": version, "owners": ["ml-team"], "column": {"namespace": "db", "name": "f", "column": "delay"},
            "definition": {"entities": ["flight"], "dtype": "double" if version < "3" else "text", "sql": f"select {version}"}})
    world.close()
    await graph.close()


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
    assert "against 2: breaking" in shown
    assert "dtype differs" in shown
    assert "[not-found]" in lineproof(home, "features", "ml:delay@9", code=2)
    assert "[not-found]" in lineproof(home, "aliases", "list", "ml:nothing", code=2)
    assert "[not-found]" in lineproof(home, "rollback", "ml:delay", "--alias", "nothing", code=2)
