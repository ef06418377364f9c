"""Projecting a log: events per second into SQLite, PostgreSQL and Neo4j, each beside the same rows written raw to the same database."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks.events import JOBS, run_event
from benchmarks.figures import Report, Target, timed
from benchmarks.logs import BenchLog, append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.log import Log
from metadata_service import garbage
from metadata_service.graph.batch import fold
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import GraphOp
from metadata_service.graph.port import GraphStore
from metadata_service.graph.sql_schema import METADATA
from metadata_service.projector import Projector
from tests.services.neo4j_server import Neo4jServer

__all__ = ["TITLE", "run"]

TITLE = "Projecting the log into the graph"
ROWS = 2_000  # per statement of the raw writers
WARM = 200  # events projected before the clock starts: a database compiles its plans and its code first, and the raw writers come after us
TURNS = 2  # first parts projected, and written raw, before those that count: over its first thousands of events Neo4j becomes several times as fast
COLUMNS = 200

T = TypeVar("T")
Statements = list[tuple[str, str, list[Any]]]


@dataclass(frozen=True, slots=True)
class Part:
    """Entries [start, stop) of the log, projected in turn; `raw`: measure the same rows beside it."""

    name: str
    start: int
    stop: int
    size: str
    raw: bool = False
    target: Target | None = None


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    garbage.relax()  # as the projector's own process does
    with workplace() as directory, open_log(directory) as bench:
        parts = _write_log(bench, scale)
        recorded = _measure(report, bench.log, f"sqlite:///{directory / 'graph.db'}", "SQLite", parts)
        _raw_sql(report, f"sqlite:///{directory / 'raw.db'}", "SQLite", recorded)
        with services.postgres("projection") as url:
            if url is not None:
                recorded = _measure(report, bench.log, url, "PostgreSQL", parts)
                with services.postgres("raw rows") as other:
                    assert other is not None
                    _raw_sql(report, other, "PostgreSQL", recorded)
        server = services.neo4j("projection")
        if server is not None:
            for _ in range(TURNS):
                _raw_neo4j(services, server, _measure(None, bench.log, server.url, "Neo4j", parts[:1]))
                services.neo4j("projection")  # emptied
            recorded = _measure(report, bench.log, server.url, "Neo4j", parts)
            _beside(report, "Neo4j", "raw UNWIND", recorded, _raw_neo4j(services, server, recorded), Target(ratio_at_least=0.6))


def _write_log(bench: BenchLog, scale: Scale) -> list[Part]:
    parts = []
    append_all(bench.log, bench.entries(run_event(each, job=f"models.warm_{each}") for each in range(WARM)))
    for name, events, size in (
            ("new jobs", (run_event(each, job=f"models.new_{each}") for each in range(scale.projected)),
             f"{scale.projected:,} runs, each the first of its job: 3 datasets, 7 columns each, 9 edges"),
            ("repeated runs", (run_event(each) for each in range(scale.repeated)), f"{scale.repeated:,} runs of {JOBS} jobs that say what they said before"),
            ("new jobs of 200 columns", (run_event(each, columns=COLUMNS, job=f"models.wide_{each}") for each in range(scale.wide)), f"{scale.wide:,} runs"),
            ("repeated runs of 200 columns", (run_event(scale.wide + each, columns=COLUMNS, job=f"models.wide_{each % 20}") for each in range(scale.wide)),
             f"{scale.wide:,} runs of 20 jobs")):
        start = bench.log.reader.size()
        append_all(bench.log, bench.entries(events))
        parts.append(Part(name, start, bench.log.reader.size(), size, raw=name == "new jobs"))
    return parts


class _Recorder:
    """A graph that remembers what was applied to it; everything else goes through."""

    def __init__(self, graph: GraphStore) -> None:
        self._graph = graph
        self.batches: list[list[GraphOp]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    async def apply(self, batch: Sequence[GraphOp], **place: Any) -> None:
        self.batches.append(list(batch))
        await self._graph.apply(batch, **place)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What projecting the first part of the log wrote, and how long that took."""

    events: int
    seconds: float
    batches: list[list[GraphOp]]
    size: str


