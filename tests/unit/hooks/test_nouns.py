from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime

import pytest

from ingest_hooks import Emitter
from ingest_hooks.nouns import EventMethods
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.keys import SigningKey
from lineproof_schema.models import EVENT_TYPES
from lineproof_schema.validate import parse_cloudevent

SHA, GIT = "ab" * 32, "cd" * 20
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SERVICE_ONLY = {"derivation", "genesis", "key", "policy", "erasure", "equivocation", "access"}
SERVICE_TYPES = {f"lineproof.{noun}.v1" for noun in SERVICE_ONLY}

EVERY_ARGUMENT = {
    "commit": {"repository": "github.com/o/r", "sha": GIT, "author": {"name": "Ada", "email": "ada@example.org"}, "committed_at": NOW, "subject": "s",
               "parents": [GIT], "changed_files": [{"path": "a.sql", "blob_sha": GIT}], "branch": "main", "tag": "v1", "pull_request": "3",
               "ci_run": {"provider": "github", "run_id": "7"}, "dirty": True},
    "transformation": {"namespace": "n", "name": "t", "version": SHA, "language": "sql", "raw_code": SHA, "dialect": "duckdb", "modules": {"m": SHA},
                       "config": SHA, "path": "a.sql", "repository": "github.com/o/r", "commit": GIT, "dirty": True, "image": "sha256:x",
                       "lockfile": SHA, "source_map": [{"compiled_line": 1, "file": "a.sql", "line": 2}]},
    "dataset": {"namespace": "n", "name": "d", "columns": [{"name": "a", "type": "int"}], "owners": [{"name": "team"}], "description": "x", "tags": ["t"],
                "classification": "internal", "storage_location": "s3://x", "freshness": {"tier": "hot", "max_age_seconds": 60}, "retention": "P1Y",
                "purpose": "p", "is_source": True},
    "dataset_version": {"namespace": "n", "name": "d", "id": "1", "pointer": {"format": "delta", "version": "3"},
                        "fingerprint": {"rows": 1, "sum": "0" * 32, "sha256": SHA, "columns": [["a", "int64"]]}, "row_count": 1,
                        "event_time": {"column": "t", "min": NOW, "max": NOW}, "knowledge": "column:t", "committed_at": NOW, "partition": {"day": 1},
                        "hold": {"kind": "tag", "until": NOW}, "backfill": True, "run_id": "r"},
    "feature_version": {"namespace": "n", "name": "f", "version": "1", "definition": {"entities": ["carrier"], "dtype": "double", "sources": [
        {"namespace": "n", "name": "d"}]}, "column": {"namespace": "n", "name": "d", "column": "c"}, "offline": {"uri": "x"}, "online": {"uri": "y"},
        "repository": "github.com/o/r", "commit": GIT, "compatibility": {"with": "0", "kind": "additive"}, "description": "x", "owners": ["o"], "tags": ["t"]},
    "materialization": {"feature": "n:f@1", "status": "completed", "interval": {"start": NOW, "end": NOW}, "run_id": "r", "location": "x", "rows": 3,
                        "output": {"namespace": "n", "name": "d", "version": "1"}, "finished_at": NOW},
    "alias": {"kind": "feature", "namespace": "n", "name": "f", "alias": "prod", "to": "1", "expected": 4, "reason": "x", "approval": "PR 3", "actor": "a",
              "details": {"a": 1}},
    "model_version": {"namespace": "n", "name": "m", "version": "1", "artifact": SHA, "framework": "sklearn",
                      "training_datasets": [{"namespace": "n", "name": "d", "version": "1"}], "training_columns": [
                          {"namespace": "n", "name": "d", "column": "c"}], "reference_time_column": "t", "label_time_column": "l", "features": ["n:f@1"],
                      "binding": "flexible", "ttl_seconds": 5, "repository": "github.com/o/r", "commit": GIT, "run_id": "r", "owners": ["o"],
                      "description": "x"},
    "deployment": {"namespace": "n", "name": "m", "id": "d1", "action": "deploy", "model_version": "1", "environment": "prod", "features": ["n:f@1"],
                   "image": "sha256:x", "previous": "d0"},
    "consumer": {"kind": "dashboard", "namespace": "n", "name": "c", "owners": ["o"], "url": "https://x", "description": "x",
                 "datasets": [{"namespace": "n", "name": "d"}], "columns": [{"namespace": "n", "name": "d", "column": "c"}], "features": ["n:f@1"],
                 "models": ["n:m@1"]},
    "usage": {"subject": "urn:lineproof:dataset:n:d", "count": 3, "window": {"start": NOW, "end": NOW}, "reader": "r"},
    "cost": {"subject": "urn:lineproof:dataset:n:d", "window": {"start": NOW, "end": NOW}, "service_name": "s", "consumed_quantity": 1.5,
             "consumed_unit": "GB", "effective_cost": 0.1, "billing_currency": "EUR"},
    "quality": {"subject": "urn:lineproof:dataset:n:d", "check": "not_null", "success": False, "severity": "warn", "version": "1", "expected": 0,
                "actual": 3, "column": "c", "run_id": "r", "checked_at": NOW},
    "tombstone": {"reason": "gone", "urn": "urn:lineproof:dataset:n:d"},
    "statement": {"statement": {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "x", "digest": {"sha256": SHA}}],
                                "predicateType": "https://slsa.dev/provenance/v1", "predicate": {"a": 1}}},
}


