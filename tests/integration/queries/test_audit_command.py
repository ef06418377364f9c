"""`lineproof audit` of the whole log, as text, as files and as evidence, on a directory and against a service."""
from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from metadata_service.graph.port import GraphStore
from tests.command_line import as_json, lineproof, told_home
from tests.flights_world import NS, World, flights_world
from tests.serve_process import serving


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `data` and `state`; nobody serves it."""
    return told_home(tmp_path_factory.mktemp("home"), _told)


async def _told(directory: Path, graph: GraphStore) -> World:
    world = await flights_world(directory, graph)
    for number in range(110):
        world.say("lineproof.dataset.v1", {"namespace": NS, "name": "export", "description": f"number {number}"})
    await world.settle()
    return world


def test_the_log_by_person_commit_and_window(home: Path) -> None:
    begin = lineproof(home, "audit", "--to", "3")
    assert "#0  " in begin
    assert "genesis.v1" in begin
    assert {row["actor"] for row in as_json(home, "audit", "--actor", "bob@example.org")["auditTrail"]["rows"]} == {"bob@example.org"}
    assert {row["commit"]["sha"] for row in as_json(home, "audit", "--commit", "bbbb")["auditTrail"]["rows"]} == {"b" * 40}
    assert "invalid-argument" in lineproof(home, "audit", "--upstream", code=2)


def test_a_window_is_accounted_for(home: Path) -> None:
    assert "Entries 2..6: 5 of 5 accounted for" in lineproof(home, "audit", "--from", "2", "--to", "7", "--account")
    found = as_json(home, "audit", "--to", "7", "--account")
    assert (found["accounting"]["accounted"], found["accounting"]["computedAt"]) == (7, found["auditTrail"]["computedAt"])


def test_exports_hold_every_row(home: Path, tmp_path: Path) -> None:
    rows = as_json(home, "audit", "--limit", "100000")["auditTrail"]["rows"]
    assert len(rows) > 200  # more than the text shows
    lineproof(home, "audit", "--format", "csv", "--out", str(tmp_path / "trail.csv"))
    with (tmp_path / "trail.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert {(line["index"], line["urn"]) for line in read} == {(str(row["index"]), row["urn"] or "") for row in rows}
    lineproof(home, "audit", "--format", "ocsf", "--out", str(tmp_path / "trail.jsonl"))
    events = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["metadata"]["sequence"] for event in events] == [row["index"] for row in rows]
    lineproof(home, "audit", "--format", "json", "--limit", "100000", "--out", str(tmp_path / "trail.json"))
    assert json.loads((tmp_path / "trail.json").read_text(encoding="utf-8"))["auditTrail"]["rows"] == rows
    assert "invalid-argument" in lineproof(home, "audit", "--out", str(tmp_path / "x"), code=2)


def test_evidence_of_a_window_reaches_every_level(home: Path, tmp_path: Path) -> None:
    lineproof(home, "keys", "trust", "--out", str(tmp_path / "trust.txt"))
    lineproof(home, "audit", "--from", "4", "--to", "9", "--evidence", str(tmp_path / "evidence.json"), "--with-leaves")
    said = lineproof(home, "log", "verify", str(tmp_path / "evidence.json"), "--trust", str(tmp_path / "trust.txt"), "--require", "complete", "--log",
                     str(home / "data"))
    assert "levels: included, keys-complete, derived, complete" in said


def test_a_service_accounts_as_the_directory_does(home: Path) -> None:
    here = as_json(home, "audit", "--to", "7", "--account")
    (home / ".lineproof").symlink_to(home / "data")
    with serving(home) as service:
        there = as_json(home, "audit", "--to", "7", "--account", "--server", service.url, "--token", service.token)
    for found in (here, there):
        for field in ("computedAt", "statement"):  # the service may have signed a checkpoint and logged a read meanwhile
            found["accounting"].pop(field)
    assert there["accounting"] == here["accounting"]
