"""The eight checks on pipelines in SQL, parsed by the hooks and projected from a signed log."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.graph.open import open_graph
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.point_in_time import Boundary, Check, CheckName, CheckState, PointInTime, point_in_time_checks
from metadata_service.queries.point_in_time.recorded import read_timing, seconds_of
from tests.flights_world import BOB, NS, RAW, REPO, open_world
from tests.sql_world import SqlWorld
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
VIOLATION, SUSPECT, UNKNOWN, PROVEN = CheckState.VIOLATION, CheckState.SUSPECT, CheckState.UNKNOWN, CheckState.PROVEN
REFERENCES = ("ref", "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")
SPINE = "id bigint, k varchar, ref timestamp, known timestamp, late bigint, distance bigint"
EVENTS = "k varchar, seen timestamp, loaded timestamp, temp bigint"
WEATHER = "select s.id, s.ref, sum(e.temp) as x from spine s left join events e on e.k = s.k and {condition} group by s.id, s.ref"


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[SqlWorld]:
    graph = open_graph(f"sqlite:///{tmp_path / 'graph.db'}")
    await graph.setup()
    world = open_world(tmp_path, graph)
    world.say("lineproof.commit.v1", {"repository": REPO, "sha": "b" * 40, "author": BOB, "committedAt": "2026-03-02T00:00:00Z", "subject": "Faster"})
    made = SqlWorld(world)
    made.table("spine", SPINE, knowledge="column:known", event_time=REFERENCES, columnKnowledge={"id": "column:ref", "distance": "column:ref"})
    yield made
    world.close()
    await graph.close()


def training(sql: SqlWorld, feature: str = "f", column: str = "x", **more: Any) -> str:
    """A training set that takes one column of one feature table, and a model trained on it."""
    sql.model("training", f"select s.id, s.ref, s.known, f.{column} as x, s.late as label from spine s left join {feature} f on f.id = s.id and f.ref = s.ref",
              knowledge="column:known", event_time=REFERENCES)
    return sql.train(str(len(sql.version) + int(sql.version["training"][1:]) * 100), "training", **more)


async def asked(sql: SqlWorld, urn: str, **more: Any) -> PointInTime:
    await sql.world.settle(checkpoint=False)
    found: PointInTime = await ask(sql.world, point_in_time_checks, urn, **more)
    assert found.violations + found.suspects + found.unknown + found.proven == len(found.checks)
    return found


def of(found: PointInTime, check: CheckName, name: str | None = None) -> Check:
    """The one result of a check (about what has this name)."""
    rows = [each for each in found.checks if each.check is check and (name is None or (each.urn is not None and name in parse_urn(each.urn).components))]
    assert len(rows) == 1, rows
    return rows[0]


async def predicate(sql: SqlWorld, urn: str, **more: Any) -> Check:
    return of(await asked(sql, urn, **more), CheckName.TIME_PREDICATE, "x")


@pytest.mark.parametrize(("condition", "state", "why"), [
    ("e.loaded < s.ref", PROVEN, "known-before"), ("e.loaded <= s.ref - interval 1 minute", PROVEN, "known-before"),
    ("e.loaded <= s.ref", VIOLATION, "boundary"), ("e.seen < s.ref", VIOLATION, "wrong-time"), ("e.loaded < s.ref + interval 1 hour", VIOLATION, "beyond"),
    ("true", VIOLATION, "no-predicate"), ("(e.loaded < s.ref or e.temp > 0)", VIOLATION, "no-predicate"),
    ("e.loaded < s.ref - to_hours(s.id)", SUSPECT, "interval-unknown"), ("e.seen < s.ref and e.loaded < s.ref", PROVEN, "known-before"),
])
async def test_rows_with_a_knowledge_column_need_a_bound_on_it(sql: SqlWorld, condition: str, state: CheckState, why: str) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition=condition))
    found = await predicate(sql, training(sql))
    assert (found.state, found.code) == (state, why), found


@pytest.mark.parametrize(("knowledge", "condition", "state", "why"), [
    ("eventTime+PT1H", "e.seen < s.ref - interval 1 hour", PROVEN, "known-before"),
    ("eventTime+PT1H", "e.seen <= s.ref - interval 1 hour", VIOLATION, "boundary"),
    ("eventTime+PT1H", "e.seen < s.ref - interval 59 minute", VIOLATION, "delay-not-covered"), ("eventTime+PT0S", "e.seen < s.ref", PROVEN, "known-before"),
    ("eventTime+PT0S", "e.loaded < s.ref", VIOLATION, "wrong-time"), ("eventTime+soon", "e.seen < s.ref", UNKNOWN, "knowledge-unreadable"),
    (None, "e.seen < s.ref", UNKNOWN, "knowledge-not-declared"), (None, "true", SUSPECT, "no-predicate"),
])
async def test_a_delay_has_to_be_covered(sql: SqlWorld, knowledge: str | None, condition: str, state: CheckState, why: str) -> None:
    sql.table("events", EVENTS, knowledge=knowledge, event_time="seen")
    sql.model("f", WEATHER.format(condition=condition))
    found = await predicate(sql, training(sql))
    assert (found.state, found.code) == (state, why), found


async def test_ranges_decide_where_no_predicate_stands(sql: SqlWorld) -> None:
    for span, state, why in ((("seen", "2025-01-01T00:00:00Z", "2025-12-30T00:00:00Z"), PROVEN, "range"),
                             (("seen", "2025-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), VIOLATION, "no-predicate")):
        sql.table("events", EVENTS, knowledge="eventTime+PT1H", event_time=span)
        sql.model("f", WEATHER.format(condition="true"))
        found = await asked(sql, training(sql))
        assert (of(found, CheckName.TIME_PREDICATE, "x").state, of(found, CheckName.TIME_PREDICATE, "x").code) == (state, why)
        assert of(found, CheckName.EVENT_RANGE, "events").state is state


async def test_a_snapshot_from_before_the_first_reference_time_is_known(sql: SqlWorld) -> None:
    for committed, state in (("2025-12-31T00:00:00Z", PROVEN), ("2026-01-02T00:00:00Z", UNKNOWN)):
        sql.table("planes", "k varchar, seats bigint", committed=committed)
        sql.model("f", "select s.id, s.ref, p.seats as x from spine s left join planes p on p.k = s.k")
        assert (await predicate(sql, training(sql))).state is state


@pytest.mark.parametrize(("condition", "state"), [("e.seen < s.ref", VIOLATION), ("e.loaded < s.ref", PROVEN)])
async def test_a_bound_is_followed_through_tables_in_between(sql: SqlWorld, condition: str, state: CheckState) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("clean", "select k, seen, loaded, temp * 2 as temp from events where temp is not null")
    sql.model("daily", "select k, seen, loaded, sum(temp) as temp from clean group by k, seen, loaded")
    sql.model("f", WEATHER.format(condition=condition).replace("events e", "daily e"))
    found = await predicate(sql, training(sql))
    assert found.state is state
    assert (found.evidence[0].text, found.evidence[0].file) == (condition, "models/f.sql")


async def test_an_aggregate_made_before_the_comparison_is_not_kept_from_later_rows(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("means", "select k, avg(temp) as mean from events group by k")
    sql.model("f", "select s.id, s.ref, m.mean as x from spine s left join means m on m.k = s.k")
    found = await predicate(sql, training(sql))
    assert (found.state, found.code) == (VIOLATION, "no-predicate")
    assert {(each.what, each.file) for each in found.evidence} == {("read", "models/means.sql"), ("knowledge", None)}


async def test_a_declaration_that_the_code_contradicts_proves_nothing(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    for condition, why in (("e.seen < s.ref", "wrong-time"), ("e.loaded < s.ref", "known-before")):
        sql.model("f", WEATHER.format(condition=condition), knowledge="column:ref")
        assert (await predicate(sql, training(sql))).code == why


async def test_columns_of_the_row_itself(sql: SqlWorld) -> None:
    sql.model("training", "select id, ref, known, distance, late * 2 as hint, k, late as label from spine", knowledge="column:known", event_time=REFERENCES)
    found = await asked(sql, sql.train("1", "training"))
    states = {parse_urn(each.urn or "").name: (each.state, each.code) for each in found.checks if each.check is CheckName.TIME_PREDICATE}
    assert states == {"id": (PROVEN, "own-row"), "distance": (PROVEN, "own-row"), "hint": (VIOLATION, "known-with-label"), "k": (VIOLATION, "known-with-label")}
    assert of(found, CheckName.LABEL_UPSTREAM, "hint").state is VIOLATION
    assert of(found, CheckName.LABEL_UPSTREAM, "distance").state is PROVEN
    undeclared = await asked(sql, sql.train("2", "training", labelColumns=None))
    assert undeclared.violations == 0
    assert of(undeclared, CheckName.TIME_PREDICATE, "hint").code == "label-or-leak"


async def test_outcomes_of_earlier_rows_are_no_leak(sql: SqlWorld) -> None:
    for time, state in (("known", PROVEN), ("ref", VIOLATION)):
        sql.model("f", f"select s.id, s.ref, avg(p.late) as x from spine s left join spine p on p.k = s.k and p.{time} < s.ref group by s.id, s.ref")
        found = await asked(sql, training(sql))
        assert of(found, CheckName.LABEL_UPSTREAM, "x").state is state
        assert of(found, CheckName.LABEL_UPSTREAM, "x").code == ("known-outcomes" if state is PROVEN else "label-upstream")


async def test_a_violation_names_line_predicate_version_entry_and_commit(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    text = "select s.id, s.ref, sum(e.temp) as x\nfrom spine s\nleft join events e\n  on e.k = s.k and e.seen < s.ref\ngroup by s.id, s.ref"
    sql.model("f", text, sha="b" * 40)
    found = await predicate(sql, training(sql))
    lead, knowledge = found.evidence
    assert (lead.what, lead.text, lead.file, lead.line, lead.column) == ("predicate", "e.seen < s.ref", "models/f.sql", 4, 20)
    assert lead.commit is not None
    assert (lead.commit.sha, lead.commit.author, lead.commit.subject) == ("b" * 40, "Bob Berg", "Faster")
    assert (knowledge.what, knowledge.text, knowledge.version) == ("knowledge", "column:loaded", format_urn("dataset-version", NS, "events", "v1"))
    assert knowledge.entry is not None
    assert "events" in str(sql.world.log.reader.entry(knowledge.entry).envelope and knowledge.version)


async def test_the_past_and_other_versions_keep_their_answers(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.loaded < s.ref"))
    good = training(sql)
    size = await sql.world.settle(checkpoint=False)
    sql.model("f", WEATHER.format(condition="e.seen < s.ref"), sha="b" * 40)
    bad = training(sql)
    assert (await predicate(sql, good)).state is PROVEN
    assert (await predicate(sql, bad)).state is VIOLATION
    assert (await predicate(sql, good, size=size)).state is PROVEN
    assert (await asked(sql, bad, size=size)).completeness.reasons[0].code == "unknown-urn"


async def test_the_boundary_is_a_policy(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.loaded <= s.ref"))
    urn = training(sql)
    assert (await predicate(sql, urn)).state is VIOLATION
    assert (await predicate(sql, urn, boundary=Boundary.INCLUSIVE)).state is PROVEN


async def test_what_is_not_recorded_is_unknown(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.loaded < s.ref"), told=False)
    found = await predicate(sql, training(sql))
    assert (found.state, found.code) == (UNKNOWN, "knowledge-not-declared")
    no_reference = await asked(sql, training(sql, referenceTimeColumn=None))
    assert of(no_reference, CheckName.TIME_PREDICATE).code == "no-reference-time"


async def test_sql_made_at_run_time_is_judged_as_it_ran(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    urns = []
    for condition in ("e.loaded < s.ref", "e.seen < s.ref", "e.loaded < s.ref"):
        sql.model("f", WEATHER.format(condition=condition), written_as="the same code each time")
        urns.append(training(sql))
    assert [(await predicate(sql, urn)).state for urn in urns] == [PROVEN, VIOLATION, PROVEN]


async def test_a_table_made_on_the_way_is_followed(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    for column, state in (("loaded", PROVEN), ("seen", VIOLATION)):
        sql.model("f", WEATHER.format(condition="e.at < s.ref").replace("events e", "hot e"),
                  first={"hot": f"select k, {column} as at, temp from events where temp > 3"})
        assert (await predicate(sql, training(sql))).state is state


async def test_rows_of_earlier_runs_are_not_proven_by_this_one(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    for condition, state, why in (("e.loaded < s.ref", UNKNOWN, "earlier-rows"), ("e.seen < s.ref", VIOLATION, "wrong-time")):
        sql.model("f", WEATHER.format(condition=condition), adds=True)
        found = await predicate(sql, training(sql))
        assert (found.state, found.code) == (state, why)


async def test_without_knowing_what_the_label_is_made_of_no_feature_is_free_of_it(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.loaded < s.ref"))
    assert of(await asked(sql, training(sql)), CheckName.LABEL_UPSTREAM, "x").code == "no-label-upstream"
    found = of(await asked(sql, training(sql, labelColumns=["lable"])), CheckName.LABEL_UPSTREAM, "x")
    assert (found.state, found.code) == (UNKNOWN, "label-not-followed")


async def test_a_backfilled_table_is_judged_by_what_is_made_of_it(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("g", "select k, loaded, temp from events", purpose="backfill")
    sql.model("f", "select s.id, s.ref, (select sum(g.temp) from g where g.k = s.k and g.loaded < s.ref) as x, "
                   "(select sum(e.temp) from events e where e.k = s.k) as y from spine s")
    sql.model("training", "select s.id, s.ref, s.known, f.x, f.y, s.late as label from spine s left join f on f.id = s.id and f.ref = s.ref",
              knowledge="column:known", event_time=REFERENCES)
    found = await asked(sql, sql.train("1", "training"))
    assert of(found, CheckName.TIME_PREDICATE, "y").state is VIOLATION
    assert of(found, CheckName.BACKFILL, "g").state is PROVEN


@pytest.mark.parametrize(("knowledge", "condition", "state", "why"), [
    ("column:at", "f.at < s.ref", PROVEN, "known-before"), ("column:at", "f.at <= s.ref", VIOLATION, "boundary"),
    ("column:at", "true", VIOLATION, "no-predicate"),
    ("eventTime+PT2H", "f.at < s.ref - interval 2 hour", PROVEN, "known-before"), ("eventTime+PT2H", "f.at < s.ref", VIOLATION, "delay-not-covered"),
    (None, "f.at < s.ref", UNKNOWN, "knowledge-not-declared"),
])
async def test_a_table_made_by_code_that_is_not_followed_is_taken_as_declared(sql: SqlWorld, knowledge: str | None, condition: str, state: CheckState,
                                                                              why: str) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", "select k, loaded as at, sum(temp) as x from events group by k, loaded", told=False, knowledge=knowledge, event_time="at")
    sql.model("training", f"select s.id, s.ref, s.known, sum(f.x) as x, s.late as label from spine s left join f on f.k = s.k and {condition} group by all",
              knowledge="column:known", event_time=REFERENCES)
    found = await predicate(sql, sql.train("1", "training"))
    assert (found.state, found.code) == (state, why)


async def test_inputs_written_after_the_as_of(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen", committed="2026-03-01T12:00:00Z")
    sql.model("f", WEATHER.format(condition="e.loaded < s.ref"))
    found = await asked(sql, training(sql))
    assert of(found, CheckName.AS_OF, "events").state is PROVEN
    found = await asked(sql, training(sql, asOf="2026-03-01T06:00:00Z"))
    assert of(found, CheckName.AS_OF, "events").state is VIOLATION
    assert of(found, CheckName.AS_OF, "spine").state is PROVEN


@pytest.mark.parametrize(("more", "condition", "state"), [
    ({"knowledge": "column:loaded"}, "e.seen < s.ref", VIOLATION), ({"knowledge": "column:loaded"}, "e.loaded < s.ref", PROVEN),
    ({}, "e.seen < s.ref", VIOLATION), ({"committed": "2025-12-01T00:00:00Z"}, "e.seen < s.ref", PROVEN),
])
async def test_rows_of_a_backfill_count_from_when_they_were_known(sql: SqlWorld, more: dict[str, Any], condition: str, state: CheckState) -> None:
    sql.table("events", EVENTS, event_time="seen", backfill=True, **more)
    sql.model("f", WEATHER.format(condition=condition))
    found = await asked(sql, training(sql))
    assert of(found, CheckName.BACKFILL).state is state
    assert of(found, CheckName.TIME_PREDICATE, "x").state is state


def feature(sql: SqlWorld, version: str, at: str = "2026-03-01T00:00:00Z", **definition: Any) -> str:
    sql.world.say("lineproof.feature-version.v1", {
        "namespace": NS, "name": "wind", "version": version, "column": {"namespace": NS, "name": "f", "column": "x"},
        "definition": {"entities": ["id"], "dtype": "double", "sql": version, "eventTimeColumn": "ref", **definition}}, at)
    return format_urn("feature-version", NS, "wind", version)


async def test_feature_versions_late_data_binding_and_lookback(sql: SqlWorld) -> None:
    hold = {"kind": "artifact", "until": "2020-01-01T00:00:00Z"}
    sql.table("events", EVENTS, knowledge="column:loaded", event_time=("seen", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z"), hold=hold)
    sql.model("f", WEATHER.format(condition="e.loaded < s.ref"))
    first, second = feature(sql, "1"), feature(sql, "2", at="2026-03-02T12:00:00Z", window="P7D")
    reference = f"{format_urn('feature', NS, 'wind').removeprefix('urn:lineproof:feature:')}@"
    for version, finished in (("1", "2026-01-30T00:00:00Z"), ("2", "2026-03-02T00:00:00Z")):
        sql.world.say("lineproof.materialization.v1", {"feature": f"{reference}{version}", "status": "completed", "finishedAt": finished,
                                                       "interval": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-31T00:00:00Z"}})
    sql.world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "stable", "to": "1"})
    stable = await asked(sql, training(sql, features=[f"{reference}1"], binding="stable"))
    assert {check: of(stable, check, "1").state for check in (CheckName.BACKFILL, CheckName.LATE_DATA, CheckName.BINDING_SKEW)} == {
        CheckName.BACKFILL: PROVEN, CheckName.LATE_DATA: PROVEN, CheckName.BINDING_SKEW: PROVEN}
    assert of(stable, CheckName.LOOKBACK, "events").code == "expired"
    late = await asked(sql, training(sql, features=[f"{reference}2"], binding="stable"))
    assert (of(late, CheckName.LATE_DATA).urn, of(late, CheckName.LATE_DATA).state) == (second, SUSPECT)
    assert of(late, CheckName.BACKFILL, "2").code == "registered-later"
    flexible = training(sql, features=[f"{reference}stable"], binding="flexible", ttlSeconds=60)
    assert of(await asked(sql, flexible), CheckName.BINDING_SKEW).state is PROVEN
    index = sql.world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "stable", "to": "2", "expected": None})
    assert index
    await sql.world.settle(checkpoint=False)
    moved = await sql.world.graph.get([format_urn("feature", NS, "wind")])
    stands = moved[format_urn("feature", NS, "wind")].facts["alias:stable"]["index"]
    moved_at = sql.world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "stable", "to": "2", "expected": stands})
    skewed = of(await asked(sql, flexible), CheckName.BINDING_SKEW)
    assert (skewed.state, skewed.code, skewed.urn) == (VIOLATION, "moved", first)
    assert [(each.what, each.entry) for each in skewed.evidence][-1] == ("alias", moved_at)


async def test_a_feature_version_and_a_dataset_are_checked_themselves(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.seen < s.ref"), event_time=REFERENCES)
    version = feature(sql, "1")
    assert of(await asked(sql, version), CheckName.TIME_PREDICATE, "x").state is VIOLATION
    assert of(await asked(sql, format_urn("dataset", NS, "f")), CheckName.TIME_PREDICATE, "x").state is VIOLATION
    assert of(await asked(sql, format_urn("dataset-version", NS, "f", "v1")), CheckName.TIME_PREDICATE, "x").state is VIOLATION
    with pytest.raises(InvalidArgument, match="job is not checked"):
        await asked(sql, format_urn("job", NS, "f"))


async def test_what_lies_outside_the_grants_is_not_told(sql: SqlWorld) -> None:
    sql.table("events", EVENTS, knowledge="column:loaded", event_time="seen")
    sql.model("f", WEATHER.format(condition="e.seen < s.ref"))
    sql.world.say("lineproof.dataset.v1", {"namespace": NS, "name": "events", "classification": "restricted"})
    sql.world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "other"})
    found = of(await asked(sql, training(sql), viewer=reader_of(sql.world, NS, ceiling="internal")), CheckName.TIME_PREDICATE, "x")
    assert found.state is VIOLATION
    assert "loaded" not in found.detail
    assert all(each.text is None and each.file is None for each in found.evidence if each.restricted)
    assert any(each.restricted for each in found.evidence)


@pytest.mark.parametrize("said", [None, [], {}, {"columns": 1}, {"columns": {"x": 1}}, {"columns": {"x": [{"read": 7}]}, "reads": [1]},
                                  {"columns": {"x": [{"read": True}]}, "reads": [{"namespace": "a", "name": "\0"}], "predicates": [1], "reasons": 5},
                                  {"columns": {"x": [{"read": 0}]}, "reads": [{"namespace": "a", "name": "b", "bounds": [{"op": "!="}, 3], "made": 4}]}])
def test_facts_of_any_shape_are_read_without_trust(said: Any) -> None:
    found = read_timing(said)
    assert found is None or all(not uses or not found.reads[uses[0][0]].bounds for uses in found.columns.values())


@pytest.mark.parametrize(("text", "seconds"), [("PT0S", 0), ("P7D", 604_800), ("PT1H30M", 5_400), ("P1W", 604_800), ("PT0.5S", 0.5), ("P", None), ("PT", None),
                                               ("1 hour", None), ("P1DT", None)])
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
