"""A served log and witnesses that others wrote: checkpoints are cosigned, believed with a quorum only, and never wait for the dead."""
from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import InvalidProof
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import load_trust
from tests.big_log import grow
from tests.serve_process import Serving, environment, lineproof, serving
from tests.service_world import openlineage_run
from tests.witnesses import GoWitness, go_witnesses, policy

ENV = {"LINEPROOF_PROJECTOR": "off", "LINEPROOF_WITNESSES": "policy.txt", "LINEPROOF_CHECKPOINT_SECONDS": "0.2"}
NAMES = ["w1.example", "w2.example", "w3.example"]


@dataclass
class World:
    """A log that was begun, and three witnesses of which it takes two."""

    folder: Path
    witnesses: list[GoWitness]

    @property
    def data(self) -> Path:
        return self.folder / ".lineproof"

    def believed(self, note: str) -> bool:
        try:
            return load_trust(self.folder / "policy.txt").open(note, peek_checkpoint(note).origin).size > 0
        except InvalidProof:
            return False

    def copy(self, name: str) -> None:
        """Data directory and state, lock record too, as they are now."""
        for each in (".lineproof", "state"):
            shutil.copytree(self.folder / each, self.folder / f"{name}{each}")

    def restore(self, name: str) -> None:
        for each in (".lineproof", "state"):
            shutil.rmtree(self.folder / each)
            shutil.copytree(self.folder / f"{name}{each}", self.folder / each)


@pytest.fixture
def world(outside: str, tmp_path: Path) -> Iterator[World]:
    with Log.open(tmp_path / ".lineproof", create=True, state_dir=environment(tmp_path)["LINEPROOF_STATE_DIR"]) as log:
        vkey = NoteVerifier(log.origin, log.keyring.keys_for("log")[0]).vkey
    with go_witnesses(outside, NAMES, [vkey]) as witnesses:
        (tmp_path / "policy.txt").write_text(policy(vkey, witnesses, 2))
        yield World(tmp_path, witnesses)


def say(service: Serving, count: int, word: str) -> None:
    with service.client() as client:
        answer = client.post("/api/v1/lineage/batch", json=[openlineage_run(f"{word} {number}") for number in range(count)])
    assert answer.json()["summary"]["successful"] == count


def checkpoint(service: Serving, wanted: Callable[[str], bool]) -> str:
    """The served checkpoint, once it is as wanted."""
    note = ""
    with httpx.Client(base_url=service.url) as client:
        for _ in range(600):
            note = client.get("/api/v1/log/checkpoint").text
            if note.count("\n") > 3 and wanted(note):
                return note
            time.sleep(0.05)
    raise AssertionError(f"{note}\n{service.log_text}")


def outcomes(service: Serving) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{service.url}/readyz").json()["witnesses"]
    return found


def size(note: str) -> int:
    return peek_checkpoint(note).size


def test_checkpoints_are_served_with_a_quorum_and_every_verifier_asks_for_it(world: World, outside: str) -> None:
    with serving(world.folder, env=ENV) as service:
        say(service, 5, "first")
        first = checkpoint(service, lambda note: size(note) >= 7 and world.believed(note))
        say(service, 300, "second")
        note = checkpoint(service, lambda note: size(note) > size(first) + 200 and world.believed(note))
        checkpoint(service, lambda note: all(f"— {name} " in note for name in NAMES))  # the third line follows
        metrics = httpx.get(f"{service.url}/metrics").text
        assert f"lineproof_cosigned_size {float(size(note))}" in metrics
        assert all(f'lineproof_witness_answers_total{{outcome="cosigned",witness="{name}"}}' in metrics for name in NAMES)
        for command in (("log", "fsck", f"{service.url}/api/v1/log", "--trust", "policy.txt"),
                        ("log", "watch", f"{service.url}/api/v1/log", "--trust", "policy.txt", "--state", "watch.json", "--once"),
                        ("log", "fsck", ".lineproof/tiles", "--trust", "policy.txt")):
            done = lineproof(world.folder, *command)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        told = lineproof(world.folder, "keys", "trust", "--out", "trust.txt")
        assert "Its quorum of 3 witnesses is the operator's choice" in told.stderr, told.stderr
    assert load_trust(world.folder / "trust.txt") == load_trust(world.folder / "policy.txt")
    done = lineproof(world.folder, "log", "prove", "3", "--out", "bundle.json", env={"LINEPROOF_WITNESSES": "policy.txt"})
    assert done.returncode == 0, done.stderr
    assert "which the witnesses cosigned" in done.stderr
    judged = subprocess.run([outside, "bundle", "-file", str(world.folder / "bundle.json"), "-trust", str(world.folder / "trust.txt")], capture_output=True,
                            text=True, timeout=60, check=True)
    assert json.loads(judged.stdout)["ok"] is True
    bundle = (world.folder / "bundle.json").read_text()
    assert lineproof(world.folder, "log", "verify", "bundle.json", "--trust", "policy.txt").returncode == 0
    line = next(line for line in json.loads(bundle)["checkpoint"].splitlines() if line.startswith(f"— {NAMES[0]} "))
    stripped = bundle
    for name in NAMES[:2]:
        stripped = "".join(part for part in stripped.split(next(each for each in json.loads(stripped)["checkpoint"].splitlines() if f"— {name} " in each)
                                                           .replace("—", "\\u2014") + "\\n"))
    forged = bundle.replace(line.replace("—", "\\u2014")[-20:], "A" * 19 + "=")
    for wrong, reason in ((stripped, "fewer witnesses"), (forged, "does not verify")):
        assert wrong != bundle
        (world.folder / "wrong.json").write_text(wrong)
        done = lineproof(world.folder, "log", "verify", "wrong.json", "--trust", "policy.txt")
        assert done.returncode == 1
        assert reason in done.stdout, done.stdout


