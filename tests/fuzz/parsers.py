"""What is fuzzed: every parser that reads what somebody else wrote. Each takes bytes and names its answer; the rest is `watched`."""
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lineproof_audit.checkpoint import open_checkpoint, parse_tlog_proof, peek_checkpoint
from lineproof_audit.envelope import (
    PAYLOAD_CLOUDEVENT,
    PAYLOAD_INTOTO,
    PAYLOAD_OPENLINEAGE,
    Envelope,
    pae,
    parse_envelope,
    sign_envelope,
    verify_envelope,
)
from lineproof_audit.errors import AuditError
from lineproof_audit.export_format import parse_bodies, parse_checkpoints, parse_manifest
from lineproof_audit.facts import event_facts, load_object
from lineproof_audit.leaf import encode_leaf, parse_leaf
from lineproof_audit.note import NoteVerifier, open_note, parse_vkey, split_note
from lineproof_audit.tlog_tiles import TileAddress, parse_entries, parse_tile_path, split_hashes
from lineproof_audit.tree import leaf_hash
from lineproof_audit.trust import parse_trust
from lineproof_audit.verify import verify_bundle
from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import parse_urn
from metadata_service.access import Viewer
from metadata_service.api.rest.bodies import _gunzip, _unzstd, is_array, split_array, split_batch, split_lines
from metadata_service.intake.check import Ground, check_envelope, check_openlineage
from metadata_service.intake.event import namespaces_of_body, read_event
from tests.fuzz import seeds
from tests.unit.audit.memory_log import LOG, NOTARY, ORIGIN, PRODUCER, TENANT, MemoryLog, key, trust

__all__ = ["PARSERS", "Contradiction", "Target"]

MOST_ITEMS = 50
INFLATED = 1 << 20
Run = Callable[[bytes], str]
Target = tuple[Callable[[], list[bytes]], Callable[[], "contextmanager[Run]"], int]
"""Valid inputs, what opens the parser, and the longest input (bytes)."""


class Contradiction(Exception):
    """A parser took an input, and what it made of it is not what the input says."""


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Contradiction(what)


def _envelope(raw: bytes) -> str:
    namespaces_of_body(raw)
    envelope = parse_envelope(raw)
    event_facts(envelope.payload_type, envelope.payload)
    load_object(envelope.payload)
    verify_envelope(envelope, PRODUCER.verify_key)
    again = parse_envelope(sign_envelope(envelope.payload_type, envelope.payload, PRODUCER))
    _require(again == Envelope(envelope.payload_type, envelope.payload, PRODUCER.keyid, envelope.signature), "signing again gives another envelope")
    _require(pae(again.payload_type, again.payload).endswith(envelope.payload), "the signature does not cover the payload")
    return "ok"


VIEWER = Viewer("c" * 64, TENANT, frozenset({"ingest"}), ("",), owners=(("", TENANT),))


ANYWHERE = key("producer of everything")


def _ground() -> Ground:
    log = MemoryLog()
    log.register(ANYWHERE, scope={"namespaces": ["*"], "eventTypes": ["*"], "sources": ["*"]})
    return Ground(log.keyring, 1_000, int(time.time() * 1_000_000), NOTARY)


@contextmanager
def _signed(payload_type: str) -> Iterator[Run]:
    """The checks of intake over a payload that a registered producer signed."""
    ground = _ground()

    def run(payload: bytes) -> str:
        event_facts(payload_type, payload)
        entry = check_envelope(sign_envelope(payload_type, payload, ANYWHERE), VIEWER, ground)
        _require(entry.parsed is not None and entry.parsed.payload == payload, "another payload is appended than was sent")
        return f"ok {entry.event_type}"

    yield run


@contextmanager
def _plain() -> Iterator[Run]:
    """Plain OpenLineage, wrapped by the notary; both ways of reading JSON agree."""
    ground = _ground()

    def run(payload: bytes) -> str:
        entry = check_openlineage(payload, VIEWER, ground)
        said = event_facts(PAYLOAD_OPENLINEAGE, payload)
        _require(said.event_type == entry.event_type, f"intake says {entry.event_type}, fsck {said.event_type}")
        return f"ok {entry.event_type}"

    yield run


def _statement(payload: bytes) -> str:
    event_facts(PAYLOAD_INTOTO, payload)
    return f"ok {read_event(PAYLOAD_INTOTO, payload).event_type}"


