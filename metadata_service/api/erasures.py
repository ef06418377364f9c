"""Erasing what an entry said: checked first, ordered by the root admin, carried out everywhere in this service, certified.

The order is an entry of the log; carrying it out is repeated until it is done (`sweep`), so a crash in between leaves nothing half erased.
"""
from __future__ import annotations

import hashlib
import threading
import uuid
from typing import Any, Final

import anyio.to_thread

from lineproof_audit.batch import NewEntry, instant
from lineproof_audit.bundle import build_bundle
from lineproof_audit.certificate import sign_certificate
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.clock import SystemClock
from lineproof_audit.envelope import parse_envelope, sign_envelope
from lineproof_audit.erasures import Erasure, Erasures, read_erasure
from lineproof_audit.errors import EnvelopeError
from lineproof_audit.facts import load_object
from lineproof_audit.log import Log
from lineproof_audit.store import UNERASABLE_TYPES, StoredEntry
from lineproof_audit.tree import leaf_hash
from lineproof_schema.errors import LineproofError
from metadata_service.artifacts import Artifacts
from metadata_service.errors import IntakeRefused, NotFound
from metadata_service.graph.port import GraphStore
from metadata_service.intake import KeyringFollower, Quarantine

__all__ = ["Erasing"]

APPEND_SECONDS: Final = 30.0
GRAPH_STATES: Final = ("erasures", "rebuilding")  # what the projector remembers of erasures, see `projector.runner`


