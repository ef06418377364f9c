"""Giving inputs to a parser and watching it: what it answers, how long it takes, what it keeps.

An input fails if what it raises is none of our errors with a code of the catalogue, if an answer contradicts itself, or if it takes longer than
`LIMIT_SECONDS`. Growth is counted in blocks of Python's allocator, which no engine's own corpus disturbs, and in resident bytes.
"""
from __future__ import annotations

import gc
import hashlib
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from lineproof_schema.errors import CODES, LineproofError

__all__ = ["LIMIT_SECONDS", "Failure", "TooSlow", "Watch", "blocks", "limited", "resident"]

LIMIT_SECONDS = 10.0  # of one input; machines are shared, and what is really slow grows past any bound
KEPT_FAILURES = 20


class TooSlow(BaseException):
    """An input ran into the limit. No Exception, so that nothing on the way takes it for an error of its own."""


@dataclass(frozen=True)
class Failure:
    """An input that broke the rules, and how."""

    data: bytes
    what: str


@dataclass
class Watch:
    """Runs inputs of one target. `codes` counts answers; `failures` holds one input per way of failing."""

    run: Callable[[bytes], str]
    limit: float = LIMIT_SECONDS
    inputs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failure] = field(default_factory=dict)
    slowest: float = 0.0
    slowest_input: bytes = b""

    def feed(self, data: bytes) -> None:
        """One input. Never raises but `TooSlow` out of its own time."""
        began = time.perf_counter()
        try:
            self.codes[self._answer(data)] += 1
        except TooSlow:
            self._failed(data, "too slow", f"more than {self.limit:g} s")
        except Exception as error:  # whatever it is: that is what is looked for
            self._failed(data, _place(error), "".join(traceback.format_exception(error)))
        taken = time.perf_counter() - began
        self.inputs += 1
        if taken > self.slowest:
            self.slowest, self.slowest_input = taken, data

    def _answer(self, data: bytes) -> str:
        signal.setitimer(signal.ITIMER_REAL, self.limit)
        try:
            return self.run(data)
        except LineproofError as error:
            if error.code == "internal" or error.code not in CODES:
                raise
            str(error.problem())
            return error.code
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _failed(self, data: bytes, place: str, what: str) -> None:
        self.codes["FAILED"] += 1
        known = self.failures.get(place)
        if (known is None and len(self.failures) < KEPT_FAILURES) or (known is not None and len(data) < len(known.data)):
            self.failures[place] = Failure(data, what)

    def keep(self, folder: Path) -> list[str]:
        """Write the failing inputs into `folder`; what was kept where."""
        said = []
        for place, failure in self.failures.items():
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / hashlib.sha256(failure.data).hexdigest()[:16]
            file.write_bytes(failure.data)
            said.append(f"{file}: {place}\n{failure.what}")
        return said


@contextmanager
def limited() -> Iterator[None]:
    """Within, an input that takes too long raises `TooSlow`. In the main thread only."""
    before = signal.signal(signal.SIGALRM, _too_slow)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def blocks() -> int:
    """Blocks that Python holds once garbage is collected."""
    gc.collect()
    return sys.getallocatedblocks()


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _too_slow(_signal: int, _frame: FrameType | None) -> Any:
    raise TooSlow


def _place(error: Exception) -> str:
    """What tells one failure from another: its type and the line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else type(error).__name__
