"""Suspects by what is said of things: types of columns and fields, aliases that something follows, macros, and why a run failed."""
from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785

from lineproof_schema.urn import format_urn
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.suspects import suspects
from tests.flights_world import NS, World, column, dataset, run_id
from tests.unit.queries.asking import ask

AT = "2026-04-01T00:00:00Z"


def made(world: World, number: int, *, source: list[dict[str, Any]] | None = None, state: str = "COMPLETE", code: dict[str, Any] | None = None,
         run_facets: dict[str, Any] | None = None, output: dict[str, Any] | None = None) -> None:
    """Run `number` from a to m; `source` is the schema of a as the run saw it."""
    lineage = {"fields": {"x": {"inputFields": [{"namespace": NS, "name": "a", "field": "x"}]}}}
    facets = {"schema": {"fields": source}} if source is not None else {}
    world.openlineage({"eventType": state, "eventTime": f"2026-04-{number:02}T00:00:00Z",
                       "run": {"runId": run_id(f"make {number}"), "facets": run_facets or {}},
                       "job": {"namespace": NS, "name": "make", "facets": code or {"sql": {"query": "select x from a"}}},
                       "inputs": [{"namespace": NS, "name": "a", "facets": facets}],
                       "outputs": [{"namespace": NS, "name": "m", "facets": {"schema": {"fields": [{"name": "x"}]}, "columnLineage": lineage},
                                    "outputFacets": output or {}}]})


async def found(world: World, start: int, urn: str = column("x", "m")) -> list[Suspect]:
    await world.settle()
    return [row for row in (await ask(world, suspects, urn, start=start)).rows if row.kind is not SuspectKind.RUN_MISSING]


def struct(kind: str) -> list[dict[str, Any]]:
    return [{"name": "x", "type": "struct", "fields": [{"name": "part", "type": kind}]}]


@pytest.mark.parametrize(("before", "after", "said", "score"), [
    ([{"name": "x", "type": "int4"}], [{"name": "x", "type": "INTEGER"}], None, 0),
    ([{"name": "x"}], [{"name": "x", "type": "INTEGER"}], None, 0),  # told only now
    ([{"name": "x", "type": "INT"}], [{"name": "x", "type": "BIGINT"}], "x INT → BIGINT", 49),
    ([{"name": "x", "type": "INT"}], [{"name": "x", "type": "VARCHAR"}], "x INT → VARCHAR", 69),
    ([{"name": "x"}, {"name": "y", "type": "INT"}], [{"name": "x"}, {"name": "y", "type": "VARCHAR"}], "y INT → VARCHAR", 24),  # nobody reads y
    (struct("INT"), struct("VARCHAR"), "x.part INT → VARCHAR", 69),
])
async def test_a_schema_by_what_it_means_to_who_reads_the_column(world: World, before: list[dict[str, Any]], after: list[dict[str, Any]], said: str | None,
                                                                score: int) -> None:
    made(world, 1, source=before)
    start = await world.settle()
    made(world, 2, source=after)
    rows = [(row.kind, row.urn, row.because, row.score) for row in await found(world, start)]
    assert rows == ([(SuspectKind.SCHEMA, dataset("a"), f"columns changed: {said}", score)] if said is not None else [])


@pytest.mark.parametrize(("binding", "alias", "asked", "told"), [
    ("flexible", "prod", "model-version", True), ("stable", "prod", "model-version", False), ("flexible", "beta", "model-version", False),
    ("stable", "beta", "feature", True)])
async def test_an_alias_counts_for_who_follows_it(world: World, binding: str, alias: str, asked: str, told: bool) -> None:
    for version in ("1", "2"):
        world.say("lineproof.feature-version.v1", {"namespace": NS, "name": "f", "version": version, "column": {"namespace": NS, "name": "feat", "column": "f"},
                                                   "definition": {"entities": ["id"], "dtype": "DOUBLE", "sources": [{"namespace": NS, "name": "a"}]}}, AT)
    there = {}
    for name in ("prod", "beta"):
        there[name] = world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "f", "alias": name, "to": "1"}, AT)
    reference = format_urn("feature", NS, "f").removeprefix("urn:lineproof:feature:") + "@prod"
    world.say("lineproof.model-version.v1", {"namespace": NS, "name": "mod", "version": "1", "artifact": "ab" * 32, "features": [reference],
                                             "binding": binding, **({"ttlSeconds": 60} if binding == "flexible" else {})}, AT)
    start = await world.settle()
    world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "f", "alias": alias, "to": "2", "expected": there[alias],
                                     "reason": "it is better"}, AT)
    urn = format_urn("model-version", NS, "mod", "1") if asked == "model-version" else format_urn("feature", NS, "f")
    rows = [(row.because, row.before, row.after) for row in await found(world, start, urn) if row.kind is SuspectKind.ALIAS]
    assert rows == [(f"{alias} of f moved from 1 to 2 (it is better)", "1", "2")] * told


