"""What the log says about itself: genesis, keys and policy (the keyring), erasures, equivocations, logged reads; and in-toto statements."""
from __future__ import annotations

from lineproof_audit.keyring import Keyring
from lineproof_schema.models.lifecycle import StatementData
from lineproof_schema.models.log import EquivocationData, ErasureData
from lineproof_schema.urn import UrnError
from metadata_service.projector.authority import KEYRING_STATE
from metadata_service.projector.names import of
from metadata_service.projector.plain import as_dict, as_text
from metadata_service.projector.view import Draft, Rejected

__all__ = ["project_equivocation", "project_erasure", "project_keyring_entry", "project_statement"]


def project_keyring_entry(draft: Draft) -> None:
    """Genesis, key and policy entries are folded into the keyring; it decides itself whether they count."""
    state = draft.state(KEYRING_STATE)
    keyring = Keyring.from_state(state) if state is not None else Keyring()
    outcome = keyring.apply(draft.entry.index, draft.entry.leaf, draft.entry.envelope)
    if outcome.status != "applied":
        reason, _, detail = (outcome.reason or "rejected").partition(":")
        raise Rejected(reason, detail.strip() or reason)
    draft.put(KEYRING_STATE, keyring.to_state())


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
    draft.need(urns=subjects)
    for urn in subjects:
        draft.ensure(urn)
        draft.touch(urn)
        draft.revise(urn, f"statement:{data.predicate_type}".replace("\0", "\ufffd"), {"index": draft.entry.index, "signer": draft.entry.leaf.signer})
