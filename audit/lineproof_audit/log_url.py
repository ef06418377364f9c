"""A log behind a URL: its tiles, and, of a Lineproof service, the bodies of genesis, key, policy and erasure entries."""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import AuditError, LogUnavailable
from lineproof_audit.fsck_tiles import TilesSource
from lineproof_audit.read_ahead import ReadAhead

if TYPE_CHECKING:
    import httpx

__all__ = ["url_source"]

TIMEOUT_SECONDS = 30.0
AT_ONCE = 8  # requests on the way: a server far away answers all of them in the time of one, and one nearby is not flooded
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
        try:
            yield TilesSource(remote.ahead.read, remote.body, all_bodies=all_bodies, expect=remote.ahead.expect, expect_bodies=remote.expect_bodies)
        finally:
            remote.ahead.close()


class _Remote:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._bodies = True
        self._shows = False  # whether it has shown one
        self.ahead = ReadAhead(self.read, AT_ONCE)

    def expect_bodies(self, indices: Iterable[int]) -> None:
        """Of a server that may hand out tiles only nothing is asked in advance."""
        if self._shows:
            self.ahead.expect(f"entries/{index}" for index in indices)

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
        found = self.ahead.read(f"entries/{index}") if self._bodies else None
        self._bodies = self._shows = found is not None
        if found is None:
            return None
        try:
            document = json.loads(found)
            envelope, salt = document.get("envelope"), document.get("salt")
            return None if envelope is None or salt is None else (decode_base64(envelope), decode_base64(salt))
        except (ValueError, AttributeError, TypeError) as error:
            raise AuditError(f"{self._client.base_url}entries/{index} is no entry: {error}", code="log-unavailable") from error
