"""Ed25519 keys: signing, verifying, key ids, and key files.

A key's id is the SHA-256 of its SubjectPublicKeyInfo (DER) in lower-case hex. A signing key lies as PKCS#8 PEM with mode 0600
beside `<name>.json {origin, url, keyid, tenant}`, which is where an offline hook learns the audience of what it signs.
Sources: RFC 8032 (Ed25519), RFC 8410 (its SPKI and PKCS#8 form).
"""
from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lineproof_audit.durable import create_durably, write_durably
from lineproof_audit.errors import BadSignature, InvalidKey, KeyFileError

__all__ = ["KeyInfo", "SigningKey", "VerifyKey"]

# RFC 8410: every Ed25519 SubjectPublicKeyInfo is these 12 bytes and the 32 raw ones, so a key has one spelling and one id.
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
_MAX_KEY_FILE_BYTES = 64 * 1024  # a PKCS#8 Ed25519 PEM has 119 bytes; more is not a key


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """An Ed25519 public key, made from its SubjectPublicKeyInfo (DER).

    Raises:
        InvalidKey: `spki` is not the DER of an Ed25519 public key.
    """

    spki: bytes
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.spki) != 44 or not self.spki.startswith(_SPKI_PREFIX):
            raise InvalidKey("not the SubjectPublicKeyInfo (DER) of an Ed25519 key")
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.spki[12:]))

    @classmethod
    def from_raw(cls, raw: bytes) -> VerifyKey:
        """From the 32 bytes of RFC 8032."""
        return cls(_SPKI_PREFIX + raw)

    @property
    def keyid(self) -> str:
        """64 lower-case hex characters: SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def raw(self) -> bytes:
        """The 32 bytes of RFC 8032."""
        return self.spki[12:]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises BadSignature if `signature` is not this key's over `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise BadSignature(f"the signature does not verify under key {self.keyid}", keyid=self.keyid) from error


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What stands beside a signing key: the log it signs for (`origin`, `url`), its id, and its tenant (32 hex or None)."""

    origin: str
    url: str | None
    keyid: str
    tenant: str | None

    @classmethod
    def beside(cls, pem: Path | str) -> KeyInfo:
        """Read `<name>.json` beside `<name>.pem`.

        Raises:
            KeyFileError: it is missing or malformed.
        """
        path = Path(pem).with_suffix(".json")
        try:
            document = json.loads(path.read_bytes()[:_MAX_KEY_FILE_BYTES])
            return cls(str(document["origin"]), document.get("url"), str(document["keyid"]), document.get("tenant"))
        except OSError as error:
            raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyFileError(f"{path} is not {{origin, url, keyid, tenant}}") from error


class SigningKey:
    """An Ed25519 private key. Its bytes leave the object only by `save`."""

    __slots__ = ("_key", "keyid", "verify_key")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verify_key = VerifyKey.from_raw(key.public_key().public_bytes_raw())
        self.keyid = self.verify_key.keyid

    def __repr__(self) -> str:
        return f"SigningKey(keyid={self.keyid!r})"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """From the 32-byte private key of RFC 8032 (fixed keys of vectors)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path | str) -> SigningKey:
        """Read a PKCS#8 PEM.

        Raises:
            KeyFileError: the file is missing, readable or writable by others than its owner, not an Ed25519 key, or the
                `<name>.json` beside it names another key.
        """
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # as slow to import as all else here; a verifier loads no file

        path = Path(path)
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # of what we read, not of what the path names a moment later
                if mode & 0o077:
                    raise KeyFileError(f"{path} has mode {mode:04o}: a signing key must be 0600 (chmod 600 {path})")
                pem = file.read(_MAX_KEY_FILE_BYTES)
        except OSError as error:
            raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileError(f"{path} is not an unencrypted PKCS#8 PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} is not an Ed25519 key")
        loaded = cls(key)
        if path.with_suffix(".json").exists() and KeyInfo.beside(path).keyid != loaded.keyid:
            raise KeyFileError(f"{path.with_suffix('.json')} names another key than {path}")
        return loaded

    def save(self, directory: Path | str, name: str, origin: str, url: str | None = None, tenant: str | None = None) -> Path:
        """Write `<directory>/<name>.pem` (0600) and `<name>.json`, fsynced; the directory is made 0700 if it is missing.

        The PEM comes last and whole: where it lies, the other lies too. A crash before leaves at most a `<name>.json` that names no key.

        Returns:
            The path of the PEM file.

        Raises:
            KeyFileError: a file of that name exists (a key is never overwritten) or the disk refuses.
        """
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        directory = Path(directory)
        pem, info = directory / f"{name}.pem", directory / f"{name}.json"
        body = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        document = json.dumps({"origin": origin, "url": url, "keyid": self.keyid, "tenant": tenant}, indent=2) + "\n"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if pem.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(pem))
            write_durably(info, document.encode("utf-8"))
            create_durably(pem, body, 0o600)
        except FileExistsError as error:
            raise KeyFileError(f"{error.filename} exists; a key is never overwritten") from error
        except OSError as error:
            raise KeyFileError(f"cannot write {pem}: {error.strerror}") from error
        return pem

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over `message`."""
        return self._key.sign(message)
