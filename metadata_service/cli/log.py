"""`lineproof log`: checkpoint, evidence, verification, fsck, and moving a log. Reads the log itself, whether a service runs or not."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli.evidence import checkpoint_of
from metadata_service.cli.options import Data
from metadata_service.cli.output import Json, note, print_json, say
from metadata_service.cli.watch import watch

if TYPE_CHECKING:
    from lineproof_audit.fsck import FsckReport
    from lineproof_audit.log import Log
    from lineproof_audit.trust import Trust as TrustFile
    from lineproof_audit.verify import Verdict

__all__ = ["app"]

MAX_BUNDLE_BYTES = 2 * 2**30  # all leaves of some 4 million entries; a larger file is not read into memory by mistake
VERIFIER_PAGE = Path(__file__).resolve().parents[1] / "_verifier" / "verifier.html"  # where `make ui` writes, and what the wheel carries
app = typer.Typer(help="The transparency log: checkpoint, prove, verify, fsck, watch, export, import.", no_args_is_help=True)

Trust = Annotated[Path | None, typer.Option("--trust", help="Trust file, see lineproof keys trust.")]


app.command("watch")(watch)


@app.command("checkpoint")
def checkpoint(data: Data = None, as_json: Json = False) -> None:
    """The latest signed checkpoint (C2SP signed note)."""
    with _log(data) as log:
        text = log.reader.checkpoint()
    if text is None:
        raise LineproofError("no checkpoint is published yet", code="not-found")
    if as_json:
        origin, size, root = text.split("\n")[:3]
        print_json({"origin": origin, "size": int(size), "rootHash": root, "note": text})
    else:
        say(text.rstrip("\n"))


@app.command("prove")
def prove(index: Annotated[list[int], typer.Argument(min=0, help="Entries to prove.")],
          out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the bundle here instead of to the screen.")] = None,
          with_leaves: Annotated[bool, typer.Option(help="Add all leaves, for the level keys-complete.")] = False, data: Data = None) -> None:
    """An evidence bundle for entries: one JSON file that is verified offline."""
    from lineproof_audit.bundle import build_bundle

    with _log(data) as log:
        bundle = build_bundle(log.reader, log.keyring, query={"entries": index}, answer=None, cited=index, tool_version=f"lineproof {version('lineproof')}",
                              with_leaves=with_leaves, quorum=log.quorum)
    if out is None:
        print_json(bundle)
    else:
        out.write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
        note(f"wrote {out}, {checkpoint_of(bundle)}; verify it with: lineproof log verify {out} --trust FILE")


@app.command("verify")
def verify(bundle: Annotated[Path, typer.Argument(help="Evidence bundle.")], trust: Trust = None,
           require: Annotated[str | None, typer.Option(help="Least level that passes: included, keys-complete, derived or complete.")] = None,
           log: Annotated[str | None, typer.Option("--log", help="The whole log, for the level complete: an export, a directory or postgresql://…")] = None,
           as_json: Json = False) -> None:
    """Verify a bundle offline, believing only the trust file. Exit 1 if it fails, or is not anchored."""
    from lineproof_audit.trust import load_trust
    from lineproof_audit.verify import NOT_TRIED, verify_bundle

    try:
        if bundle.stat().st_size > MAX_BUNDLE_BYTES:
            raise typer.BadParameter(f"{bundle} is larger than {MAX_BUNDLE_BYTES} bytes")
        document = json.loads(bundle.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{bundle}: {error}") from error
    believed = None if trust is None else load_trust(trust)
    verdict = verify_bundle(document, believed, require)
    if believed is not None and "included" in verdict.levels and (require in ("derived", "complete") or log is not None):
        replays, left_open = _replays(document, verdict, believed, log)
        verdict = verify_bundle(document, believed, require, replays, left_open)
    if as_json:
        print_json(verdict.to_json())
    else:
        say("verified" if verdict.ok else f"NOT verified: {verdict.code}")
        say(f"levels: {', '.join(verdict.levels) or 'none'}")
        for level, reasons in verdict.reasons.items():
            for reason in reasons:
                if reason != NOT_TRIED:
                    say(f"  {level} not reached: {reason}")
        for text in verdict.notes:
            say(f"  note: {text}")
        say(verdict.statement)
    if not verdict.ok:
        raise typer.Exit(1)


@app.command("verifier")
def verifier(out: Annotated[Path, typer.Argument(help="Where to write the page, for example verifier.html.")]) -> None:
    """Write the page that verifies evidence in a browser: one file, opened from disk, that asks nobody."""
    if not VERIFIER_PAGE.is_file():
        raise LineproofError("this installation was built without the verifier page; in a checkout: make ui", code="not-found")
    try:
        out.write_bytes(VERIFIER_PAGE.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}") from error
    say(f"{out}, SHA-256 {hashlib.sha256(out.read_bytes()).hexdigest()}: open it in a browser, give it the evidence and the trust file.")


@app.command("fsck")
def fsck(target: Annotated[str | None, typer.Argument(help="A URL (…/api/v1/log), a folder of tiles, an export, a data directory or postgresql://…; default: "
                                                      "the log of the settings.")] = None, trust: Trust = None,
         signatures: Annotated[bool, typer.Option(help="Check the signatures of producers too, which takes most of the time.")] = True,
         as_json: Json = False) -> None:
    """Re-derive everything the log holds; names the first bad entry and exits 1 if anything is wrong."""
    from lineproof_audit.fsck import fsck as check
    from lineproof_audit.fsck_open import opened_for_fsck
    from lineproof_audit.trust import Trust, TrustedLog, load_trust

    settings = _settings(None)
    believed = None if trust is None else load_trust(trust)
    named = target or settings.database_url or str(settings.data)
    reports = {}
    with opened_for_fsck(named, tiles=None if target else settings.tiles_url, token=settings.token and settings.token.get_secret_value()) as sources:
        for what, source in sources:
            reports[what] = check(source, trust=believed, signatures=signatures)
            if believed is None and reports[what].log_keys:  # a copy of the log is signed by the keys that the log itself names
                believed = Trust(tuple(TrustedLog(key) for key in reports[what].log_keys))
    main, *copies = reports.items()
    if as_json:
        print_json(main[1].to_json() | {what: report.to_json() for what, report in copies})
    else:
        for what, report in reports.items():
            _say_report(what, report)
    if not all(report.ok for report in reports.values()):
        raise typer.Exit(1)


@app.command("export")
def export(folder: Annotated[str, typer.Argument(help="Where to: a directory or fsspec URL, empty or with an earlier export of this log.")], data: Data = None,
           as_json: Json = False) -> None:
    """Write the whole log to files: C2SP tlog-tiles, bodies, every checkpoint. Goes on where an earlier run ended; a service may run.

    The bodies are readable in it and keys are not: keep it as the log itself, and move keys/ and the state directory apart from it.
    """
    from lineproof_audit.export import export_log
    from lineproof_audit.folder import open_folder

    with _log(data) as log:
        done = export_log(log.store, open_folder(folder), origin=log.origin, tool_version=f"lineproof {version('lineproof')}",
                          progress=lambda entries: note(f"{entries} entries"))
    if as_json:
        print_json({"origin": done.origin, "size": done.size, "rootHash": done.root.hex(), "folder": folder})
    else:
        say(f"{done.size} entries of {done.origin} are in {folder}. Check them with: lineproof log fsck {folder} --trust TRUST_FILE")


@app.command("import")
def import_(folder: Annotated[str, typer.Argument(help="An export: a directory or fsspec URL.")], data: Data = None, trust: Trust = None,
            as_json: Json = False) -> None:
    """Check an export and write it into an empty data directory or database. Goes on where an earlier run ended; no service may run."""
    from lineproof_audit.export import import_log
    from lineproof_audit.folder import open_folder
    from lineproof_audit.log import open_store
    from lineproof_audit.trust import load_trust

    settings = _settings(data)
    store = open_store(settings.database_url or settings.data)
    try:
        report = import_log(open_folder(folder), store, trust=None if trust is None else load_trust(trust),
                            progress=lambda entries: note(f"{entries} entries"))
    finally:
        store.close()
    if as_json:
        print_json({"origin": report.origin, "size": report.entries, "location": store.location})
        return
    say(f"{report.entries} entries of {report.origin} are in {store.location}.")
    if not (settings.data / "keys" / "log.pem").exists():
        say(f"Copy the keys directory of the log to {settings.data / 'keys'} before you serve it.")
    say(f"On a machine that did not sign it before: lineproof log adopt --checkpoint {folder}/checkpoint. Never serve the old copy again.")


@app.command("adopt")
def adopt(checkpoint: Annotated[Path, typer.Option("--checkpoint", help="The latest checkpoint anybody holds of this log.")], data: Data = None,
          as_json: Json = False) -> None:
    """Take a checkpoint as the record of what was signed, after the state directory was lost. No service may run on the log."""
    from lineproof_audit.log import Log

    settings = _settings(data)
    try:
        text = checkpoint.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{checkpoint}: {error}") from error
    with Log.open(settings.database_url or settings.data, data=settings.data if settings.database_url else None, state_dir=settings.state_dir,
                  checkpoint_lock=settings.checkpoint_lock) as log:
        adopted = log.integrator.adopt(text)
    if as_json:
        print_json({"origin": adopted.origin, "size": adopted.size, "rootHash": adopted.root.hex()})
    else:
        say(f"The record of {adopted.origin} is size {adopted.size}, root {adopted.root.hex()}.")


@contextmanager
def _log(data: Path | None) -> Iterator[Log]:
    from lineproof_audit.log import Log

    settings = _settings(data)
    with Log.open(settings.database_url or settings.data, readonly=True, state_dir=settings.state_dir, witnesses=settings.witnesses) as log:
        yield log


def _settings(data: Path | None) -> Any:
    from metadata_service.settings import load_settings

    return load_settings(data=data)


def _replays(document: Any, verdict: Verdict, trust: TrustFile, log: str | None) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Why the levels that need the question asked again are not reached, and what the strongest of them left open. Takes the service's packages,
    which the lower levels do not."""
    import asyncio

    from lineproof_audit.bundle import parse_bundle
    from metadata_service.cli.replay import question_of, replayed_from_evidence, replayed_from_log

    question = question_of(document)
    if question is None:
        return {"derived": ("the bundle holds no question that can be asked again",)}, ()
    strongest = asyncio.run(replayed_from_evidence(question, parse_bundle(document)))
    found = {"derived": strongest.reasons}
    if log is not None and verdict.checkpoint is not None:
        strongest = asyncio.run(replayed_from_log(question, verdict.checkpoint, log, trust))
        found["complete"] = strongest.reasons
    return found, strongest.left_open


def _say_report(what: str, report: FsckReport) -> None:
    say(f"{what}: {report.entries} entries, checkpoint {'none' if report.checkpoint_size is None else report.checkpoint_size}: "
        f"{'ok' if report.ok else f'{report.errors} errors'}{f', {report.warnings} warnings' if report.warnings else ''}")
    if report.bodies != "all":
        say(f"  bodies were not checked{' but those of keys and policy' if report.bodies == 'control' else ''}: there are only leaves here")
    elif not report.signatures:
        say("  signatures were not checked")
    if report.first_bad_index is not None:
        say(f"first bad entry: {report.first_bad_index}")
    for finding in report.findings:
        say(f"  {finding.severity}: {finding.kind}{'' if finding.index is None else f' at entry {finding.index}'}: {finding.detail}")
