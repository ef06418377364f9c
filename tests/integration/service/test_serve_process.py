"""`lineproof serve` as a process: a stock client, a clean end, one writer per data directory, the command line beside it."""
from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from pathlib import Path

import httpx
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport
from openlineage.client.uuid import generate_new_uuid

from lineproof_audit.log import Log
from tests.serve_process import lineproof, serving
from tests.service_world import openlineage_run


def stock_client(url: str, token: str, compression: HttpCompression | None = None) -> OpenLineageClient:
    config = HttpConfig(url=url, auth=ApiKeyTokenProvider({"apiKey": token}), compression=compression)
    return OpenLineageClient(transport=HttpTransport(config))


@pytest.mark.parametrize("compression", [None, HttpCompression.GZIP])
def test_a_stock_openlineage_client_works_unchanged(tmp_path: Path, compression: HttpCompression | None) -> None:
    with serving(tmp_path) as service:
        client, run = stock_client(service.url, service.token, compression), str(generate_new_uuid())
        for state in (RunState.START, RunState.COMPLETE):
            client.emit(RunEvent(eventType=state, eventTime="2026-01-02T03:04:05.678Z", run=Run(runId=run), job=Job(namespace="airflow", name="etl.load"),
                                 producer="https://github.com/apache/airflow", inputs=[InputDataset(namespace="s3://raw", name="flights.csv")],
                                 outputs=[OutputDataset(namespace="duckdb://db", name="main.flights")]))
        client.close()
        with service.client() as http:
            assert http.get("/readyz").json()["log"] == 4
            entry = http.get("/api/v1/log/entries/3").json()
            assert entry["envelope"]
            _until(lambda: http.get("/readyz").json()["graph"] == 4)  # the projector is a process of its own
        assert service.stop() == 0


def test_no_acknowledged_event_is_lost_when_the_service_ends_under_load(tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    with serving(tmp_path) as service:
        started = threading.Event()

        def write(number: int) -> None:
            with service.client() as http:
                for count in range(10_000):
                    event = openlineage_run(f"job-{number}", run=f"{number}-{count}")
                    try:
                        answer = http.post("/api/v1/lineage", json=event)
                    except httpx.HTTPError:
                        return
                    if answer.status_code != 200:
                        return
                    acknowledged[answer.json()["index"]] = event["run"]["runId"]
                    if len(acknowledged) > 200:
                        started.set()

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        assert started.wait(60)
        assert service.stop() == 0
        for writer in writers:
            writer.join(30)
        assert not (tmp_path / ".lineproof" / "address").exists()
    with Log.open(tmp_path / ".lineproof", readonly=True, state_dir=tmp_path / "state") as log:
        for index, run in acknowledged.items():
            envelope = json.loads(log.reader.entry(index).envelope or b"{}")
            assert run in _payload(envelope)
        checkpoint = log.reader.checkpoint()
        assert checkpoint is not None
        assert int(checkpoint.split("\n")[1]) == log.reader.size() > 200  # the last checkpoint covers the last entry
    assert lineproof(tmp_path, "log", "fsck").returncode == 0


def test_a_second_process_on_one_data_directory_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        second = lineproof(tmp_path, "serve", "--port", "0")
        assert second.returncode == 3
        assert "data-directory-locked" in second.stderr
        assert str(service.process.pid) in second.stderr
        with service.client() as http:
            assert http.get("/readyz").status_code == 200


def test_secrets_are_private_and_the_token_is_printed_only_to_a_terminal(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        assert service.token not in service.log_text
        assert "admin-token" in service.log_text
        secrets = [*(tmp_path / "state").rglob("*.pem"), *(tmp_path / "state").rglob("admin-token"), *(tmp_path / ".lineproof" / "keys").glob("*.pem")]
        assert len(secrets) == 4
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets)


def test_the_projector_process_is_started_again_when_it_dies(tmp_path: Path) -> None:
    with serving(tmp_path) as service, service.client() as http:
        _until(lambda: http.get("/readyz").json()["graph"] == 2)
        children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        answer = http.post("/api/v1/lineage", json=openlineage_run())
        assert answer.status_code == 200  # intake does not wait for the graph
        _until(lambda: http.get("/readyz").json()["graph"] == 3)
        assert "lineproof_projector_restarts_total 1.0" in http.get("/metrics").text
        assert service.stop() == 0
    assert not Path(f"/proc/{children[0]}").exists()


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "example.org"), ("--tls-certificate", "x.pem")])
def test_serving_beyond_loopback_needs_tls_or_a_proxy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    refused = lineproof(tmp_path, "serve", *arguments)
    assert refused.returncode == 2
    assert "invalid-setting" in refused.stderr
    assert not (tmp_path / ".lineproof").exists()


