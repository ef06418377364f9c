"""Statements that leak and their clean twins, under names made up for each run of the tests, and what running them shows."""
from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.graph.open import open_graph
from metadata_service.queries.point_in_time import Check, CheckName, CheckState, PointInTime, point_in_time_checks
from tests.flights_world import NS, open_world
from tests.sql_world import SqlWorld
from tests.unit.queries.asking import ask
from tests.unit.queries.time_cases import COLUMN_KNOWLEDGE, COMMITTED, REFERENCES, TABLES, VOCABULARY, all_cases, rename

CASES = all_cases()
CLEAN = [name for name, (state, models) in CASES.items() if state == "proven" and "dim" not in str(models)]
START = datetime(2026, 1, 1)


class Named:
    """The world of all cases, with these names for tables and columns."""

    def __init__(self, names: Mapping[str, str], home: Path) -> None:
        self.names = names
        self.home = home
        self.found: dict[str, PointInTime] = {}

    def name(self, what: str) -> str:
        return self.names.get(what, what)

    def model(self, case: str, model: str) -> str:
        return f"{self.name(model)}_{list(CASES).index(case)}"

    async def build(self) -> None:
        graph = open_graph(f"sqlite:///{self.home / 'graph.db'}")
        await graph.setup()
        world = open_world(self.home, graph)
        sql = SqlWorld(world)
        for table, (columns, knowledge, event_time, _, _) in TABLES.items():
            times: Any = self.name(event_time) if event_time is not None else None
            if table == "spine":
                times = (times, *REFERENCES)
            single = {self.name(column): f"column:{self.name(time)}" for column, time in COLUMN_KNOWLEDGE.get(table, {}).items()}
            sql.table(self.name(table), rename(columns, self.names), knowledge=rename(knowledge, self.names) if knowledge is not None else None,
                      event_time=times, committed=COMMITTED.get(table, "2026-03-01T00:00:00Z"), **({"columnKnowledge": single} if single else {}))
        asked = {}
        for case, (_, models) in CASES.items():
            names = {**self.names, **{model: self.model(case, model) for model in models}}
            for model, text in models.items():
                times = (self.name("ref"), *REFERENCES) if model == "f" else None
                version = sql.model(self.model(case, model), rename(text, names), event_time=times)
            asked[case] = format_urn("dataset-version", NS, self.model(case, "f"), version)
        await world.settle(checkpoint=False)
        for case, urn in asked.items():
            self.found[case] = await ask(world, point_in_time_checks, urn)
        world.close()
        await graph.close()

    def check(self, case: str) -> Check:
        (found,) = [each for each in self.found[case].checks if each.check is CheckName.TIME_PREDICATE and each.urn is not None
                    and parse_urn(each.urn).name == self.name("x")]
        return found


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Named:
    seed = random.SystemRandom().randrange(10**9)
    print("names are made from seed", seed)
    chance = random.Random(seed)
    made: dict[str, str] = {}
    for word in [*VOCABULARY, "f", "g", "h"]:
        made[word] = "q" + "".join(chance.choices(string.ascii_lowercase, k=9))
    assert len(set(made.values())) == len(made)
    world = Named(made, tmp_path_factory.mktemp("cases"))
    asyncio.run(world.build())
    return world


@pytest.mark.parametrize("case", CASES)
def test_each_statement_is_judged_by_what_it_reads_however_things_are_called(judged: Named, case: str) -> None:
    expected, models = CASES[case]
    found = judged.check(case)
    assert found.state is CheckState(expected), (found.code, found.detail, models)
    if found.state in (CheckState.VIOLATION, CheckState.SUSPECT):
        lead = found.evidence[0]
        assert lead.file in {f"models/{judged.model(case, model)}.sql" for model in models}
        assert lead.line is not None
        assert lead.entry is not None


def known_after(table: str, at: datetime) -> str:
    return f"{TABLES[table][3]} >= timestamp '{at}'"


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    """Tables of a few days, with ties, and rows that become known long after they happened."""
    chance = random.Random(7)
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")

    def some(hours: int) -> datetime:
        return START + timedelta(hours=chance.randint(0, hours), minutes=chance.choice([0, 0, 30]))

    for table, (columns, *_) in TABLES.items():
        connection.execute(f"create table {table} ({columns})")
    for number in range(24):
        key, ref, seen = chance.choice("ab"), some(72), some(80)
        if number < 16:
            known = ref + timedelta(hours=chance.randint(1, 30))
            connection.execute("insert into spine values (?, ?, ?, ?, ?, ?)", [number, key, ref, known, number % 2, number])
        connection.execute("insert into events values (?, ?, ?, ?, ?)", [number, key, seen, seen + timedelta(hours=chance.choice([0, 1, 20, 40])), number])
        connection.execute("insert into obs values (?, ?, ?, ?)", [number, key, some(80), number])
        connection.execute("insert into slow values (?, ?, ?)", [key, some(80), number])
        connection.execute("insert into daily values (?, ?, ?)", [key, some(80).date(), number])
        since = START + timedelta(hours=3 * number)
        connection.execute("insert into prices values (?, ?, ?, ?)", [key, since, since + timedelta(hours=6), number])
    for number in range(24, 30):  # a key of which all is known early
        ref = START + timedelta(hours=3 * number)
        connection.execute("insert into spine values (?, 'c', ?, ?, 1, 1)", [number, ref, ref + timedelta(hours=1)])
        connection.execute("insert into events values (?, 'c', ?, ?, 5)", [number, START, START + timedelta(hours=number - 20)])
    return connection


def changed_by_later_rows(database: duckdb.DuckDBPyConnection, models: Mapping[str, str], missing: str = "{} % 2 = 0") -> set[tuple[str, datetime]]:
    """The tables and moments for which a value of the moment is another one once what is known from then on is changed, or `missing`."""
    changed: set[tuple[str, datetime]] = set()
    database.execute("begin")
    try:
        for model, text in models.items():
            database.execute(f"create view {model} as {text}")
        rows = "select id, ref, list(x order by x) from f where ref is not null group by id, ref"
        before = {(key, ref): value for key, ref, value in database.execute(rows).fetchall()}
        assert before
        for at in sorted({ref for _, ref in before})[2::9]:
            for table in ("spine", "events", "obs", "slow", "daily", "prices"):
                value = TABLES[table][4]
                database.execute(f"create or replace temp table kept as select * from main.{table}")
                database.execute(f"update {table} set {value} = {value} + 1000 where {known_after(table, at)}")
                if table != "spine":
                    database.execute(f"delete from {table} where {known_after(table, at)} and {missing.format(value)}")
                after = {(key, ref): found for key, ref, found in database.execute(rows).fetchall()}
                if any(key[1] == at and key in after and after[key] != before[key] for key in before):
                    changed.add((table, at))
                database.execute(f"delete from {table}")
                database.execute(f"insert into {table} select * from kept")
    finally:
        database.execute("rollback")
    return changed


@pytest.mark.parametrize("case", CLEAN)
def test_what_is_proven_does_not_change_with_what_was_known_later(database: duckdb.DuckDBPyConnection, case: str) -> None:
    assert changed_by_later_rows(database, CASES[case][1]) == set()


@pytest.mark.parametrize("case", [name for name, (state, _) in CASES.items() if state == "suspect" and name.startswith("picked: ")])
def test_what_is_kept_only_until_a_later_row_comes_changes_with_it(database: duckdb.DuckDBPyConnection, case: str) -> None:
    assert {table for table, _ in changed_by_later_rows(database, CASES[case][1], missing="true")} == {"events"}
