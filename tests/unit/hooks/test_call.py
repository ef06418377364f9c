"""Recording a call so that it can be made again, without ever getting in its way."""
from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ingest_hooks import DuckDB, InputFile, InputTable
from ingest_hooks.step import Step

MODULE = """
import {name}_beside as beside

def joined(connection, rows, file, *, times):
    assert rows.num_rows == 2 and file.endswith("x.csv")
    connection.execute("create table t as select 1 as a")
    return beside.repeated(rows, times)
"""
BESIDE = "import pyarrow\ndef repeated(rows, times):\n    return pyarrow.concat_tables([rows] * times)\n"


class Producer:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.versions: list[dict[str, Any]] = []
        self.artifacts: dict[str, bytes] = {}

    def openlineage(self, event: Any) -> None:
        self.events.append(event)

    def transformation(self, **fields: Any) -> None:
        pass

    def dataset_version(self, **fields: Any) -> None:
        self.versions.append(fields)

    def artifact(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.artifacts[digest] = content
        return digest

    def files_version(self, **fields: Any) -> str:
        self.versions.append(fields)
        return "f" * 64


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    name = f"made_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(name=name))
    (tmp_path / f"{name}_beside.py").write_text(BESIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(name)
    sys.modules.pop(name)
    sys.modules.pop(f"{name}_beside")


def step(producer: Producer) -> Step:
    return Step(producer, "job", inputs=(), outputs=(), code=None, purpose="normal", namespace="ns")


def test_a_call_is_recorded_with_its_files_arguments_and_pins(module, tmp_path, monkeypatch):
    (tmp_path / "lock.txt").write_text("duckdb==2.0.0 --hash=sha256:00")
    (tmp_path / "x.csv").write_text("a\n1\n")
    monkeypatch.setenv("LINEPROOF_LOCKFILE", str(tmp_path / "lock.txt"))
    producer, connection = Producer(), duckdb.connect()
    connection.execute("set TimeZone = 'Asia/Tokyo'")
    rows = pa.table({"a": [1, 2]})
    with step(producer) as running:
        result = running.call(module.joined, DuckDB(connection), InputTable("rows", rows), InputFile(("file://in", "x.csv"), tmp_path / "x.csv"), times=3,
                              returns="out", level="bit")
    assert result.num_rows == 6
    event = producer.events[-1]
    facet = event["run"]["facets"]["lineproof_rebuild"]
    assert (facet["kind"], facet["level"], facet["lockfileName"], facet["parameters"]) == ("python", "bit", "lock.txt", {"times": 3})
    assert facet["engine"]["settings"]["TimeZone"] == "Asia/Tokyo"
    assert producer.artifacts[facet["lockfile"]].startswith(b"duckdb")
    call = facet["call"]
    assert (call["function"], call["returns"]) == ("joined", ["ns", "out"])
    assert call["arguments"] == [{"$duckdb": "memory"}, {"$table": ["ns", "rows"]}, {"$file": ["file://in", "x.csv"]}]
    assert call["named"] == {"times": {"$json": 3}}
    assert {name.endswith("_beside.py") for name in call["files"]} == {True, False}
    assert set(call["files"].values()) <= producer.artifacts.keys()
    assert {each["name"]: each["facets"]["version"]["datasetVersion"] for each in event["inputs"]} == {
        "rows": producer.versions[0]["id"], "x.csv": "f" * 64}
    assert producer.versions[0]["run_id"] is None, "what was read was not written by this run"
    assert "bit" in producer.versions[-1]["fingerprint"]


def test_an_argument_that_cannot_be_recorded_leaves_the_call_alone(module):
    producer = Producer()
    with step(producer) as running:
        assert running.call(lambda value: value, 7) == 7
    assert "lineproof_rebuild" not in producer.events[-1]["run"]["facets"]


def test_what_the_function_raises_goes_through(module):
    producer = Producer()
    with pytest.raises(ZeroDivisionError), step(producer) as running:
        running.call(lambda: 1 / 0)
    assert producer.events[-1]["eventType"] == "FAIL"


def test_a_lock_file_that_is_not_there_is_said_and_not_raised(module, monkeypatch, caplog):
    monkeypatch.setenv("LINEPROOF_LOCKFILE", "/no/such/file")
    producer = Producer()
    with step(producer) as running:
        running.call(module.beside.repeated, InputTable("rows", pa.table({"a": [1]})), 2)
    assert "lockfile" not in producer.events[-1]["run"]["facets"]["lineproof_rebuild"]
    assert "cannot be read" in caplog.text


def test_retained_rows_come_back_from_their_artifact(module):
    producer = Producer()
    rows = pa.table({"a": pa.array([1, None], pa.int32()), "t": pa.array([1, 2], pa.timestamp("ns", "UTC"))})
    with step(producer) as running:
        running.call(module.beside.repeated, InputTable("rows", rows), 1, retain=True)
    (hold,) = [each["hold"] for each in producer.versions if each.get("hold")]
    (digest,) = hold["files"].values()
    assert (hold["kind"], hold["format"]) == ("artifact", "arrow")
    assert pa.ipc.open_file(producer.artifacts[digest]).read_all().equals(rows)
