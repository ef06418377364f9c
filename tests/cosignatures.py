"""Lines of witnesses on a checkpoint, written as C2SP tlog-cosignature words them, and the verifier keys that go into a trust file."""
from __future__ import annotations

from lineproof_audit.base64text import encode_base64
from lineproof_audit.keys import SigningKey
from lineproof_audit.note import note_key_id, split_note
from lineproof_audit.witness import COSIGNATURE_V1
from tests.unit.audit.memory_log import key

__all__ = ["TIME", "cosignature", "witness_vkey"]

TIME = 1_800_000_000


def witness_vkey(name: str, kind: int = COSIGNATURE_V1, *, signer: SigningKey | None = None) -> str:
    """The verifier key of the witness of this name; its key comes from a fixed seed."""
    public = (signer or key(name)).verify_key
    return f"{name}+{note_key_id(name, kind, public).hex()}+{encode_base64(bytes([kind]) + public.raw)}"


def cosignature(name: str, note: str, *, signer: SigningKey | None = None, time: int = TIME, signed_time: int | None = None) -> str:
    """A cosignature as the specification words it; `signer` and `signed_time` forge it."""
    text = split_note(note)[0]
    message = f"cosignature/v1\ntime {time if signed_time is None else signed_time}\n{text}".encode()
    signature = time.to_bytes(8, "big") + (signer or key(name)).sign(message)
    return f"— {name} {encode_base64(note_key_id(name, COSIGNATURE_V1, key(name).verify_key) + signature)}\n"
