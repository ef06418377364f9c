"""When an entry was received: a wall clock that is checked before it is believed."""
from __future__ import annotations

import time
from typing import Protocol

from lineproof_audit.errors import ClockError

__all__ = ["MAX_AHEAD_US", "MAX_BEHIND_US", "Clock", "Receiver", "SystemClock"]

MAX_BEHIND_US = 60 * 1_000_000  # NTP steps and drift between API processes stay far below; a restored virtual machine does not
MAX_AHEAD_US = 3_600 * 1_000_000  # below this a leap is told apart from nothing; above it `received` would be a lie for good

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts sleep too, or every laptop lid would look like a leap


class Clock(Protocol):
    """The host's time, in microseconds."""

    def wall(self) -> int:
        """Since the Unix epoch; may be set by anybody."""

    def steady(self) -> int:
        """Since some moment of this boot; never set."""


class SystemClock:
    """The clocks of the operating system."""

    def wall(self) -> int:
        return time.time_ns() // 1_000

    def steady(self) -> int:
        return time.clock_gettime_ns(_BOOT) // 1_000


class Receiver:
    """Gives `received`: the wall clock's time, never below what the log already holds.

    A wall clock more than a minute behind the log, or more than an hour ahead of it while the steady clock says that no such
    time has passed, is not believed. The steady clock is compared since the last time that was.
    """

    __slots__ = ("_clock", "_steady", "_wall")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._steady = clock.wall(), clock.steady()

    def now(self, last_received: int) -> int:
        """Microseconds since the Unix epoch, at least `last_received`.

        Raises:
            ClockError: the wall clock cannot be believed. Nothing is remembered: it is asked again next time.
        """
        wall, steady = self._clock.wall(), self._clock.steady()
        if wall < last_received - MAX_BEHIND_US:
            raise ClockError(f"the clock is {(last_received - wall) / 1e6:.0f} s behind the last entry of the log")
        leap = (wall - self._wall) - (steady - self._steady)
        if wall - last_received > MAX_AHEAD_US and leap > MAX_AHEAD_US:
            raise ClockError(f"the clock leapt {leap / 1e6:.0f} s ahead")
        self._wall, self._steady = wall, steady
        return max(wall, last_received)
