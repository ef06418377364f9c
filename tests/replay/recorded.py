"""A log recorded as data: leaf, salt and envelope of every entry, in order, and the digest of the graph they project to.

    python -m tests.replay.recorded DATA_DIRECTORY

records the log of a data directory (the demo's) into tests/data/demo-log.ndjson.gz. Run it when events of the demo change; without a
directory the recorded entries stay and only their digest is taken anew, for rules that make more of them. Look at what differs in the
graph before committing a digest: old logs must keep projecting to what they meant.
"""
from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lineproof_audit.leaf import parse_leaf
from lineproof_audit.log import Log
from lineproof_audit.store import StoredEntry
from lineproof_audit.tree import CompactRange, leaf_hash

RECORDED = Path(__file__).resolve().parents[1] / "data" / "demo-log.ndjson.gz"
CONTROL = {"lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1", "lineproof.erasure.v1"}


class RecordedLog:
    """A recorded log as the projector reads one."""

    def __init__(self, entries: list[StoredEntry]) -> None:
        self._entries = entries

    def size(self) -> int:
        return len(self._entries)

    def entry(self, index: int) -> StoredEntry:
        return self._entries[index]

    def entries(self, start: int = 0, stop: int | None = None, batch: int = 1_000) -> Iterator[StoredEntry]:
        yield from self._entries[start:stop]

    def control_entries(self, start: int, stop: int) -> Iterator[StoredEntry]:
        yield from (entry for entry in self._entries[start:stop] if entry.fields.event_type in CONTROL)

    def root_at(self, size: int) -> bytes:
        tree = CompactRange()
        for entry in self._entries[:size]:
            tree.append(leaf_hash(entry.leaf))
        return tree.root()

    def wait_for(self, size: int, timeout: float) -> int:
        return len(self._entries)


def load(path: Path = RECORDED) -> tuple[dict[str, str], RecordedLog]:
    """The header (size, root, digest) and the log."""
    with gzip.open(path, "rt") as lines:
        header = json.loads(next(lines))
        entries = []
        for index, line in enumerate(lines):
            row = json.loads(line)
            leaf = row["leaf"].encode()
            entries.append(StoredEntry(index, leaf, parse_leaf(leaf), row["envelope"].encode(), base64.b64decode(row["salt"])))
    return header, RecordedLog(entries)


async def digest_of(log: RecordedLog) -> str:
    """The digest of the graph that today's rules make of the log."""
    from metadata_service.graph.open import open_graph
    from metadata_service.projector.rebuild import rebuild

    with tempfile.TemporaryDirectory() as folder:
        graph = open_graph(f"sqlite:///{folder}/graph.db")
        try:
            await graph.setup()
            return (await rebuild(log, graph)).digest
        finally:
            await graph.close()


def record(data: Path) -> None:
    """Write the log of a data directory to `RECORDED`."""
    source = Log.open(str(data), readonly=True)
    try:
        entries = list(source.reader.entries())
    finally:
        source.close()
    write(entries)


def write(entries: list[StoredEntry]) -> None:
    """Write entries and the digest of the graph that they project to."""
    log = RecordedLog(entries)
    header = {"size": str(log.size()), "root": log.root_at(log.size()).hex(), "digest": asyncio.run(digest_of(log))}
    with RECORDED.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as lines:
        lines.write(json.dumps(header).encode() + b"\n")
        for entry in entries:
            assert entry.envelope is not None
            assert entry.salt is not None
            row = {"leaf": entry.leaf.decode(), "salt": base64.b64encode(entry.salt).decode(), "envelope": entry.envelope.decode()}
            lines.write(json.dumps(row).encode() + b"\n")
    print(f"{header}\n{RECORDED.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        record(Path(sys.argv[1]))
    else:
        write(list(load()[1].entries()))
