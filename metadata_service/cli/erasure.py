"""`lineproof erasure`: what an entry said goes, that it was logged stays."""
from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_audit.envelope import parse_envelope
from lineproof_schema.errors import LineproofError
from metadata_service.cli.admin_entries import AdminKey, admin_key_of, sign_entry
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, note, print_json, print_table, say

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["app"]

app = typer.Typer(help="Erase what an entry said; certificates that it is erased.", no_args_is_help=True)

PATH: Final = "/api/v1/admin/erasures"
CHECK_SECONDS: Final = 3_600.0  # the log is projected twice to see that no later outcome rests on the entry
MAX_CERTIFICATE_BYTES: Final = 64 * 2**20
Entry = Annotated[int, typer.Argument(min=0, help="Entry index.")]


@app.command("order")
def order(entry: Entry, reason: Annotated[str, typer.Option(help="Why; stands in the log for ever, so it names nobody.")],
          legal_basis: Annotated[str | None, typer.Option(help="E.g. 'GDPR Art. 17(1)(a)'.")] = None,
          redact: Annotated[list[str] | None, typer.Option(help="JSON pointer into the event, e.g. /data/owners: a copy without it stands in. Repeatable.")]
          = None,
          replacement: Annotated[Path | None, typer.Option(help="The whole event that stands in, as JSON.")] = None,
          artifact: Annotated[list[str] | None, typer.Option(help="SHA-256 of an artifact that goes with it. Repeat for more.")] = None,
          admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Erase salt and body of an entry, for good. Refused if a later outcome rests on it and nothing stands in."""
    if redact and replacement is not None:
        raise typer.BadParameter("give --redact or --replacement")

    async def work(client: ServiceClient) -> dict[str, Any]:
        client.http.timeout = CHECK_SECONDS
        ring = await client.call("GET", "/api/v1/admin/keys")
        admin = admin_key_of(client, ring, admin_key)
        body: dict[str, Any] = {"entry": entry, "reason": reason}
        payload = replacement.read_bytes() if replacement is not None else await _redacted(client, entry, redact) if redact else None
        if payload is not None:
            stands_in = await client.call("POST", f"{PATH}/replacements", json={"entry": entry, "payload": base64.b64encode(payload).decode("ascii")})
            body["replacement"] = stands_in["index"]
        if legal_basis is not None:
            body["legalBasis"] = legal_basis
        if artifact:
            body["artifacts"] = artifact
        answer = await client.call("POST", PATH, content=sign_entry(ring, admin, body, "lineproof.erasure.v1"), headers={"Content-Type": "application/json"})
        if answer["status"] != "applied":
            raise LineproofError(f"entry {answer['index']} was {answer['status']}: {answer['reason']}", code="rejected", index=answer["index"])
        return {"entry": entry, "erasure": answer["index"], "replacement": body.get("replacement")}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
        return
    stands_in = "" if done["replacement"] is None else f"; entry {done['replacement']} stands in"
    say(f"Entry {entry} is erased by entry {done['erasure']}{stands_in}.")
    note(f"The graph follows. Certificate: lineproof erasure certificate {entry}")


@app.command("list")
def listed(data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """What was erased."""
    answer = ask(lambda client: client.call("GET", PATH), data, url)
    if as_json:
        print_json(answer)
        return
    print_table(("entry", "erased by", "stands in", "reason", "legal basis", "done"), (
        (item["entry"], item["erasure"], item["replacement"], item["reason"], item["legalBasis"], "yes" if item["done"] else "no")
        for item in answer["erasures"]), "nothing was erased")


@app.command("certificate")
def certificate(entry: Entry, out: Annotated[Path | None, typer.Option("--out", "-o", help="Write here instead of to the screen.")] = None,
                data: Data = None, url: Url = None) -> None:
    """The signed certificate that an entry is erased, once graph and checkpoint have caught up."""
    text = json.dumps(ask(lambda client: client.call("GET", f"{PATH}/{entry}/certificate"), data, url))
    if out is None:
        say(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        note(f"wrote {out}; verify it with: lineproof erasure verify {out} --trust FILE")


@app.command("verify")
def verify(file: Annotated[Path, typer.Argument(help="Certificate of erasure.")],
           trust: Annotated[Path | None, typer.Option("--trust", help="Trust file, see lineproof keys trust.")] = None, as_json: Json = False) -> None:
    """Verify a certificate offline, believing only the trust file. Exit 1 if it fails."""
    from lineproof_audit.certificate import verify_certificate
    from lineproof_audit.trust import load_trust

    try:
        if file.stat().st_size > MAX_CERTIFICATE_BYTES:
            raise typer.BadParameter(f"{file} is larger than {MAX_CERTIFICATE_BYTES} bytes")
        raw = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    found = verify_certificate(raw, None if trust is None else load_trust(trust))
    if as_json:
        print_json(found.to_json())
    else:
        say("verified" if found.ok else f"NOT verified: {found.code}")
        for text in found.problems:
            say(f"  {text}")
        say(found.statement)
    if not found.ok:
        raise typer.Exit(1)


async def _redacted(client: ServiceClient, entry: int, pointers: list[str]) -> bytes:
    """The entry's event without what the pointers name."""
    found = await client.call("GET", f"/api/v1/log/entries/{entry}")
    if "envelope" not in found:
        raise LineproofError(f"the body of entry {entry} is {'erased' if found['erased'] else 'outside your grants'}", code="forbidden")
    document = json.loads(parse_envelope(base64.b64decode(found["envelope"])).payload)
    for pointer in pointers:
        _remove(document, pointer)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _remove(document: Any, pointer: str) -> None:
    """Take away what a JSON pointer (RFC 6901) names."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    if not pointer.startswith("/") or not steps:
        raise typer.BadParameter(f"{pointer!r} is no JSON pointer to a part of the event")
    place = document
    try:
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[int(steps[-1]) if isinstance(place, list) else steps[-1]]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise typer.BadParameter(f"the event has nothing at {pointer}") from error
