"""Suspects by what runs measured: of what they wrote, and of what they read where nobody here writes it; and how much is usual."""
from __future__ import annotations

from typing import Any

import pytest

from metadata_service.queries.influence import Influence
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.suspects import suspects
from tests.flights_world import NS, World, column, dataset, run_id
from tests.unit.queries.asking import ask


def made(world: World, number: int, *, seen: dict[str, Any] | None = None, wrote: dict[str, Any] | None = None) -> None:
    """Run `number` from a to m, with the facets it sends with its input and its output."""
    lineage = {"fields": {"x": {"inputFields": [{"namespace": NS, "name": "a", "field": "x"}]}}}
    world.openlineage({"eventType": "COMPLETE", "eventTime": f"2026-04-{number:02}T00:00:00Z", "run": {"runId": run_id(f"make {number}")},
                       "job": {"namespace": NS, "name": "make", "facets": {"sql": {"query": "select x from a"}}},
                       "inputs": [{"namespace": NS, "name": "a", "inputFacets": seen or {}}],
                       "outputs": [{"namespace": NS, "name": "m", "facets": {"schema": {"fields": [{"name": "x"}]}, "columnLineage": lineage},
                                    "outputFacets": wrote or {}}]})


def metrics(rows: int, nulls: int, of: str = "x") -> dict[str, Any]:
    return {"dataQualityMetrics": {"rowCount": rows, "columnMetrics": {of: {"nullCount": nulls}}}}


async def found(world: World, start: int) -> list[Suspect]:
    await world.settle()
    return [row for row in (await ask(world, suspects, column("x", "m"), start=start)).rows if row.kind is not SuspectKind.RUN_MISSING]


@pytest.mark.parametrize("count", [lambda rows: {"inputStatistics": {"rowCount": rows}}, lambda rows: {"dataQualityMetrics": {"rowCount": rows}}])
async def test_a_reader_says_that_a_source_which_nobody_writes_has_lost_its_rows(world: World, count: Any) -> None:
    for number in (1, 2):
        made(world, number, seen=count(1_500_000))
    start = await world.settle()
    made(world, 3, seen=count(1_400_000))
    assert await found(world, start) == []
    made(world, 4, seen=count(12))
    row, = await found(world, start)
    assert (row.kind, row.urn, row.before, row.after, row.influence, row.distance) == (
        SuspectKind.VOLUME, dataset("a"), 1_500_000, 12, Influence.VALUE, 1)
    assert row.because == "12 rows, usually 1500000"
    assert row.run == f"urn:lineproof:run:{run_id('make 4')}"


async def test_a_reader_says_that_the_column_it_reads_has_more_nulls_and_of_others_nothing_is_said(world: World) -> None:
    for number in (1, 2):
        made(world, number, seen=metrics(1000, 20))
    start = await world.settle()
    made(world, 3, seen=metrics(1000, 700, of="other"))
    assert await found(world, start) == []
    made(world, 4, seen=metrics(1000, 400))
    row, = await found(world, start)
    assert (row.kind, row.because) == (SuspectKind.DISTRIBUTION, "share of nulls of x is 0.4, usually 0.02")


@pytest.mark.parametrize(("nulls", "now", "stands_out"), [((0, 0, 0), 40, True), ((0, 0), 40, False), ((0, 30, 10), 40, False), ((0, 0, 0), 5, False)])
async def test_how_many_nulls_stand_out_depends_on_how_steady_they_were(world: World, nulls: tuple[int, ...], now: int, stands_out: bool) -> None:
    for number, each in enumerate(nulls, 1):
        made(world, number, wrote=metrics(1000, each))
    start = await world.settle()
    made(world, 9, wrote=metrics(1000, now))
    assert [row.kind for row in await found(world, start)] == [SuspectKind.DISTRIBUTION] * stands_out


@pytest.mark.parametrize(("rows", "now", "stands_out"), [((1000, 1005, 995), 800, True), ((1000, 1005, 995), 960, False), ((1000, 1300, 700), 800, False),
                                                         ((1000, 1100, 1200), 1300, False)])
async def test_how_many_rows_stand_out_depends_on_how_steady_they_were(world: World, rows: tuple[int, ...], now: int, stands_out: bool) -> None:
    for number, each in enumerate(rows, 1):
        made(world, number, wrote={"outputStatistics": {"rowCount": each}})
    start = await world.settle()
    made(world, 9, wrote={"outputStatistics": {"rowCount": now}})
    assert [row.kind for row in await found(world, start)] == [SuspectKind.VOLUME] * stands_out
