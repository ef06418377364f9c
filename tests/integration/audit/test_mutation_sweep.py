"""Every byte of a log's files is changed once: fsck finds each change and names the entry.

What a change does to one entry's leaf or body does nothing to another's, so one run changes the same byte of all of them, and each must be named. What
everything else hangs on (framing, key entries, checkpoints, tiles of the tree) is changed one byte a run, in a log that is small enough.
"""
from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lineproof_audit.export import ExportSource, export_log
from lineproof_audit.export_format import MANIFEST
from lineproof_audit.fsck import FsckReport, fsck
from lineproof_audit.fsck_tiles import FolderTiles
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.log import Log
from lineproof_audit.store import CONTROL_TYPES
from lineproof_audit.tlog_tiles import parse_entries
from lineproof_audit.trust import Trust
from tests.whole_log import WholeLog, make_log

SEED = 20261123


@dataclass
class Files:
    """A folder in memory, so that a run costs nothing but fsck."""

    held: dict[str, bytes] = field(default_factory=dict)
    location: str = "memory"

    def read(self, name: str) -> bytes | None:
        return self.held.get(name)

    def write(self, files: Mapping[str, bytes]) -> None:
        self.held.update(files)

    def names(self, below: str = "") -> Iterator[str]:
        return iter(sorted(name for name in self.held if name.startswith(below)))

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.held.pop(name, None)

    def changed(self, *places: tuple[str, int]) -> Files:
        """A copy with one bit of each of these bytes flipped, not always the same one."""
        raw = {name: bytearray(self.held[name]) for name, _ in places}
        for name, at in places:
            raw[name][at] ^= 1 << (at % 8)
        return Files({**self.held, **{name: bytes(data) for name, data in raw.items()}})


@dataclass(frozen=True)
class Place:
    """Where the record of one entry lies in a file: its framing (a length before it) and its bytes."""

    index: int
    name: str
    framing: range
    record: range


def files_of(whole: WholeLog) -> Files:
    files = Files()
    with Log.open(whole.data, readonly=True, state_dir=whole.state) as log:
        export_log(log.store, files, origin=log.origin, tool_version="tests")
    return files


def places(files: Files, size: int, kind: str, length_bytes: int, check_bytes: int) -> list[Place]:
    found = []
    for first in range(0, size, 256):
        width = min(256, size - first)
        name = f"{kind}/{first // 256:03d}" + ("" if width == 256 else f".p/{width}")
        data, at = files.held[name], 0
        for index in range(first, first + width):
            start = at + length_bytes
            stop = start + int.from_bytes(data[at:start], "big") + check_bytes
            found.append(Place(index, name, range(at, start), range(start, stop)))
            at = stop
        assert at == len(data)
    return found


def control_entries(files: Files, size: int) -> set[int]:
    leaves = [leaf for place in range(0, size, 256) for leaf in parse_entries(
        files.held[f"tile/entries/{place // 256:03d}" + ("" if size - place >= 256 else f".p/{size - place}")], min(256, size - place))]
    return {index for index, leaf in enumerate(leaves) if parse_leaf(leaf).event_type in CONTROL_TYPES}


def checked(files: Files, trust: Trust, *, tiles_only: bool = False) -> FsckReport:
    return fsck(FolderTiles(files) if tiles_only else ExportSource(files), trust=trust, signatures=False)


