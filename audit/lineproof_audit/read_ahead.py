"""Reading files of a log before they are asked for, several at a time: what takes long of a tile behind a URL is the way there and back."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["ReadAhead"]

Read = Callable[[str], bytes | None]


class ReadAhead:
    """Gives what `read` gives, of paths that were announced from another thread. For one caller; `close` it.

    Args:
        read: reads one path; called by several threads.
        at_once: how many are read at the same time.
    """

    def __init__(self, read: Read, at_once: int) -> None:
        self._read = read
        self._threads = ThreadPoolExecutor(at_once, "lineproof-read-ahead")
        self._coming: dict[str, Future[bytes | None]] = {}

    def expect(self, paths: Iterable[str]) -> None:
        """These are asked for soon, each once; they are kept until then."""
        for path in paths:
            if path not in self._coming:
                self._coming[path] = self._threads.submit(self._read, path)

    def read(self, path: str) -> bytes | None:
        """The bytes of a path, announced or not. Raises what `read` raises."""
        coming = self._coming.pop(path, None)
        return self._read(path) if coming is None else coming.result()

    def close(self) -> None:
        """Give up what is not asked for any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)
