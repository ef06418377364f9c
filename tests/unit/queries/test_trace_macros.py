"""Trace: an expression that a macro made is shown at its call and in the macro."""
from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.cli import documents
from metadata_service.cli.views.trace import trace_view
from metadata_service.queries.trace import trace
from tests.flights_world import NS, RAW, REPO, World, column, run_id
from tests.unit.queries.asking import ask, reader_of
from tests.unit.queries.test_views import asked, flat, shown

pytestmark = pytest.mark.anyio
MODEL = "select\n  {{ knots('wind_speed') }} as wind\nfrom weather"  # as dbt tells it: two blank lines stand before it in the file
MACRO = "{% macro knots(c) %}\n  -- knots\n  round({{ c }} * 1.94, 1)\n{% endmacro %}"
PLACE = {"name": "macro.shop.knots", "file": "macros/units.sql", "line": 12, "column": 3, "within": 3}


def built(world: World, run: str, at: str, macro: dict[str, Any] | None = None, line: int = 4) -> None:
    """A run of a model whose one column a macro made."""
    raw, module = (hashlib.sha256(text.encode()).hexdigest() for text in (MODEL, MACRO))
    world.sources |= {raw: MODEL.encode(), module: MACRO.encode()}
    version = "a" * 64
    world.say("lineproof.transformation.v1", {"namespace": NS, "name": "wind", "version": version, "language": "sql", "rawCode": raw, "rawCodeLine": 3,
                                              "modules": {"macro.shop.knots": module}, "path": "models/wind.sql"}, at)
    field = {"expression": "round(wind_speed * 1.94, 1)", "file": "models/wind.sql", "line": line, "column": 3, "status": "complete",
             **({"macro": macro} if macro is not None else {})}
    source = {"namespace": RAW, "name": "weather", "field": "wind_speed", "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}
    job_facets = {"lineproof_transformation": {"urn": format_urn("transformation", NS, "wind", version), "repository": REPO, "path": "models/wind.sql"}}
    world.openlineage({
        "eventType": "COMPLETE", "eventTime": at, "run": {"runId": run_id(run), "facets": {}}, "job": {"namespace": NS, "name": "wind", "facets": job_facets},
        "inputs": [{"namespace": RAW, "name": "weather", "facets": {}}],
        "outputs": [{"namespace": NS, "name": "wind", "facets": {"columnLineage": {"fields": {"knots": {"inputFields": [source]}}},
                                                                 "lineproof_columns": {"fields": {"knots": field}}}}]})


async def test_the_call_and_the_lines_of_the_macro_are_shown(world: World) -> None:
    built(world, "wind 1", "2026-03-04T09:00:00Z", PLACE)
    await world.settle()
    step = (await ask(world, trace, column("knots", "wind"))).steps[0]
    assert (step.file, step.line, step.column) == ("models/wind.sql", 4, 3)
    assert step.snippet is not None
    assert step.snippet.start == 3
    assert step.snippet.lines[step.snippet.highlight - step.snippet.start] == "  {{ knots('wind_speed') }} as wind"
    assert step.macro is not None
    assert (step.macro.name, step.macro.file, step.macro.line, step.macro.column, step.macro.within) == tuple(
        PLACE[key] for key in ("name", "file", "line", "column", "within"))
    assert step.macro.snippet is not None
    assert (step.macro.snippet.file, step.macro.snippet.start, step.macro.snippet.highlight) == ("macros/units.sql", 10, 12)
    assert step.macro.snippet.lines == tuple(MACRO.split("\n"))
    text = shown(trace_view(await asked(world, documents.TRACE, "trace", urn=column("knots", "wind"))))
    assert "made by macro.shop.knots macros/units.sql:12:3" in flat(text)
    assert text.count("❱") == 2


async def test_dbts_own_macros_have_no_file_but_their_text(world: World) -> None:
    built(world, "wind 1", "2026-03-04T09:00:00Z", {"name": "macro.shop.knots", "within": 3, "column": 3})
    await world.settle()
    step = (await ask(world, trace, column("knots", "wind"))).steps[0]
    assert step.macro is not None
    assert (step.macro.file, step.macro.line, step.macro.within) == (None, None, 3)
    assert step.macro.snippet is not None
    assert (step.macro.snippet.file, step.macro.snippet.highlight) == ("macro.shop.knots", 3)


async def test_the_place_of_the_latest_rendering_holds_and_earlier_positions_keep_theirs(world: World) -> None:
    built(world, "wind 1", "2026-03-04T09:00:00Z", PLACE)
    before = await world.settle()
    built(world, "wind 2", "2026-03-05T09:00:00Z")
    await world.settle()
    assert (await ask(world, trace, column("knots", "wind"))).steps[0].macro is None
    then = await ask(world, trace, column("knots", "wind"), size=before)
    assert then.steps[0].macro is not None


async def test_a_place_of_another_call_is_not_shown(world: World) -> None:
    built(world, "wind 1", "2026-03-04T09:00:00Z", PLACE)
    built(world, "wind 2", "2026-03-05T09:00:00Z", {**PLACE, "line": 11, "within": 2}, line=5)
    await world.settle()
    assert (await ask(world, trace, column("knots", "wind"))).steps[0].macro is not None
    then = await ask(world, trace, column("knots", "wind"), data_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert (then.steps[0].line, then.steps[0].macro) == (4, None)


async def test_the_macros_lines_are_hidden_with_what_it_reads(world: World) -> None:
    built(world, "wind 1", "2026-03-04T09:00:00Z", PLACE)
    await world.settle()
    found = await ask(world, trace, column("knots", "wind"), viewer=reader_of(world, NS))
    assert found.steps[0].macro is not None
    assert found.steps[0].macro.snippet is None
    assert RAW not in repr(found)
