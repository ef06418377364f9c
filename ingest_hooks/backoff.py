"""When to try again: exponential backoff with full jitter, or the time the service asked for.

Source of the jitter: "Exponential Backoff and Jitter", AWS Architecture Blog (full jitter spreads a fleet that was refused at once).
"""
from __future__ import annotations

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

__all__ = ["Backoff", "retry_after"]

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 30.0
LONGEST_ASKED_SECONDS = 300.0  # a Retry-After beyond this is cut: a mistyped header must not silence a producer for a day


class Backoff:
    """Delays of growing length; `reset` after a success."""

    def __init__(self, *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS, random_unit: Callable[[], float] = random.random) -> None:
        self._first = first
        self._longest = longest
        self._random = random_unit
        self.failures = 0

    def reset(self) -> None:
        self.failures = 0

    def next_delay(self, asked: float | None = None) -> float:
        """Seconds to wait after one more failure; at least `asked` (Retry-After), if given."""
        ceiling = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        delay = ceiling * self._random()
        return max(delay, min(asked, LONGEST_ASKED_SECONDS)) if asked is not None else max(delay, self._first / 4)


def retry_after(value: str | None, *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3: seconds or an HTTP date); None if absent or unreadable."""
    if not value:
        return None
    text = value.strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now())