def _note(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    try:
        verifier: NoteVerifier | None = parse_vkey(text.partition("\n")[0])
    except AuditError:
        verifier = None
    _require(verifier is None or parse_vkey(verifier.vkey) == verifier, "a verifier key has two spellings")
    split_note(text)
    peeked: LineproofError | None = None
    try:
        checkpoint = peek_checkpoint(text)
        _require(split_note(text)[0] == checkpoint.to_text(), "a checkpoint has two spellings")
    except LineproofError as error:
        peeked = error
    opened = open_note(text, [NoteVerifier(ORIGIN, LOG.verify_key), *seeds.published_verifiers()])
    _require(text.startswith(opened.text), "the note opens to another text")
    if peeked is not None:
        raise peeked
    open_checkpoint(text, NoteVerifier(ORIGIN, LOG.verify_key))
    return "ok"


@contextmanager
def _proof() -> Iterator[Run]:
    log, verifier = MemoryLog(), NoteVerifier(ORIGIN, LOG.verify_key)
    for _ in range(6):
        log.say("lineproof.quality.v1", {"check": "c", "share": 0.5})
    leaves = [leaf_hash(entry.leaf) for entry in log.sign().stored]

    def run(data: bytes) -> str:
        proof = parse_tlog_proof(data.decode("utf-8", "surrogateescape"))
        _require(proof.to_text() == data.decode("utf-8", "surrogateescape"), "a proof has two spellings")
        proof.verify(leaves[proof.index % len(leaves)], verifier)
        _require(proof.index < len(leaves) and list(proof.hashes) == log.inclusion_proof(proof.index, len(leaves)), "another proof verifies")
        return "ok"

    yield run


@contextmanager
def _trust() -> Iterator[Run]:
    note = MemoryLog().sign().note
    assert note is not None

    def run(data: bytes) -> str:
        parse_trust(data).open(note, ORIGIN)
        return "ok"

    yield run


def _tile(data: bytes) -> str:
    path = data.decode("utf-8", "surrogateescape")
    address = parse_tile_path(path)
    _require(address.path == path, "a tile has two addresses")
    _require(parse_tile_path(address.widest.path).full, "a full tile is not full")
    return "ok"


def _files(data: bytes) -> str:
    """What a log lies in as files; the first byte says how many entries are expected."""
    width, data = data[0] if data else 0, data[1:]
    said = []
    for read in (lambda: list(parse_entries(data, width)), lambda: split_hashes(data, TileAddress(0, 0, max(width, 1))),
                 lambda: list(parse_bodies(data, 0, width)), lambda: parse_manifest(data), lambda: parse_checkpoints(data, "it")):
        try:
            read()
            said.append("ok")
        except LineproofError as error:
            said.append(error.code)
    return " ".join(said)


def _leaf(data: bytes) -> str:
    _require(encode_leaf(parse_leaf(data)) == data, "a leaf has two spellings")
    return "ok"


@contextmanager
def _bundle() -> Iterator[Run]:
    believed = trust()

    def run(data: bytes) -> str:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return "not-json"
        verdict = verify_bundle(document, believed)
        str(verdict.to_json())
        return f"{verdict.code} {' '.join(verdict.levels)}"

    yield run


def _batch(data: bytes) -> str:
    """A body of many events, packed or not."""
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, INFLATED)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        data = _unzstd(data, INFLATED)
    _require(len(data) <= INFLATED, "inflated beyond the limit")
    _require(b"\n".join(split_lines(data, 10**9)).split() == data.split(), "lines were lost")
    lines = len(split_lines(data, MOST_ITEMS)) if data.count(b"\n") < MOST_ITEMS else MOST_ITEMS
    items = split_batch(data, MOST_ITEMS)
    _require(not is_array(data) or items == split_array(data, MOST_ITEMS), "an array is no batch")
    _require(all(item in data for item in items), "an item is not what was sent")
    return f"ok {bool(items)} {bool(lines)}"


def _urn(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    _require(str(parse_urn(text)) == text, "a URN has two spellings")
    return "ok"


def _stateless(run: Run) -> Callable[[], contextmanager[Run]]:
    @contextmanager
    def opened() -> Iterator[Run]:
        yield run

    return opened


PARSERS: dict[str, Target] = {
    "envelope": (seeds.envelopes, _stateless(_envelope), 8_192),
    "CloudEvents": (lambda: seeds.payloads(PAYLOAD_CLOUDEVENT), lambda: _signed(PAYLOAD_CLOUDEVENT), 8_192),
    "OpenLineage": (lambda: seeds.payloads(PAYLOAD_OPENLINEAGE), _plain, 8_192),
    "in-toto": (seeds.statements, _stateless(_statement), 4_096),
    "leaf": (seeds.leaves, _stateless(_leaf), 2_048),
    "note": (seeds.notes, _stateless(_note), 4_096),
    "proof": (seeds.proofs, _proof, 4_096),
    "trust file": (seeds.trust_files, _trust, 4_096),
    "tile path": (seeds.tile_paths, _stateless(_tile), 256),
    "tiles and exports": (seeds.files, _stateless(_files), 8_192),
    "bundle": (seeds.bundles, _bundle, 32_768),
    "NDJSON and arrays": (seeds.batches, _stateless(_batch), 8_192),
    "URN": (seeds.urns, _stateless(_urn), 1_024),
}
