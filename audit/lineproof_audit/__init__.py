"""The transparency log of Lineproof: envelopes, keys, tree, checkpoints, proofs, and their verification.

A C2SP tlog (RFC 6962 SHA-256 tree, signed-note checkpoints). Import the modules by name; the names below are the ones most
callers need. Nothing here loads a web framework, pydantic or an HTTP client.
"""
from __future__ import annotations

from lineproof_audit.checkpoint import Checkpoint, TlogProof, open_checkpoint, parse_tlog_proof, sign_checkpoint
from lineproof_audit.envelope import Envelope, parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.errors import AuditError
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import KeyInfo, SigningKey, VerifyKey
from lineproof_audit.leaf import Leaf, body_commitment, encode_leaf, parse_leaf
from lineproof_audit.tree import verify_consistency, verify_inclusion
from lineproof_audit.trust import Trust, load_trust
from lineproof_audit.verify import Verdict, verify_bundle

__all__ = ["AuditError", "Checkpoint", "Envelope", "KeyInfo", "Keyring", "Leaf", "SigningKey", "TlogProof", "Trust", "Verdict", "VerifyKey",
           "body_commitment", "encode_leaf", "load_trust", "open_checkpoint", "parse_envelope", "parse_leaf", "parse_tlog_proof", "sign_checkpoint",
           "sign_envelope", "verify_bundle", "verify_consistency", "verify_envelope", "verify_inclusion"]
