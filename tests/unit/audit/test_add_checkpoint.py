"""One witness is asked to cosign: what is sent, and what becomes of every way to answer."""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import httpx
import pytest

from lineproof_audit import add_checkpoint as asking
from lineproof_audit.add_checkpoint import OUTCOMES, Answer, add_checkpoint, request_body
from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import LogUnavailable
from lineproof_audit.tree import consistency_proof
from lineproof_audit.witness import Witness, add_cosignatures
from tests.unit.audit.memory_log import MemoryLog, key
from tests.unit.audit.test_witness import line
from tests.witnesses import Respond, drips, free_port, hangs, hangs_up, says, scripted

pytestmark = pytest.mark.anyio
SIZE = 9


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    made = MemoryLog()
    while len(made.stored) < SIZE:
        made.say("lineproof.dataset.v1", {"n": len(made.stored)})
    return made.sign()


def note_of(log: MemoryLog) -> str:
    assert log.note is not None
    return log.note


async def asked(log: MemoryLog, answers: Sequence[Respond], old: int = 0) -> tuple[Answer, list[bytes]]:
    async with scripted(answers) as server, httpx.AsyncClient(follow_redirects=False) as client:
        prove = partial(consistency_proof, node=log.node)
        answer = await add_checkpoint(client, Witness("w1", key("w1").verify_key, server.url), note_of(log), old, prove)
        return answer, server.bodies


async def test_size_proof_and_checkpoint_are_sent_and_the_line_comes_back(log: MemoryLog) -> None:
    note = note_of(log)
    answer, (body,) = await asked(log, [says(200, (line("w2", note) + line("w1", note)).encode())], old=4)
    assert answer.outcome == "cosigned"
    assert answer.size == SIZE
    assert add_cosignatures(note, {Witness("w1", key("w1").verify_key): answer.signature or b""}) == note + line("w1", note)
    assert body == request_body(4, consistency_proof(4, SIZE, log.node), note)
    head, _, sent = body.decode().partition("\n\n")
    old, *proof = head.split("\n")
    assert (old, sent) == ("old 4", note)
    assert [decode_base64(each) for each in proof] == consistency_proof(4, SIZE, log.node)


@pytest.mark.parametrize("old", [0, SIZE])
async def test_from_nothing_and_from_the_same_size_no_proof_is_sent(log: MemoryLog, old: int) -> None:
    _, (body,) = await asked(log, [says(404)], old)
    assert body == f"old {old}\n\n{note_of(log)}".encode()


async def test_a_stale_size_is_corrected_by_the_witness_and_asked_again(log: MemoryLog) -> None:
    stale = says(409, b"6\n", "content-type: text/x.tlog.size")
    answer, bodies = await asked(log, [stale, says(200, line("w1", note_of(log)).encode())], old=2)
    assert answer.outcome == "cosigned"
    assert [body.split(b"\n")[0] for body in bodies] == [b"old 2", b"old 6"]
    assert bodies[1] == request_body(6, consistency_proof(6, SIZE, log.node), note_of(log))


async def test_a_witness_that_lost_its_memory_is_begun_with_again(log: MemoryLog) -> None:
    answer, bodies = await asked(log, [says(409, b"0\n"), says(200, line("w1", note_of(log)).encode())], old=7)
    assert (answer.outcome, bodies[1]) == ("cosigned", f"old 0\n\n{note_of(log)}".encode())


ANSWERS: dict[str, tuple[str, list[Respond]]] = {
    "a larger size": ("ahead", [says(409, b"10\n")]),
    "its own size again": ("conflict", [says(409, b"5\n"), says(409, b"5\n")]),
    "another size each time": ("stale", [says(409, b"5\n"), says(409, b"6\n"), says(409, b"7\n")]),
    "a conflict without size": ("bad-answer", [says(409, b"")]),
    "a conflict with a size that is none": ("bad-answer", [says(409, b"+5\n")]),
    "a conflict with a page": ("bad-answer", [says(409, b"<html>")]),
    "another tree": ("conflict", [says(422)]),
    "an unknown log": ("unknown-log", [says(404)]),
    "an unknown signature": ("refused", [says(403)]),
    "a bad request": ("refused", [says(400, b"what?")]),
    "too many requests": ("unavailable", [says(429)]),
    "an error of its own": ("unavailable", [says(500)]),
    "a redirect": ("bad-answer", [says(307, b"", "location: http://127.0.0.1:9/add-checkpoint")]),
    "no content": ("bad-answer", [says(204)]),
    "nothing": ("bad-cosignature", [says(200)]),
    "garbage": ("bad-cosignature", [says(200, b"\xff\xfe")]),
    "text": ("bad-cosignature", [says(200, b"thanks\n")]),
    "too much": ("bad-answer", [says(200, b"x" * 100_000)]),
    "half an answer": ("unreachable", [hangs_up]),
    "no HTTP": ("unreachable", [lambda writer: _raw(writer, b"220 mail.example ESMTP\r\n")]),
}


async def _raw(writer: object, data: bytes) -> None:
    writer.write(data)  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", ANSWERS)
async def test_every_other_answer_has_its_outcome(log: MemoryLog, what: str) -> None:
    outcome, answers = ANSWERS[what]
    answer, _ = await asked(log, answers)
    assert (answer.outcome, answer.signature) == (outcome, None), answer
    assert outcome in OUTCOMES


async def test_a_cosignature_of_another_key_note_or_time_is_none(log: MemoryLog) -> None:
    note = note_of(log)
    other = note.replace(f"\n{SIZE}\n", "\n8\n")
    for wrong in (line("w2", note), line("w1", note, signer=key("w2")), line("w1", other), line("w1", note, signed_time=1), f"\n{line('w1', note)}",
                  line("w1", note) + line("w1", note, signer=key("w2")), line("w1", note).rstrip("\n")):
        answer, _ = await asked(log, [says(200, wrong.encode())])
        assert (answer.outcome, answer.signature) == ("bad-cosignature", None), wrong


@pytest.mark.parametrize("respond", [hangs, drips])
async def test_a_witness_that_never_ends_is_left(log: MemoryLog, respond: Respond, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(asking, "MAX_ANSWER_BYTES", 10**9)
    answer, _ = await asked(log, [respond])
    assert answer.outcome == "unreachable"
    assert "no answer within" in answer.detail


async def test_nobody_there_and_a_log_that_cannot_be_read_are_told_apart(log: MemoryLog) -> None:
    def unreadable(old: int, size: int) -> list[bytes]:
        raise LogUnavailable("the database is away")

    async with httpx.AsyncClient() as client:
        witness = Witness("w1", key("w1").verify_key, f"http://127.0.0.1:{free_port()}")
        assert (await add_checkpoint(client, witness, note_of(log), 0, unreadable)).outcome == "unreachable"
        assert (await add_checkpoint(client, witness, note_of(log), 5, unreadable)).outcome == "unproven"
