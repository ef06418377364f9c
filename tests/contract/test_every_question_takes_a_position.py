"""Every root field of the SDL is asked at positions of the past: it answers as of them, or refuses with `not-historical`."""
from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.api.graphql import Caller, execute
from metadata_service.queries.context import EVERYTHING
from tests.flights_world import NS, RAW, World, column, dataset, world_on_sqlite
from tests.root_fields import FIELDS, document

pytestmark = pytest.mark.anyio
NOW_ONLY = {"search", "features", "event", "checkpoint", "evidence"}
WINDOWS = {"diff", "suspects"}  # from one position to another: `to` is where they stand
ARGUMENTS: dict[str, dict[str, Any]] = {
    "entity": {"urn": dataset("training_set")}, "search": {"text": "weather"}, "lineage": {"urn": dataset("training_set")},
    "impact": {"urn": dataset("weather", RAW)}, "trace": {"urn": column("wind_ms", "training_set")}, "auditTrail": {"urn": dataset("training_set")},
    "accounting": {}, "pointInTimeChecks": {"urn": dataset("training_set")}, "diff": {"urn": dataset("training_set"), "from": {"size": 0}},
    "suspects": {"urn": dataset("training_set"), "from": {"size": 0}}, "manifest": {"urn": dataset("training_set")}, "feature": {"ref": {"name": "nothing:f"}},
    "features": {}, "model": {"ref": {"name": f"{NS}/delay"}}, "aliases": {"name": format_urn("model", NS, "delay"), "kind": "MODEL"},
    "deployment": {"id": format_urn("deployment", NS, "delay", "live")}, "resolve": {"refs": [format_urn("model-version", NS, "delay", "1")]},
    "event": {"index": 3}, "checkpoint": {}, "keyHistory": {}, "evidence": {"entries": [3]}}


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    async with world_on_sqlite(tmp_path_factory.mktemp("positions")) as world:
        yield world


async def asked(world: World, field: str, position: dict[str, Any] | None) -> dict[str, Any]:
    """The answer of a field: where it stands and how complete it is."""
    given = {**ARGUMENTS[field], **({} if position is None else {"to" if field in WINDOWS else "at": position})}
    return await execute(Caller(world.room, EVERYTHING), document(field, given), given)


def test_every_root_field_is_asked_here_and_takes_a_position() -> None:
    assert ARGUMENTS.keys() == FIELDS.keys()
    for name, field in FIELDS.items():
        taken = field.args.get("to" if name in WINDOWS else "at")
        assert taken is not None, name
        assert str(taken.type) == "Position", name


@pytest.mark.parametrize("field", FIELDS)
async def test_a_past_position_is_answered_or_refused(world: World, field: str) -> None:
    size = world.log.reader.size()
    now = await asked(world, field, None)
    assert "errors" not in now, now
    for wanted in (0, 1, size // 2, size - 1):
        body = await asked(world, field, {"size": wanted})
        if field in NOW_ONLY:
            assert [error["extensions"]["code"] for error in body["errors"]] == ["not-historical"]
            continue
        assert "errors" not in body, body
        assert body["data"][field]["computedAt"] == {"size": wanted, "rootHash": world.log.reader.root_at(wanted).hex()}


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - NOW_ONLY))
async def test_a_time_before_everything_is_the_empty_log(world: World, field: str) -> None:
    body = await asked(world, field, {"time": datetime(2020, 1, 1, tzinfo=UTC).isoformat()})
    assert body["data"][field]["computedAt"]["size"] == 0


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - NOW_ONLY - {"accounting", "keyHistory", "resolve", "auditTrail"}))
async def test_before_anything_was_said_an_answer_is_not_called_complete(world: World, field: str) -> None:
    completeness = (await asked(world, field, {"size": 0}))["data"][field]["completeness"]
    assert not completeness["complete"], field
    assert completeness["unknown"] >= 1
    assert completeness["reasons"], field


@pytest.mark.parametrize("field", FIELDS)
async def test_beyond_the_log_there_is_no_answer(world: World, field: str) -> None:
    body = await asked(world, field, {"size": world.log.reader.size() + 1})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["not-historical" if field in NOW_ONLY else "position-beyond-log"]
