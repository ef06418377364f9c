"""Steps over a real DuckDB and a real git repository."""
from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import uuid

import duckdb
import pytest

from ingest_hooks.fp1 import fingerprint
from ingest_hooks.transformation import transformation_version
from lineproof_schema.models import FACETS
from lineproof_schema.openlineage import parse_openlineage
from lineproof_schema.urn import parse_urn

GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
MODULE = '''
def clean(connection, step):
    step.sql(connection, """
        create or replace table clean.weather as
        select origin,
               wind_speed * 2 as wind
        from raw.weather
        where time_hour < now()
    """)


def fails():
    raise RuntimeError("no wind")
'''


@pytest.fixture
def module(tmp_path):
    tree = tmp_path / "pipeline"
    tree.mkdir()
    (tree / "steps.py").write_text(MODULE)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*GIT, "-C", str(tree), *arguments], check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location("pipeline_steps", tree / "steps.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def connection():
    with duckdb.connect() as one:
        one.execute("create schema raw; create schema clean")
        one.execute("create table raw.weather as select 'EWR' as origin, 10.0 as wind_speed, timestamp '2013-02-12 08:00' as time_hour")
        yield one


def sent(producer, receiver):
    assert producer.flush(10)
    runs = [event for event in receiver.events if "eventType" in event]
    for event in runs:
        parse_openlineage(event)
        for holder in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
            for name, facet in holder["facets"].items():
                if name in FACETS:
                    assert not FACETS[name].model_validate(facet).model_extra
    return runs, [event for event in receiver.events if "data" in event]


def test_step_says_what_ran_where_it_came_from_and_what_it_made(emitter, receiver, connection, module, tmp_path):
    producer = emitter(url=receiver.url, namespace="flights")
    with producer.step("clean_weather", inputs=["raw.weather"], outputs=["clean.weather"], code=module.clean, purpose="backfill") as step:
        module.clean(connection, step)
        table = connection.sql("select * from clean.weather").to_arrow_table()
        version = step.version("clean.weather", table)
    runs, others = sent(producer, receiver)
    assert [event["eventType"] for event in runs] == ["START", "COMPLETE"]
    assert {event["run"]["runId"] for event in runs} == {step.run_id}
    assert uuid.UUID(step.run_id).version == 7
    complete = runs[-1]
    assert complete["run"]["facets"]["lineproof_run"]["purpose"] == "backfill"

    sha = subprocess.run(["git", "-C", str(tmp_path / "pipeline"), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = MODULE.lstrip("\n").partition("\n\n\n")[0] + "\n"
    raw = hashlib.sha256(source.encode()).hexdigest()
    transformation = next(event["data"] for event in others if event["type"] == "lineproof.transformation.v1")
    assert transformation == {"namespace": "flights", "name": "clean_weather", "version": transformation_version(raw), "language": "python", "rawCode": raw,
                              "path": "steps.py", "repository": "local/pipeline", "commit": sha, "dirty": False}
    assert receiver.artifacts[f"sha256:{raw}"] == source.encode()
    assert receiver.arrivals[0] == "artifact"
    job = complete["job"]["facets"]
    assert parse_urn(job["lineproof_transformation"]["urn"]).components == ("flights", "clean_weather", transformation["version"])
    assert (job["sourceCodeLocation"]["version"], job["sourceCodeLocation"]["path"]) == (sha, "steps.py")
    assert "create or replace table clean.weather" in job["sql"]["query"]

    (output,) = complete["outputs"]
    assert [item["name"] for item in complete["inputs"]] == ["raw.weather"]
    assert output["name"] == "clean.weather"
    lineage = output["facets"]["columnLineage"]
    assert [item["field"] for item in lineage["fields"]["wind"]["inputFields"]] == ["wind_speed"]
    assert [item["field"] for item in lineage["dataset"]] == ["time_hour"]
    wind = output["facets"]["lineproof_columns"]["fields"]["wind"]
    line = next(number for number, text in enumerate(MODULE.splitlines(), 1) if "wind_speed * 2" in text)
    assert (wind["file"], wind["line"], wind["column"]) == ("steps.py", line, MODULE.splitlines()[line - 1].index("wind_speed") + 1)

    expected = fingerprint(table)
    assert version == expected.sha256
    snapshot = next(event["data"] for event in others if event["type"] == "lineproof.dataset-version.v1")
    assert (snapshot["id"], snapshot["rowCount"], snapshot["runId"], snapshot["fingerprint"]["sum"]) == (version, 1, step.run_id, expected.sum)
    assert output["facets"]["version"]["datasetVersion"] == version
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1


def test_failure_goes_through_untouched_and_is_told(emitter, receiver, module):
    producer = emitter(url=receiver.url)
    with pytest.raises(RuntimeError, match="no wind"), producer.step("j", code=module.fails):
        module.fails()
    runs, _ = sent(producer, receiver)
    assert [event["eventType"] for event in runs] == ["START", "FAIL"]
    facet = runs[-1]["run"]["facets"]["errorMessage"]
    assert facet["message"] == "RuntimeError: no wind"
    assert "in fails" in facet["stackTrace"]


def test_interrupt_is_an_abort(emitter, receiver):
    producer = emitter(url=receiver.url)
    with pytest.raises(KeyboardInterrupt), producer.step("j"):
        raise KeyboardInterrupt
    runs, _ = sent(producer, receiver)
    assert [event["eventType"] for event in runs] == ["START", "ABORT"]


def test_sql_that_duckdb_refuses_is_the_pipelines_error(emitter, receiver, connection):
    producer = emitter(url=receiver.url)
    with pytest.raises(duckdb.CatalogException), producer.step("j") as step:
        step.sql(connection, "select * from nowhere")
    runs, _ = sent(producer, receiver)
    assert runs[-1]["eventType"] == "FAIL"


def test_sql_built_at_run_time_keeps_statement_positions_and_returns_rows(emitter, receiver, connection):
    producer = emitter(url=receiver.url, namespace="n")
    with producer.step("j") as step:
        step.sql(connection, "create table clean.b as select " + "wind_speed as w from raw.weather")
        rows = step.sql(connection, "select count(*) from clean.b where w > ?", [1]).fetchall()
    assert rows == [(1,)]
    runs, _ = sent(producer, receiver)
    column = runs[-1]["outputs"][0]["facets"]["lineproof_columns"]["fields"]["w"]
    assert "file" not in column
    assert (column["line"], column["column"]) == (1, 32)
    assert [item["name"] for item in runs[-1]["inputs"]] == ["raw.weather"]


def test_several_statements_into_one_table_are_all_told(emitter, receiver, connection):
    made = "create or replace table clean.b as select wind_speed as w from raw.weather"
    added = "insert into clean.b select max(wind_speed) from raw.weather"
    producer = emitter(url=receiver.url, namespace="n")
    timings = []
    for statements in ([made, added], [added], ["delete from clean.b", added], [made, added, made]):
        with producer.step("j") as step:
            for statement in statements:
                step.sql(connection, statement)
        runs, _ = sent(producer, receiver)
        timings.append(runs[-1]["outputs"][0]["facets"]["lineproof_columns"]["timing"])
    assert [[use["read"] for use in timing["columns"]["w"]] for timing in timings] == [[0, 1], [0], [0], [0]]
    assert [timing["reasons"].get("w") for timing in timings] == [None, ["earlier-rows"], None, None]


@pytest.mark.parametrize("trouble", ["inputs", "code", "version", "connection"])
def test_what_goes_wrong_in_the_step_stays_in_the_step(emitter, receiver, connection, trouble, caplog):
    producer = emitter(url=receiver.url)
    arguments = {"inputs": {"inputs": [3]}, "code": {"code": len}}.get(trouble, {})
    with producer.step("j", **arguments) as step:
        if trouble == "version":
            assert step.version("d", object()) is None
        if trouble == "connection":

            class Odd:
                def execute(self, sql: str) -> str:
                    return sql

            assert step.sql(Odd(), "select 1") == "select 1"
    assert "step j could not" in caplog.text
    runs, _ = sent(producer, receiver)
    assert [event["eventType"] for event in runs] == ["START", "COMPLETE"]


def test_file_as_code_and_datasets_of_other_namespaces(emitter, receiver, tmp_path):
    (tmp_path / "train.sql").write_text("select 1")
    producer = emitter(url=receiver.url)
    with producer.step("train", namespace="ml", inputs=[("s3://bucket", "raw")], code=tmp_path / "train.sql") as step:
        step.reads("features")
        step.writes(("models", "delay"))
    runs, others = sent(producer, receiver)
    assert [(item["namespace"], item["name"]) for item in runs[-1]["inputs"]] == [("s3://bucket", "raw"), ("ml", "features")]
    assert [(item["namespace"], item["name"]) for item in runs[-1]["outputs"]] == [("models", "delay")]
    assert (others[0]["data"]["language"], others[0]["data"]["rawCode"]) == ("sql", hashlib.sha256(b"select 1").hexdigest())
    assert json.dumps(runs[-1]["job"]["facets"]).count("urn:lineproof:transformation:ml:train:") == 1
