"""Asking a witness to cosign a checkpoint: `add-checkpoint` of C2SP tlog-witness v1.0.0, over HTTP.

A witness is somebody else's machine: whatever it answers becomes one of a few outcomes, in bounded time and memory.
"""
from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lineproof_audit.base64text import encode_base64
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import AuditError, InvalidProof
from lineproof_audit.note import split_note
from lineproof_audit.witness import Witness

if TYPE_CHECKING:
    import httpx

__all__ = ["COSIGNED", "OUTCOMES", "Answer", "add_checkpoint", "request_body"]

ATTEMPTS: Final = 3  # the first with the size we believe, one with the size it tells, one more if somebody else feeds it meanwhile
REQUEST_SECONDS: Final = 10.0  # for all attempts together
MAX_ANSWER_BYTES: Final = 64 * 1024  # a cosignature line is about 150 bytes; a witness may have several keys

COSIGNED: Final = "cosigned"
# Stable, as metrics and logs name them. `ahead` and `conflict` mean that the witness has seen another tree than this one.
OUTCOMES: Final = {
    COSIGNED: "it cosigned",
    "ahead": "it has cosigned a larger tree of this log",
    "conflict": "it has cosigned a tree that this one does not extend",
    "stale": "its size changes faster than it can be asked",
    "unknown-log": "it does not know this log",
    "refused": "it does not take the log's signature, or the request",
    "bad-cosignature": "it answered without a cosignature that verifies under its key",
    "bad-answer": "it answered what the protocol does not know",
    "unavailable": "it is overloaded or failing",
    "unreachable": "it cannot be reached, or does not answer in time",
    "unproven": "the log could not be read to prove its growth",
}

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one question.

    Attributes:
        outcome: one of `OUTCOMES`.
        detail: what was seen, for people.
        signature: time and signature of the cosignature line, if it cosigned.
        size: the tree size of the witness, as far as it is known now.
    """

    outcome: str
    detail: str
    signature: bytes | None = None
    size: int | None = None


def request_body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """`old <size>`, the consistency proof from there, a blank line, the checkpoint."""
    return "".join([f"old {old}\n", *(f"{encode_base64(digest)}\n" for digest in proof), "\n", note]).encode("utf-8")


async def add_checkpoint(client: httpx.AsyncClient, witness: Witness, note: str, old: int, prove: Callable[[int, int], Sequence[bytes]]) -> Answer:
    """Ask `witness` to cosign the checkpoint `note`. Raises nothing of its own.

    Args:
        client: follows no redirects.
        old: the size of this log that the witness cosigned last, as far as we know; it corrects us.
        prove: the consistency proof between two sizes, 0 < first <= second; called in a thread.
    """
    import httpx

    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await _asked(client, witness, note, old, prove)
    except TimeoutError:
        return Answer("unreachable", f"no answer within {REQUEST_SECONDS:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer("unreachable", f"{type(error).__name__}: {error}")
    except AuditError as error:
        return Answer("unproven", error.detail)


async def _asked(client: httpx.AsyncClient, witness: Witness, note: str, old: int, prove: Callable[[int, int], Sequence[bytes]]) -> Answer:
    size = peek_checkpoint(note).size
    for _ in range(ATTEMPTS):
        proof = await asyncio.to_thread(prove, old, size) if 0 < old < size else []
        status, body = await _post(client, f"{(witness.url or '').rstrip('/')}/add-checkpoint", request_body(old, proof, note))
        if body is None:
            return Answer("bad-answer", f"more than {MAX_ANSWER_BYTES} bytes")
        if status == 200:
            return _cosigned(witness, note, size, body)
        if status != 409:
            return _refused(status, size, old)
        told = _SIZE.fullmatch(body)
        if told is None:
            return Answer("bad-answer", "409 without a tree size")
        if int(told[1]) > size:
            return Answer("ahead", f"it has cosigned {int(told[1])} entries of this log, which has {size}", size=int(told[1]))
        if int(told[1]) == old:
            return Answer("conflict", f"it refuses {size} entries after the {old} it names itself", size=old)
        old = int(told[1])
    return Answer("stale", f"after {ATTEMPTS} attempts it names the size {old}", size=old)


async def _post(client: httpx.AsyncClient, url: str, content: bytes) -> tuple[int, bytes | None]:
    """Status and body; no body if it is too long."""
    async with client.stream("POST", url, content=content, headers={"Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "identity"}) as answer:
        data = bytearray()
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                return answer.status_code, None
        return answer.status_code, bytes(data)


def _cosigned(witness: Witness, note: str, size: int, body: bytes) -> Answer:
    text = split_note(note)[0]
    try:
        signed, lines = split_note(text + "\n" + body.decode("utf-8"))
        if signed != text:
            raise InvalidProof("it answers more than signature lines")
        if witness.cosigned_at(text + "\n" + body.decode("utf-8")) is None:
            raise InvalidProof(f"no line of {witness.name} with key id {witness.key_id.hex()}")
    except (UnicodeDecodeError, InvalidProof) as error:
        return Answer("bad-cosignature", str(error))
    newest = max(line.signature for line in lines if (line.name, line.key_id) == (witness.name, witness.key_id))  # the time stands first, big-endian
    return Answer(COSIGNED, f"{size} entries", newest, size)


def _refused(status: int, size: int, old: int) -> Answer:
    if status == 404:
        return Answer("unknown-log", "404: register the log with its operator")
    if status == 422:
        return Answer("conflict", f"422: what it cosigned as {old} entries is not in this tree of {size}", size=old)
    if status in (400, 401, 403):
        return Answer("refused", f"{status}: does it know the log's key?")
    if status == 429 or status >= 500:
        return Answer("unavailable", f"{status}")
    return Answer("bad-answer", f"{status}")
