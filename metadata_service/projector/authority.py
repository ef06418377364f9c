"""What the signer of an entry may say: the keyring's verdict at the entry's index, and the scope that binds the projection."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from lineproof_audit.keyrecord import record_from_state
from lineproof_audit.keyring import Keyring
from metadata_service.projector.view import Rejected

if TYPE_CHECKING:
    from metadata_service.projector.entry import ProjectableEntry
    from metadata_service.projector.view import Draft

__all__ = ["KEYRING_STATE", "Authority", "keyring_before", "short_key", "used_token"]

KEYRING_STATE: Final = "keyring"
_parsed: list[tuple[Any, Keyring]] = []  # the keyring last read: its state object changes with key and policy entries only


def short_key(keyid: str) -> str:
    """State key of a short-lived key's record: one per CI job, so each stands for itself and the keyring's state stays small."""
    return f"key:{keyid}"


def used_token(token_id: str) -> str:
    """State key that remembers that a key was enrolled with this identity token."""
    return f"token:{token_id}"


def keyring_before(draft: Draft) -> Keyring:
    """The keyring that the entry's signer stands before; read it, never change it."""
    keyring, signer = _keyring_of(draft.state(KEYRING_STATE)), draft.entry.leaf.signer
    record = draft.state(short_key(signer)) if keyring.key(signer) is None else None
    if record is not None:
        keyring = keyring.copy()
        keyring.know(record_from_state(record))
    return keyring


def _keyring_of(state: Any) -> Keyring:
    if _parsed and _parsed[0][0] is state and state is not None:
        return _parsed[0][1]
    keyring = Keyring.from_state(state) if state is not None else Keyring()
    _parsed[:] = [(state, keyring)]
    return keyring


class Authority:
    """The signer of one entry before the keyring."""

    def __init__(self, keyring: Keyring, entry: ProjectableEntry) -> None:
        self.keyring = keyring
        self._entry = entry
        self._scopes: dict[str, bool] = {}

    def admit(self, namespaces: Sequence[str]) -> bool:
        """Whether the key may make this event in these namespaces; returns whether the key is disputed.

        Raises:
            Rejected: `unknown-key`, `revoked-key`, `out-of-scope`, `wrong-audience`, ….
        """
        entry = self._entry
        audience = entry.audience
        if audience is not None and self.keyring.origin is not None and audience != self.keyring.origin:
            raise Rejected("wrong-audience", f"addressed to {audience!r}")
        leaf = entry.leaf
        verdict = self.keyring.check(leaf.signer, entry.index, event_type=leaf.event_type, source=entry.source, namespaces_written=namespaces,
                                     received=leaf.received, tenant=leaf.tenant)
        if not verdict.ok:
            raise Rejected(verdict.code or "out-of-scope", verdict.reason or "the key may not say this")
        return verdict.disputed

    def in_scope(self, namespace: str) -> bool:
        """Whether the key writes in `namespace`."""
        known = self._scopes.get(namespace)
        if known is None:
            leaf = self._entry.leaf
            known = self._scopes[namespace] = self.keyring.may_write(leaf.signer, namespace, self._entry.index, leaf.tenant)
        return known

    def tenant_of(self, namespace: str) -> str:
        """The tenant that owns `namespace` at the entry; the entry's own where none does."""
        return self.keyring.tenant_of(namespace, self._entry.index) or self._entry.tenant
