"""Where a trace starts and what a view hands on: a version or a run is traced as it is, and who reads a view reads what lies behind it at that moment."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.queries import trace_walk
from metadata_service.queries.trace import trace
from metadata_service.queries.trace_shapes import Trace
from tests.flights_world import NS, World, column, dataset, run_id
from tests.unit.queries.asking import ask


def ran(world: World, job: str, day: int, source: str, target: str, expression: str, *, kind: dict[str, str] | None = None, version: str | None = None) -> None:
    facets: dict[str, Any] = {
        "schema": {"fields": [{"name": "x"}]}, "lineproof_columns": {"fields": {"x": {"expression": expression}}},
        "columnLineage": {"fields": {"x": {"inputFields": [{"namespace": NS, "name": source, "field": "x"}]}}}}
    facets |= {"datasetType": kind} if kind is not None else {}
    facets |= {"version": {"datasetVersion": version}} if version is not None else {}
    world.openlineage({"eventType": "COMPLETE", "eventTime": f"2026-04-{day:02}T00:00:00Z", "run": {"runId": run_id(f"{job} {day}")},
                       "job": {"namespace": NS, "name": job, "facets": {"sql": {"query": expression}}}, "inputs": [{"namespace": NS, "name": source}],
                       "outputs": [{"namespace": NS, "name": target, "facets": facets}]})


def run_of(answer: Trace, table: str) -> tuple[str | None, str | None]:
    step = next(step for step in answer.steps if step.urn == column("x", table))
    return step.expression, step.run.urn if step.run is not None else None


def made(job: str, day: int) -> str:
    return f"urn:lineproof:run:{run_id(f'{job} {day}')}"


@pytest.mark.parametrize(("kind", "read"), [({"datasetType": "VIEW"}, 2), ({"datasetType": "TABLE"}, 1),
                                            ({"datasetType": "VIEW", "subType": "MATERIALIZED"}, 1), (None, 1)])
async def test_who_reads_a_view_reads_what_lies_behind_it_then(world: World, kind: dict[str, str] | None, read: int) -> None:
    ran(world, "make", 1, "a", "m", "one")
    ran(world, "define", 1, "m", "v", "m.x", kind=kind)
    ran(world, "make", 2, "a", "m", "two")
    ran(world, "finish", 3, "v", "end", "v.x")
    ran(world, "make", 4, "a", "m", "three")  # nobody has read it
    await world.settle()
    answer = await ask(world, trace, column("x", "end"))
    assert run_of(answer, "m") == ({1: "one", 2: "two"}[read], made("make", read))
    assert run_of(answer, "v") == ("m.x", made("define", 1))


async def test_a_view_asked_about_shows_what_lies_behind_it_then_and_now(world: World) -> None:
    ran(world, "make", 1, "a", "m", "one")
    ran(world, "define", 2, "m", "v", "m.x", kind={"datasetType": "VIEW"})
    ran(world, "make", 3, "a", "m", "two")
    ran(world, "make", 5, "a", "m", "three")
    await world.settle()
    assert run_of(await ask(world, trace, column("x", "v")), "m") == ("three", made("make", 5))
    assert run_of(await ask(world, trace, column("x", "v"), datetime(2026, 4, 4, tzinfo=UTC)), "m") == ("two", made("make", 3))


async def test_a_version_and_a_run_are_traced_as_they_are(world: World) -> None:
    ran(world, "make", 1, "a", "m", "one", version="v1")
    ran(world, "make", 2, "a", "m", "two", version="v2")
    ran(world, "make", 3, "a", "m", "three", version="v2")  # the same content again
    await world.settle()
    for urn, expected in ((format_urn("dataset-version", NS, "m", "v1"), ("one", made("make", 1))), (made("make", 1), ("one", made("make", 1))),
                          (format_urn("dataset-version", NS, "m", "v2"), ("three", made("make", 3))), (made("make", 2), ("two", made("make", 2)))):
        assert run_of(await ask(world, trace, urn), "m") == expected


async def test_where_a_limit_ends_the_trace_is_no_raw_data(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (source, target) in enumerate((("a", "m"), ("m", "n"), ("n", "end")), 1):
        ran(world, f"to {target}", number, source, target, f"{source}.x")
    await world.settle()
    answer = await ask(world, trace, column("x", "end"))
    assert [source.urn for source in answer.sources] == [dataset("a")]
    monkeypatch.setattr(trace_walk, "MAX_STEPS_BACK", 2)
    answer = await ask(world, trace, column("x", "end"))
    assert [step.urn for step in answer.steps] == [column("x", "end"), column("x", "n")]
    assert answer.sources == ()
    assert answer.completeness.truncated
