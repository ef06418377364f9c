"""The deriver over a real log, graph and parser process: what it appends, what it leaves, and what it never does twice."""
from __future__ import annotations

import uuid

import pytest

from metadata_service.deriver.parser import Parser
from metadata_service.deriver.progress import Progress
from tests.integration.deriver.conftest import NS, Derived

pytestmark = pytest.mark.anyio

TOTALS = "insert into totals (id, total) select o.id, o.amount * 2 from orders o where o.paid"
ORDERS: dict[str, list[str] | None] = {"shop.orders": ["id", "amount", "paid"]}


async def test_a_derivation_names_its_entry_its_parser_and_where_each_column_stands(derived: Derived) -> None:
    entry = derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None})
    (found,) = await derived.settle()
    assert (found["entry"], found["status"], found["dialect"], found["parser"].split()[0]) == (entry, "complete", "postgres", "sqlglot")
    total = next(column for column in found["columns"] if column["field"] == "total")
    assert (total["line"], total["column"], total["expression"]) == (1, 45, "o.amount * 2")
    assert {(item["field"], item["type"], item["subtype"]) for item in total["inputs"]} == {("amount", "DIRECT", "TRANSFORMATION"),
                                                                                           ("paid", "INDIRECT", "FILTER")}
    assert {edge.basis for edge in await derived.edges("shop.totals", "total")} == {"derivation"}


async def test_the_next_runs_of_a_statement_add_nothing(derived: Derived) -> None:
    for minute in range(3):
        derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None}, minute=minute)
    assert len(await derived.settle()) == 1
    derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None}, minute=9)
    assert len(await derived.settle()) == 1


async def test_reading_all_of_it_again_adds_nothing_even_where_answers_changed_back(derived: Derived) -> None:
    star = "insert into totals select * from orders"
    for minute, columns in enumerate((["id"], ["id", "amount"], ["id"])):
        derived.ran("j", star, inputs={"shop.orders": columns}, outputs={"shop.totals": None}, minute=minute)
    assert [[column["field"] for column in found["columns"]] for found in await derived.settle()] == [["id"], ["id", "amount"], ["id"]]
    size = derived.log.reader.size()
    Progress(derived.database).move(0)
    again = derived.another()
    try:
        await derived.settle(again)
    finally:
        await again.close()
    assert derived.log.reader.size() == size


async def test_a_star_over_a_table_of_unknown_columns_is_unknown_and_says_so(derived: Derived) -> None:
    derived.ran("j", "insert into totals select * from orders", inputs={"shop.orders": None}, outputs={"shop.totals": None})
    (found,) = await derived.settle()
    assert (found["status"], found["columns"]) == ("unknown", [])
    assert "star-unresolved" in found["reason"]
    job = (await derived.graph.get(["urn:lineproof:job:jobs:j"]))["urn:lineproof:job:jobs:j"]
    assert (job.facts["derivation"]["status"], job.facts["derivation"]["reason"]) == ("unknown", found["reason"])


async def test_columns_come_from_what_the_graph_knew_at_the_entry(derived: Derived) -> None:
    derived.ran("loader", None, outputs={"shop.orders": ["id", "amount"]})
    derived.ran("j", "insert into totals select * from orders", inputs={"shop.orders": None}, outputs={"shop.totals": None}, minute=1)
    derived.ran("loader", None, outputs={"shop.orders": ["id", "amount", "later"]}, minute=2)
    (found,) = await derived.settle()
    assert [column["field"] for column in found["columns"]] == ["id", "amount"]


async def test_a_table_the_run_does_not_name_is_found_in_the_graph_or_named_as_unknown(derived: Derived) -> None:
    derived.ran("loader", None, outputs={"shop.rates": ["day", "rate"]})
    derived.ran("j", "insert into totals select o.id, o.amount * r.rate as total, x.y from orders o join rates r on true join elsewhere x on true",
                inputs=ORDERS, outputs={"shop.totals": None}, minute=1)
    (found,) = await derived.settle()
    columns = {column["field"]: column for column in found["columns"]}
    assert {(item["name"], item["field"]) for item in columns["total"]["inputs"]} == {("shop.orders", "amount"), ("shop.rates", "rate")}
    assert (columns["y"]["inputs"], columns["y"]["status"]) == ([], "unknown")
    assert (found["status"], found["reason"]) == ("partial", "unknown-table:elsewhere")


