"""The manifest of a past state: an in-toto Statement that pins everything a rebuild needs, or says what is missing.

It holds no clock and nothing of the reader: the same position and the same kept bytes give the same bytes (RFC 8785). SLSA provenance v1
gives the field names; `steps` and `inputs` say what SLSA has no words for. `graph.at` decides what was known, the artifact store what is
still kept: when bytes go, the manifest of the same position says so.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import rfc8785
from anyio import to_thread

from lineproof_audit.envelope import PAYLOAD_INTOTO
from lineproof_schema.urn import format_urn, kind_of, parse_urn
from metadata_service.queries.activity import runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.mask import asked, hidden
from metadata_service.queries.roots import expand
from metadata_service.queries.shapes import Completeness, ComputedAt, Level, of_micros
from metadata_service.reproduce.closure import Walker, artifacts_of, files_of
from metadata_service.reproduce.errors import ManifestError
from metadata_service.reproduce.plan import plan_of
from metadata_service.reproduce.shapes import BUILD_TYPE, MANIFEST_TYPE, STATEMENT_TYPE, Closure, Input, Output, Reason, Step

__all__ = ["Manifest", "ManifestReason", "manifest"]

REBUILDABLE, NOT_REBUILDABLE = "rebuildable", "not-rebuildable"
LINK_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class ManifestReason:
    """Why a state cannot be rebuilt: a stable code, the entity it is about, and a sentence."""

    code: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What it takes to rebuild an entity as it was. `status` is rebuildable or not-rebuildable, with the `reasons`.

    `statement` is the in-toto Statement, `digest` the SHA-256 of its canonical bytes, `envelope` these bytes in a DSSE envelope that the
    log's notary key signed (JSON text). They are null when nothing was ever materialized, or a part is outside the viewer's grants.
    """

    computed_at: ComputedAt
    completeness: Completeness
    status: str
    reasons: tuple[ManifestReason, ...]
    statement: Any
    digest: str | None
    envelope: str | None


async def manifest(context: QueryContext, urn: str) -> Manifest:
    """The manifest of a dataset (its current version), dataset version, run, feature version, or of what a model version was trained on.

    Raises:
        UrnError: `urn` is no URN.
    """
    parsed = parse_urn(urn)
    if await asked(context, urn) is None:
        return await _nothing(context, ())
    moment = await _moment(context)
    walker = Walker(context, moment)
    targets: list[str] = []
    if parsed.kind == "run":
        for run in (await runs(context, [urn])).values():
            await walker.run(run)
    else:
        targets = await _versions(context, urn)
        for target in targets:
            await walker.version(target, build=True)
    masked = await hidden(context, [each for each in walker.urns if kind_of(each) != "run"])
    if masked:
        context.notes.restrict(len(masked))
        return await _nothing(context, ())
    found = walker.found
    if not targets and not any(step.outputs for step in found.steps):
        found.lacks("never-materialized", urn, "no version of it was ever recorded")
        return await _nothing(context, found.reasons)
    statement = _statement(context, urn, targets, found, moment)
    try:
        plan_of(statement)
    except ManifestError as error:  # recorded names that no machine should act on: whoever rebuilds would refuse it
        found.lacks("invalid-recording", urn, error.detail)
        statement = _statement(context, urn, targets, found, moment)
    try:
        payload = rfc8785.dumps(statement)
    except rfc8785.CanonicalizationError as error:
        raise InvalidArgument(f"a recorded parameter cannot be written as canonical JSON: {error}") from error
    envelope = context.room.notarise(PAYLOAD_INTOTO, payload).decode("ascii") if context.room.notarise is not None else None
    return Manifest(await context.computed_at(), context.notes.completeness(), NOT_REBUILDABLE if found.reasons else REBUILDABLE, _said(found.reasons),
                    statement, hashlib.sha256(payload).hexdigest(), envelope)


async def _nothing(context: QueryContext, reasons: Any) -> Manifest:
    return Manifest(await context.computed_at(), context.notes.completeness(), NOT_REBUILDABLE, _said(reasons), None, None, None)


