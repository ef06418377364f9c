"""SQL of plain OpenLineage events, sent by the stock client to the service as it is started, becomes column lineage."""
from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import schema_dataset, sql_job

from tests.serve_process import Serving, lineproof, serving

SQL = {
    "postgres": ("postgres://wh:5432", "insert into sales.totals (customer, total)\n"
                                       "select o.customer_id, sum(o.amount) filter (where o.paid)\nfrom sales.orders o\ngroup by 1"),
    "bigquery": ("bigquery", "create or replace table `sales.totals` as\n"
                             "select customer_id as customer, sum(amount) as total from `sales.orders` where paid group by customer"),
    "snowflake": ("snowflake://acc", "merge into sales.totals t using sales.orders o on t.customer = o.customer_id\n"
                                     "when matched then update set total = o.amount"),
    "spark": ("hive://meta:9083", "insert overwrite table sales.totals\nselect customer_id as customer, amount * 2 as total\n"
                                  "from sales.orders lateral view explode(tags) as tag"),
    "duckdb": ("duckdb://wh", "create table sales.totals as\nfrom sales.orders select customer_id as customer, amount as total\n"
                              "qualify row_number() over (order by day) = 1"),
}
WRITTEN = {"postgres": "sum(o.amount) filter (where o.paid)", "bigquery": "sum(amount)", "snowflake": "amount", "spark": "amount * 2", "duckdb": "amount"}
COLUMNS = ["customer_id", "amount", "paid", "day", "tags"]


