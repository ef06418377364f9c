"""Columns of which the graph does not know everything they are made of: what is not known is not clean.

A column is explained if every job that writes its dataset says what the column is made of, or says that it is made of no column.
"""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from lineproof_schema.urn import holder, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.graph.port import Claim
from metadata_service.queries.context import QueryContext

__all__ = ["is_vague", "unexplained"]

SILENT: Final = "the dataset is derived from others, by a job that says nothing about columns"
LEFT_OUT: Final = "the column lineage of its dataset leaves it out"
NOT_FOLLOWED: Final = "its expression could not be followed to the end"
OTHER_NAME: Final = "its dataset has another name, under which it is derived from others; columns are not followed from name to name"
SAME_AS: Final = "SAME_AS"
MAX_EDGES: Final = 100_000
_CODE: Final = re.compile("[a-z]+(-[a-z]+)*")
_VAGUE: Final = ("partial", "unknown")


def is_vague(edge: Edge | Claim) -> bool:
    """Whether the job of a dataset edge does not say, of every column, which columns it reads."""
    return edge.basis == "inputsOutputs" or edge.status in _VAGUE


async def unexplained(context: QueryContext, columns: Iterable[str], edges: Iterable[Edge], at: int | None,
                      made_of: Sequence[Edge] | None = None) -> dict[str, str]:
    """Those of `columns`, with the reason, that may be made of more than the column edges into them (all of which are in `edges`) say.

    `made_of` are the edges into their datasets, if not those of the position.
    """
    wanted = {urn: holder(urn) for urn in columns}
    into: dict[str, list[Edge]] = {urn: [] for urn in wanted}
    for edge in edges:
        if edge.family == COLUMN_DERIVED_FROM and edge.downstream in into:
            into[edge.downstream].append(edge)
    above, others = await _above(context, sorted(set(wanted.values())), at, made_of)
    writers = {dataset: _Writers.of(above[dataset]) for dataset in set(wanted.values())}
    explained = {urn: {edge.via for edge in found if edge.type != "INDIRECT"} for urn, found in into.items()}  # by the jobs that say what its value is made of
    bare = sorted({dataset for urn, dataset in wanted.items() if above[dataset] and not explained[urn]})
    rows = await context.graph.get(bare, at) if bare else {}
    found = {}
    for urn, dataset in wanted.items():
        row = rows.get(dataset)
        sourceless = row is not None and parse_urn(urn).components[2] in (row.facts.get("sourceless") or ())
        reason = _gap(into[urn], explained[urn], writers[dataset], sourceless, dataset in others)
        if reason is not None:
            found[urn] = reason
    jobs = {urn: [*(edge.via for edge in into[urn]), *(claim.via for claim in above[wanted[urn]])] for urn in found}
    told = await _told_by_parser(context, {job for of_column in jobs.values() for job in of_column if job is not None}, at)
    for urn, reason in found.items():
        why = dict.fromkeys(code for job in jobs[urn] for code in told.get(job or "", ()))
        found[urn] = f"{reason} ({', '.join(why)})" if why else reason
    return found


async def _told_by_parser(context: QueryContext, jobs: Collection[str], at: int | None) -> dict[str, list[str]]:
    """Of the jobs whose SQL was parsed here and not followed to its end the codes of the reasons; what stands behind a code may name what is hidden."""
    rows = await context.graph.get(sorted(jobs), at) if jobs else {}
    said = {urn: row.facts.get("derivation") for urn, row in rows.items()}
    return {urn: [code for reason in str(fact.get("reason") or "").split(";") if _CODE.fullmatch(code := reason.partition(":")[0])]
            for urn, fact in said.items() if isinstance(fact, Mapping) and fact.get("status") != "complete"}


@dataclass(frozen=True, slots=True)
class _Writers:
    """The jobs that write a dataset, and those of them that say nothing of its columns."""

    every: frozenset[str | None]
    silent: frozenset[str | None]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> _Writers:
        return cls(frozenset(claim.via for claim in claims), frozenset(claim.via for claim in claims if is_vague(claim) and claim.status != "partial"))


def _gap(into: Sequence[Edge], explained: Set[str | None], writers: _Writers, sourceless: bool, other_name: bool) -> str | None:
    if sourceless and len(writers.every) == 1:
        explained = explained | writers.every
    if writers.silent - explained:
        return SILENT
    if writers.every - explained:
        return LEFT_OUT
    if any(edge.status in _VAGUE for edge in into):
        return NOT_FOLLOWED
    return OTHER_NAME if other_name else None


async def _above(context: QueryContext, datasets: Sequence[str], at: int | None,
                 made_of: Sequence[Edge] | None) -> tuple[Mapping[str, Sequence[Claim]], Collection[str]]:
    """What is said of the dataset edges into each, and those datasets that have another name under which there are such edges as well."""
    above: dict[str, list[Claim]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    if made_of is None:
        claims = await context.claims(datasets, "UPSTREAM", at, MAX_EDGES) if datasets else ()
        named = sorted({claim.urn for claim in claims if claim.subtype == SAME_AS})
        made_of = await context.graph.neighbours(named, "UPSTREAM", [DERIVED_FROM], at, MAX_EDGES) if named else ()
    else:
        claims = [Claim(edge.downstream, edge.via, edge.basis, edge.status, edge.subtype) for edge in made_of]
    for claim in claims:
        if claim.subtype != SAME_AS:
            above[claim.urn].append(claim)
    for edge in made_of:
        if edge.subtype == SAME_AS:
            names[edge.upstream].append(edge.downstream)
    beyond = await context.claims(sorted(names), "UPSTREAM", at, MAX_EDGES) if names else ()
    return above, {dataset for claim in beyond if claim.subtype != SAME_AS for dataset in names[claim.urn]}
