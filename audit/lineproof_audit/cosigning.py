"""Gathering cosignatures: every checkpoint goes to the witnesses of a policy at once, and none of them can stop the log.

A checkpoint waits for its cosignatures `patience` seconds at most, and only for witnesses that answered within that time when they were
asked last. A dead or slow witness therefore costs the log one wait; after that its line is added whenever it comes. What it is asked in the
meantime is the newest checkpoint, at growing intervals. All witnesses are asked on one thread of their own. There is no state to lose: the
lines are kept in the notes, and a witness tells itself how far it has seen the log.
"""
from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lineproof_audit.add_checkpoint import COSIGNED, OUTCOMES, REQUEST_SECONDS, Answer, add_checkpoint
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import TrustFileError
from lineproof_audit.note import split_note
from lineproof_audit.trust import Trust
from lineproof_audit.witness import Group, Witness, add_cosignatures, cosigned_by_quorum_at, enough, members_of, without_cosignatures

if TYPE_CHECKING:
    import httpx

__all__ = ["Cosigners", "LateLine", "WitnessState", "quorum_of"]

PATIENCE_SECONDS: Final = 1.0
REFRESH_SECONDS: Final = 600.0  # an idle log is cosigned again, so that the time on the line says that it was still the largest
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 300.0
LATE_LINES: Final = 1_000  # kept while nobody takes them

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LateLine:
    """A cosignature that came after its checkpoint was published. `text` is the signed text of that checkpoint."""

    text: str
    witness: Witness
    signature: bytes


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How a witness stands: the outcome it was asked last with (None before the first), and the size it cosigned last."""

    name: str
    outcome: str | None
    detail: str
    size: int


@dataclass(slots=True)
class _Asked:
    """What is known of one witness."""

    witness: Witness
    quick: bool = True  # it is waited for
    size: int = 0  # as far as it has seen the log
    done: int = 0  # the round it has answered
    failures: int = 0
    outcome: str | None = None
    detail: str = ""
    new: asyncio.Event = field(default_factory=asyncio.Event)


def quorum_of(trust: Trust, origin: str) -> Witness | Group:
    """The quorum of a policy that the log `origin` is to be cosigned by.

    Raises:
        TrustFileError: the policy is not of this log, asks for no witnesses, or its quorum cannot be met by those whose URL it says.
    """
    if not trust.keys_of(origin):
        raise TrustFileError(f"the witness policy names no log {origin!r}; begin it with the output of lineproof keys trust")
    if trust.quorum is None:
        raise TrustFileError("the witness policy asks for no witnesses: quorum none")
    if not enough(trust.quorum, lambda witness: witness.url is not None):
        raise TrustFileError("the witnesses of the policy that have a URL cannot make its quorum")
    return trust.quorum


class Cosigners:
    """The witnesses of one log. Thread-safe; nothing runs before the first checkpoint is given.

    Args:
        quorum: who has to cosign; those without a URL are not asked.
        prove: the consistency proof between two sizes of the log.
        patience: seconds a checkpoint waits for the quorum.
        refresh: seconds after which an unchanged checkpoint is cosigned again.

    Attributes:
        report: told the name of the witness and its answer after each question, on the thread that asks.
    """

    report: Callable[[str, Answer], None] | None = None

    def __init__(self, quorum: Witness | Group, prove: Callable[[int, int], Sequence[bytes]], *, patience: float = PATIENCE_SECONDS,
                 refresh: float = REFRESH_SECONDS) -> None:
        self._quorum = quorum
        self._prove = prove
        self._patience = patience
        self._refresh = refresh
        self._asked = [_Asked(witness) for witness in members_of(quorum) if witness.url is not None]
        self._changed = threading.Condition()
        self._round = 0
        self._note: str | None = None
        self._waiting = False
        self._lines: dict[Witness, bytes] = {}
        self._failed: set[Witness] = set()
        self._late: deque[LateLine] = deque()
        self._cosigned = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def cosigned_size(self) -> int:
        """The largest size with a quorum, as far as this process has seen; 0 for none."""
        return self._cosigned

    def states(self) -> list[WitnessState]:
        """One a witness, in the order of the policy."""
        return [WitnessState(asked.witness.name, asked.outcome, asked.detail, asked.size) for asked in self._asked]

    def cosign(self, note: str) -> str:
        """The note with the cosignatures that came while it was worth waiting; more may follow, see `late`."""
        with self._changed:
            if not self._begin(note, waiting=True):
                return note
            deadline = time.monotonic() + self._patience
            while not enough(self._quorum, self._lines.__contains__) and self._hopeful():
                if (left := deadline - time.monotonic()) <= 0:
                    for asked in self._asked:
                        asked.quick = asked.witness in self._lines
                    break
                self._changed.wait(left)
            self._waiting = False
            return self.seen(add_cosignatures(note, self._lines))

    def offer(self, note: str) -> None:
        """Have a published checkpoint cosigned without waiting; does nothing if it is the one that is asked for already."""
        with self._changed:
            self._begin(note, waiting=False)

    def late(self) -> Iterator[LateLine]:
        """Lines for checkpoints that are published. Each is forgotten once the next one is asked for."""
        while self._late:
            yield self._late[0]
            self._late.popleft()

    def seen(self, note: str) -> str:
        """Take notice of a note that is published; gives it back."""
        if cosigned_by_quorum_at(note, self._quorum) is not None:
            self._cosigned = max(self._cosigned, peek_checkpoint(note).size)
        return note

    def rest(self) -> None:
        """Ask nobody any more until the next checkpoint: another process signs."""
        with self._changed:
            self._note = None

    def close(self) -> None:
        """Stop asking. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            main, thread = self._main, self._thread
        if main is not None and thread is not None:
            self._tell(main.cancel)
            thread.join(REQUEST_SECONDS)

    # -- one round; under the condition

    def _begin(self, note: str, *, waiting: bool) -> bool:
        text = split_note(note)[0]
        if self._closed or (self._note is not None and split_note(self._note)[0] == text):
            return False
        self._note = without_cosignatures(note, [asked.witness for asked in self._asked])
        self._round += 1
        self._waiting = waiting
        self._lines, self._failed = {}, set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lineproof-witnesses", daemon=True)
            self._thread.start()
            self._changed.wait_for(lambda: self._main is not None or self._closed)
        if self._closed:
            return False
        for asked in self._asked:
            self._tell(asked.new.set)
        return True

    def _tell(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended: then there is nobody to tell
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)

    def _hopeful(self) -> bool:
        """Whether those that answered in time before, and have not failed in this round, can make the quorum."""
        quick = {asked.witness for asked in self._asked if asked.quick}
        return not self._closed and enough(self._quorum, lambda witness: witness in self._lines or (witness in quick and witness not in self._failed))

    def _heard(self, asked: _Asked, number: int, text: str, answer: Answer, seconds: float) -> None:
        with self._changed:
            if asked.outcome != answer.outcome:
                said = _log.info if answer.outcome == COSIGNED else _log.error if answer.outcome in ("ahead", "conflict") else _log.warning
                said("witness %s: %s: %s (%s)", asked.witness.name, answer.outcome, OUTCOMES[answer.outcome], answer.detail)
            asked.outcome, asked.detail = answer.outcome, answer.detail
            asked.quick = answer.outcome == COSIGNED and seconds <= self._patience
            if answer.signature is None:
                asked.failures += 1
                if number == self._round:
                    self._failed.add(asked.witness)
                if answer.size is not None and answer.outcome != "ahead":
                    asked.size = answer.size
            else:
                asked.failures, asked.done, asked.size = 0, number, answer.size or 0
                if number == self._round and self._waiting:
                    self._lines[asked.witness] = answer.signature
                elif len(self._late) < LATE_LINES:
                    self._late.append(LateLine(text, asked.witness, answer.signature))
            self._changed.notify_all()
        if self.report is not None:
            self.report(asked.witness.name, answer)

    # -- the thread that asks

    def _run(self) -> None:
        try:
            asyncio.run(self._follow_all())
        finally:
            with self._changed:  # whatever ended it: nobody waits for lines that cannot come
                self._closed = True
                self._changed.notify_all()

    async def _follow_all(self) -> None:
        import httpx

        with self._changed:
            self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
            self._changed.notify_all()
        try:
            async with httpx.AsyncClient(timeout=REQUEST_SECONDS, follow_redirects=False) as client, asyncio.TaskGroup() as tasks:
                for asked in self._asked:
                    tasks.create_task(self._follow(client, asked))
        except asyncio.CancelledError:
            return

    async def _follow(self, client: httpx.AsyncClient, asked: _Asked) -> None:
        fresh_until = 0.0
        while True:
            asked.new.clear()
            with self._changed:
                number, note = self._round, self._note
            if note is None or (number == asked.done and time.monotonic() < fresh_until):
                await _first_of(asked.new, self._refresh)
                continue
            began = time.monotonic()
            answer = await add_checkpoint(client, asked.witness, note, min(asked.size, peek_checkpoint(note).size), self._prove)
            self._heard(asked, number, split_note(note)[0], answer, time.monotonic() - began)
            fresh_until = time.monotonic() + self._refresh
            if asked.failures:
                await asyncio.sleep(min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(asked.failures - 1, 16)))


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
