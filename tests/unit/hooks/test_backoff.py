from __future__ import annotations

import pytest

from ingest_hooks.backoff import LONGEST_ASKED_SECONDS, Backoff, retry_after


def test_delays_grow_to_the_ceiling_and_start_over_after_a_success():
    backoff = Backoff(first=1.0, longest=10.0, random_unit=lambda: 1.0)
    assert [backoff.next_delay() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_delay() == 1.0


def test_jitter_spreads_over_the_whole_delay_but_never_spins():
    assert Backoff(first=1.0, random_unit=lambda: 0.0).next_delay() == 0.25


def test_many_failures_do_not_overflow():
    backoff = Backoff()
    assert all(backoff.next_delay() <= 30.0 for _ in range(2000))


def test_what_the_service_asks_for_is_the_least_and_is_bounded():
    backoff = Backoff(first=0.1, random_unit=lambda: 1.0)
    assert backoff.next_delay(7.0) == 7.0
    assert backoff.next_delay(1e9) == LONGEST_ASKED_SECONDS


@pytest.mark.parametrize(("header", "seconds"), [
    ("3", 3.0), (" 10 ", 10.0), (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None),
    ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)])
def test_retry_after_as_seconds_or_date(header, seconds):
    assert retry_after(header, now=lambda: 10.0) == seconds
