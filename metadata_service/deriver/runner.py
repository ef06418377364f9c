"""The deriver: follows the graph along the log, parses the SQL of plain runs, and has what it finds appended.

It reads an entry once the graph holds it, resolves tables as the graph had them right after it, and appends only what the graph does not say yet:
reading the same entries again appends nothing. A statement that cannot be parsed, or ends the parser, becomes an entry that says so.
"""
from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from lineproof_audit.log import LogReader
from lineproof_schema.errors import LineproofError
from lineproof_schema.models.lifecycle import DerivationData
from lineproof_schema.openlineage import OpenLineageEvent
from metadata_service.deriver.dialects import dialect_of
from metadata_service.deriver.findings import Resolved, derivation
from metadata_service.deriver.known import Known, resolve
from metadata_service.deriver.names import dotted
from metadata_service.deriver.parser import Parser
from metadata_service.deriver.plain_run import may_be_plain, plain_run
from metadata_service.deriver.progress import Progress
from metadata_service.graph.port import GraphStore
from metadata_service.intake.derivations import DerivationLog
from metadata_service.projector.bodies import TodaysBodies
from metadata_service.projector.code import sql_digest
from metadata_service.projector.derivations import derived_key, result_digest
from metadata_service.projector.entry import ProjectableEntry
from metadata_service.projector.names import job_urn, run_urn
from metadata_service.projector.runs import run_key
from metadata_service.projector.waiting import pause
from metadata_service.telemetry import logger

__all__ = ["Deriver"]

BATCH_ENTRIES: Final = 200  # read before the position is kept
MAX_EVENTS: Final = 64  # of one run that are read together; a streaming job says the same all day
REMEMBERED: Final = 10_000  # statements whose answer is known, so that a job that runs every minute is not parsed every minute
WAIT_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
_LOG = logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Derived:
    """What was last asked and found for a statement of a job."""

    question: str
    result: str