@dataclass
class Shop:
    """A running service and a stock client that speaks to it."""

    service: Serving
    client: OpenLineageClient

    def ran(self, job: str, namespace: str, sql: str, *, dialect: str | None = None, inputs: tuple[str, ...] = ("sales.orders",),
            output: str = "sales.totals", schema: list[str] | None = None, states: tuple[RunState, ...] = (RunState.START, RunState.COMPLETE)) -> None:
        """A run of a job, with its SQL."""
        fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type="double") for name in schema or ()]
        facets: dict[str, Any] = {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if schema is not None else {}
        run = str(uuid.uuid4())
        for state in states:
            self.client.emit(RunEvent(
                eventType=state, eventTime=datetime.now(UTC).isoformat(), producer="https://example.org/scheduler", run=Run(runId=run),
                job=Job(namespace="scheduler", name=job, facets={"sql": sql_job.SQLJobFacet(query=sql, dialect=dialect)}),
                inputs=[InputDataset(namespace=namespace, name=name, facets=facets) for name in inputs],
                outputs=[OutputDataset(namespace=namespace, name=output)]))

    def ask(self, query: str, **variables: Any) -> Any:
        with self.service.client() as http:
            answer = http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def settled(self) -> dict[str, Any]:
        """What the status command says once projector and deriver have read all there is."""
        deadline = time.monotonic() + 60
        while True:
            with self.service.client() as http:
                ready = http.get("/readyz").json()
            with sqlite3.connect(self.service.folder / ".lineproof" / "log.db") as database:
                read = database.execute("SELECT size FROM deriver_progress").fetchone()
            database.close()
            if read is not None and ready["log"] == ready["graph"] == read[0]:
                found: dict[str, Any] = json.loads(lineproof(self.service.folder, "graph", "status", "--data", ".lineproof", "--json").stdout)
                return found
            assert time.monotonic() < deadline, (ready, read)
            time.sleep(0.2)

    def column(self, namespace: str, name: str, dataset: str = "sales.totals", level: str = "COLUMN") -> dict[str, Any]:
        urn = f"urn:lineproof:column:{httpx.QueryParams(n=namespace)['n'].replace('/', '%2F').replace(':', '%3A')}:{dataset}:{name}"
        data = self.ask("query($urn: ID!, $level: Level!) { lineage(urn: $urn, level: $level) { nodes { urn } completeness { complete reasons { code } }"
                        " edges { upstream basis type subtype expression file line column status } } }", urn=urn, level=level)
        found: dict[str, Any] = data["lineage"]
        return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """All five dialects, once: each tells the schema of what it reads."""
    folder = tmp_path_factory.mktemp("plain-sql")
    with serving(folder) as service:
        client = OpenLineageClient(config={"transport": {"type": "http", "url": service.url, "endpoint": "api/v1/lineage",
                                                         "auth": {"type": "api_key", "apiKey": service.token}}})
        shop = Shop(service, client)
        for dialect, (namespace, sql) in SQL.items():
            shop.ran(f"{dialect}-job", namespace, sql, dialect=dialect if dialect == "duckdb" else None, schema=COLUMNS)
        shop.settled()
        yield shop


@pytest.mark.parametrize("dialect", SQL)
def test_a_column_leads_to_what_its_sql_reads_with_line_and_column(shop: Shop, dialect: str) -> None:
    namespace, _ = SQL[dialect]
    found = shop.column(namespace, "total")
    (value,) = [edge for edge in found["edges"] if edge["type"] == "DIRECT"]
    assert found["nodes"][value["upstream"]]["urn"].endswith(":sales.orders:amount")
    assert (value["basis"], value["file"], value["line"]) == ("derivation", None, 2)
    assert value["column"] >= 1
    assert WRITTEN[dialect] in value["expression"].lower()


def test_what_decides_the_rows_is_indirect(shop: Shop) -> None:
    edges = shop.column(SQL["bigquery"][0], "total")["edges"]
    assert {edge["subtype"] for edge in edges if edge["type"] == "INDIRECT"} == {"FILTER", "GROUP_BY"}


def test_impact_at_column_level_follows_it(shop: Shop) -> None:
    urn = "urn:lineproof:column:duckdb%3A%2F%2Fwh:sales.orders:amount"
    told = lineproof(shop.service.folder, "impact", urn, "--change", "drop_column", "--json",
                     env={"LINEPROOF_URL": shop.service.url, "LINEPROOF_TOKEN": shop.service.token})
    assert told.returncode in (0, 1), told.stderr
    assert "urn:lineproof:column:duckdb%3A%2F%2Fwh:sales.totals:total" in told.stdout


def test_trace_shows_the_expression_and_where_it_stands_in_the_statement(shop: Shop) -> None:
    data = shop.ask("query($urn: ID!) { trace(urn: $urn) { steps { expression line column basis job inputs { urn type } } } }",
                    urn="urn:lineproof:column:postgres%3A%2F%2Fwh%3A5432:sales.totals:total")["trace"]
    (step,) = data["steps"]
    assert (step["expression"], step["line"], step["column"], step["basis"]) == ("sum(o.amount) filter (where o.paid)", 2, 23, "derivation")
    assert step["job"] == "urn:lineproof:job:scheduler:postgres-job"


def test_point_in_time_checks_do_not_vouch_for_a_statement_that_told_no_times(shop: Shop) -> None:
    data = shop.ask("query($urn: ID!) { pointInTimeChecks(urn: $urn) { state checks { check state detail } } }",
                    urn="urn:lineproof:dataset:duckdb%3A%2F%2Fwh:sales.totals")
    assert data["pointInTimeChecks"]["state"] == "UNKNOWN"


def test_the_status_command_says_how_far_it_is(shop: Shop) -> None:
    found = shop.settled()
    told = lineproof(shop.service.folder, "graph", "status", "--data", ".lineproof").stdout
    assert f"SQL of plain events is read up to {found['log']}" in told


def test_a_restart_goes_on_and_reading_everything_again_says_nothing_new(shop: Shop, tmp_path: Path) -> None:
    """The last of this module: it ends the service."""
    before = shop.settled()
    assert before["counts"]["entries"] == before["log"]
    assert shop.service.stop() == 0
    with sqlite3.connect(shop.service.folder / ".lineproof" / "log.db") as database:
        assert database.execute("SELECT size FROM deriver_progress").fetchall() == [(before["log"],)]
        database.execute("DELETE FROM deriver_progress")
    database.close()
    with serving(shop.service.folder) as again:
        after = Shop(again, shop.client).settled()
        assert after["log"] == before["log"]
