"""The identity of an event, as keyed hashes that outlive its body.

Identity = (tenant, signer or caller, source, id); equality = payloadType and payload bytes. Both are kept for good, so that a
retry after an erasure still finds its first index, and keyed, so that what was erased cannot be guessed from them. The tenant's
key is derived from one secret, `keys/dedupe.secret`, which is **not** in the database: a stolen dump confirms no guess. Every
process that appends needs the same file.
"""
from __future__ import annotations

import hmac
import os
from pathlib import Path

from lineproof_audit.durable import create_durably
from lineproof_audit.errors import KeyFileError
from lineproof_audit.hashing import HmacKey

__all__ = ["HASH_BYTES", "TenantSecrets"]

SECRET_FILE = "dedupe.secret"  # noqa: S105 (a file name)
SECRET_BYTES = 32
# 128 bits: nobody without the secret can aim for a collision, chance needs 2^64 events, and the index fits the cache twice as long.
HASH_BYTES = 16


class TenantSecrets:
    """Keys derived per tenant from the log's secret."""

    __slots__ = ("_keys", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[str, HmacKey] = {}

    @classmethod
    def load(cls, directory: Path, *, create: bool = False) -> TenantSecrets:
        """Read `<directory>/dedupe.secret`; `create` makes it if it is missing.

        Raises:
            KeyFileError: missing, readable by others, or of the wrong length.
        """
        path = directory / SECRET_FILE
        try:
            if create and not path.exists():
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                create_durably(path, os.urandom(SECRET_BYTES), 0o600)
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise KeyFileError(f"{path} is readable by others: it must be 0600")
                secret = file.read(SECRET_BYTES + 1)
        except OSError as error:
            raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
        if len(secret) != SECRET_BYTES:
            raise KeyFileError(f"{path} does not hold {SECRET_BYTES} bytes")
        return cls(secret)

    @property
    def check(self) -> bytes:
        """A fingerprint of the secret that does not betray it."""
        return hmac.digest(self._secret, b"lineproof/dedupe/check/v1", "sha256")

    def of(self, tenant: str) -> bytes:
        """The key of one tenant (32 bytes)."""
        return hmac.digest(self._secret, b"lineproof/tenant/v1\x00" + tenant.encode("ascii"), "sha256")

    def identity(self, tenant: str, signer: str, source: str, event_id: str) -> bytes:
        """The keyed hash of an event's identity; `signer` is a key id, or the caller's keyed hash if the event came unsigned."""
        who, where = signer.encode("utf-8", "surrogatepass"), source.encode("utf-8", "surrogatepass")
        framed = b"identity\x00%d:%b%d:%b%b" % (len(who), who, len(where), where, event_id.encode("utf-8", "surrogatepass"))
        return self._key(tenant).digest(framed)[:HASH_BYTES]

    def payload(self, tenant: str, payload_type: str, payload: bytes) -> bytes:
        """The keyed hash of what an event says: its type and its bytes."""
        return self._key(tenant).digest(b"payload\x00" + payload_type.encode("utf-8") + b"\x00" + payload)[:HASH_BYTES]

    def _key(self, tenant: str) -> HmacKey:
        key = self._keys.get(tenant)
        if key is None:
            key = self._keys[tenant] = HmacKey(self.of(tenant))
        return key
