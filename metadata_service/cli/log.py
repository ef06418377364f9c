"""`lineproof log`: checkpoint, evidence, verification and fsck. Reads the log itself, whether a service runs or not."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli.options import Data
from metadata_service.cli.output import Json, note, print_json, say

if TYPE_CHECKING:
    from lineproof_audit.log import Log

__all__ = ["app"]

MAX_BUNDLE_BYTES = 2 * 2**30  # all leaves of some 4 million entries; a larger file is not read into memory by mistake
app = typer.Typer(help="The transparency log: checkpoint, prove, verify, fsck.", no_args_is_help=True)

Trust = Annotated[Path | None, typer.Option("--trust", help="Trust file, see lineproof keys trust.")]


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
                              with_leaves=with_leaves)
    if out is None:
        print_json(bundle)
    else:
        out.write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
        note(f"wrote {out}; verify it with: lineproof log verify {out} --trust FILE")


@app.command("verify")
def verify(bundle: Annotated[Path, typer.Argument(help="Evidence bundle.")], trust: Trust = None,
           require: Annotated[str | None, typer.Option(help="Least level that passes: included or keys-complete.")] = None, as_json: Json = False) -> None:
    """Verify a bundle offline, believing only the trust file. Exit 1 if it fails, or is not anchored."""
    from lineproof_audit.trust import load_trust
    from lineproof_audit.verify import verify_bundle

    try:
        if bundle.stat().st_size > MAX_BUNDLE_BYTES:
            raise typer.BadParameter(f"{bundle} is larger than {MAX_BUNDLE_BYTES} bytes")
        document = json.loads(bundle.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{bundle}: {error}") from error
    verdict = verify_bundle(document, None if trust is None else load_trust(trust), require)
    if as_json:
        print_json(verdict.to_json())
    else:
        say("verified" if verdict.ok else f"NOT verified: {verdict.code}")
        say(f"levels: {', '.join(verdict.levels) or 'none'}")
        for level, reasons in verdict.reasons.items():
            for reason in reasons:
                say(f"  {level} not reached: {reason}")
        for text in verdict.notes:
            say(f"  note: {text}")
        say(verdict.statement)
    if not verdict.ok:
        raise typer.Exit(1)


@app.command("fsck")
def fsck(target: Annotated[str | None, typer.Argument(help="Data directory or postgresql:// URL; default: that of the settings.")] = None, trust: Trust = None,
         signatures: Annotated[bool, typer.Option(help="Check the signatures of producers too, which takes most of the time.")] = True,
         as_json: Json = False) -> None:
    """Re-derive everything the log holds; names the first bad entry and exits 1 if anything is wrong."""
    from lineproof_audit.fsck import fsck as check
    from lineproof_audit.trust import load_trust

    believed = None if trust is None else load_trust(trust)
    with _fsck_source(target) as source:
        report = check(source, trust=believed, signatures=signatures)
    if as_json:
        print_json(report.to_json())
    else:
        say(f"{report.entries} entries, checkpoint {'none' if report.checkpoint_size is None else report.checkpoint_size}: "
            f"{'ok' if report.ok else f'{report.errors} errors'}{f', {report.warnings} warnings' if report.warnings else ''}")
        if not signatures:
            say("signatures were not checked")
        if report.first_bad_index is not None:
            say(f"first bad entry: {report.first_bad_index}")
        for finding in report.findings:
            say(f"  {finding.severity}: {finding.kind}{'' if finding.index is None else f' at entry {finding.index}'}: {finding.detail}")
    if not report.ok:
        raise typer.Exit(1)


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
    with Log.open(settings.database_url or settings.data, readonly=True, state_dir=settings.state_dir) as log:
        yield log


def _settings(data: Path | None) -> Any:
    from metadata_service.settings import load_settings

    return load_settings(data=data)


@contextmanager
def _fsck_source(target: str | None) -> Iterator[Any]:
    from lineproof_audit.fsck_store import StoreSource
    from lineproof_audit.log import open_store

    if target is None:
        settings = _settings(None)
        target = settings.database_url or str(settings.data)
    store = open_store(target, readonly=True)
    try:
        yield StoreSource(store)
    finally:
        store.close()