def test_the_log_goes_on_without_witnesses_and_is_cosigned_when_they_are_back(world: World) -> None:
    with serving(world.folder, env=ENV) as service:
        before = size(checkpoint(service, world.believed))
        for witness in world.witnesses[:2]:
            witness.stop()
        for number in range(3):
            say(service, 1, f"alone {number}")
            checkpoint(service, lambda note, least=before + number + 1: size(note) >= least)
        bare = checkpoint(service, lambda note: size(note) == before + 3)
        assert not world.believed(bare)
        assert {outcomes(service)[name] for name in NAMES[:2]} == {"unreachable"}
        assert "witness w1.example: unreachable" in service.log_text
        world.witnesses[0].start()
        note = checkpoint(service, world.believed)
        assert note.partition("\n\n")[0] == bare.partition("\n\n")[0]
        assert (world.data / "tiles" / "checkpoint").read_text().partition("\n\n")[0] == bare.partition("\n\n")[0]
        world.witnesses[1].start()
    assert world.believed((world.data / "tiles" / "checkpoint").read_text())


def test_a_restart_a_witness_without_memory_and_one_that_was_fed_by_others_are_caught_up_with(world: World) -> None:
    with serving(world.folder, env=ENV) as service:
        say(service, 20, "before")
        checkpoint(service, lambda note: size(note) >= 22 and world.believed(note))
        assert service.stop() == 0
    world.witnesses[0].forget()
    with serving(world.folder, env=ENV) as service:
        say(service, 20, "after")
        checkpoint(service, lambda note: size(note) >= 42 and all(f"— {name} " in note for name in NAMES))
        assert set(outcomes(service).values()) == {"cosigned"}


def test_witnesses_and_a_monitor_refuse_a_log_that_was_rolled_back_with_its_lock_record_and_one_that_forked(world: World) -> None:
    with serving(world.folder, env=ENV) as service:
        old = checkpoint(service, world.believed)
        assert service.stop() == 0
    world.copy("backup")
    with serving(world.folder, env=ENV) as service:
        say(service, 30, "lost")
        seen = checkpoint(service, lambda note: size(note) >= size(old) + 30 and all(f"— {name} " in note for name in NAMES))
        assert watched(world, service, 0) == []
        assert service.stop() == 0
    world.restore("backup")
    with serving(world.folder, env=ENV) as service:  # nothing here knows better: the record came from the backup too
        say(service, 1, "other")
        shown = checkpoint(service, lambda note: size(note) == size(old) + 1)
        assert not world.believed(shown)
        while set(outcomes(service).values()) != {"ahead"}:
            time.sleep(0.05)
        assert "it has cosigned a larger tree of this log" in service.log_text
        assert watched(world, service, 1) == ["rollback"]
        say(service, 40, "others")
        forked = checkpoint(service, lambda note: size(note) > size(seen))
        while set(outcomes(service).values()) != {"conflict"}:
            time.sleep(0.05)
        assert not world.believed(forked)
        assert watched(world, service, 1) == ["fork"]
        assert 'lineproof_witness_answers_total{outcome="conflict",witness="w1.example"}' in httpx.get(f"{service.url}/metrics").text
    for witness in world.witnesses:  # asked by hand, each refuses a smaller tree, another of the same size, and one that does not extend
        assert witness.ask(shown, size(shown)).status_code == 409
        assert witness.ask(forked, size(seen)).status_code == 422


def watched(world: World, service: Serving, expect: int) -> list[str]:
    """What a monitor without witnesses says of it."""
    (world.folder / "trust.txt").write_text(f"{(world.folder / 'policy.txt').read_text().splitlines()[0]}\nquorum none\n")
    done = lineproof(world.folder, "log", "watch", f"{service.url}/api/v1/log", "--trust", "trust.txt", "--state", "watch.json", "--once", "--json")
    assert done.returncode == expect, done.stderr
    return [line["kind"] for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "alarm"]


def test_a_witnessed_log_grows_over_many_tiles(world: World) -> None:
    """Proofs from every earlier size: each checkpoint is cosigned by a witness that verifies the way from the last."""
    with Log.open(world.data, state_dir=world.folder / "state", witnesses=world.folder / "policy.txt", patience=30.0) as log:
        for target in (3, 255, 256, 257, 1000, 65_537):
            grow(log.store, target)
            log.integrator.step()
            assert world.believed(log.reader.checkpoint() or ""), target

