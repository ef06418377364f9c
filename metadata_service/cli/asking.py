"""How a question command gets its answer: from the service at an address, from a snapshot, from the service on the data directory, else from
the directory itself."""
from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineproof_schema.errors import CODES, LineproofError
from metadata_service.cli import documents
from metadata_service.cli.evidence import checkpoint_of
from metadata_service.cli.output import counted, note, print_json
from metadata_service.cli.serve import ADDRESS_FILE

if TYPE_CHECKING:
    from metadata_service.api.graphql.schema import Caller
    from metadata_service.cli.service import ServiceClient
    from metadata_service.settings import Settings

__all__ = ["Ask", "Evidence", "Source", "Target", "ask_about", "ask_plainly", "error_of", "follow_pages", "opened", "resolved"]

Answer = dict[str, Any]
Ask = Callable[[str, Answer], Awaitable[Answer]]  # a document and its variables -> the body of a GraphQL response


@dataclass(frozen=True, slots=True)
class Target:
    """Where a question goes."""

    server: str | None
    token: str | None
    data: Path | None

    def ask(self, work: Callable[[Ask], Awaitable[Answer]]) -> Answer:
        """Run `work` with a way to ask."""
        from metadata_service.settings import load_settings  # pydantic, which `lineproof --help` need not wait for

        settings = load_settings(data=self.data, url=self.server, token=self.token)

        async def run() -> Answer:
            async with _asking(settings) as ask:
                return await work(ask)

        return asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an evidence bundle is to be written, if anywhere, and which entries an answer rests on. `with_leaves` also adds the entries around them,
    from which the answer can be derived again."""

    file: Path | None
    with_leaves: bool
    cited: Callable[[Answer], Iterable[int]]


def ask_about(target: Target, field: str, document: str, named: str | None, variables: Callable[[str | None], Answer], evidence: Evidence | None, as_json: bool,
              rows: int | None = None) -> Answer:
    """Resolve the entity, ask, write evidence if wanted, print JSON if wanted; the field's answer.

    Raises:
        LineproofError: `not-found` for what does not exist at the position, else what the question was refused with.
    """

    async def work(ask: Ask) -> Answer:
        urn = await resolved(ask, named) if named is not None else None
        asked = variables(urn)
        answer = await _data(ask, document, asked)
        if rows is not None:
            await follow_pages(ask, document, asked, answer[field], rows)
        if evidence is not None and evidence.file is not None:
            cited = sorted(set(evidence.cited(answer[field])))
            bundle = await _data(ask, documents.EVIDENCE, {"entries": cited, "query": {"document": document, "variables": asked}, "answer": answer,
                                                          "withLeaves": evidence.with_leaves, "withContext": evidence.with_leaves})
            evidence.file.write_text(json.dumps(bundle["evidence"]["bundle"], indent=1), encoding="utf-8")
            note(f"Evidence of {counted(len(cited), 'entry', 'entries')} is in {evidence.file}, {checkpoint_of(bundle['evidence']['bundle'])}. "
                 f"Verify it with: lineproof log verify {evidence.file} --trust TRUST_FILE")
        return answer

    answer = target.ask(work)
    found: Answer = answer[field]
    if any(reason["code"] == "unknown-urn" for reason in found["completeness"]["reasons"]):
        raise LineproofError(f"nothing is known of {named} at {found['computedAt']['size']}", code="not-found")
    if as_json:
        print_json(answer)
    return found


def ask_plainly(target: Target, field: str, document: str, variables: Answer, as_json: bool) -> Answer:
    """Ask what is not about one entity; print JSON if wanted; the field's answer."""
    answer = target.ask(lambda ask: _data(ask, document, variables))
    if as_json:
        print_json(answer)
    found: Answer = answer[field]
    return found


@dataclass(frozen=True, slots=True)
class Source:
    """What answers: a service, or stores that were opened here."""

    client: ServiceClient | None = None
    caller: Caller | None = None

    async def ask(self, document: str, variables: Answer) -> Answer:
        """The body of a GraphQL response."""
        if self.client is not None:
            body: Answer = await self.client.call("POST", "/graphql", json={"query": document, "variables": variables})
            return body
        from metadata_service.api.graphql.schema import execute  # strawberry and the query layer, which a service has loaded already

        assert self.caller is not None
        return await execute(self.caller, document, variables)


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[Ask]:
    async with opened(settings) as source:
        yield source.ask


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Source]:
    """Whatever is to answer, by the settings."""
    if settings.url is None and settings.data.is_file():
        from metadata_service.cli.snapshot import reading_snapshot

        async with reading_snapshot(settings.data) as caller:
            yield Source(caller=caller)
        return
    url = settings.url or await _served(settings)
    if url is not None:
        from metadata_service.cli.service import remote  # httpx, which a directory does not need

        async with remote(settings, url) as client:
            yield Source(client=client)
        return
    if settings.database_url is None and not (settings.data / "log.db").exists():
        raise LineproofError(f"there is no log in {settings.data}: start one with lineproof serve, or set LINEPROOF_URL", code="unreachable")
    from metadata_service.cli.directory import reading

    async with reading(settings) as caller:
        yield Source(caller=caller)


async def _served(settings: Settings) -> str | None:
    """The address of the service that runs on the data directory. A killed one leaves its address behind, where now another may listen."""
    try:
        address = (settings.data / ADDRESS_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    from lineproof_audit.log import Log
    from metadata_service.cli.service import origin_at

    served = await origin_at(address)
    if served is None:
        return None
    with await asyncio.to_thread(Log.open, settings.log_url, readonly=True, state_dir=settings.state_dir) as log:
        return address if log.origin == served else None


async def follow_pages(ask: Ask, document: str, asked: Answer, answer: Answer, rows: int) -> None:
    """Follow the pages of `answer`, which grows, until `rows` are there."""
    while answer["after"] is not None and len(answer["rows"]) < rows:
        page = (await _data(ask, document, {**asked, "after": answer["after"]}))["auditTrail"]
        answer["rows"] += page["rows"]
        answer["after"] = page["after"]
    if answer["after"] is not None:
        note(f"There is more: --limit {rows * 2}")


async def resolved(ask: Ask, named: str) -> str:
    """The URN of what a person named.

    Raises:
        LineproofError: `not-found`, `ambiguous-name`.
    """
    if named.startswith("urn:"):
        return named
    found = (await _data(ask, documents.RESOLVE, {"ref": {"name": named}}))["entity"]["entity"]
    if found is None:
        raise LineproofError(f"nothing is called {named!r}; try: lineproof search {named}", code="not-found")
    return str(found["urn"])


async def _data(ask: Ask, document: str, variables: Answer) -> Answer:
    body = await ask(document, {name: value for name, value in variables.items() if value is not None or name == "depth"})
    if body.get("errors"):
        raise error_of(body["errors"][0])
    data: Answer = body["data"]
    return data


def error_of(error: Answer) -> LineproofError:
    """A GraphQL error as the error it was before."""
    extensions = error.get("extensions") or {}
    code = extensions.get("code")
    detail = str(error.get("message"))
    if extensions.get("candidates"):
        detail += ":\n  " + "\n  ".join(extensions["candidates"])
    extra = {key: value for key, value in extensions.items() if key not in ("code", "title", "fix", "retriable")}
    return LineproofError(detail, code=code if code in CODES else "internal", **extra)
