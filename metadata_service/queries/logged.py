"""Questions about the log itself: one entry with its proof, the checkpoint, and evidence bundles."""
from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed_version
from typing import Any

from anyio import to_thread

from lineproof_audit.bundle import build_bundle
from lineproof_audit.checkpoint import TlogProof, peek_checkpoint
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.errors import EnvelopeError, NoSuchEntry
from lineproof_audit.keyring import KEYRING_TYPES
from lineproof_audit.store import StoredEntry
from lineproof_schema.urn import kind_of
from metadata_service.queries.audit_trail import KeyState, key_state
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import Forbidden, InvalidArgument
from metadata_service.queries.mask import hidden, named_in
from metadata_service.queries.shapes import Completeness, ComputedAt, Long, of_micros

__all__ = ["CheckpointAnswer", "Evidence", "InclusionProof", "LoggedEvent", "LoggedEventAnswer", "checkpoint", "event", "evidence"]

MAX_CITED = 2_000  # entries of one evidence bundle
TOUCHED_AT_ONCE = 200
MAX_LEAVES = 200_000  # entries of the log up to which a bundle may carry all leaves (about 110 MB of JSON)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the entry is in the signed tree: RFC 6962 audit path, and the whole as tlog-proof@v1 text. Hashes in base64."""

    size: Long
    hashes: tuple[str, ...]
    checkpoint: str
    text: str


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One entry. `envelope`, `payload` and `salt` are null when erased (`erased`) or outside the viewer's grants (`restricted`)."""

    index: Long
    leaf: str
    event_type: str
    media_type: str
    tenant: str
    signer: str
    signed_by: str
    caller: str | None
    received: datetime
    body: str
    key: KeyState
    erased: bool
    restricted: bool
    envelope: str | None
    salt: str | None
    payload: Any
    status: str | None
    reason: str | None
    detail: Any
    proof: InclusionProof | None


@dataclass(frozen=True, slots=True)
class LoggedEventAnswer:
    """`event` is null when the log has no such entry."""

    computed_at: ComputedAt
    completeness: Completeness
    event: LoggedEvent | None


