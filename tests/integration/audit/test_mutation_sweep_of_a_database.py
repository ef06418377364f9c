"""Every byte of what a database keeps of a log is changed once: `fsck` finds each change and, where it is an entry's, names the entry.

A packed body has a few bits that no decoder looks at (a spare one of the zstd frame's header): where it unpacks to the very same bytes, nothing was changed.

As in the sweep over files: what is done to one entry does nothing to another's, so one run changes the same byte of all of them. The rows are those of a
real database, changed on their way to `fsck`.
"""
from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.bodies import unpack
from lineproof_audit.errors import CorruptLog
from lineproof_audit.fsck import FsckReport, fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.log import open_store
from lineproof_audit.store import CONTROL_TYPES, Derived, Head, IntegratedTree, SignedCheckpoint, StoredRow, TileKey
from lineproof_audit.tree import CompactRange
from lineproof_audit.trust import Trust
from tests.whole_log import WholeLog, make_log

SEED = 20261123


@dataclass
class Rows:
    """What a store holds, in memory, so that a run costs nothing but fsck."""

    stored: list[StoredRow]
    columns: Mapping[int, Derived]
    hashes: dict[TileKey, bytes]
    notes: list[SignedCheckpoint]
    kept_head: Head
    kept_tree: IntegratedTree
    trust: Trust = field(default_factory=lambda: Trust(()))

    def head(self) -> Head:
        return self.kept_head

    def integrated(self) -> IntegratedTree:
        return self.kept_tree

    def rows(self, start: int, stop: int) -> list[StoredRow]:
        return self.stored[start:stop]

    def derived_between(self, start: int, stop: int) -> Mapping[int, Derived]:
        return {index: self.columns[index] for index in range(start, stop) if index in self.columns}

    def control_indices(self, start: int, stop: int) -> list[int]:
        return [row.index for row in self.stored[start:stop] if self.columns[row.index].event_type in CONTROL_TYPES]

    def tiles(self, keys: list[TileKey]) -> dict[TileKey, bytes]:
        return {key: self.hashes[key] for key in keys if key in self.hashes}

    def checkpoint(self) -> SignedCheckpoint:
        return self.notes[-1]

    def checkpoints_after(self, size: int, count: int) -> list[SignedCheckpoint]:
        return [note for note in self.notes if note.size > size][:count]


