"""A log behind a URL: its tiles, and, of a Lineproof service, the bodies of genesis, key, policy and erasure entries."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import AuditError, LogUnavailable
from lineproof_audit.fsck_tiles import TilesSource

if TYPE_CHECKING:
    import httpx

__all__ = ["url_source"]

TIMEOUT_SECONDS = 30.0
MAX_FILE_BYTES = 256 * (2 + 65_535)  # a full entry bundle of the longest entries, the largest file of the format


@contextmanager
def url_source(prefix: str, token: str | None = None, *, all_bodies: bool = False) -> Iterator[TilesSource]:
    """The log whose checkpoint is at `<prefix>/checkpoint`, for fsck and monitors.

    Args:
        prefix: such as `https://lineproof.example/api/v1/log`.
        token: for a log that not everybody may read.
        all_bodies: read every body that the token's grants show, one request each.

    Raises:
        LogUnavailable: while reading, the server cannot be reached or answers with an error.
    """
    import httpx  # not needed to check a folder

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=prefix.rstrip("/") + "/", headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
        remote = _Remote(client)
        yield TilesSource(remote.read, remote.body, all_bodies=all_bodies)


class _Remote:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._bodies = True

    def read(self, path: str) -> bytes | None:
        import httpx

        try:
            with self._client.stream("GET", path) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    raise LogUnavailable(f"{self._client.base_url}{path} answers {answer.status_code}")
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > MAX_FILE_BYTES:
                        raise LogUnavailable(f"{self._client.base_url}{path} is larger than a tile can be")
                return bytes(data)
        except httpx.HTTPError as error:
            raise LogUnavailable(f"{self._client.base_url}{path}: {error}") from error

    def body(self, index: int) -> tuple[bytes, bytes] | None:
        """Of a server that hands out tiles only, nothing."""
        found = self.read(f"entries/{index}") if self._bodies else None
        if found is None:
            self._bodies = False
            return None
        try:
            document = json.loads(found)
            envelope, salt = document.get("envelope"), document.get("salt")
            return None if envelope is None or salt is None else (decode_base64(envelope), decode_base64(salt))
        except (ValueError, AttributeError, TypeError) as error:
            raise AuditError(f"{self._client.base_url}entries/{index} is no entry: {error}", code="log-unavailable") from error
