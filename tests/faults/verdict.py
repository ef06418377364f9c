"""What must be true of a log after any fault: nothing lost, no index used twice, one history, every check clean."""
from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lineproof_audit.checkpoint import open_checkpoint
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_open import opened_for_fsck
from lineproof_audit.lock import RECORD_NAME, FileCheckpointLock
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.tree import CompactRange, leaf_hash
from lineproof_audit.trust import Trust, TrustedLog
from tests.faults.tally import TALLY

__all__ = ["Told", "events_of", "judge"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a producer was told: its event stands at `index`, as the leaf with this hex."""

    index: int
    leaf: str


def judge(target: str | Path, state: Path, told: Mapping[str, Told], *, tiles: Path | None = None, seen: Iterable[str] = (), gaps: int = 0) -> int:
    """Hold a log against what producers were told; its size.

    Args:
        target: data directory or database of the log.
        state: base of the state directories.
        told: acknowledgements by event id. Everything else in the log was sent and not acknowledged, which is no loss.
        tiles: the folder that a database is published to.
        seen: checkpoints that were read while it ran.
        gaps: so many streams of producers have one, because an event was dropped, and said to be.
    """
    TALLY.cases += 1
    with Log.open(target, readonly=True, state_dir=state) as log:
        tree, roots, ids, leaves = CompactRange(), [CompactRange().root()], [], []
        received = []
        for index, entry in enumerate(log.reader.entries()):
            assert entry.index == index
            assert entry.envelope is not None
            tree.append(leaf_hash(entry.leaf))
            roots.append(tree.root())
            leaves.append(entry.leaf.hex())
            ids.append(_event_id(entry.envelope))
            received.append(entry.fields.received)
        assert log.store.head().tree == tree
        assert all(before <= after for before, after in itertools.pairwise(received))
        named = [event for event in ids if event is not None]
        assert len(named) == len(set(named)), "an event stands in the log twice"

        lost = [event for event, ack in told.items() if ack.index >= len(ids) or ids[ack.index] != event or leaves[ack.index] != ack.leaf]
        twice = len(told) - len({ack.index for ack in told.values()})
        TALLY.acknowledged += len(told)
        TALLY.lost += len(lost)
        TALLY.indices_used_twice += twice
        assert not lost, f"{len(lost)} acknowledged events are not where they were said to be: {lost[:5]}"
        assert not twice

        keys = log.keyring.keys_for("log")
        verifier = NoteVerifier(log.origin, keys[0])
        size = 1
        stored = []
        while (note := log.reader.checkpoint_covering(size)) is not None:
            stored.append(note)
            size = open_checkpoint(note, verifier).size + 1
        for note in (*stored, *seen):
            checkpoint = open_checkpoint(note, verifier)
            assert checkpoint.size < len(roots), "a checkpoint promises more entries than there are"
            assert checkpoint.root == roots[checkpoint.size], f"the checkpoint of size {checkpoint.size} is of another history"
            TALLY.checkpoints += 1
        record = FileCheckpointLock(log.state_dir / RECORD_NAME).read()
        assert record is not None
        assert record.size >= size - 1, "something was signed that the lock record does not know"
        assert record.root == roots[record.size]

    with opened_for_fsck(str(target), tiles=str(tiles) if tiles is not None else None) as sources:
        for what, source in sources:
            report = fsck(source, trust=Trust((TrustedLog(verifier),)))
            assert report.ok, (what, report.findings[:5])
            if what != "tiles":  # which hold no bodies: a warning
                assert Counter(finding.kind for finding in report.findings) == Counter({"stream-gap": gaps} if gaps else {}), report.findings[:5]
    return len(ids)


def events_of(log: Log) -> Iterator[str]:
    """The ids of all events that have one."""
    return (event for entry in log.reader.entries() if entry.envelope is not None and (event := _event_id(entry.envelope)) is not None)


def _event_id(envelope: bytes) -> str | None:
    payload = json.loads(parse_envelope(envelope).payload)
    return str(payload["id"]) if "id" in payload else None
