"""Cosignatures of witnesses, and the quorum of a trust file: C2SP tlog-cosignature and tlog-policy."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path

import pytest

from lineproof_audit.base64text import encode_base64
from lineproof_audit.errors import InvalidKey, InvalidProof, TrustFileError
from lineproof_audit.fsck import fsck
from lineproof_audit.note import NoteVerifier, note_key_id, split_note
from lineproof_audit.trust import Trust, parse_trust
from lineproof_audit.verify import verify_bundle
from lineproof_audit.watch import Expectations, Monitor
from lineproof_audit.watch_state import WatchState
from lineproof_audit.witness import COSIGNATURE_V1, Witness, parse_witness_vkey
from tests.cosignatures import TIME
from tests.cosignatures import cosignature as line
from tests.cosignatures import witness_vkey as vkey
from tests.unit.audit.memory_log import LOG, ORIGIN, MemoryLog, key

LOG_LINE = f"log {NoteVerifier(ORIGIN, LOG.verify_key).vkey}"
NAMES = ["w1", "w2", "w3", "w4"]
# Of the tests of transparency-dev/formats, a public witness; made by other software than ours.
VECTOR = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

# A checkpoint signed by golang.org/x/mod/sumdb/note and cosigned by transparency-dev/formats, with the keys they print.
GO_LOG = "log.example/cosigned+ab9981c2+ASZds2yF+eeHZBeVeTa3+Q5mO0iMsSarP92M/+gUl0oh"
GO_WITNESS = "witness.example/go+77480ef2+BENnBQi4nUX2YLmicHNpFUcjgal1NmRR6xazHcBy7UTh"
GO_NOTE = """log.example/cosigned
123
f+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=

