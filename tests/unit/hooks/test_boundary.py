"""Nothing that goes wrong reaches the pipeline."""
from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest_hooks import Emitter
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.keys import SigningKey


def dead(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "dead").glob("*.json"))]


@pytest.fixture
def key(tmp_path):
    return SigningKey.generate().save(tmp_path / "keys", "producer", "log.example/test", "http://127.0.0.1:9")


def broken_keys(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "text.pem").write_text("not a key")
    (tmp_path / "text.pem").chmod(0o600)
    loose = SigningKey.generate().save(tmp_path / "loose", "producer", "o")
    loose.chmod(0o644)
    alone = SigningKey.generate().save(tmp_path / "alone", "producer", "o")
    alone.with_suffix(".json").unlink()
    return {"missing": tmp_path / "nowhere.pem", "text": tmp_path / "text.pem", "loose": loose, "alone": alone, "none": None, "folder": tmp_path}


@pytest.mark.parametrize("which", ["missing", "text", "loose", "alone", "none", "folder"])
def test_broken_key_is_counted_and_the_event_kept(tmp_path, which, caplog):
    emitter = Emitter(key=broken_keys(tmp_path)[which], spool=tmp_path / "spool")
    with caplog.at_level(logging.WARNING, logger="ingest_hooks"):
        receipts = [emitter.dataset(namespace="n", name=f"d{number}") for number in range(3)]
    assert {receipt.status for receipt in receipts} == {"dead"}
    assert all(receipt.reason for receipt in receipts)
    assert [(one["stage"], one["event"]["name"], one["problem"]["code"]) for one in dead(tmp_path / "spool")] == [
        ("hook", f"d{number}", "invalid-setting") for number in range(3)]
    assert (emitter.stats().emitted, emitter.stats().dead, emitter.stats().spooled) == (3, 3, 0)
    assert len(caplog.records) == 1
    assert emitter.flush(0.1)
    assert emitter.close(0.1)


@pytest.mark.parametrize("url", ["not a url", "http://", "ftp://example.org", "http://[::1", "http://127.0.0.1:1", "http://name.invalid", "http://\udcff"])
def test_broken_url_keeps_the_events(tmp_path, key, url):
    emitter = Emitter(key=key, spool=tmp_path / "spool", url=url)
    assert emitter.dataset(namespace="n", name="d").ok
    assert not emitter.flush(0.2)
    assert emitter.stats().pending == 1
    emitter.close(0.1)


def test_spool_that_cannot_be_made_drops_and_counts(tmp_path, key):
    (tmp_path / "file").write_text("")
    emitter = Emitter(key=key, spool=tmp_path / "file" / "spool")
    receipt = emitter.dataset(namespace="n", name="d")
    assert receipt.status == "dropped"
    assert receipt.reason
    assert emitter.stats().dropped == 1
    assert emitter.artifact(b"x") is None
    assert emitter.acknowledgements() == []
    assert emitter.close()