async def test_the_macro_that_changed_is_named(world: World) -> None:
    def by(macro: str) -> dict[str, Any]:
        raw, modules = "1" * 64, {"macro.shop.units": macro * 64, "macro.shop.other": "c" * 64}
        version = hashlib.sha256(rfc8785.dumps({"rawCode": raw, "modules": modules, "config": None})).hexdigest()
        world.say("lineproof.transformation.v1", {"namespace": NS, "name": "make", "version": version, "language": "sql", "rawCode": raw,
                                                  "modules": modules}, AT)
        return {"lineproof_transformation": {"urn": format_urn("transformation", NS, "make", version)}}

    made(world, 1, code=by("a"))
    start = await world.settle()
    made(world, 2, code=by("b"))
    row, = await found(world, start)
    assert row.because == "its code changed (macro.shop.units changed, not its own text), and says the same of the columns on the path"


async def test_a_failed_run_says_why_and_what_it_had_written(world: World) -> None:
    made(world, 1)
    start = await world.settle()
    made(world, 2, state="ABORT", run_facets={"errorMessage": {"message": "disk\nfull"}}, output={"outputStatistics": {"rowCount": 40}})
    assert [row.because for row in await found(world, start) if row.kind is SuspectKind.RUN_FAILED] == [
        "the last run of make ended as ABORT: disk full; it had written 40 rows of m"]


def view(world: World, number: int, expression: str, *sources: str) -> None:
    """What v is made of, as a dataset event says it: no job, no code."""
    lineage = {"x": {"inputFields": [{"namespace": NS, "name": source, "field": "x"} for source in sources]}}
    world.openlineage({"eventTime": f"2026-04-{number:02}T00:00:00Z", "dataset": {"namespace": NS, "name": "v", "facets": {
        "schema": {"fields": [{"name": "x"}]}, "columnLineage": {"fields": lineage}, "lineproof_columns": {"fields": {"x": {"expression": expression}}}}}})


async def test_a_view_that_is_declared_anew_is_code_that_changed(world: World) -> None:
    view(world, 1, "m.x", "m")
    start = await world.settle()
    view(world, 2, "m.x", "m")
    assert await found(world, start, column("x", "v")) == []
    view(world, 3, "m.x * 2", "m")
    row, = await found(world, start, column("x", "v"))
    assert (row.kind, row.urn, row.before, row.after, row.job) == (SuspectKind.CODE, column("x", "v"), "m.x", "m.x * 2", None)
    between = await world.settle()
    view(world, 4, "m.x * 2 + n.x", "m", "n")
    first, second = await found(world, start, column("x", "v"))
    assert {first.after, second.after} == {"m.x * 2", "m.x * 2 + n.x"}
    row, = await found(world, between, column("x", "v"))
    assert (row.before, row.after) == ("m.x * 2", "m.x * 2 + n.x")


@pytest.mark.parametrize("backfill", [True, False])
async def test_a_snapshot_that_says_it_is_a_backfill_is_told_though_it_is_not_the_current_one(world: World, backfill: bool) -> None:
    def snapshot(version: str, day: int, **more: Any) -> None:
        world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "a", "id": version, "committedAt": f"2026-04-{day:02}T00:00:00Z", **more}, AT)

    snapshot("v1", 1)
    made(world, 2)
    start = await world.settle()
    snapshot("v1-again", 3, backfill=backfill, partition={"day": "2026-03-01"})
    made(world, 4)
    rows = [(row.because, row.after) for row in await found(world, start) if "backfill" in row.because]
    assert rows == [("a backfill wrote a again (day 2026-03-01)", format_urn("dataset-version", NS, "a", "v1-again"))] * backfill