def _measure(report: Report | None, log: Log, url: str, name: str, parts: Sequence[Part]) -> Recorded:
    async def work() -> Recorded:
        graph: Any = _Recorder(open_graph(url))
        await graph.setup()
        projector = Projector(log.reader, graph)
        await projector.catch_up(upto=parts[0].start)
        graph.batches.clear()
        found: Recorded | None = None
        for part in parts:
            seconds = await _seconds(projector.catch_up(upto=part.stop))
            events = part.stop - part.start
            if found is None:
                found = Recorded(events, seconds, graph.batches, part.size)
                graph.batches = []
            target = Target(at_least=2_000) if part.name == "repeated runs" and name != "Neo4j" else None
            if report is not None:
                report.add(f"{part.name}, {name}", events / seconds, "events/s", size=part.size, target=target)
        for index in (parts[0].start, parts[-1].stop - 1):
            outcome = await graph.outcome(index)
            if outcome is None or outcome.status != "applied":
                raise RuntimeError(f"entry {index} of the benchmark was not applied: {outcome}")
        await graph.close()
        assert found is not None
        return found

    return asyncio.run(work())


async def _seconds(work: Awaitable[T]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work
    return loop.time() - began


def _beside(report: Report, name: str, what: str, recorded: Recorded, seconds: float, target: Target | None) -> None:
    report.add(f"{what} of the same rows, {name}", recorded.events / seconds, "events/s", size=recorded.size)
    report.add(f"new jobs, {name}, beside {what}", recorded.events / recorded.seconds, "events/s", against=what, ratio=seconds / recorded.seconds,
               size=recorded.size, target=target, note="reading the log, rules, reading back, digest and writing")


def _raw_sql(report: Report, empty: str, name: str, recorded: Recorded) -> None:
    """The rows of the first part copied by plain executemany into tables of the same schema, in as many transactions."""
    from sqlalchemy import create_engine, event, select

    from metadata_service.graph.sql_engine import PRAGMAS

    async def first_part() -> None:  # into the empty database, so that its rows can be read and written again
        graph = open_graph(empty)
        await graph.setup()
        await _replay(graph, recorded.batches)
        await graph.close()

    asyncio.run(first_part())
    engine = create_engine(empty.replace("postgresql://", "postgresql+psycopg://"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: [connection.execute(f"PRAGMA {pragma}") for pragma in PRAGMAS])
    with engine.connect() as connection:
        tables = {table: [tuple(row) for row in connection.execute(select(table))] for table in METADATA.sorted_tables}
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    transactions = len(recorded.batches)
    mark = "?" if engine.dialect.name == "sqlite" else "%s"

    def write() -> None:
        for share in range(transactions):
            with engine.begin() as connection:
                for table, rows in tables.items():
                    mine = rows[share * len(rows) // transactions:(share + 1) * len(rows) // transactions]
                    if mine:
                        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({', '.join([mark] * len(table.columns))})", mine)

    seconds = timed(write)
    engine.dispose()
    _beside(report, name, "raw executemany", recorded, seconds, None)


async def _replay(graph: GraphStore, batches: Iterable[Sequence[GraphOp]]) -> None:
    for batch in batches:
        position = await graph.position()
        await graph.apply(batch, expected_size=position.size, size=position.size + 1, root=position.root, digest_delta=0)


def _raw_neo4j(services: Services, server: Neo4jServer, recorded: Recorded) -> float:
    """Seconds to write the rows of the first part, by UNWIND from the synchronous driver, one transaction per batch."""
    from neo4j import GraphDatabase

    from metadata_service.graph.neo4j_rows import statements

    services.neo4j("raw rows")  # emptied
    asyncio.run(_set_up(server.url))
    batches = [_chunks([each for each in statements(fold(batch)) if each[2]]) for batch in recorded.batches]
    with GraphDatabase.driver(server.uri, auth=server.auth) as driver, driver.session(database="neo4j") as session:
        def write() -> None:
            for batch in batches:
                with session.begin_transaction() as transaction:
                    for statement, parameter, rows in batch:
                        transaction.run(statement, {parameter: rows}).consume()
                    transaction.commit()

        return timed(write)


def _chunks(rows_of: Iterable[tuple[str, str, list[Any]]]) -> Statements:
    def chunks() -> Iterator[tuple[str, str, list[Any]]]:
        for statement, parameter, rows in rows_of:
            for start in range(0, len(rows), ROWS):
                yield statement, parameter, rows[start:start + ROWS]

    return list(chunks())


async def _set_up(url: str) -> None:
    graph = open_graph(url)
    await graph.setup()
    await graph.close()
