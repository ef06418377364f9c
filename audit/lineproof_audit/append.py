"""Appending: the queue and group commit of one process.

`submit` does what needs no order in the caller's thread (hashing, salting, packing, the leaf but for its time); one thread takes
what has gathered, locks the head, drops duplicates, writes, commits, and only then answers. A failed batch answers every caller
with the error and is forgotten: a caller who tries again gets the first index if the batch had been committed after all.
"""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol, cast

from lineproof_audit.batch import Ack, Equivocation, NewEntry, Prepared, append_batch, prepare
from lineproof_audit.clock import Clock, Receiver, SystemClock
from lineproof_audit.errors import AuditError, EquivocationError, LogUnavailable, QueueFull
from lineproof_audit.identity import TenantSecrets
from lineproof_audit.keys import SigningKey
from lineproof_audit.store import LogStore

__all__ = ["BATCH_ENTRIES", "Ack", "Appender", "NewEntry", "Prepared"]

BATCH_ENTRIES = 256  # Tessera's default: a batch of 3 KB events is one flush of under 1 MB
BATCH_BYTES = 8 * 1024 * 1024  # of envelopes: large ones must not hold the head for long
QUEUE_ENTRIES = 4_096
QUEUE_BYTES = 64 * 1024 * 1024


class _Asker(Protocol):
    """Who waits for the answers about entries. Called by the appender's thread alone, once they are queued."""

    def claim(self) -> bool:
        """Whether they are still to be appended."""

    def answer(self, position: int, answer: Ack | AuditError) -> None:
        """What became of the entry at `position` of those asked for."""


