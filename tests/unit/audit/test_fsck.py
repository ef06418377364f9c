"""fsck names the first bad entry, whatever was changed; a sound log has no errors."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineproof_audit import fsck_bodies
from lineproof_audit.checkpoint import Checkpoint, sign_checkpoint
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, parse_envelope, sign_envelope
from lineproof_audit.fsck import MAX_FINDINGS, FsckPass, FsckReport, RawEntry, Standpoint, StoredTree, fsck
from lineproof_audit.fsck_bodies import BLOCK, HERE
from lineproof_audit.fsck_source import KeptCheckpoint
from lineproof_audit.leaf import SYSTEM_TENANT, body_commitment, encode_leaf
from lineproof_audit.tree import CompactRange, leaf_hash
from lineproof_audit.trust import parse_trust
from tests.browser.bundle_worlds import TRUST
from tests.cosignatures import cosignature, witness_vkey
from tests.unit.audit.memory_log import ADMIN, LOG, NOTARY, ORIGIN, PRODUCER, MemoryLog, key, trust

STREAM = "6f2c1e0a-5b7d-4c3e-9a8f-0b1c2d3e4f50"


def sound_log(count: int = 20) -> MemoryLog:
    log = MemoryLog()
    for number in range(count):
        log.say("lineproof.quality.v1", {"check": str(number)})
    return log.sign()


def kinds(report: FsckReport) -> set[str]:
    return {finding.kind for finding in report.findings if finding.severity == "error"}


def resealed(log: MemoryLog, index: int, **changes: object) -> None:
    """Put another leaf at `index`, canonical and with the commitment it had, without touching the tree."""
    entry = log.stored[index]
    leaf = replace(entry.fields, **changes)  # type: ignore[arg-type]
    log.stored[index] = replace(entry, fields=leaf, leaf=encode_leaf(leaf))


def test_a_sound_log_has_no_findings() -> None:
    log = sound_log()
    report = fsck(log, trust=trust())
    assert (report.ok, report.entries, report.checkpoint_size, report.first_bad_index, report.findings) == (True, 23, 23, None, ())
    assert report.origin == ORIGIN
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def test_progress_is_told() -> None:
    log, seen = sound_log(1_000), []
    assert fsck(log, progress=seen.append).ok
    assert seen == [1000]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_bit_changed_in_a_leaf_body_or_salt_names_the_entry(data: st.DataObject) -> None:
    log = sound_log(8)
    index = data.draw(st.integers(0, len(log.stored) - 1))
    field = data.draw(st.sampled_from(["leaf", "envelope", "salt"]))
    old: bytes = getattr(log.stored[index], field)
    at = data.draw(st.integers(0, len(old) - 1))
    new = old[:at] + bytes([old[at] ^ (1 << data.draw(st.integers(0, 7)))]) + old[at + 1:]
    log.stored[index] = replace(log.stored[index], **{field: new})
    report = fsck(log)
    assert not report.ok
    assert report.first_bad_index == index


def test_a_changed_tree_node_names_the_entry_that_completes_it() -> None:
    log = sound_log(300)
    log.nodes[8, 0] = hashlib.sha256(b"other").digest()
    assert (fsck(log).first_bad_index, kinds(fsck(log))) == (255, {"tree"})
    del log.nodes[8, 0]
    assert fsck(log).first_bad_index == 255


def test_leaf_body_and_tree_changed_together_disagree_with_the_checkpoint() -> None:
    log = sound_log()
    honest = log.note
    envelope = log.stored[9].envelope or b""
    resealed(log, 10, body=body_commitment(bytes(32), envelope))
    log.stored[10] = replace(log.stored[10], envelope=envelope, salt=bytes(32))
    log.sign()
    log.note = honest
    report = fsck(log)
    assert (report.ok, report.first_bad_index, kinds(report)) == (False, None, {"root"})
    assert "changed together" in report.findings[0].detail


def test_a_log_replaced_as_a_whole_is_seen_with_a_trust_file_only() -> None:
    log = sound_log()
    assert fsck(log).ok
    assert kinds(fsck(log, trust=trust(key("the real log key")))) == {"checkpoint"}


def test_a_checkpoint_by_another_key_or_malformed_is_an_error() -> None:
    log = sound_log().sign(NOTARY)
    assert kinds(fsck(log)) == {"checkpoint"}
    log.note = "nonsense"
    assert kinds(fsck(log)) == {"checkpoint"}


def test_a_truncated_log_is_seen_at_the_first_missing_entry() -> None:
    log = sound_log()
    del log.stored[-3:]
    report = fsck(log)
    assert (report.first_bad_index, kinds(report)) == (20, {"truncated"})


def test_a_missing_entry_in_the_middle_is_named() -> None:
    log = sound_log()
    del log.stored[7]
    report = fsck(log)
    assert report.first_bad_index == 7
    assert "missing-entry" in kinds(report)


def test_entries_beyond_the_checkpoint_are_checked_too() -> None:
    log = sound_log()
    at = log.say("lineproof.quality.v1", {})
    assert fsck(log).ok
    log.stored[at] = replace(log.stored[at], salt=bytes(32))
    assert fsck(log).first_bad_index == at


def test_time_that_runs_backwards_is_an_error() -> None:
    log = sound_log()
    at = log.say("lineproof.quality.v1", {}, received=5)
    assert (fsck(log.sign()).first_bad_index, kinds(fsck(log))) == (at, {"received"})


def test_a_derived_column_that_differs_from_the_leaf_is_an_error() -> None:
    log = sound_log()
    entries = log.raw_entries
    log.raw_entries = lambda start, stop: (replace(entry, derived={"tenant": "0" * 32}) if entry.index == 6 else entry  # type: ignore[method-assign]
                                           for entry in entries(start, stop))
    report = fsck(log)
    assert (report.first_bad_index, kinds(report)) == (6, {"derived-column"})


def test_a_body_the_store_cannot_read_is_an_error_at_its_entry() -> None:
    log = sound_log()
    entries = log.raw_entries
    log.raw_entries = lambda start, stop: (RawEntry(5, entry.leaf, None, None, {}, damage="zstd frame damaged") if entry.index == 5 else entry  # type: ignore[method-assign]
                                           for entry in entries(start, stop))
    report = fsck(log)
    assert (report.first_bad_index, report.findings[0].detail) == (5, "zstd frame damaged")


@pytest.mark.parametrize(("write", "kind"), [
    (lambda log: log.say("lineproof.quality.v1", {}, key("stranger")), "unknown-key"),
    (lambda log: log.say("lineproof.quality.v1", {}, NOTARY, "PRODUCER"), "signed-by"),
    (lambda log: log.log(log.stored[4].envelope, "lineproof.quality.v1", NOTARY, "SERVICE"), "signature"),
    (lambda log: log.log(log.stored[2].envelope, "lineproof.quality.v1", PRODUCER, "PRODUCER"), "type"),
    (lambda log: log.log(b"nonsense", "lineproof.quality.v1", PRODUCER, "PRODUCER"), "body"),
], ids=["unknown-key", "signed-by", "signature", "type", "body"])
def test_what_intake_can_never_have_let_in_is_an_error(write: Callable[[MemoryLog], int], kind: str) -> None:
    log = sound_log()
    at = write(log)
    report = fsck(log.sign())
    assert report.first_bad_index == at
    assert kind in kinds(report)


def test_a_log_without_genesis_is_an_error_at_entry_0() -> None:
    log = MemoryLog(genesis=False)
    log.say("lineproof.quality.v1", {})
    assert fsck(log.sign()).first_bad_index == 0


def test_what_a_sound_log_may_hold_is_a_warning() -> None:
    log = sound_log()
    log.register(key("new"), admin=PRODUCER)
    log.revoke(PRODUCER.keyid, len(log.stored))
    log.say("lineproof.quality.v1", {})
    report = fsck(log.sign())
    assert report.ok
    assert [(finding.severity, finding.kind) for finding in report.findings] == [("warning", "key-entry-without-effect"), ("warning", "revoked-key")]


def test_an_erased_body_is_sound_and_a_vanished_one_is_not() -> None:
    log = sound_log()
    log.erase(5)
    assert fsck(log.sign()).ok
    log.drop_body(8)
    report = fsck(log.sign())
    assert (report.first_bad_index, report.errors) == (8, 1)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_genesis_policy_and_key_entries_cannot_be_erased(index: int) -> None:
    log = sound_log()
    log.erase(index)
    assert fsck(log.sign()).first_bad_index == index


def test_gaps_in_a_producers_stream_are_findings_and_no_corruption() -> None:
    log = MemoryLog()
    for sequence in (1, 2, 5, 6):
        log.say("lineproof.quality.v1", {}, stream=STREAM, sequence=str(sequence))
    report = fsck(log.sign())
    gap = next(finding for finding in report.findings if finding.kind == "stream-gap")
    assert report.ok
    assert (gap.severity, gap.index) == ("warning", 5)
    assert "3..4 never arrived" in gap.detail


def test_the_report_is_bounded_and_counts_everything() -> None:
    log = MemoryLog()
    for _ in range(MAX_FINDINGS + 5):
        log.say("lineproof.quality.v1", {}, key("stranger"))
    report = fsck(log.sign())
    assert report.errors == MAX_FINDINGS + 5
    assert len(report.findings) == MAX_FINDINGS


def test_an_empty_log_is_sound_and_a_checkpoint_over_nothing_must_be_empty() -> None:
    log = MemoryLog(genesis=False)
    assert fsck(log).ok
    log.note = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
    assert "root" in kinds(fsck(log))


def test_of_thousands_of_signatures_every_forged_one_is_named_in_order() -> None:
    log = sound_log(HERE + 3 * BLOCK)
    forged = [3, HERE + 1, HERE + BLOCK + 7, HERE + 3 * BLOCK + 2]
    for index in forged:
        envelope = log.stored[index].envelope
        assert envelope is not None
        other = sign_envelope(PAYLOAD_CLOUDEVENT, parse_envelope(envelope).payload, NOTARY)
        salt = log.stored[index].salt
        assert salt is not None
        resealed(log, index, body=body_commitment(salt, other))
        log.stored[index] = replace(log.stored[index], envelope=other)
    report = fsck(log.sign())
    assert [(finding.kind, finding.index) for finding in report.findings] == [("signature", index) for index in forged]
    assert report.first_bad_index == 3


def test_without_signatures_the_report_says_so() -> None:
    log = sound_log()
    envelope, salt = log.stored[7].envelope, log.stored[7].salt
    assert envelope is not None
    assert salt is not None
    other = sign_envelope(PAYLOAD_CLOUDEVENT, parse_envelope(envelope).payload, NOTARY)
    resealed(log, 7, body=body_commitment(salt, other))
    log.stored[7] = replace(log.stored[7], envelope=other)
    log.sign()
    assert (fsck(log).ok, fsck(log).to_json()["signaturesChecked"]) == (False, True)
    assert (fsck(log, signatures=False).ok, fsck(log, signatures=False).to_json()["signaturesChecked"]) == (True, False)


def test_where_no_process_can_be_started_the_bodies_are_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no semaphores")

    monkeypatch.setattr(fsck_bodies, "ProcessPoolExecutor", refuse)
    monkeypatch.setattr(fsck_bodies, "HERE", 0)
    log = sound_log(3 * BLOCK)
    assert fsck(log, trust=trust()).ok
    log.stored[2 * BLOCK] = replace(log.stored[2 * BLOCK], salt=bytes(32))
    assert fsck(log).first_bad_index == 2 * BLOCK


def test_a_tree_that_the_store_goes_on_from_is_that_of_the_leaves() -> None:
    log = sound_log(5)
    tree = CompactRange()
    for entry in log.stored:
        tree.append(leaf_hash(entry.leaf))
    whole = CompactRange(tree.size, tree.hashes)
    log.kept = [StoredTree("appending", whole), StoredTree("signing", CompactRange())]
    assert fsck(log).ok
    for kept in (StoredTree("signing", CompactRange(whole.size, [*whole.hashes[:-1], b"\1" * 32])), StoredTree("signing", None, "damaged"),
                 StoredTree("signing", CompactRange(16, [b"\2" * 32]))):
        log.kept = [StoredTree("appending", whole), kept]
        report = fsck(log)
        assert (kinds(report), report.errors, report.first_bad_index) == ({"stored-tree"}, 1, None)
        assert "signing" in report.findings[0].detail


def test_a_wrong_entry_is_not_reported_again_for_the_trees_over_it() -> None:
    log = sound_log(5)
    log.kept = [StoredTree("appending", CompactRange(16, [b"\2" * 32]))]
    log.stored[3] = replace(log.stored[3], salt=b"\0" * 32)
    assert kinds(fsck(log)) == {"body"}


def test_of_a_damaged_erasure_the_erasure_is_named_and_not_what_it_erased() -> None:
    log = sound_log()
    erasure = log.erase(5)
    log.sign()
    log.stored[erasure] = replace(log.stored[erasure], salt=bytes(32))
    report = fsck(log)
    assert report.first_bad_index == erasure
    assert ("warning", "body", 5) in {(finding.severity, finding.kind, finding.index) for finding in report.findings}


def test_a_body_that_vanished_is_an_error_whatever_else_is_damaged_after_it() -> None:
    log = sound_log()
    log.drop_body(5)
    log.sign()
    log.stored[10] = replace(log.stored[10], salt=bytes(32))
    report = fsck(log)
    assert (report.first_bad_index, [(item.kind, item.index) for item in report.findings]) == (5, [("body", 5), ("body", 10)])


def test_where_a_later_leaf_is_not_what_was_logged_it_may_have_been_the_erasure() -> None:
    log = sound_log()
    log.drop_body(5)
    log.sign()
    resealed(log, 10, event_type="lineproof.other.v1")
    report = fsck(log)
    assert (report.first_bad_index, kinds(report)) == (10, {"tree", "type", "root"})
    assert ("warning", "body", 5) in {(finding.severity, finding.kind, finding.index) for finding in report.findings}


@pytest.mark.parametrize("signatures", [True, False])
def test_an_erasure_that_no_admin_key_in_force_signed_erases_nothing(signatures: bool) -> None:
    second = key("second admin")
    for forged in (True, False):
        log = sound_log()
        log.register(second, purpose="admin")
        if not forged:
            log.revoke(second.keyid, len(log.stored))
        log.drop_body(5)
        payload = json.dumps({"specversion": "1.0", "id": "e", "source": "x", "type": "lineproof.erasure.v1", "data": {"entry": 5, "reason": "x"}}).encode()
        log.log(sign_envelope(PAYLOAD_CLOUDEVENT, payload, PRODUCER if forged else second), "lineproof.erasure.v1", second, "ADMIN", SYSTEM_TENANT)
        report = fsck(log.sign(), signatures=signatures)
        assert (report.first_bad_index, kinds(report)) == (5, {"body", "signature"} if forged else {"body"})


def test_an_erasure_that_came_while_the_pass_was_at_it_accounts_for_the_body() -> None:
    log = sound_log()
    size = len(log.stored)
    log.erase(5)
    log.size = lambda: size  # type: ignore[method-assign]
    assert fsck(log).first_bad_index == 5
    log.later = lambda: log.raw_entries(size, size + 1)  # type: ignore[method-assign]
    assert fsck(log).ok


class _Enough(Exception):
    pass


def stopped(log: MemoryLog, at: int) -> Standpoint:
    """Where a pass stands after `at` entries."""
    stands: list[Standpoint] = []

    def stop(done: int) -> None:
        if done == at:
            stands.append(started.standpoint())
            raise _Enough

    with FsckPass(log) as started, pytest.raises(_Enough):
        started.run(stop, every=1)
    return stands[0]


def test_a_pass_goes_on_from_where_another_one_stood() -> None:
    log = sound_log(30)
    log.drop_body(6)
    log.drop_body(7)
    log.rotate(PRODUCER, key("new"))
    log.say("lineproof.quality.v1", {}, key("new"))
    log.say("lineproof.erasure.v1", {"entry": 6, "reason": "asked for"}, ADMIN, "ADMIN", SYSTEM_TENANT)
    log.sign()
    whole = fsck(log)
    assert whole.first_bad_index == 7
    for at in (1, 5, 8, 20, len(log.stored) - 1, len(log.stored)):
        with FsckPass(log, start=stopped(log, at)) as second:
            report = second.run()
        assert (report.first_bad_index, report.findings, report.entries, report.origin) == (7, whole.findings, whole.entries, whole.origin), at


def test_what_a_standpoint_says_of_the_entries_before_it_is_held_against_the_checkpoint() -> None:
    log = sound_log(30)
    stands = stopped(log, 20)
    assert kinds(FsckPass(log, start=replace(stands, tree=CompactRange(20, [bytes(32), bytes(32)]))).run()) >= {"root"}
    assert kinds(FsckPass(log, start=replace(stands, received=2**52)).run()) == {"received"}
    assert FsckPass(log, start=stands).run().findings == ()


def test_lines_of_witnesses_on_old_checkpoints_have_to_verify_but_need_not_be_there() -> None:
    log = sound_log(5)
    old = log.note or ""
    log.say("lineproof.quality.v1", {})
    newest = log.sign().note or ""
    log.note = newest + cosignature("w1", newest)
    trusted = parse_trust(TRUST.replace("quorum none", f"witness w1 {witness_vkey('w1')}\nquorum w1").encode())
    for lines, sound in (("", True), (cosignature("w1", old), True), (cosignature("w1", old, signer=key("w2")), False)):
        log.checkpoints = lambda size, since, note=old + lines: [KeptCheckpoint("the stored checkpoint", note)]  # type: ignore[method-assign]
        report = fsck(log, trust=trusted)
        assert (report.ok, [finding.detail for finding in report.findings]) == (
            sound, [] if sound else ["the stored checkpoint of size 8: the cosignature of 'w1' does not verify"])
