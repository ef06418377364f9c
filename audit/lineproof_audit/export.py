"""A whole log written to files, and files written to a log again, offline; each goes on where it was interrupted.

An export may be made while the log is written to: it holds the entries there were when it began. Made again into the same folder it
adds what came since. Keys are not in it: `keys/` and the state directory are moved by hand, apart from it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from lineproof_audit.bodies import pack, unpack
from lineproof_audit.body_fields import BodyError
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.erasures import ERASURE, read_erasure
from lineproof_audit.errors import AuditError, CorruptLog, LogUnavailable
from lineproof_audit.export_format import (
    MANIFEST,
    ExportManifest,
    MovedBody,
    bodies_path,
    checkpoints_path,
    encode_bodies,
    encode_checkpoints,
    encode_manifest,
    parse_bodies,
    parse_checkpoints,
    parse_manifest,
)
from lineproof_audit.facts import load_object
from lineproof_audit.folder import Folder
from lineproof_audit.fsck import FsckReport, fsck
from lineproof_audit.fsck_source import KeptCheckpoint, Leftover, RawEntry
from lineproof_audit.fsck_tiles import FolderTiles
from lineproof_audit.integrate import extend_stored_tree
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.publish import write_tiles
from lineproof_audit.reader import LogReader
from lineproof_audit.store import Head, LogStore, NewRow, SignedCheckpoint
from lineproof_audit.tiles import TILE_WIDTH
from lineproof_audit.tlog_tiles import CHECKPOINT
from lineproof_audit.tree import CompactRange, leaf_hash
from lineproof_audit.trust import Trust

__all__ = ["ExportSource", "export_log", "import_log"]

STEP_ENTRIES = 65_536  # between two notes of how far it got; the dedupe table is read once per step
IMPORT_BATCH = 4_096
CHECKPOINTS_A_FILE = 256
CHECKPOINTS_FOLDER = "lineproof/checkpoints"

Progress = Callable[[int], None]


class ExportSource(FolderTiles):
    """What fsck reads of an export: everything but the columns a database derives."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self._export = folder
        self.manifest: ExportManifest | None = None
        self._damage: Leftover | None = None
        try:
            self.manifest = _manifest(folder)
        except CorruptLog as error:
            self._damage = Leftover(MANIFEST, None, error.detail)

    def size(self) -> int:
        """As the manifest says: entries that no checkpoint covers yet move as well."""
        return 0 if self.manifest is None else self.manifest.size

    def tiled(self, covered: int) -> int:
        return self.size()

    def raw_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        for entry, body in self._pairs(start, stop):
            if isinstance(body, str):
                yield RawEntry(entry.index, entry.leaf, None, None, {}, damage=body)
            else:
                yield RawEntry(entry.index, entry.leaf, body.envelope, body.salt, {})

    def leftovers(self) -> Iterator[Leftover]:
        if self._damage is not None:
            yield self._damage
            return
        size = self.size()
        expected = {MANIFEST, *(bodies_path(at // TILE_WIDTH, min(TILE_WIDTH, size - at)) for at in range(0, size, TILE_WIDTH))}
        for name in self._export.names("lineproof"):
            if name not in expected and not name.startswith(CHECKPOINTS_FOLDER):
                yield Leftover(name, None, "it belongs to no export of this size")
        yield from super().leftovers()

    def checkpoints(self, size: int, since: int) -> Iterator[KeptCheckpoint]:
        for note, _ in self.signed():
            yield KeptCheckpoint("the exported checkpoint", note)

    def signed(self) -> Iterator[tuple[str, int]]:
        """All checkpoints with the time of their signature, the smallest first.

        Raises:
            CorruptLog: a file of them is damaged.
        """
        for number in range(self._checkpoint_files()):
            name = checkpoints_path(number)
            yield from parse_checkpoints(self._export.read(name) or b"", name)

    def moved(self, start: int, stop: int) -> Iterator[tuple[bytes, MovedBody]]:
        """Leaf and body of entries `start..stop-1`.

        Raises:
            CorruptLog: one of them is damaged.
        """
        for entry, body in self._pairs(start, stop):
            if isinstance(body, str):
                raise CorruptLog(body, index=entry.index)
            yield entry.leaf, body

    def _pairs(self, start: int, stop: int) -> Iterator[tuple[RawEntry, MovedBody | str]]:
        bodies: Iterator[MovedBody | str] = iter(())
        for entry in super().raw_entries(start, stop):
            number, position = divmod(entry.index, TILE_WIDTH)
            if position == 0 or entry.index == start:
                bodies = islice(self._bodies(number), position, None)
            yield entry, next(bodies)
            if position == TILE_WIDTH - 1 or entry.index == self.size() - 1:
                next(bodies, None)  # so that the file is seen to end

    def _covered(self) -> int:
        return self.size()

    def _reach(self, stop: int) -> int:
        return self.size()

    def _checkpoint_files(self) -> int:
        return sum(1 for _ in self._export.names(CHECKPOINTS_FOLDER))

    def _bodies(self, number: int) -> Iterator[MovedBody | str]:
        width = min(TILE_WIDTH, self.size() - number * TILE_WIDTH)
        name = bodies_path(number, width)
        data = self._export.read(name)
        if data is None:
            raise CorruptLog(f"{name} is missing")
        yield from parse_bodies(data, number * TILE_WIDTH, width)


def export_log(store: LogStore, folder: Folder, *, origin: str, tool_version: str, progress: Progress | None = None) -> ExportManifest:
    """Write the log of `store`, as it is now, to `folder`.

    Raises:
        CorruptLog: the folder holds another log, or the store is damaged.
        NoSpace, LogUnavailable: stopped on the way; the next call goes on from there.
    """
    reader = LogReader(store)
    published = store.checkpoint()
    size = reader.size()
    before = _manifest(folder) or ExportManifest(origin, 0, 0, reader.root_at(0), None, tool_version)
    if before.origin != origin or before.bodies > size or reader.root_at(before.bodies) != before.root:
        raise CorruptLog(f"{folder.location} holds an export of another log ({before.origin}), or of more of it than there is; export to an empty folder")
    for start in range(before.bodies - before.bodies % TILE_WIDTH, size, STEP_ENTRIES):
        stop = min(start + STEP_ENTRIES, size)
        _write_bodies(store, folder, start, stop)
        folder.write({MANIFEST: encode_manifest(ExportManifest(origin, before.size, stop, reader.root_at(stop), store.secret_check(), tool_version))})
        if progress is not None:
            progress(stop)
    tiles = reader.tile_source(size)
    write_tiles(folder, tiles, size, since=before.size)
    if published is not None:  # clients of the checkpoint ask for tiles as wide as it says
        write_tiles(folder, tiles, published.size, since=min(before.size, published.size))
    _write_checkpoints(store, folder, -1 if published is None else published.size)
    if published is not None:
        folder.write({CHECKPOINT: published.note.encode("utf-8")})
    done = ExportManifest(origin, size, size, reader.root_at(size), store.secret_check(), tool_version)
    folder.write({MANIFEST: encode_manifest(done)})
    number, width = divmod(before.bodies, TILE_WIDTH)
    if width and before.bodies < size:
        folder.remove([bodies_path(number, width)])
    return done


def import_log(folder: Folder, store: LogStore, *, trust: Trust | None = None, progress: Progress | None = None) -> FsckReport:
    """Check an export and write it into `store`, an empty one or one that an earlier call has begun to fill.

    Returns:
        What fsck said of the export.

    Raises:
        CorruptLog: the export is not sound; nothing was written. Or the store holds another log.
        NoSpace, LogUnavailable: stopped on the way; the next call goes on from there.
    """
    source = ExportSource(folder)
    manifest = source.manifest
    if manifest is None or manifest.size == 0:
        raise CorruptLog(f"{folder.location} holds no finished export")
    report = fsck(source, trust=trust)
    if not report.ok:
        first = next(finding for finding in report.findings if finding.severity == "error")
        raise CorruptLog(f"the export is not sound ({report.errors} errors): {first.kind}{'' if first.index is None else f' at entry {first.index}'}: "
                         f"{first.detail}", index=first.index)
    store.create()
    _check_begun(source, store, manifest)
    if manifest.secret_check is not None:
        store.bind_secret(manifest.secret_check)
    erased = _append(source, store, manifest.size, progress)
    for index, evidence in erased.items():
        store.erase_body(index, evidence)
    epoch = store.elect()
    if epoch is None:
        raise LogUnavailable(f"another process integrates {store.location}: stop it first")
    extend_stored_tree(store, epoch)
    for note, signed_at in source.signed():
        checkpoint = peek_checkpoint(note)
        store.publish(epoch, SignedCheckpoint(checkpoint.size, checkpoint.root, note, signed_at))
    store.resign()
    return report


def _manifest(folder: Folder) -> ExportManifest | None:
    found = folder.read(MANIFEST)
    return None if found is None else parse_manifest(found)


def _write_bodies(store: LogStore, folder: Folder, start: int, stop: int) -> None:
    hashes = store.identities(start, stop)
    for first in range(start, stop, TILE_WIDTH):
        last = min(first + TILE_WIDTH, stop)
        bodies = []
        for row in store.rows(first, last):
            if row.index not in hashes:
                raise CorruptLog(f"entry {row.index} has no dedupe row", index=row.index)
            bodies.append(MovedBody(*hashes[row.index], row.salt, None if row.body is None else unpack(row.body, row.index)))
        if len(bodies) != last - first:
            raise CorruptLog(f"of entries {first} to {last - 1} only {len(bodies)} are there", index=first)
        folder.write({bodies_path(first // TILE_WIDTH, last - first): encode_bodies(first, bodies)})


def _write_checkpoints(store: LogStore, folder: Folder, largest: int) -> None:
    """All of them again but the full files: they count in the order of size, and none is ever added before another."""
    number, at = 0, -1
    while rows := [row for row in store.checkpoints_after(at, CHECKPOINTS_A_FILE) if row.size <= largest]:
        data = encode_checkpoints(rows)
        if folder.read(checkpoints_path(number)) != data:
            folder.write({checkpoints_path(number): data})
        number, at = number + 1, rows[-1].size


def _check_begun(source: ExportSource, store: LogStore, manifest: ExportManifest) -> None:
    """What the store holds already must be the beginning of the export."""
    head = store.head()
    tree = CompactRange()
    for leaf in _leaves(source, head.size) if head.size <= manifest.size else ():
        tree.append(leaf_hash(leaf))
    if tree != head.tree:
        raise CorruptLog(f"{store.location} holds another log of {head.size} entries; import into an empty directory or database")


def _leaves(source: ExportSource, stop: int) -> Iterator[bytes]:
    for entry in source.raw_entries(0, stop):
        yield entry.leaf


def _append(source: ExportSource, store: LogStore, size: int, progress: Progress | None) -> dict[int, int]:
    """Append what is missing; gives entry -> erasure entry for all that were erased."""
    begun = store.head().size
    erased: dict[int, int] = {}
    gone: set[int] = set()
    batch: list[tuple[int, bytes, MovedBody]] = []
    for index, (leaf, body) in enumerate(source.moved(0, size)):
        if body.envelope is None:
            gone.add(index)
        elif (named := _erases(index, leaf, body)) is not None:
            erased[named] = index
        if index >= begun:
            batch.append((index, leaf, body))
        if len(batch) == IMPORT_BATCH or (batch and index == size - 1):
            _write_batch(store, batch)
            batch = []
            if progress is not None:
                progress(index + 1)
    return {index: evidence for index, evidence in erased.items() if index in gone}


def _write_batch(store: LogStore, batch: Sequence[tuple[int, bytes, MovedBody]]) -> None:
    with store.append() as transaction:
        tree, rows = transaction.head.tree.copy(), []
        if tree.size != batch[0][0]:
            raise LogUnavailable(f"somebody else writes to {store.location}")
        for index, leaf, body in batch:
            tree.append(leaf_hash(leaf))
            fields = parse_leaf(leaf)
            # A row has a body; that of an erased entry is empty until it is erased again, before anything is signed.
            rows.append(NewRow(index, leaf, fields, fields.received, body.salt or b"", pack(body.envelope or b""), body.identity, body.payload))
        transaction.insert(rows, Head(tree.size, rows[-1].received, tree))


def _erases(index: int, leaf: bytes, body: MovedBody) -> int | None:
    """The entry that an erasure names; whether it may, `fsck` has looked at before."""
    if parse_leaf(leaf).event_type != ERASURE or body.envelope is None:
        return None
    try:
        data = (load_object(parse_envelope(body.envelope).payload) or {}).get("data")
        return read_erasure(index, data).entry if isinstance(data, dict) else None
    except (BodyError, AuditError):
        return None
