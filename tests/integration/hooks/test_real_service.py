"""The hooks against the real service: what is acknowledged stands in the log, byte for byte."""
from __future__ import annotations

import base64
import hashlib
import json
import signal
import time

import httpx
import pytest

from ingest_hooks import Emitter
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.keys import SigningKey
from tests.integration.hooks.service import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as one:
        yield one


@pytest.fixture(scope="module")
def credentials(service: Service) -> dict[str, str]:
    key = service.command("keys", "create", "ci", "-n", "wh")
    token = service.command("tokens", "create", "ci", "--role", "ingest", "--role", "auditor")
    return {"key": key["path"], "token": token["token"]}


@pytest.fixture
def producer(credentials, tmp_path):
    emitters = []

    def make(**given):
        emitters.append(Emitter(**{**credentials, "spool": tmp_path / "spool", **given}))
        return emitters[-1]

    yield make
    for one in emitters:
        one.close(0.1)


def entry(service: Service, credentials: dict[str, str], index: int) -> dict:
    answer = httpx.get(f"{service.url}/api/v1/log/entries/{index}", headers={"Authorization": f"Bearer {credentials['token']}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_acknowledged_events_stand_in_the_log(service, credentials, producer):
    emitter = producer()
    receipts = [emitter.dataset(namespace="wh", name=f"t{number}") for number in range(300)]
    digest = emitter.artifact(b"select 42")
    with emitter.step("clean", namespace="wh", inputs=["t1"], outputs=["t2"]):
        pass
    assert emitter.flush(30), emitter.stats()
    stats = emitter.stats()
    assert (stats.acknowledged, stats.dead, stats.dropped, stats.duplicates, stats.artifacts) == (302, 0, 0, 0, 1)
    acks = emitter.acknowledgements()
    assert [ack.sequence for ack in acks] == list(range(1, 303))
    assert [ack.index for ack in acks] == list(range(acks[0].index, acks[0].index + 302))
    kept = entry(service, credentials, acks[7].index)
    envelope = next(base64.b64decode(value) for name, value in kept.items() if name in ("envelope", "body") and isinstance(value, str))
    assert hashlib.sha256(envelope).hexdigest() == acks[7].envelope
    assert kept["leaf"] == acks[7].leaf
    assert json.loads(parse_envelope(envelope).payload)["id"] == receipts[7].id
    answer = httpx.get(f"{service.url}/api/v1/artifacts/sha256:{digest}", headers={"Authorization": f"Bearer {credentials['token']}"})
    assert answer.content == b"select 42"


def test_refusals_of_the_service_go_to_dead_with_their_code(producer, tmp_path, credentials, service):
    emitter = producer()
    emitter.dataset(namespace="other-team", name="t")
    emitter.dataset(namespace="wh", name="fine")
    first = emitter.emit("lineproof.dataset.v1", {"namespace": "wh", "name": "x"}, event_id="same")
    second = emitter.emit("lineproof.dataset.v1", {"namespace": "wh", "name": "y"}, event_id="same")
    assert emitter.flush(30)
    assert (first.ok, second.ok) == (True, True)
    codes = sorted(json.loads(path.read_text())["problem"]["code"] for path in (tmp_path / "spool" / "dead").glob("*.json"))
    assert codes == ["equivocation", "out-of-scope"]
    assert emitter.stats().acknowledged == 2


def test_unknown_key_and_wrong_audience_are_dead(producer, tmp_path, service, credentials):
    stranger = producer(key=SigningKey.generate(), audience="somewhere.else", url=service.url, spool=tmp_path / "a")
    stranger.dataset(namespace="wh", name="t")
    elsewhere = producer(audience="somewhere.else", spool=tmp_path / "b")
    elsewhere.dataset(namespace="wh", name="t")
    assert stranger.flush(30)
    assert elsewhere.flush(30)
    found = [json.loads(path.read_text())["problem"]["code"] for folder in ("a", "b") for path in (tmp_path / folder / "dead").glob("*.json")]
    assert found[0] in ("unknown-key", "wrong-audience")
    assert found[1] == "wrong-audience"


def test_wrong_token_keeps_the_events_until_it_is_right(producer, tmp_path):
    emitter = producer(token="nonsense")
    emitter.dataset(namespace="wh", name="kept")
    assert not emitter.flush(1)
    assert emitter.stats().dead == 0
    emitter.close(0.1)
    again = producer()
    again.dataset(namespace="wh", name="next")
    assert again.flush(30)
    assert again.stats().acknowledged == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_service_that_goes_away_in_the_middle_loses_and_doubles_nothing(service, credentials, producer, how):
    emitter = producer()
    receipts = []
    for number in range(200):
        receipts.append(emitter.dataset(namespace="wh", name=f"{how.name}_{number}"))
        if number == 100:
            service.stop(how)
        if number == 150:
            service.start()
        time.sleep(0.001)
    assert emitter.flush(60), emitter.stats()
    assert all(receipt.ok for receipt in receipts)
    stats = emitter.stats()
    assert (stats.acknowledged, stats.dead, stats.dropped) == (200, 0, 0)
    indices = [ack.index for ack in emitter.acknowledgements()]
    assert len(set(indices)) == 200
    assert indices == sorted(indices)
