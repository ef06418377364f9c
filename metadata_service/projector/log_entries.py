"""What the log says about itself: genesis, keys and policy (the keyring), erasures, equivocations, logged reads; and in-toto statements."""
from __future__ import annotations

from lineproof_audit.keyrecord import record_from_state, record_to_state
from lineproof_audit.keyring import Keyring
from lineproof_schema.models.lifecycle import REPRODUCTION_TYPE, StatementData
from lineproof_schema.models.log import EquivocationData, ErasureData, KeyData
from lineproof_schema.urn import UrnError
from metadata_service.projector.authority import KEYRING_STATE, short_key, used_token
from metadata_service.projector.entry import CloudBody
from metadata_service.projector.names import of
from metadata_service.projector.plain import as_dict, as_text
from metadata_service.projector.reproductions import project_reproduction
from metadata_service.projector.view import Draft, Rejected

__all__ = ["project_equivocation", "project_erasure", "project_keyring_entry", "project_statement"]


def project_keyring_entry(draft: Draft) -> None:
    """Genesis, key and policy entries are folded into the keyring; it decides itself whether they count.

    Short-lived keys and the identity tokens they were enrolled with stand beside the keyring's state, each for itself.
    """
    state = draft.state(KEYRING_STATE)
    keyring = Keyring.from_state(state) if state is not None else Keyring()
    body = draft.entry.body
    data = body.data if isinstance(body, CloudBody) and isinstance(body.data, KeyData) else None
    if data is not None:
        _recall(draft, keyring, data)
    outcome = keyring.apply(draft.entry.index, draft.entry.leaf, draft.entry.envelope)
    if outcome.status != "applied":
        reason, _, detail = (outcome.reason or "rejected").partition(":")
        raise Rejected(reason, detail.strip() or reason)
    draft.put(KEYRING_STATE, keyring.to_state())
    record = keyring.key(data.key_id) if data is not None else None
    if record is not None and record.enrolment is not None:
        draft.put(short_key(record.keyid), record_to_state(record))
        draft.put(used_token(record.enrolment.token_id), record.registered_at)


def _recall(draft: Draft, keyring: Keyring, data: KeyData) -> None:
    """Tell the keyring what is known of the short-lived keys that the entry names."""
    for keyid in (data.key_id, data.replaces):
        known = draft.state(short_key(keyid)) if keyid is not None and keyring.key(keyid) is None else None
        if known is not None:
            keyring.know(record_from_state(known))
    if data.enrolment is not None and draft.state(used_token(data.enrolment.token_id)) is not None:
        keyring.know_token(data.enrolment.token_id)


def project_erasure(draft: Draft, data: ErasureData) -> None:
    """The body of an earlier entry is gone; the graph is projected again without it by the runner."""
    if data.entry >= draft.entry.index:
        raise Rejected("unknown-entry", f"entry {data.entry} is not before this one")
    draft.note(entry=data.entry, replacement=data.replacement, reason=data.reason)


def project_equivocation(draft: Draft, data: EquivocationData) -> None:
    """Evidence that one event id was used for two events."""
    draft.note(firstIndex=data.first_index, keyId=data.key_id)


def project_statement(draft: Draft, data: StatementData) -> None:
    """An in-toto statement: its subjects by digest, the newest statement of each predicate type as a fact."""
    subjects = []
    for subject in data.subject:
        digest = as_text(as_dict(subject.get("digest")).get("sha256"))
        if digest is not None:
            try:
                subjects.append(of("artifact", f"sha256:{digest.lower()}"))
            except UrnError:
                continue
    for urn in subjects:
        draft.ensure(urn)
        draft.touch(urn)
        draft.revise(urn, f"statement:{data.predicate_type}".replace("\0", "\ufffd"), {"index": draft.entry.index, "signer": draft.entry.leaf.signer})
    if data.predicate_type == REPRODUCTION_TYPE:
        project_reproduction(draft, data)
