"""Evidence under trust files that ask for witnesses: cosignatures true, stripped, forged, of others, groups of groups, and files that contradict themselves."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

from lineproof_audit.base64text import encode_base64
from lineproof_audit.note import NoteSigner, note_key_id, sign_note, split_note
from lineproof_audit.witness import COSIGNATURE_V1
from tests.browser.bundle_worlds import TRUST, plain
from tests.cosignatures import TIME, cosignature, witness_vkey
from tests.unit.audit.memory_log import ORIGIN, key

__all__ = ["witnessed_bundles"]

NAMES = ("w1", "w2", "w3", "w4")
LOG_LINE = TRUST.split("\n")[0]
NESTED = ("group x any w1 w2", "group y 2 x w3 w4")


def witnessed_bundles() -> Iterator[tuple[str, Any, str]]:
    """(name, bundle, trust file)."""
    log, cited = plain()
    note = log.sign().note or ""
    whole = log.bundle(cited[0])
    for name, lines, trust in _cases(note):
        bundle = copy.deepcopy(whole)
        bundle["checkpoint"] = lines if lines.startswith(note.split("\n")[0]) else note + lines
        for entry in (*bundle["entries"], *bundle["keyEntries"]):
            entry["proof"] = entry["proof"].split("\n\n")[0] + "\n\n" + bundle["checkpoint"]
        yield f"witnesses: {name}", bundle, trust


def _cases(note: str) -> Iterator[tuple[str, str, str]]:
    """(name, lines under the checkpoint or another checkpoint, trust file)."""
    by = {name: cosignature(name, note) for name in NAMES}
    for what, quorum, groups in (("one", "w1", ()), ("any", "g", ("group g any w1 w2",)), ("all", "g", ("group g all w1 w2",)),
                                 ("two of three", "g", ("group g 2 w1 w2 w3",)), ("nested", "y", NESTED), ("none", "none", NESTED)):
        for has in chain.from_iterable(combinations(NAMES, count) for count in range(len(NAMES) + 1)):
            yield f"{what}, of {' '.join(has) or 'nobody'}", "".join(by[name] for name in has), _trust(*groups, quorum=quorum)
    one, two = _trust(quorum="w1"), _trust("group g any w1 w2", quorum="g")
    plain_signature = note_key_id("w1", COSIGNATURE_V1, key("w1").verify_key) + TIME.to_bytes(8, "big") + key("w1").sign(split_note(note)[0].encode())
    for name, forged in {
        "signed by another": cosignature("w1", note, signer=key("w2")), "of another time": cosignature("w1", note, signed_time=TIME + 1),
        "of another checkpoint": cosignature("w1", note.replace("\n9\n", "\n8\n")), "of no time there is": cosignature("w1", note, time=2**63),
        "of the last time there is": cosignature("w1", note, time=2**63 - 1), "of the first": cosignature("w1", note, time=0),
        "under the name of another": by["w1"].replace("w1", "w2"), "cut": by["w1"][:-9] + "\n", "without its newline": by["w1"][:-1],
        "without time": f"— w1 {encode_base64(note_key_id('w1', COSIGNATURE_V1, key('w1').verify_key) + key('w1').sign(b'x'))}\n",
        "as a plain signature": f"— w1 {encode_base64(plain_signature)}\n", "after a line that is none": "— w1\n" + by["w1"],
        "with a second that is forged": by["w1"] + cosignature("w1", note, signer=key("w2"), time=TIME + 5),
        "with a second that is good": by["w1"] + cosignature("w1", note, time=TIME + 5),
        "under a hundred lines": "".join(cosignature(f"x{number}", note) for number in range(98)) + by["w1"],
        "under too many lines": "".join(cosignature(f"x{number}", note) for number in range(99)) + by["w1"],
    }.items():
        yield f"a cosignature {name}", forged, one
    yield "enough, and one of the group forged", by["w1"] + cosignature("w2", note, signer=key("w3")), two
    yield "enough, and one outside of the quorum forged", by["w1"] + cosignature("w3", note, signer=key("w4")), two
    stolen = sign_note(split_note(note)[0], [NoteSigner(ORIGIN, key("stolen"))])
    yield "they do not stand in for the log", stolen + cosignature("w1", stolen), one
    yield "before the log's own line", _lines_first(note, by["w1"]), one
    for name, trust in _policies():
        yield f"a trust file {name}", "".join(by.values()), trust


def _lines_first(note: str, line: str) -> str:
    text, lines = note.split("\n\n")
    return f"{text}\n\n{line}{lines}"


def _policies() -> Iterator[tuple[str, str]]:
    w1, w2 = (f"witness {name} {witness_vkey(name)}" for name in ("w1", "w2"))
    for name, lines in {
        "without a quorum": [LOG_LINE, w1], "with two": [LOG_LINE, w1, "quorum w1", "quorum w1"], "whose quorum comes first": [LOG_LINE, "quorum w1", w1],
        "with names of its own": [LOG_LINE, f"witness first {witness_vkey('w1')}", "quorum first"],
        "with addresses, comments and tabs": [f"{LOG_LINE} https://log.example", "# who", "",
                                              f"witness\tw1  {witness_vkey('w1')} https://w1.example", "quorum w1"],
        "of unknown lines": [LOG_LINE, w1, "policy x", "quorum w1"], "of control characters": [LOG_LINE + "\r", w1, "quorum w1"],
        "that defines again": [LOG_LINE, w1, w1, "quorum w1"], "that names one key twice": [LOG_LINE, w1, f"witness w9 {witness_vkey('w1')}", "quorum w1"],
        "that asks for nobody": [LOG_LINE, w1, "quorum w9"], "that calls a witness none": [LOG_LINE, f"witness none {witness_vkey('w1')}", "quorum none"],
        "that calls a witness none, and asks": [LOG_LINE, f"witness none {witness_vkey('w1')}", w2, "quorum w2"],
        "with a key that signs notes": [LOG_LINE, f"witness w1 {witness_vkey('w1', 1)}", "quorum w1"],
        "with an unused key that signs notes": [LOG_LINE, w1, f"witness w2 {witness_vkey('w2', 1)}", "quorum w1"],
        "with a key of another kind": [LOG_LINE, f"witness w1 {witness_vkey('w1', 6)}", "quorum w1"],
        "with a key that lost a character": [LOG_LINE, w1[:-1], "quorum w1"],
        "with another id": [LOG_LINE, w1.replace("w1+", "w1+0", 1), "quorum w1"], "with another name": [LOG_LINE, w1.replace("w1+", "w9+"), "quorum w1"],
        "with what it cannot check, and no quorum": [LOG_LINE, f"witness w1 {witness_vkey('w1', 6)}", "quorum none"],
        "with a log key that cosigns": [LOG_LINE.replace(LOG_LINE.split(" ")[1], witness_vkey("w1")), "quorum none"],
        "with a log key twice": [LOG_LINE, LOG_LINE, "quorum none"], "without a log": [w1, "quorum w1"],
        "whose group uses a witness twice": [LOG_LINE, w1, w2, "group g any w1 w1", "quorum g"],
        "whose groups share a witness": [LOG_LINE, w1, w2, "group g any w1", "group h any w1 w2", "quorum h"],
        "whose group comes before its members": [LOG_LINE, "group g any w1", w1, "quorum g"],
        "whose group holds itself": [LOG_LINE, w1, "group g any g", "quorum g"],
        **{f"whose group asks for {asked}": [LOG_LINE, w1, w2, f"group g {asked} w1 w2", "quorum g"]
           for asked in ("0", "1", "2", "3", "01", "+1", "most", "99999")},
    }.items():
        yield name, "\n".join([*lines, ""])


def _trust(*groups: str, quorum: str) -> str:
    return "\n".join([LOG_LINE, *(f"witness {name} {witness_vkey(name)}" for name in NAMES), *groups, f"quorum {quorum}", ""])
