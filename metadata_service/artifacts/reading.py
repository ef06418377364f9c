"""Reading artifacts beside the service: the bytes alone, without its tables and without a lock."""
from __future__ import annotations

from pathlib import Path

import fsspec

__all__ = ["artifact_size", "read_artifact"]


def artifact_size(location: str, tenant: str, digest: str) -> int | None:
    """Bytes of an artifact of `tenant`, None if it is not there."""
    files, root = fsspec.core.url_to_fs(location)
    try:
        return int(files.size(f"{root}/{tenant}/{digest[:2]}/{digest}"))
    except FileNotFoundError:
        return None


def read_artifact(location: str, tenant: str, digest: str, limit: int) -> bytes | None:
    """The bytes of an artifact of `tenant` (64 hex digits of SHA-256); None if it is not there or has more than `limit` bytes."""
    path = f"{tenant}/{digest[:2]}/{digest}"
    try:
        if "://" not in location:
            with (Path(location) / path).open("rb") as local:
                found = local.read(limit + 1)
        else:
            files, root = fsspec.core.url_to_fs(location)
            found = files.cat_file(f"{root}/{path}", end=limit + 1)
    except FileNotFoundError:
        return None
    return found if len(found) <= limit else None