def type_of(method: str) -> str:
    return f"lineproof.{method.replace('_', '-')}.v1"


@pytest.fixture
def emitter(tmp_path):
    one = Emitter(key=SigningKey.generate(), audience="log.example/test", spool=tmp_path)
    yield one
    one.close(0)


def bodies(emitter):
    spool = emitter._connection.spool
    return [json.loads(parse_envelope(record.content).payload) for record in spool.read(0, max_records=100, max_bytes=10**9)]


def test_there_is_a_helper_for_every_type_a_producer_sends():
    helpers = {type_of(name) for name, method in inspect.getmembers(EventMethods, inspect.isfunction) if not name.startswith("_") and name != "emit"}
    assert helpers == set(EVENT_TYPES) - SERVICE_TYPES
    assert {type_of(name) for name in EVERY_ARGUMENT} == helpers


@pytest.mark.parametrize("method", [name for name in EVERY_ARGUMENT if name != "statement"])
def test_helper_has_an_argument_for_every_field_of_its_model(method):
    arguments = set(inspect.signature(getattr(EventMethods, method)).parameters) - {"self", "closes_stream"}
    assert arguments == set(EVENT_TYPES[type_of(method)].model_fields)


@pytest.mark.parametrize("method", list(EVERY_ARGUMENT))
def test_every_argument_arrives(emitter, method):
    receipt = getattr(emitter, method)(**EVERY_ARGUMENT[method])
    assert receipt.ok, receipt.reason
    (body,) = bodies(emitter)
    event, data = parse_cloudevent(body)
    assert (event.type, event.id, event.sequence) == (type_of(method), receipt.id, "1")
    given = EVERY_ARGUMENT[method]
    expected = EVENT_TYPES[event.type].model_validate(given["statement"] if method == "statement" else given)
    assert data == expected
    assert not data.model_extra


def test_what_was_not_said_is_not_sent(emitter):
    emitter.dataset(namespace="n", name="d", tags=[])
    assert bodies(emitter)[0]["data"] == {"namespace": "n", "name": "d", "tags": []}


def test_deleting_an_alias_says_null(emitter):
    assert emitter.alias(kind="feature", namespace="n", name="f", alias="prod", to=None, expected=3).ok
    assert bodies(emitter)[0]["data"] == {"kind": "feature", "namespace": "n", "name": "f", "alias": "prod", "to": None, "expected": 3}


def test_a_model_or_a_dictionary_in_either_case_gives_the_same_event(emitter):
    model = EVENT_TYPES["lineproof.dataset.v1"](namespace="n", name="d", is_source=True)
    emitter.emit("lineproof.dataset.v1", model)
    emitter.emit("lineproof.dataset.v1", {"namespace": "n", "name": "d", "is_source": True})
    emitter.emit("lineproof.dataset.v1", {"namespace": "n", "name": "d", "isSource": True, "ours": 1})
    first, second, third = (body["data"] for body in bodies(emitter))
    assert first == second == {"namespace": "n", "name": "d", "isSource": True}
    assert third == {**first, "ours": 1}
