"""Answers on a terminal of 80 columns: what a person has to find is there, and nothing says it twice."""
from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from metadata_service.api.graphql.schema import Caller, execute
from metadata_service.cli import documents
from metadata_service.cli.views import Names, audit_view, entity_view, impact_view, label, lineage_view, trace_view, values_only
from metadata_service.cli.views.diagram import mermaid
from metadata_service.cli.views.diff import diff_view
from metadata_service.cli.views.registry import apart
from metadata_service.queries.context import EVERYTHING
from tests.flights_world import GOOD, JOINED, NS, RAW, World, column, dataset, features, joined

pytestmark = pytest.mark.anyio


async def asked(world: World, document: str, field: str, **variables: Any) -> dict[str, Any]:
    body = await execute(Caller(world.room, EVERYTHING), document, variables)
    assert "errors" not in body, body["errors"]
    answer: dict[str, Any] = body["data"][field]
    return answer


def shown(parts: Iterable[RenderableType], width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, color_system=None, legacy_windows=False)
    for part in parts:
        console.print(part)
    text = file.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    return text


def flat(text: str) -> str:
    """Without line breaks, frames and indentation."""
    return re.sub(r"[\s│]+", " ", text)


async def test_a_trace_goes_down_the_value_and_lists_rows_per_dataset(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    await world.settle()
    text = shown(trace_view(await asked(world, documents.TRACE, "trace", urn=column("wind", "joined"), since="2026-03-02T00:00:00Z")))
    steps = [flat(text).index(each) for each in ("1. joined.wind = feat.wind_ms ← feat_weather.wind_ms",
                                                 "2. feat_weather.wind_ms = round(wind_speed_mph * 0.27778",
                                                 "3. stg_weather.wind_speed_mph = wind_speed", "raw weather (wind_speed)", "decides which rows there are")]
    assert steps == sorted(steps)
    assert "4. " not in text
    assert "suspect commit bbbbbbbbbbbb by Bob Berg" in text
    assert "round(wind_speed_mph * 0.44704, 1) → round(wind_speed_mph * 0.27778, 1)" in flat(text)
    rows = text[text.index("decides which rows there are (not"):].splitlines()
    assert [line.strip() for line in rows[1:5]] == ["feat_weather: origin", "flights: origin", "stg_weather: origin", "weather: origin"]
    assert text.count("❱") == 3, "snippets for the value only"


async def test_lineage_counts_what_only_decides_rows_until_asked_for(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    await world.settle()
    answer = await asked(world, documents.LINEAGE, "lineage", urn=column("wind", "joined"), level="COLUMN", depth=None)
    text = shown(lineage_view(answer, "UPSTREAM"))
    assert "feat_weather.wind_ms" in text
    assert "origin" not in text
    assert "+2 that decide rows; --indirect shows them" in text
    everything = shown(lineage_view(answer, "UPSTREAM", indirect=True))
    assert "feat_weather.origin" in everything
    assert "[join]" in everything
    assert "--indirect" not in everything
    down = shown(lineage_view(await asked(world, documents.LINEAGE, "lineage", urn=column("origin", "feat_weather"), level="COLUMN", direction="DOWNSTREAM"),
                              "DOWNSTREAM"))
    assert "+2 whose rows it decides; --indirect shows them" in down


async def test_a_diagram_leaves_out_what_only_decides_rows(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    await world.settle()
    answer = await asked(world, documents.LINEAGE, "lineage", urn=column("wind", "joined"), direction="UPSTREAM", level="COLUMN")
    everything, values = mermaid(answer), mermaid(values_only(answer))
    assert "-.->" in everything
    assert "flights.origin" in everything
    assert "-.->" not in values
    drawn = re.findall(r"^  n\d+\[\"([\w.]+)", values, re.MULTILINE)
    assert drawn == ["joined.wind", "feat_weather.wind_ms", "stg_weather.wind_speed_mph", "weather.wind_speed"]
    assert re.findall(r"n\d --> n\d", values) == ["n1 --> n0", "n2 --> n1", "n3 --> n2"]


async def test_impact_is_a_list_with_owners_first_and_a_path_each(shared_world: World) -> None:
    change = {"kind": "DROP_COLUMN", "urn": column("wind_speed", "weather", RAW)}
    lines = shown(impact_view(await asked(shared_world, documents.IMPACT, "impact", change=change)), 160).splitlines()
    assert lines[0].startswith("drop column weather.wind_speed: 8 breaking, 1 possible")
    assert "owners to ask: ml-team, airport-ops" in lines[0]
    model = next(number for number, line in enumerate(lines) if line.startswith("breaking  delay@1  model version, live in production  pinned  owner ml-team"))
    assert flat("\n".join(lines[model + 1:])).lstrip().startswith(
        "weather.wind_speed → stg_weather.wind_speed_mph (models/stg_weather.sql:4) → feat_weather.wind_ms (models/feat_weather.sql:5) "
        "→ training_set.wind_ms (models/training_set.sql:3) → delay@1")
    assert [line.split()[0] for line in lines[1:] if line[:1] in "bp"] == ["breaking"] * 5 + ["possible"]


async def test_an_audit_says_who_changed_what_it_reads(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z", [("feat_weather", "origin")])
    joined(world, "joined 2", "2026-03-03T09:30:00Z", [("feat_weather", "origin")])
    changed = joined(world, "joined 3", "2026-03-04T09:30:00Z", [("feat_weather", "observed_at")], JOINED.replace("(origin)", "(observed_at)"), "b" * 40)
    await world.settle()
    answer = await asked(world, documents.AUDIT, "auditTrail", urn=dataset("joined"))
    text = shown(audit_view(answer))
    entry = flat(text[text.index(f"#{changed} "):])
    for each in ("openlineage.run applied bob@example.org bbbbbbbbbbbb key pipeline (valid) in checkpoint", "claimed 2026-03-04 09:30:00Z",
                 "joined (rows, wind): now reads feat_weather.observed_at, no longer feat_weather.origin"):
        assert each in entry
    only = shown(audit_view(answer, only_changes=True))
    assert f"#{changed} " in only
    reads = await asked(world, documents.AUDIT, "auditTrail", urn=dataset("feat_weather"))  # the joins above only mention it
    assert f"#{changed} " in shown(audit_view(reads))
    assert f"#{changed} " not in shown(audit_view(reads, only_changes=True))
    assert "5 more entries changed nothing" in shown(audit_view(reads, only_changes=True))


async def test_refused_entries_are_shown_with_their_reason_in_any_case(world: World) -> None:
    world.say("lineproof.alias.v1", {"kind": "model", "namespace": NS, "name": "delay", "alias": "champion", "to": "7", "reason": "no such version"})
    await world.settle()
    answer = await asked(world, documents.AUDIT, "auditTrail", urn=f"urn:lineproof:model:{column('x', 'y').split(':')[3]}:delay")
    refused = next(row for row in answer["rows"] if row["status"] != "applied")
    text = shown(audit_view(answer, only_changes=True))
    assert f"#{refused['index']} " in text
    assert refused["reason"] in text


async def test_an_entity_shows_schema_owners_and_checks_in_words(world: World) -> None:
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": "plausible", "column": "wind_speed", "success": False,
                                       "expected": {"max": 200}, "actual": 1048.36})
    await world.settle()
    text = shown(entity_view(await asked(world, documents.ENTITY, "entity", urn=dataset("weather", RAW))))
    for each in ("owners: weather-desk  (since", "schema, 4 columns", "columns: origin, precip, time_hour, wind_speed",
                 "failed  plausible on wind_speed  expected max 200; found 1048.36"):
        assert each in text
    assert "{" not in text


async def test_reasons_are_told_once_with_examples(world: World) -> None:
    answer = await asked(world, documents.LINEAGE, "lineage", urn=dataset("training_set"))
    reasons = [{"code": "column-lineage-unknown", "detail": "no columns", "urn": column(f"c{number}", f"d{number % 5}")} for number in range(15)]
    answer["completeness"] = {**answer["completeness"], "complete": False, "reasons": reasons}
    text = flat(shown(lineage_view(answer, "UPSTREAM")))
    assert "what columns are made of is unknown in 5 datasets: d0, d1, d2 and 2 more (15 columns)" in text
    assert text.count("unknown") == 1


def test_the_database_goes_unsaid_where_all_tables_share_it() -> None:
    weather, flights = dataset("db.raw.weather"), dataset("db.raw.flights")
    assert Names([weather, flights])(weather) == "raw.weather"
    assert Names([weather, flights])(column("wind", "db.raw.weather")) == "raw.weather.wind"
    assert Names([weather, dataset("other.raw.weather")])(weather) == "db.raw.weather"
    assert Names([weather, dataset("raw.weather", RAW)])(weather) == "db.raw.weather", "two of the same name would be left"
    assert Names([dataset("weather.csv", RAW)])(dataset("weather.csv", RAW)) == "weather.csv"
    assert label(weather) == "db.raw.weather"


def test_a_list_of_inputs_names_each_column_once() -> None:
    names = Names([])
    assert names.list([column("a", "t"), column("a", "t"), column("b", "t"), column("a", "u"), dataset("v")]) == "t (a, b), u.a, v"
    assert names.list([dataset(name) for name in "abcd"], 2) == "a, b and 2 more"


async def test_a_diff_shows_what_is_computed_otherwise_and_counts_what_other_code_left_as_it_was(world: World) -> None:
    before = world.log.reader.size()
    features(world, "features again", "2026-03-03T09:10:00Z", GOOD, "c" * 40)
    await world.settle()
    text = shown(diff_view(await asked(world, documents.DIFF, "diff", urn=dataset("feat_weather"), **{"from": {"size": before}})))
    assert "~ feat_weather.wind_ms ← stg_weather.wind_speed_mph" in text
    assert "- round(wind_speed_mph * 0.27778, 1) models/feat_weather.sql:5 + round(wind_speed_mph * 0.44704, 1)" in flat(text)
    assert re.search(r"~ feat_weather: [2-9] edges as before, by other code: \w{12} → \w{12} since \d+", flat(text))
    assert "feat_weather.origin ←" not in text


def test_long_values_are_shown_from_where_they_part() -> None:
    head, tail = "select a, b, c, d " * 10, " from somewhere" * 10
    old, new = apart(f"{head}x{tail}", f"{head}yy{tail}")
    assert (old[0], old[-1]) == ("…", "…")
    assert "d x from" in old
    assert "d yy from" in new
    assert apart("one", "two") == ("one", "two")
    assert apart("same" * 30, "same" * 31)[1].endswith("same")
