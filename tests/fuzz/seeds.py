"""Valid inputs to begin with: the published vectors, the recorded demo log, logs made of the real parts, and the corpora if they lie beside us."""
from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from lineproof_audit.checkpoint import TlogProof
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE, parse_envelope, sign_envelope
from lineproof_audit.export_format import ExportManifest, MovedBody, encode_bodies, encode_checkpoints, encode_manifest
from lineproof_audit.note import NoteVerifier, parse_vkey
from lineproof_audit.store import SignedCheckpoint
from lineproof_audit.tlog_tiles import encode_entries
from tests.unit.audit.memory_log import ORIGIN, PRODUCER, MemoryLog

__all__ = ["batches", "bundles", "documents", "envelopes", "files", "leaves", "notes", "payloads", "proofs", "published_verifiers", "requests", "statements",
           "tile_paths", "trust_files", "urns"]

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "schema" / "lineproof_schema" / "vectors"
CORPORA = ROOT.parent / "shared" / "corpora" / "openlineage"
LONGEST = 8_000  # what is larger has more of the same and only slows the search down
AUDIENCE = re.compile(rb'"audience": ?"[^"]*"')


def cloudevents() -> list[dict[str, Any]]:
    """The vectors of every event type, the invalid ones too, addressed to our log."""
    return [{**case["event"], "audience": ORIGIN} for folder in ("valid", "invalid") for file in sorted((VECTORS / folder).glob("*.json"))
            for case in json.loads(file.read_text("utf-8")) if isinstance(case.get("event"), dict)]


def recorded() -> Iterator[tuple[str, bytes]]:
    """Leaf and envelope of the demo's entries, a few of each kind and size."""
    seen: dict[tuple[str, int], int] = {}
    with gzip.open(ROOT / "tests" / "data" / "demo-log.ndjson.gz") as lines:
        for line in lines:
            entry = json.loads(line)
            if not entry.get("envelope") or len(entry["envelope"]) > LONGEST:
                continue
            kind = (json.loads(entry["leaf"])["eventType"], len(entry["envelope"]) // 4_000)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= 3:
                yield entry["leaf"], entry["envelope"].encode()


def openlineage() -> Iterator[bytes]:
    """Events of the demo, and those that others wrote, if their corpora are here."""
    for _, envelope in recorded():
        parsed = parse_envelope(envelope)
        if parsed.payload_type == PAYLOAD_OPENLINEAGE:
            yield AUDIENCE.sub(f'"audience":"{ORIGIN}"'.encode(), parsed.payload)
    for file in sorted((CORPORA / "scenarios").glob("*/*.json"))[:40]:
        if file.stat().st_size < LONGEST:
            yield file.read_bytes()
    yield json.dumps({"eventTime": "2026-11-20T10:00:00Z", "dataset": {"namespace": "n", "name": "d"}}).encode()
    yield json.dumps({"eventTime": "2026-11-20T10:00:00.123456789", "job": {"namespace": "n", "name": "j"}}).encode()


def payloads(payload_type: str) -> list[bytes]:
    """Payloads of one type."""
    if payload_type == PAYLOAD_OPENLINEAGE:
        return list(openlineage())
    return [json.dumps(event).encode() for event in cloudevents()]


def statements() -> list[bytes]:
    """in-toto statements."""
    return [json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "n", "digest": {"sha256": "0" * 64}}], "predicateType": kind,
                        "predicate": predicate}).encode()
            for kind in ("https://slsa.dev/provenance/v1", "https://example.org/other")
            for predicate in ({}, {"lineproof_producer": {"audience": ORIGIN, "stream": "s", "sequence": "1"}})]


def envelopes() -> list[bytes]:
    """Signed envelopes of every type."""
    ours = [sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), PRODUCER) for event in cloudevents()]
    return [*ours, *(sign_envelope(PAYLOAD_INTOTO, each, PRODUCER) for each in statements()), *(envelope for _, envelope in recorded())]


def leaves() -> list[bytes]:
    """Leaves of the demo."""
    return [leaf.encode() for leaf, _ in recorded()]