@dataclass(frozen=True, slots=True)
class CheckpointAnswer:
    """The latest signed tree head: the note verbatim, and what it says. Null fields before the first one."""

    computed_at: ComputedAt
    completeness: Completeness
    origin: str | None
    size: Long | None
    root_hash: str | None
    text: str | None
    log_size: Long


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence bundle (lineproof-bundle@v1), to be verified offline with a trust file."""

    computed_at: ComputedAt
    completeness: Completeness
    bundle: Any


async def event(context: QueryContext, index: int) -> LoggedEventAnswer:
    """Entry `index`, with its inclusion proof at the latest checkpoint that covers it; if witnesses are asked, at the latest they vouch for."""
    if index < 0:
        raise InvalidArgument("an index is never negative")
    try:
        entry = await to_thread.run_sync(context.room.reader.entry, index)
    except NoSuchEntry:
        context.notes.doubt("no-such-entry", f"the log has no entry {index}")
        return LoggedEventAnswer(await context.computed_at(), context.notes.completeness(), None)
    outcome = await context.graph.outcome(index)
    if outcome is None:
        context.notes.doubt("not-projected", f"entry {index} is logged and not projected yet: its outcome is to come")
    proof = await to_thread.run_sync(_proof, context, index)
    if proof is None:
        context.notes.doubt("no-checkpoint", f"no checkpoint covers entry {index} yet")
    keyring = await to_thread.run_sync(context.room.keyring)
    restricted = not await _may_read_body(context, entry)
    context.notes.restrict(int(restricted))
    shown = entry.envelope is not None and not restricted
    leaf = entry.fields
    found = LoggedEvent(index, _base64(entry.leaf), leaf.event_type, leaf.media_type, leaf.tenant, leaf.signer, leaf.signed_by, leaf.caller,
                        of_micros(leaf.received), leaf.body, key_state(keyring, leaf.signer, index, leaf.received), entry.envelope is None, restricted,
                        entry.envelope.decode("utf-8", "replace") if shown and entry.envelope is not None else None,
                        _base64(entry.salt) if shown and entry.salt is not None else None, _payload(entry.envelope) if shown else None,
                        outcome.status if outcome else None, outcome.reason if outcome else None, outcome.detail if outcome and not restricted else None, proof)
    return LoggedEventAnswer(await context.computed_at(), context.notes.completeness(), found)


async def checkpoint(context: QueryContext) -> CheckpointAnswer:
    """The latest signed tree head."""
    reader = context.room.reader
    text, size = await to_thread.run_sync(reader.checkpoint), await to_thread.run_sync(reader.size)
    head = peek_checkpoint(text) if text is not None else None
    return CheckpointAnswer(await context.computed_at(), context.notes.completeness(), head.origin if head else None, head.size if head else None,
                            head.root.hex() if head else None, text, size)


async def evidence(context: QueryContext, cited: Sequence[int], query: Any, answer: Any, with_leaves: bool = False, with_context: bool = False) -> Evidence:
    """A bundle of these entries with their proofs. `query` and `answer` are the caller's words; the entries are what is proven.

    `with_context` adds every entry that touched anything the answer names and that the viewer may read, so that the answer can be derived from the
    bundle alone; if there are too many, none.

    Raises:
        InvalidArgument: too many entries.
        Forbidden: an entry's body is outside the viewer's grants.
        PositionBeyondLog: an entry is not covered by a checkpoint yet.
    """
    indices = sorted(set(cited))
    if len(indices) > MAX_CITED:
        raise InvalidArgument(f"{len(indices)} entries, at most {MAX_CITED} in one bundle")
    if with_leaves and context.size > MAX_LEAVES:
        raise InvalidArgument(f"the log has more than {MAX_LEAVES} entries: verify against its tiles instead of carrying all leaves")
    for index in indices if not context.viewer.sees_all else ():
        entry = await to_thread.run_sync(context.room.reader.entry, index)
        if not await _may_read_body(context, entry):
            raise Forbidden(f"the body of entry {index} is outside your grants")
    if with_context:
        indices = sorted({*indices, *await _touching(context, answer, MAX_CITED - len(indices))})
    keyring = await to_thread.run_sync(context.room.keyring)

    def build() -> dict[str, Any]:
        return build_bundle(context.room.reader, keyring, query=query, answer=answer, cited=indices, tool_version=f"lineproof {installed_version('lineproof')}",
                            with_leaves=with_leaves, quorum=context.room.quorum, covering=min(_size_of(answer), context.size))

    return Evidence(await context.computed_at(), context.notes.completeness(), await to_thread.run_sync(build))


def _size_of(answer: Any) -> int:
    """The position an answer says it was computed at; 0 if it says none."""
    for found in answer.values() if isinstance(answer, dict) else ():
        at = found.get("computedAt") if isinstance(found, dict) else None
        size = at.get("size") if isinstance(at, dict) else None
        if type(size) is int:
            return size
    return 0


async def _touching(context: QueryContext, answer: Any, most: int) -> set[int]:
    named, waiting = set(), [answer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and kind_of(value) is not None:
            named.add(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    found: set[int] = set()
    urns = sorted(named)
    note = await to_thread.run_sync(context.room.reader.checkpoint)
    covered = min(context.size, peek_checkpoint(note).size if note is not None else 0)  # what no checkpoint covers yet has no proof
    for at in range(0, len(urns), TOUCHED_AT_ONCE):
        after: int | None = None
        while rows := await context.graph.touches(urns[at:at + TOUCHED_AT_ONCE], 0, covered, after=after, limit=TOUCHED_AT_ONCE):
            for index in {row.entry.index for row in rows} - found:
                if context.viewer.sees_all or await _may_read_body(context, await to_thread.run_sync(context.room.reader.entry, index)):
                    found.add(index)
            after = rows[-1].entry.index
            if len(found) > most:
                context.notes.doubt("too-much-context", f"more than {most} entries touched what the answer names: none of them was added")
                return set()
    return found


def _proof(context: QueryContext, index: int) -> InclusionProof | None:
    reader = context.room.reader
    quorum = context.room.quorum
    text = (None if quorum is None else reader.cosigned_checkpoint(quorum, index + 1)) or reader.checkpoint()
    if text is None or peek_checkpoint(text).size <= index:
        return None
    size = peek_checkpoint(text).size
    hashes = tuple(reader.inclusion_proof(index, size))
    return InclusionProof(size, tuple(_base64(each) for each in hashes), text, TlogProof(index, hashes, text).to_text())


async def _may_read_body(context: QueryContext, entry: StoredEntry) -> bool:
    """Bodies of keys and policy are readable with `log:read`; others need a grant on every namespace they speak of."""
    if context.viewer.sees_all or entry.fields.event_type in KEYRING_TYPES or entry.envelope is None:
        return True
    payload = _payload(entry.envelope)
    namespaces = _namespaces(payload)
    if not namespaces:
        return "auditor" in context.viewer.roles or "admin" in context.viewer.roles
    return all(map(context.viewer.can_see, namespaces)) and not await hidden(context, set(named_in(payload)))


def _namespaces(payload: Any) -> set[str]:
    """Every namespace that occurs anywhere in the payload."""
    namespaces: set[str] = set()
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            namespace = value.get("namespace")
            if isinstance(namespace, str) and namespace:
                namespaces.add(namespace)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return namespaces


def _payload(envelope: bytes | None) -> Any:
    if envelope is None:
        return None
    try:
        return json.loads(parse_envelope(envelope).payload, parse_constant=str)  # NaN is no JSON; an answer may not hold it
    except (EnvelopeError, ValueError, RecursionError):
        return None


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