async def test_what_a_script_makes_on_the_way_is_looked_through_unless_it_is_a_dataset_of_its_own(derived: Derived) -> None:
    script = "create table dear as select id, amount from orders where amount > 9; insert into totals (id, total) select id, amount from dear"
    derived.ran("j", script, inputs=ORDERS, outputs={"shop.totals": None})
    derived.ran("loader", None, outputs={"shop.dear": ["id", "amount"]}, minute=1)
    derived.ran("k", script, inputs=ORDERS, outputs={"shop.totals": None}, minute=2)
    through, to = await derived.settle()
    assert [({(item["name"], item["field"]) for item in column["inputs"] if item["type"] == "DIRECT"}) for column in through["columns"]] == [
        {("shop.orders", "id")}, {("shop.orders", "amount")}]
    assert (through["status"], through.get("reason")) == ("complete", None)
    assert {item["name"] for column in to["columns"] for item in column["inputs"]} == {"shop.dear"}


async def test_a_statement_over_two_events_of_a_run_is_read_as_one(derived: Derived) -> None:
    run = str(uuid.uuid4())
    derived.ran("j", TOTALS, inputs=ORDERS, run=run, state="START")
    last = derived.ran("j", None, outputs={"shop.totals": None}, run=run, minute=1)
    (found,) = await derived.settle()
    assert (found["entry"], found["status"]) == (last, "complete")


async def test_lineage_that_a_producer_sent_is_left_alone(derived: Derived) -> None:
    own = {"columnLineage": {"fields": {"total": {"inputFields": [{"namespace": NS, "name": "shop.orders", "field": "paid"}]}}}}
    derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None}, output_facets=own)
    assert await derived.settle() == []
    assert {edge.basis for edge in await derived.edges("shop.totals", "total")} == {"columnLineage"}


async def test_each_of_several_outputs_gets_its_own_statement_and_others_are_not_guessed(derived: Derived) -> None:
    derived.ran("j", "insert into a select id as k from orders; insert into b select amount as v from orders", inputs=ORDERS,
                outputs={"shop.a": None, "shop.b": None, "shop.c": None})
    (found,) = await derived.settle()
    assert {(column["output"]["name"], column["field"]) for column in found["columns"]} == {("shop.a", "k"), ("shop.b", "v")}
    assert (found["status"], found["reason"]) == ("partial", "output-not-named:shop.c")


async def test_an_input_the_statement_does_not_read_keeps_its_edge(derived: Derived) -> None:
    derived.ran("j", TOTALS, inputs={**ORDERS, "shop.config": None}, outputs={"shop.totals": None})
    (found,) = await derived.settle()
    assert (found["status"], found["reason"]) == ("partial", "input-not-read:shop.config")
    namespace = NS.replace(":", "%3A").replace("/", "%2F")
    edges = await derived.graph.neighbours([f"urn:lineproof:dataset:{namespace}:shop.totals"], "UPSTREAM", ["DERIVED_FROM"], None, 10)
    assert {edge.upstream.rpartition(":")[2] for edge in edges} == {"shop.orders", "shop.config"}


async def test_an_erased_event_is_not_parsed_and_stops_nothing(derived: Derived) -> None:
    gone = derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None})
    derived.ran("k", TOTALS, inputs=ORDERS, outputs={"shop.totals": None})
    derived.erase(gone)
    (found,) = await derived.settle()
    assert found["job"]["name"] == "k"