def notes() -> list[bytes]:
    """Verifier keys and signed notes: published ones, and checkpoints of ours."""
    published = json.loads((ROOT / "tests" / "data" / "audit" / "signed_notes.json").read_text("utf-8"))
    return [_note().encode(), *(item[field].encode() for item in published for field in ("vkey", "note"))]


def published_verifiers() -> list[NoteVerifier]:
    """The keys that the published notes are signed with."""
    return [parse_vkey(item["vkey"]) for item in json.loads((ROOT / "tests" / "data" / "audit" / "signed_notes.json").read_text("utf-8"))]


def proofs() -> list[bytes]:
    """tlog-proofs, short and long."""
    log = _log()
    return [TlogProof(index, tuple(log.inclusion_proof(index, log.size())), _note(), extra).to_text().encode()
            for index, extra in ((0, None), (3, b"more"), (log.size() - 1, None))]


def trust_files() -> list[bytes]:
    """Trust files of the bundle vectors, and one with witnesses."""
    found = {case["trust"].encode() for case in _bundle_cases()}
    for item in json.loads((ROOT / "tests" / "data" / "audit" / "signed_notes.json").read_text("utf-8")):
        vkey = item["vkey"]
        found.add(f"log {vkey} https://log.example/\nwitness w1 {vkey}\nwitness w2 {vkey} https://w.example\ngroup g 1 w1 w2\nquorum g\n".encode())
    return sorted(found)


def tile_paths() -> list[bytes]:
    """Addresses of tiles."""
    return [b"tile/0/000", b"tile/0/x001/x234/067", b"tile/entries/000.p/1", b"tile/entries/x123/456.p/255", b"tile/63/999",
            b"tile/7/x999/x999/x999/x999/x999/999", b"checkpoint"]


def files() -> list[bytes]:
    """Entry bundles, tiles, and the files of an export; the first byte says how many entries they hold."""
    log = _log()
    found = [entry.leaf for entry in log.stored[:5]]
    moved = [MovedBody(b"i" * 16, b"p" * 16, entry.salt, entry.envelope) for entry in log.stored[:2]]
    bodies = encode_bodies(0, [*moved, MovedBody(b"i" * 16, b"p" * 16, None, None)])
    manifest = encode_manifest(ExportManifest(ORIGIN, 3, 5, b"r" * 32, b"c" * 32, "0.1.0"))
    return [bytes([len(found)]) + encode_entries(found), b"\x04" + b"h" * 128, b"\x03" + bodies, b"\x00" + manifest,
            b"\x01" + encode_checkpoints([SignedCheckpoint(9, b"r" * 32, _note(), 1)])]


def bundles() -> list[bytes]:
    """Evidence, true and false: the smallest of the vectors that verifiers in other languages are held to."""
    texts = sorted((json.dumps(case["bundle"]).encode() for case in _bundle_cases()), key=len)
    return [*texts[::8], json.dumps(_log().bundle(1, 3)).encode()]


def batches() -> list[bytes]:
    """Bodies of several events: an array, an object, lines; packed too."""
    items = [json.dumps(event).encode() for event in cloudevents()[:3]]
    plain = [b"[" + b", ".join(items) + b"]", b'{"events": [' + b",".join(items) + b'], "more": 1}', b"\n".join(items), b"[]", b'{"events":[]}']
    return [*plain, *(gzip.compress(each, mtime=0) for each in plain[:3]), *(zstandard.compress(each) for each in plain[:3])]


def urns() -> list[bytes]:
    """The vectors."""
    vectors = json.loads((VECTORS / "urn.json").read_text("utf-8"))
    return [(case["urn"] if isinstance(case, dict) else case).encode("utf-8", "surrogatepass") for cases in vectors.values() for case in cases
            if isinstance(case, str) or isinstance(case.get("urn"), str)]


