"""A manifest read back: who signed it, the artifacts it names, and the order in which its steps run."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rfc8785
from pydantic import ValidationError

from lineproof_audit.envelope import MAX_ENVELOPE_BYTES, PAYLOAD_INTOTO, Envelope, parse_envelope, verify_envelope
from lineproof_audit.errors import BadSignature, EnvelopeError
from lineproof_audit.keys import VerifyKey
from lineproof_schema.urn import kind_of
from metadata_service.reproduce.errors import ManifestError
from metadata_service.reproduce.shape import check_predicate, first_problem
from metadata_service.reproduce.shapes import MANIFEST_TYPE, STATEMENT_TYPE

__all__ = ["ROLES", "Blob", "Plan", "load_plan", "plan_of", "verify_signature"]

ROLES: Final = ("code", "module", "configuration", "lockfile", "input", "original")
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Blob:
    """An artifact that a plan needs: what it is for, its name there, and its SHA-256 (hex)."""

    role: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a manifest asks for. `steps` and `inputs` are its own dictionaries, checked to have the fields that are used."""

    statement: Mapping[str, Any]
    digest: str
    envelope: Envelope | None
    steps: tuple[Mapping[str, Any], ...]
    inputs: tuple[Mapping[str, Any], ...]
    blobs: tuple[Blob, ...]

    @property
    def rebuildable(self) -> bool:
        return bool(self.statement["predicate"]["status"] == "rebuildable")

    @property
    def reasons(self) -> list[Mapping[str, Any]]:
        """Why it cannot be rebuilt: `{code, subject, detail}`."""
        return list(self.statement["predicate"]["reasons"])

    @property
    def size(self) -> int:
        """The position that the manifest is of; 0 if it does not say."""
        size = (self.statement["predicate"]["buildDefinition"]["externalParameters"].get("asOf") or {}).get("size")
        return size if isinstance(size, int) else 0

    @property
    def target(self) -> str:
        return str(self.statement["predicate"]["buildDefinition"]["externalParameters"]["target"])


def load_plan(path: Path) -> Plan:
    """Read a file that `lineproof manifest` wrote: a DSSE envelope around the statement.

    Raises:
        ManifestError: `invalid-manifest`.
    """
    try:
        if path.stat().st_size > MAX_ENVELOPE_BYTES:
            raise ManifestError(f"{path} has {path.stat().st_size} bytes, a manifest at most {MAX_ENVELOPE_BYTES}")
        envelope = parse_envelope(path.read_bytes())
        if envelope.payload_type != PAYLOAD_INTOTO:
            raise ManifestError(f"{path} holds {envelope.payload_type}, not an in-toto statement")
        return plan_of(json.loads(envelope.payload), envelope)
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except (EnvelopeError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is no signed statement: {error}") from error


def plan_of(statement: Any, envelope: Envelope | None = None) -> Plan:
    """The plan of a manifest's statement. One that says it can be rebuilt holds nothing that a machine should not act on.

    Raises:
        ManifestError: `invalid-manifest`, a field is missing, of another kind, or names what it must not.
    """
    try:
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != MANIFEST_TYPE:
            raise ManifestError(f"a statement of type {statement.get('predicateType')!r}, not {MANIFEST_TYPE}")
        predicate = statement["predicate"]
        steps, inputs = tuple(_step(step) for step in predicate["steps"]), tuple(_input(each) for each in predicate["inputs"])
        blobs = []
        for row in predicate["buildDefinition"]["resolvedDependencies"]:
            role, digest = row["annotations"]["role"], row.get("digest", {}).get("sha256")
            if role in ROLES and digest is not None and kind_of(str(row["uri"])) == "artifact":
                blobs.append(Blob(role, str(row.get("name", "")), _sha256(digest)))
        _ = predicate["status"], predicate["reasons"], predicate["buildDefinition"]["externalParameters"]["target"], statement["subject"][0]["digest"]
        known = {blob.digest for blob in blobs}
        unpinned = [digest for step in steps for digest in _digests(step) if digest not in known]
        unpinned += [digest for each in inputs if each["retention"]["state"] == "retained" for digest in (each["retention"].get("files") or {}).values()
                     if digest not in known]
        if unpinned:
            raise ManifestError(f"sha256:{unpinned[0]} is used by a step and stands in no dependency")
        if predicate["status"] == "rebuildable":
            check_predicate(predicate)
        digest = hashlib.sha256(envelope.payload if envelope is not None else rfc8785.dumps(statement)).hexdigest()
        return Plan(statement, digest, envelope, steps, inputs, tuple(blobs))
    except ValidationError as error:
        raise ManifestError(f"the manifest asks for what is not done: {first_problem(error)}") from error
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ManifestError(f"the statement is no manifest: {type(error).__name__} {error}") from error


def verify_signature(plan: Plan, keys: Mapping[str, VerifyKey]) -> str:
    """The id of the notary key that signed the manifest.

    Raises:
        ManifestError: `bad-signature`, no key of `keys` signed these bytes.
    """
    if plan.envelope is None:
        raise ManifestError("the manifest is not signed", code="bad-signature")
    for keyid, key in sorted(keys.items(), key=lambda item: item[0] != plan.envelope.keyid if plan.envelope else False):
        try:
            verify_envelope(plan.envelope, key)
        except BadSignature:
            continue
        return keyid
    raise ManifestError("the manifest is not signed by a notary key of this log, or was changed since", code="bad-signature")


def _step(step: Any) -> Mapping[str, Any]:
    _ = step["run"], step["job"][1], step["code"], step["environment"], step["inputs"]
    if step.get("kind") not in ("dbt", "python", None):
        raise ManifestError(f"a step of kind {step.get('kind')!r}")
    for output in step["outputs"]:
        _ = output["version"], output["dataset"][1]
    return dict(step)


def _input(each: Any) -> Mapping[str, Any]:
    _ = each["version"], each["dataset"][1], each["retention"]["state"]
    return dict(each)


def _digests(step: Mapping[str, Any]) -> list[str]:
    code, node, call = step["code"], step.get("node") or {}, step.get("call") or {}
    found = [code.get("rawCode"), code.get("config"), *(code.get("modules") or {}).values(), step["environment"].get("lockfile"),
             *(call.get("files") or {}).values()]
    if step.get("level") == "tolerance":
        found += [digest for output in step["outputs"] for digest in ((output.get("retention") or {}).get("files") or {}).values()]
    for upstream in node.get("upstream") or ():
        found += [upstream.get("code"), *(upstream.get("modules") or {}).values()]
    return [_sha256(digest) for digest in found if digest is not None]


def _sha256(digest: Any) -> str:
    if not isinstance(digest, str) or len(digest) != 64 or not _HEX.issuperset(digest):
        raise ManifestError(f"not a SHA-256: {digest!r}")
    return digest