def read(whole: WholeLog) -> Rows:
    store = open_store(whole.data, readonly=True)
    size = store.head().size
    tiles = store.tiles([(level, number) for level in range(3) for number in range(size // 256 + 1)])
    rows = Rows(store.rows(0, size), store.derived_between(0, size), dict(tiles), store.checkpoints_after(-1, 10_000), store.head(), store.integrated(),
                whole.trust)
    store.close()
    return rows


def checked(rows: Rows) -> FsckReport:
    source: Any = StoreSource(rows)  # type: ignore[arg-type]  # as much of a store as it reads
    return fsck(source, trust=rows.trust, signatures=False)


def named(report: FsckReport) -> set[int | None]:
    return {finding.index for finding in report.findings if finding.severity == "error"}


def reads_the_same(column: str, row: StoredRow, changed: bytes) -> bool:
    try:
        return column == "body" and row.body is not None and unpack(changed, row.index) == unpack(row.body, row.index)
    except CorruptLog:
        return False


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 << (at % 8)]) + raw[at + 1:]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return read(make_log(tmp_path_factory.mktemp("small"), 12, every=1, uncovered=1))


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return read(make_log(tmp_path_factory.mktemp("middling"), 300))


def alone(rows: Rows) -> set[int]:
    """On these the verdict on other entries hangs: they are changed one by one, in the small log."""
    return set(rows.control_indices(0, len(rows.stored)))


@pytest.mark.slow
@pytest.mark.parametrize("column", ["leaf", "salt", "body"])
def test_every_byte_of_300_rows_is_found_and_its_entry_named(middling: Rows, column: str) -> None:
    assert checked(middling).findings == ()
    apart = alone(middling)
    held: dict[int, bytes] = {row.index: getattr(row, column) for row in middling.stored if row.index not in apart and getattr(row, column) is not None}
    seen = 0
    for offset in range(max(map(len, held.values()))):
        hit = {index for index, raw in held.items() if offset < len(raw) and not reads_the_same(column, middling.stored[index], flipped(raw, offset))}
        changed = [replace(row, **{column: flipped(held[row.index], offset)}) if row.index in hit else row for row in middling.stored]
        assert hit <= named(checked(replace(middling, stored=changed))), offset
        seen += len(hit)
    assert seen > 0.99 * sum(map(len, held.values()))


@pytest.mark.slow
@pytest.mark.parametrize("column", ["leaf", "salt", "body"])
def test_every_byte_of_a_row_that_others_hang_on_names_its_entry(small: Rows, column: str) -> None:
    assert checked(small).findings == ()
    for row in (small.stored[index] for index in [*sorted(alone(small)), len(small.stored) - 1]):
        raw: bytes = getattr(row, column) or b""
        for changed in (flipped(raw, at) for at in range(len(raw))):
            stored = [*small.stored[:row.index], replace(row, **{column: changed}), *small.stored[row.index + 1:]]
            assert reads_the_same(column, row, changed) or checked(replace(small, stored=stored)).first_bad_index == row.index, (row.index, changed)


def test_every_derived_column_and_every_missing_row_is_found_and_its_entry_named(middling: Rows) -> None:
    for name in Derived.__dataclass_fields__:
        other = {index: replace(row, **{name: row.received + 1 if name == "received" else f"{getattr(row, name)}x"}) for index, row in middling.columns.items()}
        report = checked(replace(middling, columns=other))
        assert report.errors == len(middling.stored)
        assert named(report) == set(range(len(middling.stored)))
    for index in random.Random(SEED).sample(range(len(middling.stored)), 20):
        missing = [row for row in middling.stored if row.index != index]
        with as_read(middling, missing) as rows:
            assert checked(rows).first_bad_index == index


@contextmanager
def as_read(rows: Rows, stored: list[StoredRow]) -> Iterator[Rows]:
    """Rows by their index, of which some are missing."""

    class Gaps(Rows):
        def rows(self, start: int, stop: int) -> list[StoredRow]:
            return [row for row in self.stored if start <= row.index < stop]

    yield Gaps(stored, rows.columns, rows.hashes, rows.notes, rows.kept_head, rows.kept_tree, rows.trust)


def test_every_byte_of_the_tiles_is_found_and_the_entry_named_that_completes_its_hash(middling: Rows) -> None:
    for (level, number), raw in middling.hashes.items():
        for offset in range(32):
            changed = b"".join(flipped(raw[at:at + 32], offset) for at in range(0, len(raw), 32))
            report = checked(replace(middling, hashes={**middling.hashes, (level, number): changed}))
            width = 256 ** level
            assert named(report) >= {(number * 256 + at + 1) * width - 1 for at in range(len(raw) // 32)}


def test_every_byte_of_stored_checkpoints_and_trees_is_found(small: Rows) -> None:
    assert len(small.notes) >= 3
    for place, kept in enumerate(small.notes):
        raw = kept.note.encode()
        changes = [replace(kept, note=flipped(raw, at).decode("utf-8", "replace")) for at in range(len(raw))]
        changes += [replace(kept, root=flipped(kept.root, at)) for at in range(32)]
        for change in changes:
            report = checked(replace(small, notes=[*small.notes[:place], change, *small.notes[place + 1:]]))
            assert not report.ok, (place, change)
            assert report.first_bad_index is None or report.first_bad_index >= kept.size  # one that claims more entries blames those it lacks, and no other
    for name, tree in (("kept_head", small.kept_head.tree), ("kept_tree", small.kept_tree.tree)):
        for at in range(len(tree.hashes)):
            for offset in range(32):
                hashes = [*tree.hashes[:at], flipped(tree.hashes[at], offset), *tree.hashes[at + 1:]]
                changed: Any = replace(getattr(small, name), tree=CompactRange(tree.size, hashes))
                assert not checked(replace(small, **{name: changed})).ok


@pytest.mark.slow
def test_sampled_bytes_of_20_000_rows_are_found_and_named(tmp_path: Path) -> None:
    rows, chosen = read(make_log(tmp_path, 20_000, every=5_000)), random.Random(SEED)
    apart = alone(rows)
    for column in ("leaf", "salt", "body"):
        held: dict[int, bytes] = {row.index: getattr(row, column) for row in rows.stored if row.index not in apart and getattr(row, column) is not None}
        hit = {index: flipped(held[index], chosen.randrange(len(held[index]))) for index in chosen.sample(sorted(held), 300)}
        hit = {index: raw for index, raw in hit.items() if not reads_the_same(column, rows.stored[index], raw)}
        report = checked(replace(rows, stored=[replace(row, **{column: hit[row.index]}) if row.index in hit else row for row in rows.stored]))
        assert hit.keys() <= named(report)
        assert report.first_bad_index == min(hit)