def documents() -> list[bytes]:
    """GraphQL requests: the documents of the command line, asked of what the fuzzed service holds."""
    from metadata_service.cli import documents as ours

    urn = "urn:lineproof:dataset:demo:orders"
    variables = {"urn": urn, "ref": {"name": "orders"}, "from": {"size": 1}, "to": {"size": 5}, "at": {"size": 5}, "index": 3, "entries": [3], "first": 5,
                 "depth": 3, "text": "orders"}
    found = []
    for name in ours.__all__:
        query = getattr(ours, name)
        used = {key: value for key, value in variables.items() if f"${key}:" in query}
        found.append(json.dumps({"query": query, "variables": used}).encode())
    return [*found, b'{"query":"{__typename}"}', b'{"query":"{search(text:\\"o\\"){rows{urn}}}"}',
            b'{"query":"query($a:ID!){entity(urn:$a){entity{urn facts{name value}}}} fragment f on Entity{urn ...f}","variables":{"a":"x"},'
            b'"operationName":"x"}']


def requests() -> list[bytes]:
    """Whole requests: `METHOD /path?query [content-type [content-encoding]]`, a line end, the body."""
    said = [b"GET " + path for path in (
        b"/api/v1/log/checkpoint", b"/api/v1/log/tile/0/000.p/3", b"/api/v1/log/tile/entries/000.p/2", b"/api/v1/log/proof?index=1&size=3",
        b"/api/v1/log/proof?from=2", b"/api/v1/log/entries/2", b"/features/demo:orders/versions/1?at=3", b"/models/m/versions/2",
        b"/features/s3%3A%2F%2Fb:n/aliases/latest?at=2026-11-20T10:00:00Z", b"/api/v1/admin/quarantine?limit=3&before=9", b"/api/v1/admin/keys",
        b"/api/v1/admin/erasures/3/certificate", b"/api/v1/artifacts/sha256:" + b"0" * 64, b"/ui/assets/x.js", b"/healthz", b"/graphql?query={__typename}")]
    said += [b"HEAD /ui/", b"OPTIONS /graphql", b"DELETE /api/v1/admin/tokens/x"]
    events, line = list(openlineage()), b"POST %b\n%b"
    said += [line % (b"/api/v1/lineage", each) for each in events[:4]]
    said += [line % (b"/api/v1/lineage/batch", b"[" + each + b"]") for each in events[:2]]
    said += [line % (b"/api/v1/events", each) for each in envelopes()[:4]]
    said += [line % (b"/api/v1/events application/x-ndjson", b"\n".join(envelopes()[:2])),
             line % (b"/api/v1/events application/json gzip", gzip.compress(envelopes()[0], mtime=0)),
             line % (b"/api/v1/events application/json zstd", zstandard.compress(envelopes()[0]))]
    for path, body in (
        (b"/resolve", {"references": ["demo:orders@latest"], "model": None}),
        (b"/resolve", {"references": ["a:b@1"], "model": "urn:lineproof:model-version:a:b:1"}),
        (b"/api/v1/admin/tokens", {"subject": "ci", "roles": ["ingest"], "prefixes": ["demo"], "days": 3}),
        (b"/api/v1/keys/enrol", {"token": "a.b.c", "publicKey": "AAAA", "signature": "AAAA"}),
        (b"/api/v1/admin/erasures/replacement", {"entry": 3, "reason": "r", "replacement": None}),
    ):
        said.append(line % (path, json.dumps(body).encode()))
    said += [line % (path, envelopes()[0]) for path in (b"/api/v1/admin/erasures", b"/api/v1/admin/keys")]
    return [*said, b"PUT /api/v1/artifacts/sha256:" + b"0" * 64 + b" application/octet-stream\nbytes"]


def _log() -> MemoryLog:
    log = MemoryLog()
    for _ in range(6):
        log.say("lineproof.quality.v1", {"check": "c", "share": 0.5})
    return log.sign()


def _note() -> str:
    note = _log().note
    assert note is not None
    return note


def _bundle_cases() -> list[dict[str, Any]]:
    with gzip.open(ROOT / "ui" / "tests" / "bundle-vectors.json.gz") as file:
        cases: list[dict[str, Any]] = json.load(file)
    return cases
