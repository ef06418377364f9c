"""`lineproof export`: lineage larger than an answer, as lines, from the service, a snapshot or the data directory.

Lines are held back until the cursor behind them is there, so that what is written is whole pages: a stream that breaks off goes on at the last cursor,
and what it began to say is said once.
"""
from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_schema.errors import CODES, LineproofError
from metadata_service.cli.asking import Source, opened, resolved
from metadata_service.cli.output import Json, note, print_json
from metadata_service.cli.questions import WAYS, At, Data, Server, Token, Way, position

if TYPE_CHECKING:
    from metadata_service.settings import Settings

__all__ = ["register"]

ATTEMPTS: Final = 5  # of going on after a break without a page in between
READ_SECONDS: Final = 600.0  # to the first line of a large lineage; between lines a page's time
Line = dict[str, Any]


@dataclass(slots=True)
class _Writer:
    """Whole pages go to `sink`; the rest waits for its cursor."""

    sink: IO[bytes]
    waiting: list[bytes] = field(default_factory=list)
    cursor: str | None = None
    end: Line | None = None
    begun: bool = False

    def take(self, raw: bytes) -> None:
        """One line as it came.

        Raises:
            LineproofError: the service ended the stream with a problem.
        """
        line = json.loads(raw)
        own = _own(line)
        if "problem" in own:
            problem = own["problem"]
            raise LineproofError(str(problem.get("detail")), code=problem["code"] if problem.get("code") in CODES else "internal")
        if "format" in own and self.begun:
            return  # of a stream that goes on; the header is written
        self.begun = True
        self.waiting.append(raw)
        if "cursor" in own:
            self._flush()
            self.cursor = own["cursor"]
        elif "completeness" in own:
            self.end = own
            if not any(reason["code"] == "unknown-urn" for reason in own["completeness"]["reasons"]):
                self._flush()

    def _flush(self) -> None:
        self.sink.writelines(self.waiting)
        self.waiting.clear()


def _own(line: Line) -> Line:
    """What a line says about the export itself: of NDJSON header, cursor, trailer or problem, of OpenLineage the facet of its own run."""
    if "job" in line:
        facet: Line = line.get("run", {}).get("facets", {}).get("lineproof_export", {})
        return facet
    known: Line = line.get("header") or line.get("trailer") or line
    return known


def export(entity: Annotated[str | None, typer.Argument(metavar="[ENTITY]", help="Only its lineage; default: everything.")] = None,
           direction: Annotated[Way, typer.Option("--direction", "-d", help="Of an entity: what it is made of, or what is made of it.")] = Way.up,
           depth: Annotated[int, typer.Option("--depth", min=0, help="Of an entity: hops; 0 for everything.")] = 0,
           assets: Annotated[bool, typer.Option("--assets", help="Datasets, models and consumers, no columns.")] = False,
           form: Annotated[str, typer.Option("--format", help="ndjson, or openlineage: events that any OpenLineage backend takes in.")] = "ndjson",
           out: Annotated[Path | None, typer.Option("--out", help="The file to write; default: stdout.")] = None, at: At = None, server: Server = None,
           token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Lineage as a stream of lines, whatever its size: everything, or what an entity is made of. The last line says whether it is whole."""
    from metadata_service.settings import load_settings

    if form not in ("ndjson", "openlineage"):
        raise LineproofError(f"--format is ndjson or openlineage, not {form}", code="invalid-argument")
    if as_json and out is None:
        raise LineproofError("--json prints the last line of what went to a file: give --out as well", code="invalid-argument")
    settings = load_settings(data=data, url=server, token=token)
    where = position(at) or {}
    asked = {"direction": WAYS[direction], "depth": depth or None, "columns": not assets, "size": where.get("size"), "time": where.get("time"), "format": form}
    if out is None:
        end = asyncio.run(_export(settings, entity, asked, sys.stdout.buffer))
        sys.stdout.buffer.flush()
    else:
        partial = out.with_name(f"{out.name}.partial")
        try:
            with partial.open("wb") as sink:
                end = asyncio.run(_export(settings, entity, asked, sink))
            partial.rename(out)
        except OSError as error:
            raise LineproofError(f"{out} cannot be written: {error.strerror}", code="invalid-argument") from error
        finally:
            partial.unlink(missing_ok=True)
    if as_json:
        print_json(end)
    else:
        _tell(end)


async def _export(settings: Settings, entity: str | None, asked: Line, sink: IO[bytes]) -> Line:
    async with opened(settings) as source:
        urn = await resolved(source.ask, entity) if entity is not None else None
        writer, attempts = _Writer(sink), 0
        while writer.end is None:
            before = writer.cursor
            try:
                async for raw in _lines(source, {**asked, "urn": urn, "after": before}):
                    writer.take(raw)
                if writer.end is None:
                    raise LineproofError("the stream ended before its last line", code="unreachable")
            except LineproofError as error:
                attempts = attempts + 1 if writer.cursor == before else 1
                if not error.entry.retriable or writer.cursor is None or attempts > ATTEMPTS:
                    raise
                note(f"{error.detail}; going on behind the last whole page")
                writer.waiting.clear()
                asked = {**asked, "size": None, "time": None}  # the cursor knows
                await asyncio.sleep(min(0.2 * 2**attempts, 5.0))
    if writer.waiting:
        raise LineproofError(f"nothing is known of {entity} at {writer.end['computedAt']['size']}", code="not-found")
    return writer.end


async def _lines(source: Source, asked: Line) -> AsyncIterator[bytes]:
    async with _chunks(source, {name: value for name, value in asked.items() if value is not None}) as chunks:
        rest = b""
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if rest:
            raise LineproofError("the stream broke off in the middle of a line", code="unreachable")


@asynccontextmanager
async def _chunks(source: Source, asked: Line) -> AsyncIterator[AsyncIterator[bytes]]:
    if source.client is not None:
        async with source.client.stream("/api/v1/lineage/export", asked, READ_SECONDS) as chunks:
            yield chunks
        return
    from metadata_service.api.lineage_stream import ExportForm
    from metadata_service.api.lineage_stream import chunks as chunks_of
    from metadata_service.queries.context import Asked
    from metadata_service.queries.export import Selection, open_stream
    from metadata_service.queries.shapes import Direction

    assert source.caller is not None
    time = asked.get("time")
    stream = await open_stream(source.caller.room, source.caller.viewer, Asked(asked.get("size"), datetime.fromisoformat(time) if time else None),
                               Selection(asked.get("urn"), Direction[asked["direction"]], asked.get("depth"), asked["columns"]), asked["format"],
                               asked.get("after"))
    yield chunks_of(stream, ExportForm(asked["format"]))


def _tell(end: Line) -> None:
    counts = ", ".join(f"{end[name]} {name}" for name in ("nodes", "edges", "datasets", "jobs") if name in end)
    note(f"{counts} at {end['computedAt']['size']}")
    whole = end["completeness"]
    if not whole["complete"]:
        note("not complete: " + "; ".join(dict.fromkeys(reason["detail"] for reason in whole["reasons"])))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("export")(export)
