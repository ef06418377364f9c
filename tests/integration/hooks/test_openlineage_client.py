"""The real openlineage-python client with our transport."""
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import schema_dataset, sql_job
from openlineage.client.uuid import generate_new_uuid

from ingest_hooks import SignedTransport
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, parse_envelope, verify_envelope
from lineproof_audit.keys import SigningKey
from lineproof_schema.openlineage import parse_openlineage, producer_facet


def run_event(state: RunState, run_id: str) -> RunEvent:
    return RunEvent(eventType=state, eventTime=datetime.now(UTC).isoformat(), producer="https://example.org/airflow",
                    run=Run(runId=run_id), job=Job(namespace="sched", name="dag.task", facets={"sql": sql_job.SQLJobFacet(query="select 1")}),
                    inputs=[InputDataset(namespace="wh", name="raw")],
                    outputs=[OutputDataset(namespace="wh", name="out", facets={"schema": schema_dataset.SchemaDatasetFacet(
                        fields=[schema_dataset.SchemaDatasetFacetFields(name="a", type="int")])})])


@pytest.fixture
def settings(key, tmp_path, receiver):
    return {"type": "ingest_hooks.transport.SignedTransport", "url": receiver.url, "key": str(key), "token": "secret", "spool": str(tmp_path / "spool")}


def test_client_configured_by_file_sends_signed_events(settings, key, tmp_path, receiver, monkeypatch):
    (tmp_path / "openlineage.yml").write_text("transport:\n" + "".join(f"  {name}: {value}\n" for name, value in settings.items()))
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(tmp_path / "openlineage.yml"))
    client = OpenLineageClient()
    assert isinstance(client.transport, SignedTransport)
    run_id = str(generate_new_uuid())
    client.emit(run_event(RunState.START, run_id))
    client.emit(run_event(RunState.COMPLETE, run_id))
    assert client.close(10)
    assert [event["eventType"] for event in receiver.events] == ["START", "COMPLETE"]
    for number, raw in enumerate(receiver.envelopes, 1):
        envelope = parse_envelope(raw)
        verify_envelope(envelope, SigningKey.load(key).verify_key)
        assert envelope.payload_type == PAYLOAD_OPENLINEAGE
        parsed = parse_openlineage(envelope.payload)
        assert (parsed.run_id, parsed.outputs[0].name) == (run_id, "out")
        assert parsed.outputs[0].facets["schema"]["fields"][0]["name"] == "a"
        facet = producer_facet(parsed)
        assert facet is not None
        assert facet["sequence"] == str(number)


def test_client_configured_by_environment(settings, receiver, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(f"OPENLINEAGE__TRANSPORT__{name.upper()}", value)
    client = OpenLineageClient()
    client.emit(run_event(RunState.START, str(generate_new_uuid())))
    assert client.close(10)
    assert len(receiver.events) == 1


def test_composite_sends_to_both(settings, receiver, tmp_path):
    file = {"type": "file", "log_file_path": str(tmp_path / "events.ndjson"), "append": True}
    client = OpenLineageClient(config={"transport": {"type": "composite", "continue_on_failure": True, "transports": {"file": file, "lineproof": settings}}})
    client.emit(run_event(RunState.START, str(generate_new_uuid())))
    assert client.close(10)
    assert len(receiver.events) == 1
    assert len((tmp_path / "events.ndjson").read_text().splitlines()) == 1


def test_broken_key_does_not_break_the_client(settings):
    client = OpenLineageClient(config={"transport": {**settings, "key": "/nowhere.pem"}})
    client.emit(run_event(RunState.START, str(generate_new_uuid())))
    assert client.transport.emitter.stats().dead == 1
    assert client.close(1)


def test_mistyped_setting_is_said_at_once(settings):
    with pytest.raises(ValueError, match="keyy"):
        OpenLineageClient(config={"transport": {**settings, "keyy": "x"}})
