"""What a key signs to show that whoever speaks for it holds it.

The texts are wrapped in DSSE's pre-authentication encoding under types of their own, so that such a signature is neither an
envelope of an event nor a checkpoint: no signature asked for here can be used as anything else.
"""
from __future__ import annotations

from lineproof_audit.envelope import pae
from lineproof_audit.errors import BadSignature
from lineproof_audit.keys import SigningKey, VerifyKey

__all__ = ["binding_statement", "holds", "rotation_signatures", "rotation_statement"]

_ROTATION = "application/vnd.lineproof.rotation"
_BINDING = "application/vnd.lineproof.key-binding"


def rotation_statement(origin: str, replaces: str, keyid: str) -> bytes:
    """What both keys of a rotation sign: in the log `origin`, key `keyid` takes over from key `replaces`."""
    return pae(_ROTATION, f"{origin}\n{replaces}\n{keyid}\n".encode())


def binding_statement(origin: str, keyid: str, token: str) -> bytes:
    """What a short-lived key signs: it enrols in the log `origin` with the identity token whose SHA-256 (hex) is `token`."""
    return pae(_BINDING, f"{origin}\n{keyid}\n{token}\n".encode())


def rotation_signatures(origin: str, old: SigningKey, new: SigningKey) -> tuple[bytes, bytes]:
    """(the old key's, the new key's) signature on the rotation."""
    statement = rotation_statement(origin, old.keyid, new.keyid)
    return old.sign(statement), new.sign(statement)


def holds(key: VerifyKey, signature: bytes, statement: bytes) -> bool:
    """Whether `signature` is the key's over `statement`."""
    try:
        key.verify(signature, statement)
    except BadSignature:
        return False
    return True