def _said(reasons: list[Reason]) -> tuple[ManifestReason, ...]:
    return tuple(ManifestReason(reason.code, reason.subject, reason.detail) for reason in reasons)


async def _moment(context: QueryContext) -> str | None:
    """When the last entry of the position was received: the log's word, so it is the same for everyone."""
    if context.size == 0:
        return None
    entry = await to_thread.run_sync(context.room.reader.entry, context.size - 1)
    return of_micros(entry.fields.received).isoformat().replace("+00:00", "Z")


async def _versions(context: QueryContext, urn: str) -> list[str]:
    """The dataset versions that stand for an entity."""
    parsed = parse_urn(urn)
    if parsed.kind == "dataset-version":
        return [urn]
    if parsed.kind in ("feature", "model"):
        live = [root.urn for root in await expand(context, urn, Level.ASSET)]
        return list(dict.fromkeys([version for each in live if each != urn for version in await _versions(context, each)]))
    if parsed.kind in ("feature-version", "model-version"):
        kind = "MATERIALIZED_AS" if parsed.kind == "feature-version" else "TRAINED_ON"
        links = (await context.links([urn], [kind], LINK_LIMIT, "versions it was trained on or is kept as")).get(urn)
        pinned = [link.dst for link in links.out] if links is not None else []
        if pinned or parsed.kind == "model-version":
            return pinned[-1:] if parsed.kind == "feature-version" else pinned
        column = (await context.graph.get([urn], context.at))[urn].facts.get("column")
        return await _current(context, format_urn("dataset", str(column["namespace"]), str(column["name"]))) if isinstance(column, dict) else []
    if parsed.kind == "column":
        return await _current(context, str(parsed.parent))
    return await _current(context, urn) if parsed.kind == "dataset" else []


async def _current(context: QueryContext, dataset: str) -> list[str]:
    row = (await context.graph.get([dataset], context.at)).get(dataset)
    version = row.facts.get("currentVersion") if row is not None else None
    return [version] if isinstance(version, str) else []


# ---- the statement

def _statement(context: QueryContext, urn: str, targets: list[str], found: Closure, moment: str | None) -> dict[str, Any]:
    built = {output.version: output for step in found.steps for output in step.outputs}
    kept = {each.version: each for each in found.inputs}
    subjects = [built.get(target) or kept.get(target) for target in targets] or [output for step in found.steps[-1:] for output in step.outputs]
    last = found.steps[-1] if found.steps else None
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": each.version, "digest": _digests(each)} for each in subjects if each is not None] or [{"name": urn, "digest": {"none": ""}}],
        "predicateType": MANIFEST_TYPE,
        "predicate": {
            "status": NOT_REBUILDABLE if found.reasons else REBUILDABLE,
            "reasons": [{"code": reason.code, "subject": reason.subject, "detail": reason.detail} for reason in found.reasons],
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"target": urn, "asOf": {"size": context.size, "rootHash": context.root, "time": moment}},
                "internalParameters": {"locale": "C.UTF-8", "timeZone": "UTC", "hashSeed": 0},
                "resolvedDependencies": _dependencies(found),
            },
            "runDetails": {
                "builder": {"id": format_urn("job", *last.job) if last is not None and all(last.job) else "unknown"},
                "metadata": {} if last is None else _metadata(last),
                "byproducts": [{"name": f"{step.job[1]}.compiled", "uri": format_urn("artifact", f"sha256:{step.compiled}"),
                                "digest": {"sha256": step.compiled}} for step in found.steps if step.compiled],
            },
            "steps": [_step(number, step, found) for number, step in enumerate(found.steps)],
            "inputs": [{"version": each.version, "dataset": list(each.dataset), "fp1": each.fp1, "retention": each.retention} for each in found.inputs],
        },
    }


def _metadata(step: Step) -> dict[str, Any]:
    return {"invocationId": step.run, **({"startedOn": step.started} if step.started else {}), **({"finishedOn": step.finished} if step.finished else {})}