— log.example/cosigned q5mBwniM5ggQx5pBnvs5/EfLr6ITG02ri6gvyr1FnWKSqzM4OMBzimKjvWsXwVUv+jNRA0HBUcQuA4rL99Fo1GDrvAY=
— witness.example/go d0gO8gAAAABrA+7RU+Yl4fPDth18vSGeuWhvPB/4o+1YTnzPpm0SEv57isOQdeURvv1MH1qICUhlNMx1/icXJ9dXcnQJYyLTChp5CQ==
"""


def policy(*groups: str, quorum: str, names: Sequence[str] = NAMES) -> Trust:
    witnesses = [f"witness {name} {vkey(name)}" for name in names]
    return parse_trust("\n".join([LOG_LINE, *witnesses, *groups, f"quorum {quorum}", ""]).encode())


def signed() -> tuple[MemoryLog, str]:
    log = MemoryLog().sign()
    assert log.note is not None
    return log, log.note


def believed(trust: Trust, note: str) -> bool:
    try:
        return trust.open(note, ORIGIN).size == 3
    except InvalidProof:
        return False


def test_the_key_of_a_public_witness_reads() -> None:
    assert parse_witness_vkey(VECTOR, "remora").name == "remora.n621.de"
    for wrong in (VECTOR.replace("+BO", "+AO"), VECTOR.replace("da77", "da78"), VECTOR.replace("remora", "Remora"), vkey("w1", 1)):
        with pytest.raises(InvalidKey, match="witness remora"):
            parse_witness_vkey(wrong, "remora")


def test_what_go_cosigned_is_believed_and_nothing_less() -> None:
    trust = parse_trust(f"log {GO_LOG}\nwitness go {GO_WITNESS}\nquorum go\n".encode())
    assert trust.open(GO_NOTE, "log.example/cosigned").size == 123
    assert parse_witness_vkey(GO_WITNESS, "go").cosigned_at(GO_NOTE) == 0x6B03EED1
    for wrong in (GO_NOTE.replace("\n123\n", "\n124\n"), GO_NOTE.replace("d0gO8gAAAABrA+7R", "d0gO8gAAAABrA+7S"), GO_NOTE[:GO_NOTE.rindex("—")]):
        with pytest.raises(InvalidProof):
            trust.open(wrong, "log.example/cosigned")


def test_a_cosignature_is_over_its_time_and_the_whole_note() -> None:
    _, note = signed()
    witness = Witness("w1", key("w1").verify_key)
    assert witness.cosigned_at(note) is None
    assert witness.cosigned_at(note + line("w2", note)) is None
    assert witness.cosigned_at(note + line("w2", note) + line("w1", note) + line("w1", note, time=TIME + 5)) == TIME + 5
    for wrong in (line("w1", note, signer=key("w2")), line("w1", note, signed_time=TIME + 1), line("w1", note.replace("\n3\n", "\n4\n")),
                  line("w1", note, time=2**63)):
        with pytest.raises(InvalidProof, match="cosignature of 'w1'"):
            witness.cosigned_at(note + wrong)


def test_a_plain_note_signature_of_a_witness_is_no_cosignature() -> None:
    _, note = signed()
    plain = encode_base64(note_key_id("w1", COSIGNATURE_V1, key("w1").verify_key) + TIME.to_bytes(8, "big") + key("w1").sign(split_note(note)[0].encode()))
    assert not believed(policy(quorum="w1"), note + f"— w1 {plain}\n")


@pytest.mark.parametrize(("groups", "quorum", "enough"), [
    ([], "w1", lambda has: "w1" in has), (["group g any w1 w2"], "g", lambda has: has & {"w1", "w2"}),
    (["group g all w1 w2"], "g", lambda has: has >= {"w1", "w2"}), (["group g 2 w1 w2 w3"], "g", lambda has: len(has & {"w1", "w2", "w3"}) >= 2),
    (["group x any w1 w2", "group y any w3 w4", "group both all x y"], "both", lambda has: has & {"w1", "w2"} and has & {"w3", "w4"}),
    ([], "none", lambda has: True),
])
def test_a_quorum_is_met_by_exactly_the_witnesses_it_names(groups: list[str], quorum: str, enough: object) -> None:
    _, note = signed()
    trust = policy(*groups, quorum=quorum)
    for has in chain.from_iterable(combinations(NAMES, count) for count in range(5)):
        wanted = bool(enough(set(has)))  # type: ignore[operator]
        assert believed(trust, note + "".join(line(name, note) for name in has)) == wanted, has


def test_one_bad_line_of_a_witness_of_the_quorum_refuses_the_note() -> None:
    _, note = signed()
    assert not believed(policy("group g any w1 w2", quorum="g"), note + line("w1", note) + line("w2", note, signer=key("w3")))


def test_witnesses_do_not_stand_in_for_the_log() -> None:
    log, note = signed()
    forged = log.sign(key("stolen")).note or ""
    assert not believed(policy(quorum="w1"), forged + line("w1", forged))
    assert believed(policy(quorum="w1"), note + line("w1", note))


def test_evidence_fsck_and_monitor_ask_for_the_quorum(tmp_path: Path) -> None:
    log, note = signed()
    trust = policy("group g 2 w1 w2 w3", quorum="g")
    for lines, enough in (("", False), (line("w1", note), False), (line("w1", note) + line("w3", note), True)):
        log.note = note + lines
        assert verify_bundle(log.bundle(2), trust).ok == enough
        assert fsck(log, trust=trust).ok == enough
        with WatchState(tmp_path / "watch.json") as state:
            look = Monitor(trust, state, Expectations(), lambda: 0).look(log)
        assert [alarm.kind for alarm in look.alarms] == ([] if enough else ["signature"])


@pytest.mark.parametrize(("groups", "quorum", "match"), [
    ([], "w9", "names no witness"), (["group g 3 w1 w2"], "g", "all, any or 1 to 2"), (["group g 0 w1"], "g", "all, any"), (["group g 01 w1"], "g", "all, any"),
    (["group g any w1 w1"], "g", "member already"), (["group g any w1", "group h any w1"], "h", "member already"),
    (["group g any h"], "g", "not defined before"),
    (["group g any none"], "g", "not defined before"), (["group w1 any w2"], "w1", "defined again"), (["group none any w2"], "none2", "defined again"),
    ([f"witness w9 {vkey('w1')}"], "w9", "key of another"), ([f"witness w9 {vkey('w9', 1)}"], "w9", "type 0x04"),
    ([f"witness w9 {vkey('w9', 6)}"], "w1", "0x04"),
])
def test_a_policy_that_does_not_hold_together_is_refused(groups: list[str], quorum: str, match: str) -> None:
    with pytest.raises(TrustFileError, match=match):
        policy(*groups, quorum=quorum)


def test_a_quorum_before_what_it_names_is_refused() -> None:
    with pytest.raises(TrustFileError, match="names no witness"):
        parse_trust(f"{LOG_LINE}\nquorum w1\nwitness w1 {vkey('w1')}\n".encode())