class Erasing:
    """All of it but the order itself, which intake takes in."""

    def __init__(self, log: Log, keys: KeyringFollower, quarantine: Quarantine, artifacts: Artifacts, graph: GraphStore, tool_version: str) -> None:
        self._log = log
        self._reader = log.reader
        self._keys = keys
        self._quarantine = quarantine
        self._artifacts = artifacts
        self._graph = graph
        self._tool_version = tool_version
        self._lock = threading.Lock()
        self._fold = Erasures()
        self._folded = 0
        self._done: set[int] = set()
        self._checked: set[tuple[int, str | None]] = set()  # (entry, SHA-256 of what stands in): found to change nothing

    # -- before

    def replace(self, entry: int, payload: bytes) -> int:
        """Append what is to stand in for `entry`, signed by the notary; its index. Blocking, as long as two projections of the log take.

        Raises:
            NotFound, IntakeRefused: there is no such entry, it cannot be erased, or the replacement would change what became of entries.
        """
        original = self._erasable(entry)
        notary = self._log.notary
        envelope = sign_envelope(original.fields.media_type, payload, notary)
        self._check(entry, envelope)
        leaf = original.fields
        made = NewEntry(envelope, leaf.media_type, leaf.event_type, leaf.tenant, notary.keyid, "SERVICE", None, "lineproof:replacement", str(uuid.uuid4()))
        return self._log.appender.submit(made).result(APPEND_SECONDS).index

    def check_order(self, raw: bytes) -> Erasure:
        """Whether the order may stand, before it is appended. Blocking as `replace`, unless a replacement was checked by it.

        Raises:
            NotFound, IntakeRefused: as `replace`; or the replacement it names does not stand for an entry of this kind.
        """
        data = (load_object(parse_envelope(raw).payload) or {}).get("data")
        try:
            order = read_erasure(self._reader.size(), data if isinstance(data, dict) else {})
        except ValueError as error:
            raise IntakeRefused(f"the erasure: {error}") from error
        original = self._erasable(order.entry)
        stands_in: StoredEntry | None = None
        if order.replacement is not None:
            stands_in = self._reader.entry(order.replacement)
            record = self._keys.current.key(stands_in.fields.signer)
            if (order.replacement <= order.entry or record is None or record.purpose != "notary"
                    or (stands_in.fields.event_type, stands_in.fields.tenant) != (original.fields.event_type, original.fields.tenant)):
                raise IntakeRefused(f"entry {order.replacement} does not stand in for entry {order.entry}: it is not the notary's, or of another kind")
        self._check(order.entry, stands_in.envelope if stands_in is not None else None)
        return order

    def _erasable(self, entry: int) -> StoredEntry:
        if entry >= self._reader.size():
            raise NotFound(f"the log has no entry {entry}")
        found = self._reader.entry(entry)
        if found.fields.event_type in UNERASABLE_TYPES:
            raise IntakeRefused(f"entry {entry} is a {found.fields.event_type}: the log stands on it, it is never erased", code="invalid-argument")
        with self._lock:
            self._follow()
            if entry in self._fold.admitted:
                raise IntakeRefused(f"entry {entry} was erased by entry {self._fold.admitted[entry].index}", code="invalid-argument")
            if entry in self._fold.stand_ins:
                raise IntakeRefused(f"entry {entry} stands in for erased entry {self._fold.stand_ins[entry]}", code="invalid-argument")
        return found

    def _check(self, entry: int, envelope: bytes | None) -> None:
        from metadata_service.projector.erasure_check import changes_of  # all rules; an API process beside a projector needs them only here

        key = (entry, None if envelope is None else hashlib.sha256(envelope).hexdigest())
        if key in self._checked:
            return
        changes = changes_of(self._reader, entry, envelope)
        if changes:
            first = changes[0]
            what = "give a replacement that says what they rest on" if envelope is None else "the replacement leaves out what they rest on"
            raise IntakeRefused(f"without entry {entry}, entry {first.index} would be {first.after} instead of {first.before}: {what}", code="invalid-argument",
                                changes=[{"index": item.index, "before": item.before, "after": item.after} for item in changes])
        if envelope is not None:
            self._checked.add(key)

    # -- carrying out

    def sweep(self) -> list[int]:
        """Carry out every order that is not carried out yet; which entries that were. Blocking; repeated calls change nothing.

        Raises:
            LineproofError: the store cannot be reached; call again.
        """
        with self._lock:
            self._follow()
            due = [order for entry, order in self._fold.admitted.items() if entry not in self._done]
            for order in due:
                self._carry_out(order)
            if due:
                self._log.store.forget()
                self._done |= {order.entry for order in due}
            return [order.entry for order in due]

    def _carry_out(self, order: Erasure) -> None:
        found = self._reader.entry(order.entry)
        if found.fields.event_type in UNERASABLE_TYPES:
            return  # such an order is void
        if found.envelope is not None:
            self._quarantine.forget(order.entry, _bodies(found.envelope))
        for digest in order.artifacts:
            self._artifacts.remove(found.fields.tenant, digest)
        self._log.store.erase_body(order.entry, order.index)

    def _follow(self) -> None:
        size = self._reader.size()
        for stored in self._reader.control_entries(self._folded, size):
            self._fold.apply(stored)
        self._folded = size

    # -- afterwards

    def outcome(self, index: int, order: Erasure) -> str | None:
        """Why the order that became entry `index` does not count; None if it does."""
        with self._lock:
            self._follow()
            admitted = self._fold.admitted.get(order.entry)
        return None if admitted is not None and admitted.index == index else "not-admitted"

    def all(self) -> list[dict[str, Any]]:
        """All orders that count, by the entry they erase."""
        with self._lock:
            self._follow()
            orders = sorted(self._fold.admitted.values(), key=lambda order: order.entry)
        return [{"entry": order.entry, "erasure": order.index, "replacement": order.replacement, "reason": order.reason, "legalBasis": order.legal_basis,
                 "artifacts": list(order.artifacts), "done": order.entry in self._done} for order in orders]

    async def certificate(self, entry: int) -> bytes:
        """The signed certificate that `entry` is erased.

        Raises:
            NotFound: it is not.
            LineproofError: `not-projected`: carrying out, projecting or signing a checkpoint is under way; retry.
        """
        await anyio.to_thread.run_sync(self.sweep)
        order = self._fold.admitted.get(entry)
        if order is None:
            raise NotFound(f"entry {entry} is not erased")
        position = await self._graph.position()
        states = (await self._graph.load((), GRAPH_STATES)).states
        if position.size <= order.index or str(entry) not in (states.get("erasures") or {}) or states.get("rebuilding") is not None:
            raise LineproofError(f"the graph is not projected without entry {entry} yet", code="not-projected")
        return await anyio.to_thread.run_sync(self._certify, order, position.size, position.digest)

    def _certify(self, order: Erasure, graph_size: int, graph_digest: str) -> bytes:
        note = self._reader.checkpoint()
        if note is None or peek_checkpoint(note).size <= order.index:
            raise LineproofError(f"no checkpoint covers entry {order.index} yet", code="not-projected")
        found = self._reader.entry(order.entry)
        if found.envelope is not None or found.salt is not None:
            raise LineproofError(f"entry {order.entry} is not erased yet", code="not-projected")
        self._keys.refresh()
        cited = [order.entry, order.index, *([order.replacement] if order.replacement is not None else [])]
        bundle = build_bundle(self._reader, self._keys.current, query={"erasure": order.entry}, answer=None, cited=cited, tool_version=self._tool_version,
                              quorum=self._log.quorum)
        statement = {"entry": order.entry, "erasure": order.index, "replacement": order.replacement, "reason": order.reason, "legalBasis": order.legal_basis,
                     "leafHash": leaf_hash(found.leaf).hex(), "issued": instant(SystemClock().wall()), "graph": {"size": graph_size, "digest": graph_digest},
                     "deleted": ["body and salt", "refused copies in quarantine", "the graph's facts of it", *[f"artifact {each}" for each in order.artifacts]],
                     "notCovered": ["backups and exports made before", "write-ahead logs and pages that a database server keeps",
                                    "the producer's own spool and whoever it told"]}
        return sign_certificate(statement, bundle, self._log.notary)


def _bodies(envelope: bytes) -> list[bytes]:
    """The bytes under which the same event may lie in quarantine: as signed, and as plain payload."""
    try:
        return [envelope, parse_envelope(envelope).payload]
    except EnvelopeError:
        return [envelope]