def _digests(each: Input | Output) -> dict[str, str]:
    return {"fp1": str(each.fp1["sha256"])} if each.fp1 is not None else _file_digests(each)


def _file_digests(each: Input | Output) -> dict[str, str]:
    files = files_of(each.retention or {})
    return {"sha256": str(next(iter(files.values())))} if len(files) == 1 else {"lineproofVersion": parse_urn(each.version).components[2]}


def _dependencies(found: Closure) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for step in found.steps:
        sha = str(step.code.get("commit") or step.commit or "")
        if sha:
            sha = parse_urn(sha).components[1] if sha.startswith("urn:") else sha
            where = step.code.get("repository")
            rows["commit", f"{where}{sha}{step.code.get('path')}"] = {
                "uri": f"git+https://{where}" if where else "git", "digest": {"gitCommit": sha},
                "annotations": {"role": "commit", "path": step.code.get("path"), "dirty": bool(step.code.get("dirty", False))}}
        if step.code.get("image"):
            image = str(step.code["image"])
            rows["image", image] = {"uri": format_urn("image", image), **({"digest": {"sha256": image[7:]}} if image.startswith("sha256:") else {}),
                                    "annotations": {"role": "image"}}
        for role, name, digest in artifacts_of(step):
            rows.setdefault((role, name + digest), {"uri": format_urn("artifact", f"sha256:{digest}"), "name": name, "digest": {"sha256": digest},
                                                    "annotations": {"role": role}})
        for output in step.outputs if step.facts.get("level") == "tolerance" else ():
            for name, sha256 in sorted(((output.retention or {}).get("files") or {}).items()):
                rows["original", output.version + name] = _artifact("original", name, sha256, output.version)
    for each in found.inputs:
        state = each.retention["state"]
        rows["input", each.version] = {"uri": each.version, "digest": _digests(each), "annotations": {"role": "input", "retention": state}}
        for name, sha256 in sorted(files_of(each.retention).items()):  # held elsewhere: whoever holds it names it as it likes
            row = _artifact("input", name, sha256, each.version)
            rows["input", each.version + name] = row if state == "retained" else {**row, "uri": str(each.retention.get("reference") or each.version)}
    return [rows[key] for key in sorted(rows)]


def _artifact(role: str, name: str, sha256: str, version: str) -> dict[str, Any]:
    return {"uri": format_urn("artifact", f"sha256:{sha256}"), "name": name, "digest": {"sha256": sha256}, "annotations": {"role": role, "version": version}}


def _step(number: int, step: Step, found: Closure) -> dict[str, Any]:
    made = {output.version: f"step:{at}" for at, earlier in enumerate(found.steps[:number]) for output in earlier.outputs}
    kept = {each.version: f"input:{at}" for at, each in enumerate(found.inputs)}
    facts = step.facts
    code = {**step.code}
    if isinstance(code.get("commit"), str) and code["commit"].startswith("urn:"):
        code["commit"] = parse_urn(code["commit"]).components[1]
    kind = facts.get("kind")
    said = {
        "kind": kind, "run": step.run, "job": list(step.job), "transformation": step.transformation, "code": code, "signedBy": step.signed_by,
        "environment": {name: facts[name] for name in ("lockfile", "lockfileName", "python", "platform", "tools") if facts.get(name)},
        "engine": facts.get("engine"), "parameters": facts.get("parameters") or {}, "node": facts.get("node"), "call": facts.get("call"),
        "compiled": step.compiled, "level": facts.get("level") or "row-set", "tolerance": facts.get("tolerance"),
        "inputs": [{"version": version, "pin": "exact" if exact else "inferred", "from": made.get(version) or kept.get(version)}
                   for version, exact in step.reads],
        "outputs": [{"version": output.version, "dataset": list(output.dataset), "fp1": output.fp1,
                     **({"retention": output.retention} if output.retention is not None else {})} for output in step.outputs],
        **_metadata(step),
    }
    return {name: value for name, value in said.items() if value is not None}