class Deriver:
    """Derives from one log and one graph. Use one instance from one task."""

    def __init__(self, reader: LogReader, graph: GraphStore, derivations: DerivationLog, progress: Progress, parser: Parser | None = None) -> None:
        self._reader = reader
        self._graph = graph
        self._derivations = derivations
        self._progress = progress
        self._bodies = TodaysBodies(reader)
        self._parser = parser or Parser()
        self._tables: OrderedDict[str, tuple[str, ...] | str] = OrderedDict()  # by what was asked: tables that are read, or why that is not known
        self._last: OrderedDict[str, _Derived] = OrderedDict()
        self._size: int | None = None
        self._begun_at = 0  # what the log held then: the graph has to hold it too, or the last derivations are not known

    async def run(self, stop: asyncio.Event) -> None:
        """Derive from what comes until `stop` is set. An outage is logged and waited out."""
        seconds = WAIT_SECONDS
        self._size = None  # another one may have derived meanwhile
        self._last.clear()
        try:
            while not stop.is_set():
                try:
                    moved = await self.step()
                    seconds = WAIT_SECONDS
                except LineproofError as error:
                    _LOG.warning("deriving waits", code=error.code, detail=error.detail, seconds=seconds)
                    moved, seconds = 0, min(seconds * 2, LONGEST_PAUSE_SECONDS)
                if not moved:
                    await pause(stop, seconds)
        finally:
            await self.close()

    async def close(self) -> None:
        """End the parser's process. Idempotent; a further step starts another."""
        await self._parser.close()

    async def step(self) -> int:
        """Read what the graph holds of the log and the deriver has not read, at most a batch; returns how many entries.

        Raises:
            LineproofError: log or graph cannot be reached, or the parser does not start; call again.
        """
        if self._size is None:
            self._size, self._begun_at = await asyncio.to_thread(self._progress.size), self._reader.size()
        stop = (await self._graph.position()).size
        if stop < self._begun_at:
            return 0
        entries = await asyncio.to_thread(self._read, self._size, min(self._size + BATCH_ENTRIES, stop))
        states = (await self._graph.load((), sorted({run_key(event.run_id) for _, event in _plain(entries) if event.run_id is not None}))).states
        for entry, event in _plain(entries):
            if event.run_id is not None and (states.get(run_key(event.run_id)) or {}).get("sql") is None:
                continue  # none of the run's events has a SQL text; one to come will be read in its turn
            try:
                await self._derive(entry, event)
            except (LineproofError, ValidationError) as error:
                if isinstance(error, LineproofError) and error.entry.retriable:
                    raise
                _LOG.warning("SQL of an entry is passed over", entry=entry.index, reason=str(error)[:300])
        if entries:
            self._size += len(entries)
            await asyncio.to_thread(self._progress.move, self._size)
        return len(entries)

    # -- one entry

    async def _derive(self, entry: ProjectableEntry, event: OpenLineageEvent) -> None:
        run = plain_run(await self._events(entry, event))
        if run is None:
            return
        key = derived_key(job_urn(run.namespace, run.job), sql_digest(run.sql))
        dialect, doubt = dialect_of(run.dialect, [part.namespace for part in (*run.outputs, *run.inputs)], run.integration)
        known = await Known.of(self._graph, run, tenant=entry.tenant, at=entry.visible_from)
        outputs = [known.now(output) for output in run.outputs]
        asked: dict[str, Any] = {"sql": run.sql, "dialect": dialect, "schema": {}, "own": [],
                                 "outputs": [[dotted(name) for name in (output.name, *output.aliases)] for output in outputs]}
        tables = await self._read_tables(asked)
        resolved = await resolve(self._graph, known, () if isinstance(tables, str) else tables, tenant=entry.tenant, at=entry.visible_from)
        if resolved.problems and ";" in run.sql:  # maybe the script makes what nobody knows; then it is what that is made of that counts
            asked["own"] = sorted(resolved.problems)
            tables = await self._read_tables(asked)
            resolved = await resolve(self._graph, known, () if isinstance(tables, str) else tables, tenant=entry.tenant, at=entry.visible_from)
        asked["schema"] = known.schema(resolved.datasets, outputs)
        question = hashlib.sha256(json.dumps([asked, doubt, _meaning(resolved), self._parser.name], sort_keys=True).encode()).hexdigest()
        last = self._last.get(key)
        if last is not None and last.question == question:
            return
        answer = await self._parser.ask(asked) if not isinstance(tables, str) else tables
        answers: Sequence[dict[str, Any]] | str = answer["outputs"] if isinstance(answer, dict) else answer
        data = derivation(known.run_with(outputs), entry.index, answers, resolved, dialect=dialect, parser=self._parser.name, reason=doubt)
        await self._say(key, question, data, entry)

    async def _say(self, key: str, question: str, data: DerivationData, entry: ProjectableEntry) -> None:
        """Append what was found unless it was the last thing found."""
        result = result_digest(data)
        last = self._last.get(key)
        said = last.result if last is not None else ((await self._graph.load((), [key])).states.get(key) or {}).get("result")
        if said != result:
            await asyncio.to_thread(lambda: self._derivations.append(data, entry=entry.index, tenant=entry.tenant, received=entry.leaf.received))
            _LOG.info("derived", entry=entry.index, columns=len(data.columns), status=data.status, reason=data.reason)
        _remember(self._last, key, _Derived(question, result))

    async def _read_tables(self, asked: dict[str, Any]) -> tuple[str, ...] | str:
        """The tables that a statement reads, or why there is no answer. A statement that ends the parser is not asked again."""
        key = hashlib.sha256(json.dumps([asked, self._parser.name], sort_keys=True).encode()).hexdigest()
        known = self._tables.get(key)
        if known is None:
            answer = await self._parser.ask(asked)
            known = tuple(sorted({table for item in answer["outputs"] for table in item["tables"]})) if isinstance(answer, dict) else answer
            _remember(self._tables, key, known)
        return known

    async def _events(self, entry: ProjectableEntry, event: OpenLineageEvent) -> list[OpenLineageEvent]:
        """What the run said up to this event, in the order of the log; a job event speaks for itself."""
        if event.run_id is None:
            return [event]
        touches = await self._graph.touches([run_urn(event.run_id)], 0, entry.index, limit=MAX_EVENTS, event_types=["openlineage.run"])
        before = await asyncio.to_thread(lambda: [self._bodies.open(self._reader.entry(touch.entry.index)) for touch in touches])
        said = [each.body for each in before if isinstance(each.body, OpenLineageEvent) and each.tenant == entry.tenant]
        return [*(each for each in said if each.run_id == event.run_id), event]

    def _read(self, start: int, stop: int) -> list[ProjectableEntry]:
        self._bodies.follow()
        return [self._bodies.open(stored) for stored in self._reader.entries(start, stop)] if stop > start else []


def _remember(known: OrderedDict[str, _T], key: str, value: _T) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)


def _plain(entries: Sequence[ProjectableEntry]) -> list[tuple[ProjectableEntry, OpenLineageEvent]]:
    return [(entry, entry.body) for entry in entries if isinstance(entry.body, OpenLineageEvent) and may_be_plain(entry.body)]


def _meaning(resolved: Resolved) -> list[Any]:
    return [sorted((table, dataset.namespace, dataset.name) for table, dataset in resolved.datasets.items()), sorted(resolved.problems.items())]
