"""Errors of the transparency log. Each carries a stable code of `lineproof_schema.errors.CODES`.

    LineproofError
    └── AuditError
        ├── EnvelopeError          not-json | invalid-envelope | unsigned-envelope | too-large
        ├── BadSignature           bad-signature
        ├── InvalidKey             invalid-argument   a public key that is none of ours
        ├── KeyFileError           invalid-setting    a key file that is missing, readable by others, or not a key
        ├── TrustFileError         invalid-setting    a trust file that is no C2SP tlog-policy
        ├── InvalidTilePath        invalid-argument   the address of no tile
        ├── InvalidProof           invalid-proof      a proof, note, checkpoint or bundle that does not verify
        ├── CorruptLog             corrupt-log        what is stored is not what was logged
        │   └── InvalidLeaf
        ├── EquivocationError      equivocation       carries firstIndex and evidenceIndex
        ├── QueueFull              queue-full
        ├── ClockError             clock
        ├── NoSpace                no-space
        ├── LogUnavailable         log-unavailable
        ├── CheckpointLockError    checkpoint-lock
        │   └── LogContradicted
        ├── DataDirectoryLocked    data-directory-locked
        ├── PositionBeyondLog      position-beyond-log
        └── NoSuchEntry            not-found
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["AuditError", "BadSignature", "CheckpointLockError", "ClockError", "CorruptLog", "DataDirectoryLocked", "EnvelopeError", "EquivocationError",
           "InvalidKey", "InvalidLeaf", "InvalidProof", "InvalidTilePath", "KeyFileError", "LogContradicted", "LogUnavailable", "NoSpace", "NoSuchEntry",
           "PositionBeyondLog", "QueueFull", "TrustFileError"]


class AuditError(LineproofError):
    """Root of the errors of this package."""


class EnvelopeError(AuditError):
    """The bytes are not one DSSE envelope with one signature."""

    code = "invalid-envelope"


class BadSignature(AuditError):
    """The signature does not verify under the key it was checked with."""

    code = "bad-signature"


class InvalidKey(AuditError):
    """The bytes are not an Ed25519 public key."""

    code = "invalid-argument"


class KeyFileError(AuditError):
    """A key file is missing, readable by others, would be overwritten, or is not an Ed25519 key."""

    code = "invalid-setting"


class TrustFileError(AuditError):
    """A trust file is not a C2SP tlog-policy this verifier can apply."""

    code = "invalid-setting"


class InvalidTilePath(AuditError):
    """The path is not the address of a tile or entry bundle."""

    code = "invalid-argument"


class InvalidProof(AuditError):
    """A proof, signed note, checkpoint or evidence bundle does not verify or is malformed."""

    code = "invalid-proof"


class CorruptLog(AuditError):
    """What is stored is not what was logged."""

    code = "corrupt-log"


class InvalidLeaf(CorruptLog):
    """The bytes are not a leaf in its one canonical spelling."""


class EquivocationError(AuditError):
    """An event identity was used again with other bytes; both indices stay in the log for ever."""

    code = "equivocation"

    def __init__(self, first_index: int, evidence_index: int) -> None:
        super().__init__(f"this event id names entry {first_index}, which has other bytes; the evidence is entry {evidence_index}",
                         firstIndex=first_index, evidenceIndex=evidence_index)
        self.first_index = first_index
        self.evidence_index = evidence_index


class QueueFull(AuditError):
    """The bounded append queue is full; nothing was taken."""

    code = "queue-full"


class ClockError(AuditError):
    """The host's clock ran backwards or jumped; appending stops so that `received` stays true."""

    code = "clock"


class NoSpace(AuditError):
    """The disk of the log is full; nothing acknowledged was lost."""

    code = "no-space"


class LogUnavailable(AuditError):
    """The store of the log cannot be reached or has no log yet."""

    code = "log-unavailable"


class CheckpointLockError(AuditError):
    """The tree is smaller than, or inconsistent with, the last checkpoint signed; the service refuses to sign."""

    code = "checkpoint-lock"


class LogContradicted(CheckpointLockError):
    """The log lacks, or contradicts, what it signed: whatever is appended to it can never be signed, so nothing is."""


class DataDirectoryLocked(AuditError):
    """Another process writes this data directory."""

    code = "data-directory-locked"


class PositionBeyondLog(AuditError):
    """A size or index lies beyond the log."""

    code = "position-beyond-log"


class NoSuchEntry(AuditError):
    """There is no such entry."""

    code = "not-found"
