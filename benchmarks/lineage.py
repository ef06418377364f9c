"""Lineage and impact of 100 K nodes and 300 K edges through GraphQL over HTTP, beside the hand-written query for the same subgraph.

The graphs are loaded by `GraphStore.apply`, not through the log: what is measured is asking. Each question is put to the service and to the
database in turn, now and as of a position, on roots spread over a layer, so that all meet the same machine and nobody profits from a warm answer.
Answers of different size are no figure: that ends the run.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from benchmarks.asking import Asker, GraphQL, Question, Rows, bolt, sqlite
from benchmarks.dag import HALF, SIZE, Dag
from benchmarks.events import run_event
from benchmarks.figures import Report, Target, percentile
from benchmarks.logs import append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import serving
from benchmarks.shapes import Chain, Columns, Diamond, FanOut, Models, Shape, load

__all__ = ["TITLE", "run"]

TITLE = "Lineage and impact through GraphQL"
SMALL_ANSWER = 5_000  # nodes up to which the embedded store has to be faster than Neo4j
THEN = HALF + HALF // 4  # about the middle; what is asked about was there already
VERSIONS = 10
WARM = 3
AGAIN = 8  # questions that have one root, or large answers

LARGE = Dag("bench", 100_000, 300_000)
PLAIN, AGED = Dag("plain", 5_000, 15_000), Dag("aged", 5_000, 15_000, VERSIONS)
COLUMNS, TRAINED = Columns(Dag("columns", 2_000, 6_000)), Dag("trained", 5_000, 15_000)
FAN, CHAIN, DIAMOND = FanOut("fan", 10_000), Chain("chain", 2_000), Diamond("diamond", 20, 20)
SMALL: Sequence[Shape] = (PLAIN, AGED)  # together 10 K nodes and 30 K edges
REST: Sequence[Shape] = (LARGE, COLUMNS, TRAINED, Models(TRAINED), FAN, CHAIN, DIAMOND)


@dataclass(frozen=True, slots=True)
class Store:
    """A store under test: how to open its hand-written side, and where the service finds it."""

    name: str
    beside: str
    url: str
    graph_url: str | None
    raw: Callable[[], AbstractContextManager[Asker]]


@dataclass(slots=True)
class Taken:
    """Seconds per answer, and the largest answer."""

    seconds: list[float] = field(default_factory=list)
    rows: Rows = (0, 0)

    def ms(self, share: float = 0.5) -> float:
        """Percentile in ms."""
        return percentile(self.seconds, share) * 1e3


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    with workplace() as directory:
        root, path = _log(directory), directory / "data" / "graph.db"
        embedded = _of_store(report, scale, Store("SQLite", "raw SQL", f"sqlite:///{path}", None, partial(sqlite, path)), directory, root)
    server = services.neo4j("lineage")
    if server is None:
        return
    with workplace() as directory:
        remote = _of_store(report, scale, Store("Neo4j", "raw Bolt", server.url, server.url, partial(bolt, server)), directory, _log(directory))
    for name, taken in embedded.items():
        report.add(f"{name}, SQLite against Neo4j, p50", taken.ms(), "ms", against="Neo4j", ratio=taken.ms() / remote[name].ms(), size=_size(taken),
                   target=Target(ratio_at_most=1.0) if taken.rows[0] <= SMALL_ANSWER else None)


def _log(directory: Path) -> str:
    """A log of SIZE entries, which the service wants beside the graph; its root."""
    with open_log(directory) as bench:
        append_all(bench.log, bench.entries(map(run_event, range(SIZE))))
        return bench.log.reader.root_at(SIZE).hex()


def _of_store(report: Report, scale: Scale, store: Store, directory: Path, root: str) -> dict[str, Taken]:
    """All figures of a store: it grows while the service stands, and the same answers are asked for at each size."""
    grown: dict[str, list[tuple[int, Taken]]] = {}
    steps: list[Sequence[Shape]] = [SMALL, REST]
    if scale.nodes > LARGE.nodes:
        steps.append([Dag("vast", scale.nodes - LARGE.nodes, scale.edges - LARGE.edges)])
    counts = _load(report, store, steps[0], root, None)
    with store.raw() as raw, serving(directory, projector="off", graph_url=store.graph_url) as service:
        _growth(scale, GraphQL(service), counts["nodes"], grown)
        for shapes in steps[1:]:
            counts = _load(report, store, shapes, root, counts)
            _growth(scale, GraphQL(service), counts["nodes"], grown)  # a connection that was silent while the graph was loaded is closed
        of = f"{counts['nodes']:,} nodes and {counts['edges']:,} edges"
        asked = GraphQL(service)
        taken = {question.name: _measure(report, store, question, asked, raw, of) for question in _questions(scale)}
        _aged(report, scale, store, asked)
    for name, sizes in grown.items():
        for nodes, one in sizes[1:]:
            report.add(f"{name}, the same answer with {nodes:,} nodes in the graph, {store.name}, p50", one.ms(), "ms", size=_size(one),
                       against=f"with {sizes[0][0]:,} nodes", ratio=one.ms() / sizes[0][1].ms(), note=f"p95 {one.ms(0.95):.1f} ms")
    return taken


def _load(report: Report, store: Store, shapes: Sequence[Shape], root: str, before: dict[str, int] | None) -> dict[str, int]:
    began = time.perf_counter()
    counts = asyncio.run(load(store.url, shapes, root, first=before is None))
    seconds = time.perf_counter() - began
    rows = sum(counts[kind] - (before or {}).get(kind, 0) for kind in ("nodes", "edges", "past_edges"))
    report.add(f"loading by GraphStore.apply, {store.name}", rows / seconds, "rows/s", note=f"{seconds:.0f} s",
               size=f"up to {counts['nodes']:,} nodes, {counts['edges']:,} edges, {counts['past_edges']:,} closed edges")
    return counts


def _questions(scale: Scale) -> list[Question]:
    number = scale.questions + WARM
    bottom, top = LARGE.roots(number), LARGE.sources(number)
    hops = ((1, "depth 1"), (5, "depth 5"), (None, "full closure"))
    return [
        *(Question(f"upstream, {said}", bottom, depth=depth) for depth, said in hops),
        *(Question(f"downstream, {said}", top, depth=depth, direction="DOWNSTREAM") for depth, said in hops),
        *(Question(f"columns upstream, {said}", COLUMNS.roots(number), depth=depth, level="COLUMN") for depth, said in hops[1:]),
        Question("columns downstream, full closure", COLUMNS.sources(number), level="COLUMN", direction="DOWNSTREAM"),
        Question("impact to live models, 5 hops", [TRAINED.urn(15, place) for place in range(number)], ask="impact"),
        Question("impact to live models, 20 hops", TRAINED.sources(AGAIN + WARM), ask="impact"),
        Question(f"fan-out, {FAN.consumers:,} consumers downstream", [FAN.hub] * (AGAIN + WARM), direction="DOWNSTREAM"),
        Question(f"fan-out, upstream of one of {FAN.consumers:,} consumers", [FAN.consumer(place) for place in range(number)]),
        Question(f"chain of {CHAIN.length:,}, upstream", [CHAIN.urn(CHAIN.length)] * (AGAIN + WARM)),
        Question(f"diamond, {DIAMOND.layers} layers of {DIAMOND.width}, upstream", [DIAMOND.urn(DIAMOND.layers - 1, place) for place in range(AGAIN + WARM)]),
    ]


def _measure(report: Report, store: Store, question: Question, asked: Asker, raw: Asker, of: str) -> Taken:
    past = replace(question, name=f"{question.name}, as of a position", at=THEN)
    now, hand, then, hand_then = _in_turn((question, asked), (question, raw), (past, asked), (past, raw))
    size = f"{_size(now)}, of {of}" if question.ask == "lineage" else f"up to {now.rows[0]:,} live models, of {of}"
    report.add(f"{question.name}, {store.beside}, {store.name}, p50", hand.ms(), "ms", size=size, note=f"p95 {hand.ms(0.95):.1f} ms")
    target = Target(ratio_at_most=1.5) if store.name == "Neo4j" and question.ask == "lineage" else None
    report.add(f"{question.name}, GraphQL, {store.name}, p50", now.ms(), "ms", against=store.beside, ratio=now.ms() / hand.ms(), size=size, target=target,
               note=f"p95 {now.ms(0.95):.1f} ms")
    report.add(f"{question.name}, GraphQL as-of, {store.name}, p50", then.ms(), "ms", against="now", ratio=then.ms() / now.ms(), size=size,
               target=Target(ratio_at_most=2.0), note=f"p95 {then.ms(0.95):.1f} ms; {store.beside} as-of {hand_then.ms():.1f} ms")
    return now


def _in_turn(*sides: tuple[Question, Asker]) -> list[Taken]:
    """Every side answers for one root, then for the next one."""
    taken = [Taken() for _ in sides]
    for number, urns in enumerate(zip(*(question.roots for question, _ in sides), strict=True)):
        found = []
        for (question, asker), urn, each in zip(sides, urns, taken, strict=True):
            began = time.perf_counter()
            found.append(asker(question, urn))
            if number >= WARM:
                each.seconds.append(time.perf_counter() - began)
            each.rows = max(each.rows, found[-1])
        if len(set(found)) != 1:
            raise RuntimeError(f"{sides[0][0].name} of {urns}: the sides found {found}")
    if taken[0].rows[0] == 0:
        raise RuntimeError(f"{sides[0][0].name}: nothing was found from any root")
    return taken


def _growth(scale: Scale, asked: Asker, nodes: int, grown: dict[str, list[tuple[int, Taken]]]) -> None:
    for depth, said in ((5, "upstream, depth 5"), (None, "upstream, full closure")):
        (taken,) = _in_turn((Question(said, PLAIN.roots(scale.questions + WARM), depth=depth), asked))
        grown.setdefault(said, []).append((nodes, taken))


def _aged(report: Report, scale: Scale, store: Store, asked: Asker) -> None:
    """Of two graphs that are the same now, one has a past."""
    fresh, old = _in_turn(*((Question(dag.name, dag.roots(scale.questions + WARM)), asked) for dag in (PLAIN, AGED)))
    report.add(f"full closure with {VERSIONS} closed versions per edge, {store.name}, p50", old.ms(), "ms", against="none", ratio=old.ms() / fresh.ms(),
               size=_size(old), target=Target(ratio_at_most=1.2), note=f"p95 {old.ms(0.95):.1f} ms")


def _size(taken: Taken) -> str:
    return f"up to {taken.rows[0]:,} nodes and {taken.rows[1]:,} edges"