CIRCLE: dict = {}
CIRCLE["self"] = CIRCLE
WRONG = {
    "unknown type": ("lineproof.nothing.v1", {}, "unknown-event-type"),
    "missing field": ("lineproof.dataset.v1", {"namespace": "n"}, "invalid-event"),
    "wrong type": ("lineproof.dataset.v1", {"namespace": "n", "name": 3}, "invalid-event"),
    "not an object": ("lineproof.dataset.v1", [1], "invalid-event"),
    "none": ("lineproof.dataset.v1", None, "invalid-event"),
    "bad urn": ("lineproof.usage.v1", {"subject": "urn:lineproof:nothing:x", "count": 1, "window": {"start": "2026-01-01T00:00:00Z",
                                                                                                 "end": "2026-01-01T00:00:00Z"}}, "invalid-urn"),
    "a circle": ("lineproof.dataset.v1", {"namespace": "n", "name": "d", "x": CIRCLE}, None),
    "an object": ("lineproof.dataset.v1", {"namespace": "n", "name": "d", "x": object()}, None),
    "a surrogate": ("lineproof.dataset.v1", {"namespace": "n", "name": "d", "x": "\udc80"}, None),
    "too large": ("lineproof.dataset.v1", {"namespace": "n", "name": "d", "description": "x" * 5_000_000}, "too-large"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_invalid_event_goes_to_dead_with_its_reason_and_takes_no_number(tmp_path, key, case):
    kind, data, code = WRONG[case]
    emitter = Emitter(key=key, spool=tmp_path / "spool", url=None)
    receipt = emitter.emit(kind, data)
    assert (receipt.status, receipt.sequence) == ("dead", None)
    (kept,) = dead(tmp_path / "spool")
    assert kept["problem"]["detail"] == receipt.reason
    if code:
        assert kept["problem"]["code"] == code
    assert emitter.dataset(namespace="n", name="good").sequence == 1
    emitter.close(0)


@pytest.mark.parametrize("event", [{}, [], "text", 3, object(), {"eventType": "START", "eventTime": "x", "run": {"runId": "1"}, "job": {"name": "j"}},
                                   {"eventTime": "2026-01-01T00:00:00Z", "run": {"runId": "1", "facets": 3}, "job": {"namespace": "n", "name": "j"}}])
def test_openlineage_that_cannot_be_placed_goes_to_dead(tmp_path, key, event):
    emitter = Emitter(key=key, spool=tmp_path / "spool")
    assert emitter.openlineage(event).status == "dead"
    assert len(dead(tmp_path / "spool")) == 1
    emitter.close(0)


def test_repeated_id_is_the_same_event_for_ever(tmp_path, key):
    emitter = Emitter(key=key, spool=tmp_path / "spool")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    receipts = [emitter.emit("lineproof.dataset.v1", {"namespace": "n", "name": "d"}, event_id="day-1", time=moment) for _ in range(2)]
    assert [receipt.id for receipt in receipts] == ["day-1", "day-1"]
    emitter.close(0)


def test_result_that_is_no_number_is_said_as_null(tmp_path, key):
    emitter = Emitter(key=key, spool=tmp_path / "spool", url=None)
    assert emitter.quality(subject="urn:lineproof:dataset:n:d", check="mean", success=False, actual=math.nan).ok
    (record,) = emitter._connection.spool.read(0, max_records=9, max_bytes=10**6)
    assert json.loads(parse_envelope(record.content).payload)["data"]["actual"] is None
    emitter.close(0)


def test_interrupt_is_not_swallowed(tmp_path, key, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ingest_hooks.emitter._checked", interrupted)
    emitter = Emitter(key=key, spool=tmp_path / "spool")
    with pytest.raises(KeyboardInterrupt):
        emitter.dataset(namespace="n", name="d")


def test_environment_sets_what_arguments_leave_open(tmp_path, key, monkeypatch):
    monkeypatch.setenv("LINEPROOF_KEY", str(key))
    monkeypatch.setenv("LINEPROOF_SPOOL", str(tmp_path / "one"))
    monkeypatch.setenv("LINEPROOF_NAMESPACE", "warehouse")
    emitter = Emitter.from_env(spool=tmp_path / "two")
    assert emitter.namespace == "warehouse"
    assert emitter.dataset(namespace="n", name="d").ok
    assert (tmp_path / "two" / "segments").exists()
    assert not (tmp_path / "one").exists()
    emitter.close(0)


def test_dead_folder_is_bounded(tmp_path, key, monkeypatch):
    monkeypatch.setattr("ingest_hooks.dead.MAX_FILES", 3)
    emitter = Emitter(key=key, spool=tmp_path / "spool")
    states = [emitter.emit("lineproof.nothing.v1", {}).status for _ in range(5)]
    assert states == ["dead", "dead", "dead", "dropped", "dropped"]
    assert len(dead(tmp_path / "spool")) == 3
