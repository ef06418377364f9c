"""The walk behind lineage at level VERSION: which version was read by which run, what the run wrote, and on from there.

Runs are nodes beside dataset versions. An edge leads from a run to a version it read, and from a version to the run that wrote it; from a model
version to what it was trained on, from a feature version to the dataset version that keeps it. A hop leads from version to version: the run
between them stands as far away as what lies behind it.

Where a run named no version, the one that was current is `inferred`. Where none was known, the walk ends at the dataset: `unknown`.
"""
from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from lineproof_schema.urn import kind_of, parse_urn
from metadata_service.graph.ops import DERIVED_FROM, Edge, Link
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.port import Limits, Reach, ReachedNode
from metadata_service.graph.reference import TOO_MANY_EDGES, TOO_MANY_NODES, TOO_SLOW
from metadata_service.queries.activity import RunRef, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.subgraph import Subgraph

__all__ = ["doubt_versions", "hidden_runs", "version_reach"]

NAMED: Final = "named"  # the basis of an edge: the run, the model, the feature version says so itself
INFERRED: Final = "inferred"  # the run named no version; this one was current
UNKNOWN: Final = "unknown"  # its job reads the dataset, of which no version was known when the run began
MADE_OF: Final = ("USED", "TRAINED_ON", "MATERIALIZED_AS")  # links of which `src` is made of `dst`
WROTE: Final = "GENERATED"  # `dst` is made of `src`
LINK_LIMIT: Final = 5_000  # links of one kind of one version or run
CHUNK: Final = 500  # entities whose links are read together


async def version_reach(context: QueryContext, roots: Sequence[str], way: Way, depth: int | None, limits: Limits) -> Reach:
    """What versions and runs lie within `depth` hops of `roots` (None = all), in the shape of `GraphStore.reachable`."""
    deadline = time.monotonic() + limits.seconds
    walk = _Walk(context)
    level = sorted(set(roots))[:limits.nodes]
    reasons = [TOO_MANY_NODES] if len(level) < len(set(roots)) else []
    distance = dict.fromkeys(level, 0)
    hops = 0
    while level and not reasons and (depth is None or hops < depth):
        hops += 1
        if time.monotonic() > deadline:
            reasons.append(TOO_SLOW)
            break
        found = await walk.next(level, way) - distance.keys()
        found |= await walk.next([urn for urn in found if kind_of(urn) == "run"], way) - distance.keys()
        level = sorted(found)
        if len(distance) + len(level) > limits.nodes:
            level = level[:limits.nodes - len(distance)]
            reasons.append(TOO_MANY_NODES)
        distance.update(dict.fromkeys(level, hops))
        level = [urn for urn in level if kind_of(urn) != "run"]
    await walk.read(distance)
    ran = await _runs(context, distance)
    edges = list(walk.edges(distance, ran))
    if way == "UPSTREAM" and depth != 0:
        unknown = await _unknown_inputs(context, ran, walk)
        for edge in unknown:
            if edge.upstream in distance or len(distance) < limits.nodes:
                distance.setdefault(edge.upstream, max(distance[edge.downstream], 1))
                edges.append(edge)
            elif TOO_MANY_NODES not in reasons:
                reasons.append(TOO_MANY_NODES)
    edges.sort(key=lambda edge: (edge.key, edge.from_))
    if len(edges) > limits.edges:
        reasons.append(TOO_MANY_EDGES)
    nodes = [ReachedNode(urn, distance[urn], walk.beside(urn, "UPSTREAM", distance), walk.beside(urn, "DOWNSTREAM", distance))
             for urn in sorted(distance, key=lambda urn: (distance[urn], urn))]
    return Reach(tuple(nodes), tuple(edges[:limits.edges]), bool(reasons), tuple(reasons))


