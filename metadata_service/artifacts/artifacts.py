"""Storing and reading artifacts: hashed while they stream in, visible only when digest and size are known to be right."""
from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
import fsspec

from metadata_service.artifacts.store import ArtifactTable
from metadata_service.database import Database
from metadata_service.errors import ArtifactError

__all__ = ["Artifact", "Artifacts"]

CHUNK_BYTES: Final = 1 << 20  # read and written in one thread hop


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored artifact; `created` tells a new one from one the tenant already held."""

    digest: str
    size: int
    created: bool


class Artifacts:
    """Artifacts by SHA-256, per tenant, on any fsspec file system.

    On a local disk bytes and name are durable when `put` returns (fsync of file and directory).
    """

    def __init__(self, location: str, database: Database, *, max_bytes: int, quota_bytes: int) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(location)
        self._table = ArtifactTable(database)
        self._max_bytes = max_bytes
        self._quota_bytes = quota_bytes

    async def put(self, tenant: str, digest: str, body: AsyncIterator[bytes]) -> Artifact:
        """Store `body` if its SHA-256 is `digest` (64 lower-case hex digits).

        Raises:
            ArtifactError: `invalid-argument` for another digest, `too-large` for size or quota, `no-space` for a full disk.
        """
        held = await anyio.to_thread.run_sync(self._table.size, tenant, digest)
        room = self._quota_bytes - await anyio.to_thread.run_sync(self._table.total, tenant)
        limit = self._max_bytes if held is not None else min(self._max_bytes, room)
        temporary = f"{self._root}/incoming/{secrets.token_hex(16)}"
        hasher, size = hashlib.sha256(), 0
        target: Any = None
        try:
            if held is None:
                target = await anyio.to_thread.run_sync(self._open, temporary)
            async for chunk in _regrouped(body):
                size += len(chunk)
                if size > limit:
                    what = "one artifact may have" if limit == self._max_bytes else "the tenant's quota leaves"
                    raise ArtifactError(f"{what} {max(limit, 0)} bytes", code="too-large", limit=max(limit, 0))
                hasher.update(chunk)
                if target is not None:
                    await anyio.to_thread.run_sync(target.write, chunk)
            if hasher.hexdigest() != digest:
                raise ArtifactError(f"the bytes have SHA-256 {hasher.hexdigest()}, the address says {digest}", code="invalid-argument")
            if target is None:
                return Artifact(digest, size, created=False)
            await anyio.to_thread.run_sync(self._publish, target, temporary, self._path(tenant, digest))
            target = None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ArtifactError("the disk of the artifact store is full", code="no-space") from error
            raise
        finally:
            if target is not None:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._discard, target, temporary)
        created = await anyio.to_thread.run_sync(self._table.add, tenant, digest, size)
        return Artifact(digest, size, created)

    async def get(self, tenant: str, digest: str) -> tuple[int, AsyncIterator[bytes]]:
        """Size and bytes of an artifact of `tenant`.

        Raises:
            ArtifactError: `not-found`; also when only another tenant holds it.
        """
        size = await anyio.to_thread.run_sync(self._table.size, tenant, digest)
        if size is None:
            raise ArtifactError(f"no artifact sha256:{digest}")
        try:
            size = int(await anyio.to_thread.run_sync(self._fs.size, self._path(tenant, digest)))  # of what is there: its reader checks the digest
            source = await anyio.to_thread.run_sync(lambda: self._fs.open(self._path(tenant, digest), "rb"))
        except FileNotFoundError as error:
            raise ArtifactError(f"artifact sha256:{digest} was stored, and its file is gone") from error
        return size, _chunks(source)

    async def size(self, tenant: str, digest: str) -> int | None:
        """Bytes of an artifact of `tenant`, None if it does not hold it or its file is gone. The bytes themselves are not read."""
        return await anyio.to_thread.run_sync(self._size, tenant, digest)

    def remove(self, tenant: str, digest: str) -> bool:
        """Delete an artifact of `tenant`, bytes first; False if there was none. Blocking."""
        if self._fs.exists(self._path(tenant, digest)):
            self._fs.rm_file(self._path(tenant, digest))
        return self._table.remove(tenant, digest)

    def _size(self, tenant: str, digest: str) -> int | None:
        size = self._table.size(tenant, digest)
        return size if size is not None and self._fs.exists(self._path(tenant, digest)) else None

    def _path(self, tenant: str, digest: str) -> str:
        return f"{self._root}/{tenant}/{digest[:2]}/{digest}"

    def _open(self, path: str) -> Any:
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        return self._fs.open(path, "wb")

    def _publish(self, target: Any, temporary: str, final: str) -> None:
        local = "file" in self._protocols()
        target.flush()
        if local:
            os.fsync(target.fileno())
        target.close()
        self._fs.makedirs(final.rpartition("/")[0], exist_ok=True)
        if local:
            os.replace(temporary, final)
            directory = os.open(final.rpartition("/")[0], os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        else:
            self._fs.mv(temporary, final)

    def _discard(self, target: Any, temporary: str) -> None:
        target.close()
        if self._fs.exists(temporary):
            self._fs.rm_file(temporary)

    def _protocols(self) -> tuple[str, ...]:
        protocol = self._fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)


async def _regrouped(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for chunk in body:
        held += chunk
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _chunks(source: Any) -> AsyncIterator[bytes]:
    try:
        while chunk := await anyio.to_thread.run_sync(source.read, CHUNK_BYTES):
            yield chunk
    finally:
        source.close()
