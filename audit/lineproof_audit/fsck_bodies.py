"""Checking bodies for fsck: the part that needs nothing but the entry itself, and takes most of the time.

Hashing, decoding, parsing and verifying one body depends on no other entry, so blocks of them go to other processes (threads would wait
for each other: between its hashes and signatures a body is Python's work). The verdicts come back in the order of the log. A small log
is checked here, since starting processes takes as long as checking some thousand entries.
"""
from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from lineproof_audit.envelope import parse_envelope, verify_envelope
from lineproof_audit.errors import AuditError
from lineproof_audit.facts import EventFacts, event_facts
from lineproof_audit.keys import VerifyKey
from lineproof_audit.leaf import body_commitment

__all__ = ["Body", "BodyChecks", "BodyVerdict", "check_body"]

BLOCK = 512  # bodies handed over at once: some 1.5 MB, a few dozen ms of work
HERE = 2_048  # bodies of a log that are checked in this process before others are started
WORTH_PROCESSES = 4 * HERE

_NO_FACTS = EventFacts(None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body:
    """What is known of a body before it is looked at.

    Attributes:
        commitment: the leaf's `body`.
        salt, envelope: as stored.
        spki: the key that the leaf names as signer; None leaves the signature unchecked.
        packed: the entry's index, if `envelope` is what `bodies.pack` made of it.
    """

    commitment: str
    salt: bytes
    envelope: bytes
    spki: bytes | None
    packed: int | None = None


@dataclass(frozen=True, slots=True)
class BodyVerdict:
    """What a body is. `wrong` says why it is not the leaf's body or no envelope (then the rest means nothing), `unsigned` why its
    signature is bad; `payload_hash` is the payload's SHA-256 in hex; `erased` the entry that an erasure names."""

    wrong: str | None
    payload_type: str = ""
    facts: EventFacts = _NO_FACTS
    payload_hash: str = ""
    unsigned: str | None = None


def check_body(body: Body) -> BodyVerdict:
    """Look at one body."""
    try:
        raw = body.envelope if body.packed is None else _unpack(body.envelope, body.packed)
        if body_commitment(body.salt, raw) != body.commitment:
            return BodyVerdict("the body is not the one its leaf commits to")
        envelope = parse_envelope(raw)
    except AuditError as error:
        return BodyVerdict(error.detail)
    unsigned: str | None = None
    if body.spki is not None:
        try:
            verify_envelope(envelope, _key(body.spki))
        except AuditError as error:
            unsigned = error.detail
    facts = event_facts(envelope.payload_type, envelope.payload, _quick_json())
    return BodyVerdict(None, envelope.payload_type, facts, hashlib.sha256(envelope.payload).hexdigest(), unsigned)


class BodyChecks(Generic[T]):
    """Takes bodies, gives their verdicts back in the order they came, each with what it was handed in with. For one thread; `close` it.

    `processes`: None for one per core.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None
        self._here = HERE if self._processes > 1 else None  # how many more are checked in this process; None: all of them
        self._gathered: list[tuple[Body, T]] = []
        self._running: deque[tuple[list[tuple[Body, T]], Future[list[_Row]]]] = deque()

    def expect(self, entries: int) -> None:
        """About so many are to come: where that is worth it, the processes begin at once instead of when the first bodies are checked."""
        if self._here is not None and entries >= WORTH_PROCESSES:
            self._here = 0

    def add(self, body: Body, about: T) -> Iterator[tuple[T, BodyVerdict]]:
        """Take one body; gives the verdicts that are there by now."""
        self._gathered.append((body, about))
        if len(self._gathered) < BLOCK:
            return
        if self._here is None or self._here > 0:
            self._here = None if self._here is None else self._here - len(self._gathered)
            yield from self._check_here()
            return
        while len(self._running) >= 2 * self._processes:
            yield from self._oldest()
        self._hand_over()

    def finish(self) -> Iterator[tuple[T, BodyVerdict]]:
        """Give all that is left."""
        while self._running:
            yield from self._oldest()
        yield from self._check_here()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _check_here(self) -> Iterator[tuple[T, BodyVerdict]]:
        gathered, self._gathered = self._gathered, []
        for body, about in gathered:
            yield about, check_body(body)

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        try:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self._processes, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)
            done = self._pool.submit(_check_rows, [_body_row(body) for body, _ in gathered])
        except (BrokenExecutor, OSError) as error:  # no semaphores, no memory, a process was killed
            done = Future()
            done.set_exception(error)
        self._running.append((gathered, done))

    def _oldest(self) -> Iterator[tuple[T, BodyVerdict]]:
        gathered, done = self._running.popleft()
        try:
            verdicts = [_verdict_of(row) for row in done.result()]
        except (BrokenExecutor, OSError):
            verdicts = [check_body(body) for body, _ in gathered]
        yield from zip((about for _, about in gathered), verdicts, strict=True)


def _unpack(body: bytes, index: int) -> bytes:
    from lineproof_audit.bodies import unpack  # only a store packs bodies: a log of files is checked without zstd

    return unpack(body, index)


@lru_cache(1_024)
def _key(spki: bytes) -> VerifyKey:
    return VerifyKey(spki)


@cache
def _quick_json() -> Callable[[bytes], object] | None:
    """The service's JSON parser, where it is installed: an auditor's machine needs none but Python's."""
    try:
        from orjson import loads
    except ImportError:
        return None
    return loads


# Between processes go plain tuples: to pickle a dataclass takes as long as to check half a body.
_Row = tuple[Any, ...]
_body_row = attrgetter(*(field.name for field in fields(Body)))
_facts_row = attrgetter(*(field.name for field in fields(EventFacts)))


def _verdict_row(verdict: BodyVerdict) -> _Row:
    return verdict.wrong, verdict.payload_type, _facts_row(verdict.facts), verdict.payload_hash, verdict.unsigned


def _verdict_of(row: _Row) -> BodyVerdict:
    wrong, payload_type, facts, payload_hash, unsigned = row
    return BodyVerdict(wrong, payload_type, EventFacts(*facts), payload_hash, unsigned)


def _check_rows(rows: Sequence[_Row]) -> list[_Row]:
    return [_verdict_row(check_body(Body(*row))) for row in rows]


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that started this one, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
