"""`lineproof keys|policy|key-history` as an admin types them, on a data directory that nobody serves."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.keys import SigningKey
from lineproof_audit.note import split_note
from tests.command_line import as_json, lineproof
from tests.service_world import running_service, service_settings


@dataclass
class Home:
    path: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        return lineproof(self.path, *arguments, code=code)

    def json(self, *arguments: str) -> Any:
        return as_json(self.path, *arguments)

    def states(self, *arguments: str) -> dict[str, str]:
        return {key["keyId"]: key["state"] for key in self.json("key-history", *arguments)["keyHistory"]["keys"]}

    def own(self, name: str) -> Path:
        return self.path / "data" / "keys" / f"{name}.pem" if name != "root-admin" else next((self.path / "state").glob("*/root-admin.pem"))


@pytest.fixture
async def home(tmp_path: Path, anyio_backend: str) -> Home:
    """A log with one producer key."""
    async with running_service(service_settings(tmp_path)):
        pass
    return Home(tmp_path)


@pytest.mark.anyio
async def test_a_producer_key_is_made_rotated_and_ended_and_every_position_tells(home: Home) -> None:
    made = home.json("keys", "create", "nightly", "-n", "sales", "--event-type", "openlineage.*")
    turned = home.json("keys", "rotate", made["path"], "-n", "sales.eu")
    assert SigningKey.load(turned["path"]).keyid == turned["keyId"]
    ended = home.json("keys", "revoke", made["keyId"][:16], "--last-valid", str(made["index"] + 1), "--reason", "rotated away")
    again = home.json("keys", "rotate", turned["path"], "--end-old")
    assert home.states("--at", str(made["index"]))
    assert made["keyId"] not in home.states("--at", str(made["index"]))
    assert home.states("--at", str(made["index"] + 1))[made["keyId"]] == "valid"
    during = home.states("--at", str(turned["index"] + 1))
    assert (during[made["keyId"]], during[turned["keyId"]]) == ("valid", "valid")
    now = home.states()
    assert (now[made["keyId"]], now[turned["keyId"]], now[again["keyId"]]) == ("revoked", "revoked", "valid")
    history = home.json("key-history", made["keyId"])["keyHistory"]["keys"]
    assert [key["keyId"] for key in history] == [made["keyId"], turned["keyId"], again["keyId"]]
    assert [key["namespaces"] for key in history] == [["sales"], ["sales.eu"], ["sales.eu"]]
    assert all(key["eventTypes"] == ["openlineage.*"] for key in history)
    assert history[0]["revocations"] == [{"index": ended["index"], "lastValid": made["index"] + 1}]
    assert "revoked" in home.run("key-history")


@pytest.mark.anyio
async def test_the_logs_own_keys_rotate_and_the_old_ones_end(home: Home) -> None:
    rotated = {}
    for name in ("log", "notary", "root-admin"):
        rotated[name] = home.json("keys", "rotate", str(home.own(name)))
        assert SigningKey.load(rotated[name]["path"]).keyid == rotated[name]["keyId"]
    note = home.json("log", "checkpoint")["note"]
    assert len(split_note(note)[1]) == 2
    assert len(home.run("keys", "trust").strip().splitlines()) == 3  # two keys of the log and the quorum
    for name in ("log", "notary", "root-admin"):  # signed by the admin key that took over: the newest in force is found
        home.json("keys", "revoke", rotated[name]["replaces"])
    assert set(home.states().values()) >= {"revoked", "valid"}
    home.run("keys", "create", "after", "-n", "x")
    note = home.json("log", "checkpoint")["note"]
    assert len(split_note(note)[1]) == 1
    assert peek_checkpoint(note).size > rotated["root-admin"]["index"]
    assert ": ok" in home.run("log", "fsck", str(home.path / "data"))


@pytest.mark.anyio
async def test_the_policy_is_changed_piece_by_piece_and_kept_at_every_position(home: Home) -> None:
    home.json("tokens", "create", "ada", "--role", "reader")
    refused = home.run("policy", "grant", "ada", "reader", code=2)
    assert "nobody with the role admin" in refused
    first = home.json("policy", "grant", "admin", "admin")["index"]
    home.json("policy", "grant", "ada", "reader", "-n", "sales", "--ceiling", "internal")
    home.json("policy", "tenant", "partner", "--prefix", "partner.")
    bound = home.json("policy", "bind", "etl", "--repository-id", "4711", "-n", "sales", "--claim", "ref=refs/heads/main", "--tenant", "default")["index"]
    home.json("policy", "withdraw", "ada")
    home.json("policy", "unbind", "etl")

    def shown(*arguments: str) -> dict[str, Any]:
        return home.json("policy", "show", *arguments)

    assert [grant["role"] for grant in shown()["policy"]["grants"]] == ["admin"]
    then = shown("--at", str(bound + 1))
    assert (then["index"], [item["id"] for item in then["policy"]["bindings"]]) == (bound, ["etl"])
    assert then["policy"]["bindings"][0]["claims"] == {"repository_id": ["4711"], "ref": ["refs/heads/main"]}
    assert {grant["role"]: grant["prefixes"] for grant in then["policy"]["grants"]} == {"admin": [""], "reader": ["sales"]}
    assert shown("--at", str(first))["policy"]["grants"] == []
    assert sorted(item["name"] for item in shown()["policy"]["tenants"]) == ["default", "partner"]
    file = home.path / "policy.json"
    file.write_text(json.dumps({**shown()["policy"], "logRead": "restricted"}))
    home.json("policy", "set", str(file))
    assert shown()["policy"]["logRead"] == "restricted"
    home.run("policy", "bind", "wide", "--repository-id", "acme/*", "-n", "sales", "--tenant", "default", code=2)
    assert "no bindings" in home.run("policy", "show")