class _One:
    """Waits for one entry; may be cancelled until its batch is taken up."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Future[Ack] = Future()

    def claim(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def answer(self, position: int, answer: Ack | AuditError) -> None:
        if isinstance(answer, Ack):
            self.future.set_result(answer)
        else:
            self.future.set_exception(answer)


class _Together:
    """Waits for all entries of one call."""

    __slots__ = ("answers", "future", "missing")

    def __init__(self, entries: int) -> None:
        self.future: Future[list[Ack | AuditError]] = Future()
        self.future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        self.answers: list[Ack | AuditError | None] = [None] * entries
        self.missing = 0  # known once they are queued

    def claim(self) -> bool:
        return True

    def answer(self, position: int, answer: Ack | AuditError) -> None:
        self.answers[position] = answer
        self.missing -= 1
        if self.missing == 0:
            self.finish()

    def finish(self) -> None:
        self.future.set_result(cast("list[Ack | AuditError]", self.answers))


_Queued = tuple[Prepared, _Asker, int]


class Appender:
    """The append side of one process: a bounded queue and the thread that commits what gathers in it.

    Several appenders, in several processes, may share one PostgreSQL store.

    Attributes:
        stopped: asked at each call, under the lock: it must be quick; an error it gives refuses all of the call.
    """

    stopped: Callable[[], AuditError | None] | None = None

    def __init__(self, store: LogStore, notary: SigningKey, secrets: TenantSecrets, *, queue_size: int = QUEUE_ENTRIES, queue_bytes: int = QUEUE_BYTES,
                 clock: Clock | None = None) -> None:
        self._store = store
        self._notary = notary
        self._secrets = secrets
        self._queue_size, self._queue_bytes = queue_size, queue_bytes
        self._receiver = Receiver(clock or SystemClock())
        self._queue: deque[_Queued] = deque()
        self._bytes = 0
        self._changed = threading.Condition(threading.Lock())
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lineproof-append", daemon=True)
        self._thread.start()

    def submit(self, entry: NewEntry) -> Future[Ack]:
        """Queue one entry; never blocks.

        Returns:
            A future of the acknowledgement, which comes after the commit. It raises EquivocationError, QueueFull, ClockError,
            NoSpace, LogUnavailable, LogContradicted or CorruptLog; EnvelopeError or InvalidLeaf if the entry cannot be logged at all.
        """
        return self.submit_many([entry])[0]

    def submit_many(self, entries: Iterable[NewEntry]) -> list[Future[Ack]]:
        """As `submit`, in order; entries that do not fit the queue fail with QueueFull, those before them stay queued."""
        askers: list[_One] = []
        ready: list[_Queued] = []
        for entry in entries:
            asker = _One()
            askers.append(asker)
            try:
                ready.append((self.prepare(entry), asker, 0))
            except AuditError as error:
                asker.answer(0, error)
        with self._changed:
            refused, why = self._enqueue(ready)
        for _, waits, _ in refused:  # outside the lock: a callback of the future may submit
            waits.answer(0, why)
        return [asker.future for asker in askers]

    def prepare(self, entry: NewEntry) -> Prepared:
        """What of an append needs no order; most of its work. Any thread may do it.

        Raises:
            EnvelopeError, InvalidLeaf: the entry cannot be logged at all.
        """
        return prepare(entry, self._secrets)

    def submit_together(self, prepared: Sequence[Prepared]) -> Future[list[Ack | AuditError]]:
        """As `submit_many`, for prepared entries and with one future for all: one for each takes as long as hashing it.

        Returns:
            A future of one acknowledgement or error per entry, in order, once the last of them is decided. It raises nothing and cannot be cancelled.
        """
        together = _Together(len(prepared))
        with self._changed:  # nothing queued here is answered before this ends
            refused, why = self._enqueue([(item, together, position) for position, item in enumerate(prepared)])
            for _, _, position in refused:
                together.answers[position] = why
            queued = together.missing = len(prepared) - len(refused)
        if queued == 0:
            together.finish()
        return together.future

    def _enqueue(self, ready: Sequence[_Queued]) -> tuple[Sequence[_Queued], AuditError]:
        """Queue what fits; the rest, and why. The lock is held."""
        if self._closed:
            return ready, LogUnavailable("the log is closing")
        if self.stopped is not None and (stopped := self.stopped()) is not None:
            return ready, stopped
        refused: list[_Queued] = []
        for item in ready:
            size = len(item[0].entry.envelope)
            if len(self._queue) >= self._queue_size or self._bytes + size > self._queue_bytes:
                refused.append(item)
            else:
                self._queue.append(item)
                self._bytes += size
        self._changed.notify()
        return refused, QueueFull(f"{self._queue_size} entries or {self._queue_bytes} bytes wait")

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return len(self._queue)

    def close(self) -> None:
        """Take nothing more, commit what is queued, end the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._commit(batch)

    def _take(self) -> list[_Queued]:
        """The next batch; empty when closed and drained."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            batch: list[_Queued] = []
            size = 0
            while self._queue and len(batch) < BATCH_ENTRIES and size < BATCH_BYTES:
                item = self._queue.popleft()
                size += len(item[0].entry.envelope)
                batch.append(item)
            self._bytes -= size
            return batch

    def _commit(self, batch: list[_Queued]) -> None:
        live = [item for item in batch if item[1].claim()]
        if not live:
            return
        try:
            answers = append_batch(self._store, [prepared for prepared, _, _ in live], self._receiver, self._secrets, self._notary)
        except AuditError as error:
            for _, asker, position in live:
                asker.answer(position, error)
            return
        except BaseException:  # a defect of ours: nobody may wait for ever, and the thread must not go on as if nothing were
            failed = LogUnavailable("the appender failed; see the service's log")
            for _, asker, position in live:
                asker.answer(position, failed)
            with self._changed:
                self._closed = True
                stranded, self._bytes = list(self._queue), 0
                self._queue.clear()
            for _, asker, position in stranded:
                if asker.claim():
                    asker.answer(position, failed)
            raise
        for (_, asker, position), answer in zip(live, answers, strict=True):
            asker.answer(position, EquivocationError(answer.first_index, answer.evidence_index) if isinstance(answer, Equivocation) else answer)