class _Walk:
    """The links of the entities that were looked at, each read once."""

    def __init__(self, context: QueryContext) -> None:
        self._context = context
        self._links: dict[str, dict[Way, dict[str, Link]]] = {}  # entity -> direction -> other end -> what says so

    async def read(self, urns: Iterable[str]) -> None:
        """Read the links of those of `urns` that were not read yet."""
        wanted = sorted(set(urns) - self._links.keys())
        for first in range(0, len(wanted), CHUNK):
            part = wanted[first:first + CHUNK]
            found = await self._context.links(part, [*MADE_OF, WROTE], LINK_LIMIT, "runs, models and versions beside one version or run")
            for urn in part:
                sides: dict[Way, dict[str, Link]] = {"UPSTREAM": {}, "DOWNSTREAM": {}}
                out, into = (found[urn].out, found[urn].into) if urn in found else ((), ())
                read = {(link.src, link.dst) for link in (*out, *into) if link.type == "USED"}
                for link, outwards in (*((link, True) for link in out), *((link, False) for link in into)):
                    if link.type == WROTE and (link.src, link.dst) in read:
                        continue  # it said what it had read, and did not write it
                    up = (link.type != WROTE) == outwards
                    sides["UPSTREAM" if up else "DOWNSTREAM"].setdefault(link.dst if outwards else link.src, link)
                self._links[urn] = sides

    async def next(self, urns: Sequence[str], way: Way) -> set[str]:
        """The other ends of the links of `urns` in a direction."""
        await self.read(urns)
        return {other for urn in urns for other in self._links[urn][way]}

    def read_by(self, run: str) -> set[str]:
        """The datasets of which a run read a version."""
        return {str(parse_urn(version).parent) for version in self._links[run]["UPSTREAM"]}

    def beside(self, urn: str, way: Way, told: Collection[str]) -> int:
        """How many neighbours in a direction are not told."""
        return sum(other not in told for other in self._links[urn][way]) if urn in self._links else 0

    def edges(self, told: Collection[str], ran: Mapping[str, RunRef]) -> Iterable[Edge]:
        """The edges between what is told."""
        for urn in told:
            for other, link in self._links[urn]["UPSTREAM"].items():
                if other in told:
                    yield _edge(urn, other, link, ran.get(urn) or ran.get(other))


def _edge(downstream: str, upstream: str, link: Link, run: RunRef | None, basis: str | None = None) -> Edge:
    said = basis or (INFERRED if link.props.get("inferred") else NAMED)
    job, code, commit = (run.job, run.transformation, run.commit) if run is not None else (None, None, None)
    return Edge(DERIVED_FROM, downstream, upstream, link.type, job, code, commit, said, "", link.from_, link.from_ - 1)


async def _runs(context: QueryContext, urns: Iterable[str]) -> dict[str, RunRef]:
    wanted = sorted(urn for urn in urns if kind_of(urn) == "run")
    found: dict[str, RunRef] = {}
    for first in range(0, len(wanted), CHUNK):
        found |= await runs(context, wanted[first:first + CHUNK])
    return found


async def _unknown_inputs(context: QueryContext, ran: Mapping[str, RunRef], walk: _Walk) -> list[Edge]:
    """An edge from each run to every dataset that its job reads and of which nobody can say which version it read: none was known when it began.

    What a run read is only told by version. Of a dataset with a known version the run would at least have an inferred one, had it read it.
    """
    jobs = sorted({run.job for run in ran.values() if run.job is not None})
    reads = await context.links(jobs, ["READS"], LINK_LIMIT, "datasets that one job reads")
    began = {urn: row.from_ for urn, row in (await context.graph.get(sorted(ran), context.at)).items()} if ran else {}
    first: dict[str, int | None] = {}  # dataset -> the size its first version is known from
    found = []
    for urn, run in sorted(ran.items()):
        said = walk.read_by(urn)
        for link in reads[run.job].out if run.job in reads else ():
            if link.dst in said:
                continue
            if link.dst not in first:
                first[link.dst] = min((row.from_ for row in await context.graph.revisions(link.dst, context.at) if row.fact == "currentVersion"), default=None)
            known = first[link.dst]
            if known is None or known >= began[urn]:
                found.append(_edge(urn, link.dst, link, run, UNKNOWN))
    return found


def doubt_versions(context: QueryContext, graph: Subgraph, roots: Iterable[str], masked: Collection[str]) -> None:
    """Say where no version was named, and what no version is known of."""
    for edge in graph.edges:
        about = None if edge.upstream in masked else edge.upstream
        if edge.basis == INFERRED:
            context.notes.doubt("version-inferred", "a run that named no version is taken to have read the one that was current", about)
        elif edge.basis == UNKNOWN:
            context.notes.doubt("version-unknown", "a run read it, or its job does, and no version of it was known", about)
    touched = {end for edge in graph.edges for end in (edge.downstream, edge.upstream)}
    for root in roots:
        if root not in touched and kind_of(root) not in ("run", "dataset-version"):
            context.notes.doubt("version-unknown", "no version of a dataset is known behind it", None if root in masked else root)


def hidden_runs(graph: Subgraph, masked: Collection[str], jobs: Collection[str]) -> frozenset[str]:
    """The runs that nothing visible names: neither their job nor any version beside them may be seen."""
    visible: dict[str, bool] = defaultdict(bool)
    for edge in graph.edges:
        for run, other in ((edge.downstream, edge.upstream), (edge.upstream, edge.downstream)):
            if kind_of(run) == "run":
                visible[run] = visible[run] or other not in masked or (edge.via is not None and edge.via not in jobs)
    return frozenset(run for run, seen in visible.items() if not seen)
