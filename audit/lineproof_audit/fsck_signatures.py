"""Signatures of a whole log, checked in threads beside the pass over its entries.

A signature takes as long as everything else about an entry together, and OpenSSL works without the interpreter's lock. What an entry
means if its signature is good was found out when its turn came, because the keyring goes on; here it only waits.
"""
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from lineproof_audit.envelope import Envelope, verify_envelope
from lineproof_audit.errors import BadSignature
from lineproof_audit.keys import VerifyKey

__all__ = ["Claim", "SignatureChecks"]

BLOCK = 1_024  # claims handed over at once; two blocks of 3 KB envelopes are held at most

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim(Generic[T]):
    """That `key` signed `envelope`; `consequence` is what follows if it did."""

    envelope: Envelope
    key: VerifyKey
    consequence: T


class SignatureChecks(Generic[T]):
    """Takes claims, gives them back in the order they came, with the error of a bad signature or None. For one thread; `close` it."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="fsck")
        self._gathered: list[Claim[T]] = []
        self._running: tuple[list[Claim[T]], list[Future[list[BadSignature | None]]]] = ([], [])

    def add(self, claim: Claim[T]) -> Iterator[tuple[Claim[T], BadSignature | None]]:
        """Take one claim; gives those that are settled by now."""
        self._gathered.append(claim)
        if len(self._gathered) >= BLOCK:
            yield from self._hand_over()

    def finish(self) -> Iterator[tuple[Claim[T], BadSignature | None]]:
        """Give all that is left."""
        yield from self._hand_over()
        yield from self._hand_over()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hand_over(self) -> Iterator[tuple[Claim[T], BadSignature | None]]:
        claims, futures = self._running
        gathered, self._gathered = self._gathered, []
        share = -(-len(gathered) // self._threads) or 1
        self._running = gathered, [self._pool.submit(_check, gathered[start:start + share]) for start in range(0, len(gathered), share)]
        yield from zip(claims, [verdict for future in futures for verdict in future.result()], strict=True)


def _check(claims: Sequence[Claim[T]]) -> list[BadSignature | None]:
    return [_verdict(claim) for claim in claims]


def _verdict(claim: Claim[T]) -> BadSignature | None:
    try:
        verify_envelope(claim.envelope, claim.key)
    except BadSignature as error:
        return error
    return None