def named(report: FsckReport) -> set[int | None]:
    return {finding.index for finding in report.findings if finding.severity == "error"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[WholeLog, Files]:
    whole = make_log(tmp_path_factory.mktemp("small"), 9, uncovered=1)
    return whole, files_of(whole)


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> tuple[WholeLog, Files]:
    whole = make_log(tmp_path_factory.mktemp("middling"), 300)
    return whole, files_of(whole)


def owner(placed: Sequence[Place], name: str, at: int) -> int | None:
    return next((place.index for place in placed if place.name == name and (at in place.framing or at in place.record)), None)


@pytest.mark.slow
def test_every_byte_of_a_small_export_changed_by_itself_is_found_and_its_entry_named(small: tuple[WholeLog, Files]) -> None:
    whole, files = small
    assert checked(files, whole.trust).findings == ()
    placed = places(files, 9, "tile/entries", 2, 0) + places(files, 9, "lineproof/bodies", 4, 8)
    missed, unnamed = [], []
    for name, data in files.held.items():
        for at in range(len(data)):
            report = checked(files.changed((name, at)), whole.trust)
            index = owner(placed, name, at)
            if report.ok:
                missed.append((name, at))
            elif index is not None and report.first_bad_index != index:
                unnamed.append((name, at, index, report.first_bad_index))
    assert missed == []
    assert unnamed == []
    assert {MANIFEST, "checkpoint", "tile/0/000.p/9", "tile/0/000.p/8", "tile/entries/000.p/8", "lineproof/checkpoints/000"} <= files.held.keys()


@pytest.mark.slow
def test_every_byte_of_300_leaves_and_bodies_is_found_and_its_entry_named(middling: tuple[WholeLog, Files]) -> None:
    whole, files = middling
    assert checked(files, whole.trust).findings == ()
    alone = control_entries(files, 300)  # on these the verdict on every other entry hangs: changed one by one in the small log
    runs = changes = 0
    for kind, framing, check in (("tile/entries", 2, 0), ("lineproof/bodies", 4, 8)):
        placed = [place for place in places(files, 300, kind, framing, check) if place.index not in alone]
        for offset in range(max(len(place.record) for place in placed)):
            hit = [place for place in placed if offset < len(place.record)]
            report = checked(files.changed(*((place.name, place.record[offset]) for place in hit)), whole.trust)
            assert {place.index for place in hit} <= named(report), (kind, offset)
            runs, changes = runs + 1, changes + len(hit)
    assert runs < 2_000
    assert changes > 250_000


def test_every_byte_of_300_hashes_is_found_and_the_entry_that_completes_it_named(middling: tuple[WholeLog, Files]) -> None:
    whole, files = middling
    for offset in range(32):
        for tiles_only, last, size in ((False, "tile/0/001.p/44", 300), (True, "tile/0/001.p/39", 295)):  # tiles alone go as far as the checkpoint
            hit = [("tile/0/000", 32 * at + offset) for at in range(256)] + [(last, 32 * at + offset) for at in range(size - 256)]
            assert named(checked(files.changed(*hit), whole.trust, tiles_only=tiles_only)) >= set(range(size)), (offset, tiles_only)
        assert checked(files.changed(("tile/1/000.p/1", offset)), whole.trust).first_bad_index == 255


def test_every_byte_of_tiles_left_from_a_smaller_tree_is_found_and_its_entry_named(middling: tuple[WholeLog, Files]) -> None:
    _, files = middling
    for name, first in (("tile/entries/001.p/39", 256), ("tile/0/001.p/39", 256)):
        bounds, at = [], 0
        while at < len(files.held[name]):
            bounds.append(at)
            at += 32 if "/0/" in name else 2 + int.from_bytes(files.held[name][at:at + 2], "big")
        for at in range(len(files.held[name])):
            source = ExportSource(files.changed((name, at)))
            left = list(source.leftovers())
            assert [(item.name, item.index) for item in left] == [(name, first + sum(bound <= at for bound in bounds) - 1)]


def test_framing_of_300_entries_damaged_names_the_entry(middling: tuple[WholeLog, Files]) -> None:
    whole, files = middling
    chosen = random.Random(SEED)
    for kind, framing, check in (("tile/entries", 2, 0), ("lineproof/bodies", 4, 8)):
        placed = places(files, 300, kind, framing, check)
        for place in chosen.sample(placed, 10):
            for at in place.framing:
                assert checked(files.changed((place.name, at)), whole.trust).first_bad_index == place.index, (place, at)


@pytest.mark.slow
def test_sampled_bytes_of_20_000_entries_are_found_and_named(tmp_path: Path) -> None:
    whole = make_log(tmp_path, 20_000, every=5_000)
    files, chosen = files_of(whole), random.Random(SEED)
    assert checked(files, whole.trust).findings == ()
    alone = control_entries(files, 20_000)
    for kind, framing, check in (("tile/entries", 2, 0), ("lineproof/bodies", 4, 8)):
        placed = [place for place in places(files, 20_000, kind, framing, check) if place.index not in alone]
        hit = {place.index: (place.name, chosen.choice(place.record)) for place in chosen.sample(placed, 300)}
        report = checked(files.changed(*hit.values()), whole.trust)
        assert hit.keys() <= named(report)
        assert report.first_bad_index == min(hit)
        place = chosen.choice(placed)
        assert checked(files.changed((place.name, chosen.choice(place.framing))), whole.trust).first_bad_index == place.index
    hashes = chosen.sample(range(20_000), 300)
    report = checked(files.changed(*((f"tile/0/{index // 256:03d}" + (".p/32" if index >= 19_968 else ""), 32 * (index % 256) + chosen.randrange(32))
                                     for index in hashes)), whole.trust)
    assert named(report) >= set(hashes)
