"""`lineproof manifest|rebuild|rerun`: pin a past state, and build it again on this machine."""
from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents
from metadata_service.cli.asking import Target, ask_about
from metadata_service.cli.notary import notary_here, notary_keys
from metadata_service.cli.output import Json, note, print_json, print_table, say
from metadata_service.cli.questions import At, Data, Entity, Server, Token, position

if TYPE_CHECKING:
    from lineproof_audit.keys import SigningKey, VerifyKey
    from metadata_service.cli.service import ServiceClient
    from metadata_service.reproduce.plan import Plan
    from metadata_service.reproduce.rebuild import Outcome
    from metadata_service.reproduce.sandbox import Sandbox

__all__ = ["register"]

FETCHES_AT_ONCE = 8
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before recorded code runs on this machine.")]
Into = Annotated[Path | None, typer.Option("--into", help="An empty folder to build in; default: rebuild-<digest> here.")]
KeyFile = Annotated[Path | None, typer.Option("--key", envvar="LINEPROOF_KEY", help="Signing key (PEM) for the statement, which then goes into the log.")]
Given = Annotated[list[str] | None, typer.Option("--input", metavar="NAME=PATH", help="The file (or folder of files) of an input that is held elsewhere; "
                                                 "it must have the digests that were recorded. May be given several times.")]
TrustFile = Annotated[Path | None, typer.Option("--trust", help="Trust file (lineproof keys trust): prove that the signing key is the log's.")]


