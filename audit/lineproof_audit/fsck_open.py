"""Which log a word names: a URL, a folder of tiles, an export, a data directory or a database; opened for fsck."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lineproof_audit.errors import LogUnavailable
from lineproof_audit.export_format import MANIFEST
from lineproof_audit.folder import Folder, open_folder
from lineproof_audit.fsck_source import FsckSource
from lineproof_audit.fsck_tiles import FolderTiles
from lineproof_audit.tlog_tiles import CHECKPOINT

__all__ = ["opened_for_fsck"]

_DATABASES = ("postgresql://", "postgresql+psycopg://", "postgres://")


@contextmanager
def opened_for_fsck(target: str, *, tiles: str | None = None, token: str | None = None, all_bodies: bool = False) -> Iterator[Sequence[tuple[str, FsckSource]]]:
    """What there is to be checked, each with what it is; a data directory with the folder it is published to.

    Args:
        target: `https://…` (the prefix of a log), a directory, any other fsspec URL of a folder, or `postgresql://…`.
        tiles: the folder that a database is published to; for a data directory by default its `tiles/`.
        token: for a log behind a URL that not everybody may read.
        all_bodies: of a log behind a URL, read every body that the token's grants show.

    Raises:
        LogUnavailable: there is no log.
    """
    if target.startswith(("http://", "https://")):
        from lineproof_audit.log_url import url_source

        with url_source(target, token, all_bodies=all_bodies) as source:
            yield [("url", source)]
    elif target.startswith(_DATABASES) or (Path(target) / "log.db").is_file():
        yield from _stored(target, tiles)
    else:
        yield [_folder(open_folder(target))]


def _folder(folder: Folder) -> tuple[str, FsckSource]:
    if folder.read(MANIFEST) is not None:
        from lineproof_audit.export import ExportSource  # zstd, which tiles need not

        return "export", ExportSource(folder)
    if folder.read(CHECKPOINT) is None:
        raise LogUnavailable(f"there is no log in {folder.location}: neither log.db nor an export nor tiles with a checkpoint")
    return "tiles", FolderTiles(folder)


def _stored(target: str, tiles: str | None) -> Iterator[Sequence[tuple[str, FsckSource]]]:
    from lineproof_audit.fsck_store import StoreSource
    from lineproof_audit.log import open_store

    published = open_folder(tiles) if tiles is not None else None if target.startswith(_DATABASES) else open_folder(Path(target) / "tiles")
    store = open_store(target, readonly=True)
    try:
        sources: list[tuple[str, FsckSource]] = [("log", StoreSource(store, published))]
        if published is not None and published.read(CHECKPOINT) is not None:
            sources.append(("tiles", FolderTiles(published)))
        yield sources
    finally:
        store.close()