async def test_what_cannot_be_parsed_says_so_and_the_next_statement_is_parsed(derived: Derived) -> None:
    derived.ran("bad", "insert into totals select " + "(" * 60_000 + "id" + ")" * 60_000 + " from orders", inputs=ORDERS, outputs={"shop.totals": None})
    derived.ran("worse", "this is no sql at all ((", inputs=ORDERS, outputs={"shop.totals": None})
    derived.ran("good", TOTALS, inputs=ORDERS, outputs={"shop.totals": None})
    bad, worse, good = await derived.settle()
    assert (bad["status"], bad["columns"]) == ("unknown", [])
    assert bad["reason"]
    assert (worse["status"], "not-parsed" in worse["reason"]) == ("unknown", True)
    assert good["status"] == "complete"


async def test_a_statement_that_takes_too_long_ends_the_parser_only(derived: Derived) -> None:
    wide = ", ".join(f"case when a.c{number} > b.c{number} then a.c{number} else b.c{number} end as d{number}" for number in range(4_000))
    derived.ran("slow", f"insert into totals select {wide} from orders a cross join orders b", inputs=ORDERS, outputs={"shop.totals": None})
    derived.ran("good", TOTALS, inputs=ORDERS, outputs={"shop.totals": None})
    hasty = derived.another(Parser(seconds=0.2))
    try:
        slow, good = await derived.settle(hasty)
    finally:
        await hasty.close()
    assert (slow["job"]["name"], slow["status"], slow["columns"], slow["reason"]) == ("slow", "unknown", [], "too-slow")
    assert good["job"]["name"] == "good"


# -- SQL that a job declares without a run

async def dataset_edges(derived: Derived, name: str) -> set[tuple[str, str, str | None]]:
    edges = await derived.graph.neighbours([f"urn:lineproof:dataset:postgres%3A%2F%2Fwh%3A5432:{name}"], "UPSTREAM", ["DERIVED_FROM"], None, 100)
    return {(edge.upstream.rpartition(":")[2], edge.basis, edge.status) for edge in edges}


async def test_the_sql_of_a_declared_job_is_derived_too(derived: Derived) -> None:
    entry = derived.ran("j", TOTALS, inputs={**ORDERS, "shop.rates": None}, outputs={"shop.totals": None}, declared=True)
    (found,) = await derived.settle()
    assert (found["entry"], found["reason"]) == (entry, "input-not-read:shop.rates")
    assert {(edge.basis, edge.line) for edge in await derived.edges("shop.totals", "id") if edge.type == "DIRECT"} == {("derivation", 1)}
    assert await dataset_edges(derived, "shop.totals") == {("shop.orders", "declared", None), ("shop.rates", "declared", "unknown")}
    derived.ran("j", TOTALS, inputs={**ORDERS, "shop.rates": None}, outputs={"shop.totals": None}, declared=True, minute=1)
    assert len(await derived.settle()) == 1
    assert {edge.opened_by for edge in await derived.edges("shop.totals", "id")} == {entry + 1}


async def test_another_statement_of_a_declared_job_ends_what_was_found_in_the_one_before(derived: Derived) -> None:
    derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None}, declared=True)
    await derived.settle()
    derived.ran("j", None, inputs=ORDERS, outputs={"shop.totals": None}, declared=True, minute=1)  # says nothing of SQL
    await derived.settle()
    assert {edge.upstream.rpartition(":")[2] for edge in await derived.edges("shop.totals", "total")} == {"amount", "paid"}
    derived.ran("j", "insert into totals (id, total) select id, paid from orders", inputs=ORDERS, outputs={"shop.totals": None}, declared=True, minute=2)
    assert len(await derived.settle()) == 2
    assert {edge.upstream.rpartition(":")[2] for edge in await derived.edges("shop.totals", "total")} == {"paid"}


async def test_a_declared_job_that_says_its_columns_itself_is_not_derived(derived: Derived) -> None:
    own = {"columnLineage": {"fields": {"total": {"inputFields": [{"namespace": NS, "name": "shop.orders", "field": "amount"}]}}}}
    derived.ran("j", TOTALS, inputs=ORDERS, outputs={"shop.totals": None}, declared=True, output_facets=own)
    assert await derived.settle() == []
    assert {(edge.upstream.rpartition(":")[2], edge.basis) for edge in await derived.edges("shop.totals", "total")} == {("amount", "declared")}
