"""Which checkpoint a bundle is made at where there are witnesses: the latest they vouch for that holds what is shown, else the latest."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.bundle import build_bundle
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.init import register_key
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import Trust, TrustedLog, format_trust, parse_trust
from lineproof_audit.verify import verify_bundle
from lineproof_audit.witness import Group, Witness, parse_witness_vkey
from tests.cosignatures import cosignature, witness_vkey
from tests.log_entries import PRODUCER, new_entry

NAMES = ("first.example", "second.example", "third.example")
QUORUM = Group(2, tuple(parse_witness_vkey(witness_vkey(name), name) for name in NAMES))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Checkpoints of 3, 6 and 10 entries, none of them cosigned."""
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state") as opened:
        admin = SigningKey.load(next((tmp_path / "state").rglob("root-admin.pem")))
        tenant = opened.keyring.policy.tenants[0].id if opened.keyring.policy else ""
        register_key(opened.appender, admin, PRODUCER.verify_key, origin=opened.origin, tenant=tenant, label="tests")
        for count in (0, 3, 4):
            for future in opened.appender.submit_many(new_entry(f"{count}-{number}", tenant=tenant) for number in range(count)):
                future.result(60)
            opened.integrator.step()
        yield opened


def cosign(log: Log, size: int, *lines: str) -> None:
    """Write these witnesses' lines, or whole lines, on the checkpoint of `size`."""
    published = log.store.checkpoint_covering(size)
    epoch = log.store.elect()
    assert published is not None
    assert published.size == size
    assert epoch is not None
    added = "".join(line if line.startswith("—") else cosignature(line, published.note) for line in lines)
    assert log.store.publish(epoch, replace(published, note=published.note + added))


def bundle(log: Log, *cited: int, **more: Any) -> dict[str, Any]:
    keyring = Keyring()
    for entry in log.reader.control_entries():
        keyring.apply(entry.index, entry.fields, entry.envelope)
    return build_bundle(log.reader, keyring, query=None, answer=None, cited=cited, tool_version="t", **({"quorum": QUORUM} | more))


def trust(log: Log, *, quorum: Witness | Group | None = QUORUM) -> Trust:
    return Trust((TrustedLog(NoteVerifier(log.origin, log.keyring.keys_for("log")[0])),), quorum)


def size_of(made: dict[str, Any]) -> int:
    return peek_checkpoint(made["checkpoint"]).size


def test_the_latest_checkpoint_with_a_quorum_is_preferred_to_a_later_one_without(log: Log) -> None:
    cosign(log, 3, *NAMES)
    cosign(log, 6, *NAMES[1:])
    cosign(log, 10, NAMES[0])
    made = bundle(log, 1, 5)
    assert (size_of(made), made["cosigned"]) == (6, True)
    assert verify_bundle(json.loads(json.dumps(made)), trust(log)).ok
    assert {peek_checkpoint(entry["proof"].partition("\n\n")[2]).size for entry in (*made["entries"], *made["keyEntries"])} == {6}
    cosign(log, 10, NAMES[2])
    assert size_of(bundle(log, 1, 5)) == 10


def test_one_that_does_not_hold_the_entries_is_none(log: Log) -> None:
    cosign(log, 6, *NAMES)
    made = bundle(log, 6)
    assert (size_of(made), made["cosigned"]) == (10, False)
    verdict = verify_bundle(made, trust(log))
    assert (verdict.ok, verdict.levels) == (False, ())
    assert "fewer witnesses" in verdict.reasons["included"][0]
    assert verify_bundle(made, trust(log, quorum=None)).levels == ("included",)


def test_with_leaves_it_has_to_hold_the_position_of_the_answer_too(log: Log) -> None:
    cosign(log, 6, *NAMES)
    assert size_of(bundle(log, 1, covering=8)) == 6  # no answer is derived from it
    assert size_of(bundle(log, 1, covering=6, with_leaves=True)) == 6
    made = bundle(log, 1, covering=8, with_leaves=True)
    assert (size_of(made), len(made["leaves"]), made["cosigned"]) == (10, 10, False)


def test_lines_that_do_not_verify_vouch_for_nothing(log: Log) -> None:
    note = log.store.checkpoint_covering(6)
    assert note is not None
    cosign(log, 6, NAMES[0], cosignature(NAMES[1], note.note, signed_time=1))
    made = bundle(log, 1)
    assert (size_of(made), made["cosigned"]) == (10, False)


def test_without_witnesses_it_is_the_latest_and_nothing_is_said(log: Log) -> None:
    cosign(log, 6, *NAMES)
    made = bundle(log, 1, quorum=None)
    assert size_of(made) == 10
    assert "cosigned" not in made


def test_only_so_many_checkpoints_are_looked_back_over(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    cosign(log, 3, *NAMES)
    monkeypatch.setattr("lineproof_audit.reader.CHECKPOINT_BATCH", 1)
    for back, found in ((3, 3), (2, 10)):
        monkeypatch.setattr("lineproof_audit.reader.LOOK_BACK_CHECKPOINTS", back)
        assert size_of(bundle(log, 1)) == found


def test_a_trust_file_with_witnesses_reads_back(log: Log) -> None:
    first, second, third = QUORUM.members
    reached = parse_witness_vkey(witness_vkey(NAMES[2]), NAMES[2], "https://third.example/w")
    nested = Group(1, (Group(2, (first, second)), Group(1, (reached,))))
    like_a_group = parse_witness_vkey(witness_vkey("group"), "group")
    like_none = parse_witness_vkey(witness_vkey("none"), "none")
    twin = parse_witness_vkey(witness_vkey(NAMES[0], signer=PRODUCER), NAMES[0])
    for quorum in (QUORUM, nested, Group(2, (first, twin, like_a_group, like_none)), third):
        whole = trust(log, quorum=quorum)
        assert parse_trust(format_trust(whole.logs, quorum).encode()) == whole
