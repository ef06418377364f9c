"""Whatever an answer leaves out, it says so: at which limit, and how much is known to lie beyond."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.api.graphql import Caller, execute
from metadata_service.queries import activity, changes, column_gaps, diff, entity, lineage, roots, suspects, trace_walk
from metadata_service.queries.context import EVERYTHING
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.impact import impact
from metadata_service.queries.lineage import walk_limits
from metadata_service.queries.point_in_time import load as recorded
from metadata_service.queries.point_in_time import point_in_time_checks
from metadata_service.queries.shapes import Completeness, Direction, Level
from metadata_service.queries.trace import trace
from metadata_service.reproduce import closure, manifest
from tests.flights_world import NS, RAW, World, column, dataset, job, model
from tests.unit.queries.asking import ask

pytestmark = pytest.mark.anyio
Question = Callable[[World], Awaitable[Any]]


def said(completeness: Completeness) -> list[str]:
    return [reason.detail for reason in completeness.reasons if reason.code == "truncated"]


async def test_a_walk_that_is_too_large_says_where_it_stopped_and_how_much_lies_beyond(shared_world: World) -> None:
    found = await ask(shared_world, lineage.lineage, dataset("training_set"), depth=None, limits=walk_limits(3, None))
    assert len(found.nodes) == 3
    assert found.completeness.truncated
    assert not found.completeness.complete
    assert said(found.completeness) == ["not all is here: the walk stopped at 3 nodes; 1 of them lead on to 1 more"]
    assert sum(node.hidden_upstream for node in found.nodes) == 1
    found = await ask(shared_world, lineage.lineage, dataset("training_set"), depth=None, limits=walk_limits(None, 2))
    assert len(found.edges) == 2
    assert said(found.completeness) == ["not all is here: the first 2 edges are shown"]


@pytest.mark.parametrize("urn", [column("wind_speed", "weather", RAW), dataset("weather", RAW)])
async def test_an_impact_that_is_cut_at_any_edge_is_a_part_of_the_whole(shared_world: World, urn: str) -> None:
    whole = await ask(shared_world, impact, urn)
    for most in range(1, len(whole.edges)):
        found = await ask(shared_world, impact, urn, limits=walk_limits(None, most))
        assert {item.urn for item in found.affected} <= {item.urn for item in whole.affected}
        assert all(found.nodes[found.edges[index].downstream].urn for item in found.affected for index in item.path)
        assert found.completeness.truncated or found.affected == whole.affected


async def test_a_walk_that_takes_too_long_stops_and_says_so(shared_world: World) -> None:
    document = """query($urn: ID!, $limits: Limits) { lineage(urn: $urn, depth: null, limits: $limits) { nodes { urn hiddenUpstream }
        completeness { complete truncated reasons { code detail } } } impact(urn: $urn, limits: $limits) { completeness { truncated reasons { detail } } } }"""
    body = await execute(Caller(shared_world.room, EVERYTHING), document, {"urn": dataset("training_set"), "limits": {"seconds": 1e-9}})
    found = body["data"]["lineage"]
    assert found["nodes"] == [{"urn": dataset("training_set"), "hiddenUpstream": 2}]
    assert found["completeness"] == {"complete": False, "truncated": True, "reasons": [
        {"code": "truncated", "detail": "not all is here: the walk stopped after 1e-09 seconds at 1 nodes; 1 of them lead on to 2 more"}]}
    assert body["data"]["impact"]["completeness"]["truncated"]
    within = await execute(Caller(shared_world.room, EVERYTHING), document, {"urn": dataset("training_set"), "limits": {"seconds": 10}})
    assert within["data"]["lineage"]["completeness"]["complete"]


def test_limits_are_positive_and_never_above_the_services_own() -> None:
    assert walk_limits(10**9, 10**9, 10**9) == walk_limits(lineage.MAX_NODES, lineage.MAX_EDGES, 10)
    for wrong in ((0, None, None), (None, 0, None), (None, None, 0.0), (None, None, float("nan"))):
        with pytest.raises(InvalidArgument):
            walk_limits(*wrong)


def _of(question: Any, urn: str, **named: Any) -> Question:
    return lambda world: ask(world, question, urn, **named)


CUTS: list[tuple[Any, str, int, Question, str]] = [
    (roots, "VERSION_LIMIT", 0, _of(lineage.lineage, format_urn("model", NS, "delay")), "versions (the newest 0)"),
    (roots, "BESIDE_LIMIT", 0, _of(lineage.lineage, job("training_set")), "written by the job (the newest 0)"),
    (roots, "BESIDE_LIMIT", 0, _of(lineage.lineage, format_urn("model", NS, "delay")), "deployments (the newest 0)"),
    (roots, "COLUMN_LIMIT", 2, _of(lineage.lineage, dataset("training_set"), level=Level.COLUMN), "columns of one dataset (the newest 2)"),
    (roots, "COLUMN_LIMIT", 2, _of(impact, dataset("training_set")), "columns of one dataset (the newest 2)"),
    (diff, "COLUMN_LIMIT", 2, _of(diff.diff, dataset("training_set"), start=0), "columns of one dataset (the newest 2)"),
    (diff, "HISTORY_LIMIT", 1, _of(diff.diff, dataset("training_set"), start=0), "history (more than 1 edges)"),
    (diff, "MAX_POSITIONS", 1, _of(diff.diff, dataset("feat_weather"), start=0), "positions (more than 1)"),
    (entity, "LINK_LIMIT", 1, _of(entity.entity, dataset("training_set")), "links (more than 1)"),
    (changes, "MAX_CHANGES", 1, _of(trace, column("wind_ms", "training_set")), "versions of code on the path (1 of 4)"),
    (suspects, "MAX_DATASETS", 1, _of(suspects.suspects, dataset("training_set"), start=0), "history of datasets (the nearest 1 of 5)"),
    (trace_walk, "MAX_TRACE_EDGES", 1, _of(trace, column("wind_ms", "training_set")), "edges (more than 1)"),
    (activity, "USED_LIMIT", 1, _of(trace, column("wind_ms", "training_set")), "inputs of one run (the newest 1)"),
    (recorded, "USED_LIMIT", 1, _of(point_in_time_checks, dataset("training_set")), "inputs and outputs of one run (the newest 1)"),
    (closure, "LINK_LIMIT", 1, _of(manifest.manifest, dataset("training_set")), "inputs and outputs of one run (the newest 1)"),
    (manifest, "LINK_LIMIT", 0, _of(manifest.manifest, model("1")), "versions it was trained on or is kept as (the newest 0)"),
    (lineage, "MAX_EDGES", 0, _of(lineage.lineage, dataset("training_set"), level=Level.COLUMN, direction=Direction.DOWNSTREAM),
     "edges of what was reached (the first 0)"),
    (column_gaps, "MAX_EDGES", 0, _of(lineage.lineage, dataset("training_set"), level=Level.COLUMN), "edges of what was reached (the first 0)"),
]


@pytest.mark.parametrize(("where", "limit", "value", "question", "reason"), CUTS, ids=[f"{case[0].__name__.rpartition('.')[2]}-{case[1]}-{n}"
                                                                                      for n, case in enumerate(CUTS)])
async def test_no_limit_cuts_in_silence(shared_world: World, where: Any, limit: str, value: int, question: Question, reason: str,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    assert not (await question(shared_world)).completeness.truncated
    monkeypatch.setattr(where, limit, value)
    found = await question(shared_world)
    assert found.completeness.truncated
    assert not found.completeness.complete
    assert f"not all is here: {reason}" in said(found.completeness)
