"""`lineproof ci record|enrol` and `lineproof emit`: the producer's commands, part of the base install.

Exit codes: 0 acknowledged, 1 refused (the event lies in `dead/`), 2 usage, 3 not reached (the event waits in the spool).
"""
from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ingest_hooks.ci import ci_environment, commit_data
from ingest_hooks.emitter import Emitter
from ingest_hooks.errors import GitError
from ingest_hooks.git import GitRepository
from ingest_hooks.receipt import Receipt
from lineproof_schema.errors import LineproofError

__all__ = ["ci_app", "emit_command"]

REFUSED, USAGE, UNREACHED = 1, 2, 3

ci_app = typer.Typer(help="What a CI job tells the log.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option(envvar="LINEPROOF_URL", help="Address of the service; default: what stands beside the key.")]
Key = Annotated[Path | None, typer.Option(envvar="LINEPROOF_KEY", help="Signing key (PEM).")]
Token = Annotated[str | None, typer.Option(envvar="LINEPROOF_TOKEN", help="Bearer token; better given as LINEPROOF_TOKEN.")]
SpoolFolder = Annotated[Path | None, typer.Option("--spool", envvar="LINEPROOF_SPOOL", help="Folder for what is not yet acknowledged.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for the acknowledgement.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@ci_app.callback()
def ci() -> None:
    """What a CI job tells the log."""


@ci_app.command("record")
def record(revision: Annotated[str, typer.Option("--rev", help="The commit.")] = "HEAD",
           since: Annotated[str | None, typer.Option(help="Record all commits after this one up to --rev, oldest first.")] = None,
           repo: Annotated[Path, typer.Option(help="A path inside the working tree.")] = Path("."),
           repository: Annotated[str | None, typer.Option(help="Name of the repository (host/owner/name); default: from remote origin or CI.")] = None,
           url: Url = None, key: Key = None, token: Token = None, spool: SpoolFolder = None, timeout: Timeout = 30.0,
           close_stream: Annotated[bool, typer.Option(help="Say that this job sends nothing after this (a dropped tail then shows).")] = False,
           as_json: AsJson = False) -> None:
    """Record a commit: sha, parents, author, changed files, dirty flag, and the CI run."""
    try:
        tree = GitRepository(repo, name=repository)
        shas = tree.between(since, revision) if since is not None else [tree.resolve(revision)]
        facts = [commit_data(tree.commit(sha), ci_environment(), repository=repository) for sha in shas]
    except GitError as error:
        _fail(error.detail)
    emitter = Emitter.from_env(url=url, key=key, token=token, spool=spool)
    receipts = [emitter.emit("lineproof.commit.v1", data, closes_stream=close_stream and number == len(facts)) for number, data in enumerate(facts, 1)]
    labels = [f"{data['sha'][:12]} {data['subject']}{' (dirty)' if data['dirty'] else ''}" for data in facts]
    _finish(emitter, receipts, labels, timeout, as_json)


@ci_app.command("enrol")
def enrol_command(url: Annotated[str, typer.Option(envvar="LINEPROOF_URL", help="Address of the service.")],
                  out: Annotated[Path, typer.Option(help="Folder for the job's key; a temporary one of the job.")] = Path(".lineproof-job"),
                  origin: Annotated[str | None, typer.Option(help="Origin of the log; default: what the service says.")] = None,
                  as_json: AsJson = False) -> None:
    """Enrol a key for this CI job with its identity token (GitHub, GitLab). Prints the variables the job's other commands need."""
    from ingest_hooks.enrolment import enrol

    try:
        made = enrol(url, out, origin=origin)
    except LineproofError as error:
        typer.echo(f"lineproof: {error.detail} [{error.code}]", err=True)
        raise typer.Exit(UNREACHED if error.entry.status == 503 else REFUSED) from None
    variables = {"LINEPROOF_URL": made.url, "LINEPROOF_KEY": str(made.key.absolute()), "LINEPROOF_TOKEN": made.token}
    if as_json:
        typer.echo(json.dumps({"keyId": made.key_id, "binding": made.binding, "notAfter": made.not_after, "variables": variables}, indent=2))
    else:
        if os.environ.get("GITHUB_ACTIONS") == "true":
            typer.echo(f"::add-mask::{made.token}", err=True)  # the runner then blots it out of the job's log
        for name, value in variables.items():
            typer.echo(f"{name}={value}")
        typer.echo(f"key {made.key_id[:16]}… of binding {made.binding}", err=True)


def emit_command(file: Annotated[Path, typer.Argument(help="JSON: one event, an array, or one per line; - reads standard input.")],
                 url: Url = None, key: Key = None, token: Token = None, spool: SpoolFolder = None, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Sign and send events from a file: {"type": "lineproof.<noun>.v1", "data": {…}} or OpenLineage."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        events = list(_events(text))
        if not events:
            raise ValueError("no event in it")
    except (OSError, ValueError) as error:
        _fail(f"{file}: {error}")
    emitter = Emitter.from_env(url=url, key=key, token=token, spool=spool)
    receipts = [_emit(emitter, event) for event in events]
    _finish(emitter, receipts, [str(event.get("type") or event.get("eventType") or "openlineage") for event in events], timeout, as_json)


def _events(text: str) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads(text)
        items = document if isinstance(document, list) else [document]
    except ValueError:
        items = [json.loads(line) for line in text.splitlines() if line.strip()]
    for item in items:
        if not isinstance(item, dict):
            raise ValueError("an event is a JSON object")
        yield item


def _emit(emitter: Emitter, event: dict[str, Any]) -> Receipt:
    kind = event.get("type")
    if isinstance(kind, str) and "data" in event:
        return emitter.emit(kind, event["data"], event_id=event.get("id"))
    return emitter.openlineage(event)


def _finish(emitter: Emitter, receipts: list[Receipt], labels: list[str], timeout: float, as_json: bool) -> None:
    """Wait for the service, say what became of each event, exit with the worst."""
    emitter.flush(timeout)
    placed = {(ack.stream, ack.sequence): ack.index for ack in emitter.acknowledgements()}
    drained, stats = emitter.close(0.1), emitter.stats()
    rows = []
    for receipt, label in zip(receipts, labels, strict=True):
        index = placed.get((receipt.stream or "", receipt.sequence or 0))
        state = "acknowledged" if index is not None else receipt.status if not receipt.ok else "refused" if drained else "waiting"
        rows.append({"event": label, "state": state, "index": index, **asdict(receipt)})
    if as_json:
        typer.echo(json.dumps({"events": rows, "stats": asdict(stats)}, indent=2))
    else:
        for row in rows:
            entry = "" if row["index"] is None else f"entry {row['index']}"
            typer.echo(f"{row['state']:<13}{entry:<12}{row['event']}{': ' + row['reason'] if row['reason'] else ''}")
    states = {row["state"] for row in rows}
    if states & {"refused", "dead", "dropped"}:
        raise typer.Exit(REFUSED)
    if "waiting" in states:
        typer.echo("the service did not acknowledge in time; the events wait in the spool", err=True)
        raise typer.Exit(UNREACHED)


def _fail(text: str) -> NoReturn:
    typer.echo(f"lineproof: {text}", err=True)
    raise typer.Exit(USAGE)