def test_keys_and_tokens_by_command_while_the_service_runs_and_while_it_does_not(tmp_path: Path) -> None:
    nothing = lineproof(tmp_path, "keys", "list")
    assert (nothing.returncode, "there is no log" in nothing.stderr) == (3, True)
    with serving(tmp_path) as service:
        made = json.loads(lineproof(tmp_path, "keys", "create", "ci", "--namespace", "demo", "--json").stdout)
        assert stat.S_IMODE(Path(made["path"]).stat().st_mode) == 0o600
        beside = json.loads(Path(made["path"]).with_suffix(".json").read_text())
        assert (beside["url"], beside["keyid"], beside["tenant"]) == (service.url, made["keyId"], made["tenant"])
        token = lineproof(tmp_path, "tokens", "create", "ci", "--role", "ingest").stdout.strip()
        event = {"type": "lineproof.dataset.v1", "data": {"namespace": "demo", "name": "orders"}}
        (tmp_path / "event.json").write_text(json.dumps(event))
        emitted = lineproof(tmp_path, "emit", "event.json", "--json", env={"LINEPROOF_KEY": made["path"], "LINEPROOF_TOKEN": token,
                                                                          "LINEPROOF_SPOOL": str(tmp_path / "spool")})
        assert emitted.returncode == 0, emitted.stdout + emitted.stderr
        assert json.loads(emitted.stdout)["events"][0]["state"] == "acknowledged"
        assert service.stop() == 0
    revoked = json.loads(lineproof(tmp_path, "keys", "revoke", made["keyId"][:12], "--reason", "lost laptop", "--json").stdout)
    assert revoked["keyId"] == made["keyId"]
    ring = json.loads(lineproof(tmp_path, "keys", "list", "--json").stdout)
    assert next(key for key in ring["keys"] if key["keyId"] == made["keyId"])["lastValid"] == revoked["lastValid"]
    listed = json.loads(lineproof(tmp_path, "tokens", "list", "--json").stdout)["tokens"]
    assert [item["subject"] for item in listed] == ["admin", "ci"]
    assert lineproof(tmp_path, "keys", "trust", "--out", "trust.txt").returncode == 0
    assert lineproof(tmp_path, "log", "prove", "3", "--out", "bundle.json", "--with-leaves").returncode == 0
    verified = lineproof(tmp_path, "log", "verify", "bundle.json", "--trust", "trust.txt", "--require", "keys-complete", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["levels"]) == (0, ["included", "keys-complete"])
    unanchored = lineproof(tmp_path, "log", "verify", "bundle.json")
    assert (unanchored.returncode, "unanchored" in unanchored.stdout) == (1, True)


def test_a_lost_state_directory_stops_signing_and_adopt_heals_it(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        assert service.stop() == 0
    kept = lineproof(tmp_path, "log", "checkpoint").stdout
    (tmp_path / "checkpoint.txt").write_text(kept)
    for record in (tmp_path / "state").glob("*/checkpoint-lock*"):
        record.unlink()
    with serving(tmp_path) as service, service.client() as http:
        _until(lambda: http.get("/readyz").json()["checkpoints"] == "checkpoint-lock")
        assert http.post("/api/v1/lineage", json=openlineage_run()).status_code == 200  # intake goes on
        assert service.stop() == 0
    adopted = lineproof(tmp_path, "log", "adopt", "--checkpoint", "checkpoint.txt")
    assert adopted.returncode == 0, adopted.stderr
    with serving(tmp_path) as service, service.client() as http:
        _until(lambda: http.get("/api/v1/log/checkpoint").text.split("\n")[1] == "3")
        assert http.get("/readyz").json()["checkpoints"] is None


def _payload(envelope: dict[str, str]) -> str:
    import base64

    return base64.b64decode(envelope.get("payload", "")).decode()


def _until(condition: object, seconds: float = 40) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
