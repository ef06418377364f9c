"""`lineproof ci gate`: what a pull request takes away, and whom that breaks."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents
from metadata_service.cli.asking import Ask, Target, error_of
from metadata_service.cli.output import Json, note, print_json, say
from metadata_service.cli.questions import Data, Server, Token
from metadata_service.gate.changes import changes
from metadata_service.gate.mended import mended
from metadata_service.gate.schemas import Change, Schemas
from metadata_service.gate.verdict import Checked, FailOn, breaking, fails, possible

__all__ = ["gate"]


def gate(base: Annotated[Path, typer.Option(help="Schemas before: dbt's manifest.json or catalog.json, SQL, Avro, JSON Schema, or a folder of them.")],
         head: Annotated[Path, typer.Option(help="Schemas after, in the same form.")],
         fail_on: Annotated[FailOn, typer.Option("--fail-on", help="live: only what breaks a live deployment or a consumer. possible: also what is not "
                                                                    "certain, or not known.")] = FailOn.breaking,
         dialect: Annotated[str | None, typer.Option(help="Dialect of SQL files; a manifest says its own.")] = None,
         namespace: Annotated[str | None, typer.Option(help="Namespace of the tables, where several have tables of the same names.")] = None,
         out: Annotated[Path | None, typer.Option("--out", help="Add the report to this file, too (for instance $GITHUB_STEP_SUMMARY).")] = None,
         sarif: Annotated[Path | None, typer.Option(help="Write SARIF for code scanning.")] = None,
         junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
         server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """What a change drops or makes another, who reads it, and by which path, as Markdown. Exits 1 if the policy keeps the change out.

    Asks a service, a data directory without one, or an exported snapshot (`--data graph.snapshot`).
    """
    from importlib.metadata import version

    from metadata_service.cli.views.gate import markdown
    from metadata_service.gate import formats
    from metadata_service.gate.read import read_schemas, shown

    before, after = read_schemas(base, dialect), read_schemas(head, dialect)
    found = changes(before, after)
    if len(before.tables) > 1 and {name.casefold() for name in before.tables}.isdisjoint(name.casefold() for name in after.tables):
        note(f"No table of {base} is in {head}: are both of the same project, made for the same target?")
    checked = _check(Target(server, token, data), found, before, after, namespace) if found else []
    report = markdown(checked, fail_on)
    for file, text, mode in ((out, report, "a"), (sarif, sarif and formats.sarif(checked, version("lineproof"), shown(head)), "w"),
                             (junit, junit and formats.junit(checked, fail_on), "w")):
        if file is not None:
            _write(file, str(text), mode)
    failed = [each for each in checked if fails(each, fail_on)]
    if as_json:
        print_json({"breaking": breaking(checked), "possible": possible(checked), "failed": len(failed), "failOn": fail_on.value,
                    "changes": [{"kind": each.change.kind, "name": each.change.name, "detail": each.change.detail, "file": each.change.file,
                                 "line": each.change.line, "unknown": each.why, "mended": list(each.mended), "impact": each.impact} for each in checked]})
    else:
        say(report.rstrip("\n"))
    if failed:
        if not as_json:
            note(f"{len(failed)} of {len(checked)} changes are kept out (--fail-on {fail_on.value})")
        raise typer.Exit(1)


def _write(file: Path, text: str, mode: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:  # not a finding: the exit code has to tell them apart
        raise LineproofError(f"{file} cannot be written: {error.strerror}", code="invalid-argument") from error


def _check(target: Target, found: Sequence[Change], base: Schemas, head: Schemas, namespace: str | None) -> list[Checked]:
    async def work(ask: Ask) -> dict[str, Any]:
        at: dict[str, Any] = {}  # all changes are asked about at the position of the first answer
        checked: list[Checked] = []
        for change in found:
            urn, why = await _meant(ask, change, namespace)
            if urn is None:
                checked.append(Checked(change, None, why))
                continue
            impact = await _impact(ask, change, urn, at)
            at = at or {"at": {"size": impact["computedAt"]["size"]}}
            mending = mended(change, impact, base, head)
            if mending:
                impact = await _impact(ask, change, urn, at, notReadBy=list(mending))
            checked.append(Checked(change, impact, None, tuple(mending.values())))
        return {"checked": checked}

    checked: list[Checked] = target.ask(work)["checked"]
    return checked


async def _meant(ask: Ask, change: Change, namespace: str | None) -> tuple[str | None, str | None]:
    """The URN of what a change is about, or why there is none: nothing, or more than one thing, is called so."""
    if change.kind == "not-followed":
        return None, "what this statement takes away cannot be followed"
    name = change.name if namespace is None else f"{namespace}/{change.name}"
    body = await ask(documents.RESOLVE, {"ref": {"name": name, "kinds": ["DATASET" if change.column is None else "COLUMN"]}})
    if body.get("errors"):
        error = error_of(body["errors"][0])
        if error.code == "ambiguous-name":
            return None, f"{error.detail}; --namespace says which is meant"
        raise error
    entity = body["data"]["entity"]["entity"]
    return (entity["urn"], None) if entity is not None else (None, f"nothing recorded is called {name}")


async def _impact(ask: Ask, change: Change, urn: str, at: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"kind": change.kind.upper().replace("-", "_"), "urn": urn, **more}
    if change.after is not None:
        asked |= {"type": change.after, **({"typeBefore": change.before} if change.before is not None else {})}
    body = await ask(documents.IMPACT, {"change": asked, **at})
    if body.get("errors"):
        raise error_of(body["errors"][0])
    found: dict[str, Any] = body["data"]["impact"]
    return found
