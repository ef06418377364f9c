from __future__ import annotations

from pathlib import Path

import pytest

from lineproof_audit.errors import TrustFileError
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import Trust, TrustedLog, format_trust, load_trust, parse_trust
from tests.unit.audit.memory_log import LOG, NOTARY, ORIGIN

FIRST = TrustedLog(NoteVerifier(ORIGIN, LOG.verify_key), "https://log.example/")
SECOND = TrustedLog(NoteVerifier("other.example/log", NOTARY.verify_key))
TEXT = format_trust([FIRST, SECOND])


def test_a_trust_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "trust"
    path.write_text(TEXT)
    trust = load_trust(path)
    assert trust == Trust((FIRST, SECOND))
    assert trust.keys_of(ORIGIN) == [FIRST.verifier]
    assert trust.keys_of("nobody") == []


def test_it_is_a_tlog_policy_without_witnesses() -> None:
    assert f"log {FIRST.verifier.vkey} https://log.example/\nlog {SECOND.verifier.vkey}\nquorum none\n" == TEXT


def test_comments_blank_lines_tabs_and_unused_witnesses_are_allowed() -> None:
    text = f"# ours \xff\n\n \tlog\t{FIRST.verifier.vkey}  \nwitness w {SECOND.verifier.vkey}\ngroup g any w\nquorum none"
    assert parse_trust(text.encode("latin-1")).keys_of(ORIGIN) == [FIRST.verifier]


@pytest.mark.parametrize(("text", "match"), [
    ("", "exactly one quorum"), (TEXT + "quorum none\n", "exactly one quorum"), ("quorum none\n", "names no log"),
    (TEXT.replace("none", "w"), "witness"), (TEXT + f"log {FIRST.verifier.vkey}\n", "twice"), (TEXT.replace("log ", "Log ", 1), "line 1"),
    (TEXT.replace("quorum", "\x0bquorum"), "control"), (TEXT.replace("\n", "\r\n"), "control"), ("log\nquorum none\n", "line 1"),
    (TEXT.replace("+A", "+B", 1), "line 1"), (TEXT + "witness w\n", "not a log"), (TEXT + "x" * 1_000_001, "more than"),
])
def test_what_is_not_a_policy_we_can_apply_is_refused(text: str, match: str) -> None:
    with pytest.raises(TrustFileError, match=match):
        parse_trust(text.encode())


def test_one_key_under_two_names_stands_twice() -> None:
    twice = format_trust([FIRST, TrustedLog(NoteVerifier("alias.example/log", LOG.verify_key))])
    with pytest.raises(TrustFileError, match="twice"):
        parse_trust(twice.encode())


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TrustFileError, match="cannot read"):
        load_trust(tmp_path / "missing")