def manifest(entity: Entity, at: At = None, output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the signed manifest.")] = None,
             server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """What it takes to rebuild an entity as it was: code, environment, inputs and parameters by digest. Exits 1 if something is missing."""
    answer = _manifest(Target(server, token, data), entity, at, as_json)
    if output is not None:
        if answer["envelope"] is None:
            raise LineproofError("there is nothing to sign: no version was recorded, it is outside your grants, or the notary key is not here",
                                 code="not-rebuildable", reasons=answer["reasons"])
        output.write_text(answer["envelope"] + "\n", encoding="utf-8")
        note(f"{output}: manifest {answer['digest']}. Rebuild with: lineproof rebuild {output}")
    if not as_json:
        if answer["statement"] is not None:
            from metadata_service.reproduce.plan import plan_of

            _show_plan(plan_of(answer["statement"]))
        _show_status(answer)
    if answer["status"] != "rebuildable":
        raise typer.Exit(1)


def rebuild(file: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A file that lineproof manifest -o wrote.")], yes: Yes = False, into: Into = None,
            given: Given = None, key: KeyFile = None, trust: TrustFile = None, server: Server = None, token: Token = None, data: Data = None,
            as_json: Json = False) -> None:
    """Build a recorded state again from nothing but the log's artifacts, and say how exactly it came out. Exits 1 unless it was reproduced."""
    from metadata_service.reproduce.plan import load_plan

    plan = load_plan(file)
    _run(plan, file.with_suffix(".reproduction.json"), yes=yes, into=into, given=given, key=key, trust=trust, target=Target(server, token, data),
         as_json=as_json, rerun=False)


def rerun(entity: Entity, at: At = None, yes: Yes = False, into: Into = None, given: Given = None, key: KeyFile = None, server: Server = None,
          token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """The steps that would make a run's (or an entity's) data again, what is stored for them and what is missing; --yes runs them, in a folder.

    The events say `purpose: rerun`, so nothing that stands today is replaced; they need a signing key.
    """
    from lineproof_audit.envelope import parse_envelope
    from metadata_service.reproduce.plan import plan_of

    target = Target(server, token, data)
    answer = _manifest(target, entity, at, as_json and not yes)
    if answer["statement"] is None:
        _show_status(answer)
        raise typer.Exit(1)
    envelope = parse_envelope(answer["envelope"].encode()) if answer["envelope"] else None
    plan = plan_of(answer["statement"], envelope)
    if not yes:
        if not as_json:
            _show_plan(plan)
            _show_status(answer)
        raise typer.Exit(0 if plan.rebuildable else 1)
    if key is None:
        raise LineproofError("a rerun is recorded, so it needs a signing key: --key FILE", code="invalid-argument")
    _run(plan, Path(f"rerun-{plan.digest[:12]}.json"), yes=True, into=into, given=given, key=key, trust=None, target=target, as_json=as_json, rerun=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("manifest", manifest), ("rebuild", rebuild), ("rerun", rerun)):
        app.command(name)(command)


# -- asking and showing

def _manifest(target: Target, entity: str, at: str | None, as_json: bool) -> dict[str, Any]:
    return ask_about(target, "manifest", documents.MANIFEST, entity, lambda urn: {"urn": urn, "at": position(at)}, None, as_json)


def _show_plan(plan: Plan) -> None:
    say(f"{plan.target}\n  subject {', '.join(subject['digest'].get('fp1', '')[:16] for subject in plan.statement['subject'])}")
    lacking = Counter(str(reason["subject"]) for reason in plan.reasons)
    print_table(["step", "kind", "job", "commit", "writes", "level", "needs"], (
        [number, step.get("kind"), step["job"][1], str(step["code"].get("commit", ""))[:12] + ("+" if step["code"].get("dirty") else ""),
         " ".join(output["dataset"][1] for output in step["outputs"]), step.get("level"),
         f"{lacking[step['run']]} missing" if lacking[step["run"]] else "stored"] for number, step in enumerate(plan.steps)), "no steps")
    print_table(["input", "version", "bytes"], ([each["dataset"][1], str(each["version"]).rpartition(":")[2][:16], each["retention"]["state"]]
                                                for each in plan.inputs), "no inputs")
    say(f"{len(plan.blobs)} artifacts: " + ", ".join(f"{sum(blob.role == role for blob in plan.blobs)} {role}" for role in dict.fromkeys(
        blob.role for blob in plan.blobs)))


def _show_status(answer: Mapping[str, Any]) -> None:
    say(f"status: {answer['status']}" + (f", manifest {answer['digest']}" if answer["digest"] else ""))
    for reason in answer["reasons"]:
        say(f"  {reason['code']}: {reason['detail']}\n    {reason['subject']}")


# -- running

def _run(plan: Plan, report: Path, *, yes: bool, into: Path | None, given: list[str] | None, key: Path | None, trust: Path | None, target: Target,
         as_json: bool, rerun: bool) -> None:
    from metadata_service.cli.service import ask
    from metadata_service.reproduce.given import assigned
    from metadata_service.reproduce.rebuild import Outcome, Verdict, verified
    from metadata_service.reproduce.rebuild import rebuild as run_plan
    from metadata_service.reproduce.reproduction import reproduction, rerun_events
    from metadata_service.reproduce.sandbox import Sandbox

    sandbox, inputs = Sandbox((into or Path(f"rebuild-{plan.digest[:12]}")).resolve()), assigned(plan, given or [])
    notary: SigningKey | None = None
    started = _now()

    async def prepared(client: ServiceClient) -> str | None:
        """Everything that comes from the service; why the signature does not count, if it does not."""
        nonlocal notary
        keys = await notary_keys(client, trust, plan.size)
        notary = notary_here(client.settings, keys)
        problem = _signed(plan, keys)
        if problem is not None or not plan.rebuildable:
            return problem
        note(f"Manifest {plan.digest}: the signature is that of this log's notary key" + (", proven by the trust file" if trust else ""))
        try:
            sandbox.make()
        except OSError as error:
            raise LineproofError(f"--into needs an empty folder: {error}", code="invalid-argument") from error
        await _fetch(client, plan, sandbox)
        return None

    problem = ask(prepared, data=target.data, url=target.server, token=target.token)
    ready = Outcome(Verdict.bad_signature, problem) if problem is not None else verified(plan, sandbox, inputs)
    if isinstance(ready, Outcome):
        outcome = ready
        if sandbox.folder.is_dir() and problem is None and plan.rebuildable:
            sandbox.remove()
    else:
        note(f"{len(plan.blobs)} artifacts have the digests that the manifest pins")
        if not yes:
            _show_plan(plan)
            if not typer.confirm(f"Run this recorded code in {sandbox.folder}, with this user's rights and no credentials?"):
                sandbox.remove()
                raise typer.Abort
        outcome = run_plan(ready, sandbox, note)
    statement = reproduction(plan, outcome, started=started, finished=_now())
    index = None
    if key is not None and problem is None:
        events = [("openlineage", event) for done in outcome.done for event in rerun_events(done)] if rerun else []
        index = ask(lambda client: _record(client, key, [*events, ("statement", statement)]), data=target.data, url=target.server, token=target.token)
    _write(report, statement, key, notary)
    _report(outcome, report, index, as_json, statement)


def _report(outcome: Outcome, report: Path, index: int | None, as_json: bool, statement: Mapping[str, Any]) -> None:
    if as_json:
        print_json({"verdict": outcome.verdict.value, "detail": outcome.detail, "statement": statement, "entry": index})
    else:
        say(f"{outcome.verdict.value}: {outcome.detail}")
        where = f", and as entry {index} in the log" if index is not None else ""
        say(f"The reproduction statement is in {report}{where}")
    if not outcome.ok:
        raise typer.Exit(1)


def _signed(plan: Plan, keys: Mapping[str, VerifyKey]) -> str | None:
    """Why the manifest's signature does not count; None if it does."""
    from metadata_service.reproduce.errors import ManifestError
    from metadata_service.reproduce.plan import verify_signature

    try:
        verify_signature(plan, keys)
    except ManifestError as error:
        return error.detail
    return None


async def _fetch(client: ServiceClient, plan: Plan, sandbox: Sandbox) -> None:
    """Get every artifact the service still has; what is missing or changed is found when the digests are checked."""
    import httpx

    from ingest_hooks.artifacts import MAX_ARTIFACT_BYTES

    slots = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def one(digest: str) -> None:
        async with slots:
            try:
                async with client.http.stream("GET", f"/api/v1/artifacts/sha256:{digest}") as response:
                    if response.status_code == 200:
                        with sandbox.artifact(digest).open("wb") as file:
                            async for chunk in response.aiter_bytes():
                                file.write(chunk)
                                if file.tell() > MAX_ARTIFACT_BYTES:
                                    break  # no artifact is that large, so its digest will not be the pinned one
                    elif response.status_code != 404:
                        raise LineproofError(f"the service answered {response.status_code} for artifact sha256:{digest}", code="unreachable")
            except httpx.HTTPError as error:
                raise LineproofError(f"artifact sha256:{digest} cannot be fetched: {error or type(error).__name__}", code="unreachable") from error

    await asyncio.gather(*(one(digest) for digest in sorted({blob.digest for blob in plan.blobs})))


async def _record(client: ServiceClient, key: Path, events: list[tuple[str, dict[str, Any]]]) -> int:
    """Sign events and post them, one stream of their own; the index of the last."""
    from ingest_hooks.segment import StreamHead
    from ingest_hooks.signer import Signer, cloudevent_draft, openlineage_draft
    from lineproof_audit.keys import KeyInfo, SigningKey

    signer, head, index = Signer(SigningKey.load(key), KeyInfo.beside(key).origin), StreamHead.fresh(), -1
    for number, (kind, body) in enumerate(events, 1):
        draft = openlineage_draft(body) if kind == "openlineage" else cloudevent_draft("lineproof.statement.v1", body, source="lineproof rebuild",
                                                                                         event_id=None, time=None)
        signed = signer.sign(draft, head, closes=number == len(events))
        head = signed.head
        answer = await client.call("POST", "/api/v1/events", content=signed.envelope, headers={"Content-Type": "application/json"})
        index = int(answer["index"])
    return index


def _write(report: Path, statement: Mapping[str, Any], key: Path | None, notary: SigningKey | None) -> None:
    """The statement in a DSSE envelope, signed with the key given, else with the log's notary key; as it is, with a note, if neither is here."""
    import rfc8785

    from lineproof_audit.envelope import PAYLOAD_INTOTO, sign_envelope
    from lineproof_audit.keys import SigningKey

    signer = SigningKey.load(key) if key is not None else notary
    if signer is None:
        report.write_text(json.dumps(statement, indent=1) + "\n", encoding="utf-8")
        note("The statement is NOT signed, there is no key here, and not in the log: give --key FILE to sign and record it")
        return
    report.write_bytes(sign_envelope(PAYLOAD_INTOTO, rfc8785.dumps(statement), signer) + b"\n")
    if key is None:
        note("The statement is signed with this log's notary key; give --key FILE to sign it as yours and record it in the log")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
