"""The log as plain files: a folder of C2SP tlog-tiles that any web server, bucket or CDN can hand out.

The files are a function of the entries. Tiles of a tree are written before its checkpoint, so whoever reads the checkpoint finds them;
a crash in between leaves tiles that the next round writes again with the same bytes. A partial tile goes when its full tile is there.
"""
from __future__ import annotations

import re

from lineproof_audit.checkpoint import Checkpoint, peek_checkpoint
from lineproof_audit.errors import CorruptLog, InvalidProof
from lineproof_audit.folder import Folder
from lineproof_audit.reader import LogReader
from lineproof_audit.tiles import TILE_HEIGHT, TILE_WIDTH
from lineproof_audit.tlog_tiles import CHECKPOINT, ENTRIES, TileAddress, TileSource, read_tile, tiles_of
from lineproof_audit.tree import EMPTY_ROOT

__all__ = ["Publication", "write_tiles"]

WRITTEN = re.compile(r"checkpoint|[0-9]{1,3}")  # the last part of every name: a checkpoint, a full tile, the width of a partial one
WRITE_AT_ONCE = 256  # files per `Folder.write`: some 25 MB of bundles in memory


class Publication:
    """Keeps one folder up to date with a log. For one thread.

    Args:
        folder: where to.
        reader: the log.
    """

    def __init__(self, folder: Folder, reader: LogReader) -> None:
        self._folder = folder
        self._reader = reader
        self._latest: str | None = None  # the note that lies there, once we know

    def publish(self, note: str) -> None:
        """Bring the folder up to a signed checkpoint of the log, whose tiles are stored already. Does nothing if it is there.

        Raises:
            CorruptLog: the folder holds another log, or the tiles to be copied are damaged.
            NoSpace, LogUnavailable: try again; the folder's checkpoint is still one it has all tiles of.
        """
        if note == self._latest:
            return
        checkpoint = peek_checkpoint(note)
        before = self._before()
        if before.size > checkpoint.size:
            return  # another process is ahead; a checkpoint never goes back
        if before.size and (before.origin != checkpoint.origin or self._reader.root_at(before.size) != before.root):
            raise CorruptLog(f"{self._folder.location} holds the checkpoint of another log ({before.origin}, size {before.size}): publish this log to an "
                             "empty folder")
        if self._latest is None:
            self._folder.tidy(WRITTEN)
        write_tiles(self._folder, self._reader.tile_source(), checkpoint.size, since=before.size)
        self._folder.write({CHECKPOINT: note.encode("utf-8")})
        self._latest = note

    def _before(self) -> Checkpoint:
        found = self._folder.read(CHECKPOINT)
        if found is None:
            return Checkpoint("", 0, EMPTY_ROOT)
        try:
            checkpoint = peek_checkpoint(found.decode("utf-8"))
        except (UnicodeDecodeError, InvalidProof) as error:
            raise CorruptLog(f"{self._folder.location}/{CHECKPOINT} is no checkpoint: {error}; remove it to have all tiles written again") from error
        last = TileAddress(ENTRIES, (checkpoint.size - 1) // TILE_WIDTH, (checkpoint.size - 1) % TILE_WIDTH + 1)
        # A checkpoint that was copied here without its tiles says nothing of the folder: then everything is written.
        return checkpoint if checkpoint.size and self._folder.read(last.path) is not None else Checkpoint("", 0, EMPTY_ROOT)


def write_tiles(folder: Folder, source: TileSource, size: int, *, since: int = 0) -> None:
    """Write the tiles and entry bundles of the tree of `size`; those that a tree of `since` had already are left alone.

    Raises:
        CorruptLog: a tile of the log is missing or too narrow.
        NoSpace, LogUnavailable: some files may be written.
    """
    waiting: dict[str, bytes] = {}
    filled: list[TileAddress] = []
    for address in tiles_of(size, since):
        data = read_tile(address, source)
        if data is None:
            raise CorruptLog(f"{address.path} belongs to a tree of {size} entries, the log's tiles reach {source.size}")
        waiting[address.path] = data
        if address.full:
            filled.append(address)
        if len(waiting) == WRITE_AT_ONCE:
            folder.write(waiting)
            waiting = {}
    if waiting:
        folder.write(waiting)
    for address in filled:
        if address.number * TILE_WIDTH < since >> (TILE_HEIGHT * (address.level or 0)):  # it was partial in the tree of `since`
            folder.remove(list(folder.names(f"{address.path}.p")))
