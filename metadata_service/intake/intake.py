"""The one place that appends: verify, check, quarantine, append. It never touches the graph."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from lineproof_audit.append import Ack, Appender, NewEntry
from lineproof_audit.errors import QueueFull
from lineproof_audit.keys import SigningKey
from lineproof_schema.errors import LineproofError
from metadata_service.access import Viewer, require
from metadata_service.errors import IntakeRefused
from metadata_service.intake.check import ADMIN_TYPES, Ground, check_envelope, check_notarised, check_openlineage
from metadata_service.intake.keys import KeyringFollower
from metadata_service.intake.quarantine import NOT_KEPT, Quarantine, Route
from metadata_service.telemetry import Metrics

__all__ = ["Intake", "ItemResult"]

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")
CHUNK: Final = 64  # events checked in one thread hop: a hop costs about as much as checking one event


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one event: an acknowledgement, or the error with the id under which its bytes are kept, if they are."""

    ack: Ack | None = None
    error: LineproofError | None = None
    quarantine: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status this event alone would have got."""
        return 202 if self.error is None else self.error.entry.status

    def problem(self) -> dict[str, Any] | None:
        """RFC 9457 problem details, or None."""
        if self.error is None:
            return None
        return {**self.error.problem(), **({"quarantine": self.quarantine} if self.quarantine else {})}


@dataclass(frozen=True, slots=True)
class _Item:
    """One event on its way: what the checks made of it, and the append under way."""

    entry: NewEntry | LineproofError
    future: Future[Ack] | None

    @property
    def queue_full(self) -> bool:
        return self.future is not None and self.future.done() and isinstance(self.future.exception(), QueueFull)

    def result(self) -> ItemResult:
        if isinstance(self.entry, LineproofError):
            return ItemResult(error=self.entry)
        assert self.future is not None
        error = self.future.exception()
        if error is None:
            return ItemResult(ack=self.future.result())
        if isinstance(error, LineproofError):
            return ItemResult(error=error)
        raise error


class Intake:
    """Takes events in. Refusals are results, never exceptions; an acknowledged event is durable in the log."""

    def __init__(self, appender: Appender, keys: KeyringFollower, notary: SigningKey, quarantine: Quarantine, metrics: Metrics, *,
                 max_event_bytes: int, verify_threads: int, clock: Callable[[], float] = time.time) -> None:
        self._appender = appender
        self._keys = keys
        self._notary = notary
        self._quarantine = quarantine
        self._metrics = metrics
        self._max_event_bytes = max_event_bytes
        self._clock = clock
        self._threads = ThreadPoolExecutor(verify_threads, thread_name_prefix="intake")

    async def accept(self, raw: bytes, caller: Viewer, route: Route = "envelope") -> ItemResult:
        """Take one event: a DSSE envelope, or a plain OpenLineage event or an alias move, which are wrapped with the notary key."""
        return (await self.accept_many([raw], caller, route))[0]

    async def accept_many(self, raws: Sequence[bytes], caller: Viewer, route: Route = "envelope") -> list[ItemResult]:
        """Take many events; results and entries are in input order.

        Raises:
            AccessError: the caller may not ingest at all.
        """
        require(caller, "ingest")
        chunks = [raws[start:start + CHUNK] for start in range(0, len(raws), CHUNK)]
        if len(chunks) == 1:
            batch = await self._thread(self._check_and_submit, chunks[0], caller, route)
            await self._yield_to_own([batch])
            return await self._results(chunks[0], caller, route, batch)
        checked = await asyncio.gather(*(self._thread(self._check, chunk, caller, route) for chunk in chunks))
        batches: list[list[_Item]] = []
        for chunk in checked:
            batches.append(await self._thread(self._submit, chunk))
            await self._yield_to_own(batches)
        return [result for chunk, batch in zip(chunks, batches, strict=True) for result in await self._results(chunk, caller, route, batch)]

    async def replay(self, item: str, operator: Viewer) -> ItemResult:
        """Take a quarantined event in again, in the name of its first caller and within the operator's own namespaces.

        It is appended at most once: a second replay answers with the entry the first one made.

        Raises:
            NotFound: the operator's tenant has no such item.
        """
        require(operator, "operator")
        kept = await self._thread(self._quarantine.get, operator.tenant, item)
        assert kept.body is not None
        caller = Viewer(id=kept.caller, tenant=kept.tenant, roles=frozenset({"ingest"}), prefixes=operator.prefixes, owners=operator.owners,
                        writes=operator.writes)
        result = await self.accept(kept.body, caller, kept.route)
        if result.ack is not None:
            await self._thread(self._quarantine.appended, item, result.ack.index)
        return result

    async def follow(self, seconds: float = 1.0) -> None:
        """Keep the keyring up to date with what other processes append and the quarantine within its retention, until cancelled."""
        ticks = 0
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._thread(self._keys.refresh)
                if ticks % 3600 == 0:
                    await self._thread(self._quarantine.expire)
                ticks += 1
            except LineproofError as error:
                self._metrics.refused.labels(error.code).inc()

    def close(self) -> None:
        """Wait for running checks; the appender is closed by whoever opened the log."""
        self._threads.shutdown(wait=True)

    def _check(self, raws: Sequence[bytes], caller: Viewer, route: Route) -> list[NewEntry | LineproofError]:
        # Of a clock that was moved back the appender says so (503 `clock`, sent again); here it would refuse for good what is of the present.
        now = max(int(self._clock() * 1_000_000), self._keys.received)
        ground = Ground(self._keys.current, self._keys.size, now, self._notary)
        found: list[NewEntry | LineproofError] = []
        for raw in raws:
            try:
                found.append(self._check_one(raw, caller, route, ground))
            except LineproofError as error:
                found.append(error)
        return found

    def _check_one(self, raw: bytes, caller: Viewer, route: Route, ground: Ground) -> NewEntry:
        if len(raw) > self._max_event_bytes:
            raise IntakeRefused(f"event of {len(raw)} bytes, at most {self._max_event_bytes}", code="too-large", limit=self._max_event_bytes)
        if route == "openlineage":
            return check_openlineage(raw, caller, ground)
        if route == "notarised":
            return check_notarised(raw, caller, ground)
        if route == "erasure":
            ground = replace(ground, erasing=True)
        try:
            return check_envelope(raw, caller, ground)
        except IntakeRefused as error:
            if error.code not in ("unknown-key", "out-of-scope"):
                raise
            self._keys.refresh_after_miss()  # another process may have registered the key a moment ago
            return check_envelope(raw, caller, replace(ground, keyring=self._keys.current, next_index=self._keys.size))

    def _submit(self, checked: Sequence[NewEntry | LineproofError]) -> list[_Item]:
        """Queue what passed the checks, in order; hashing and packing happen here, in our thread."""
        futures = iter(self._appender.submit_many([item for item in checked if isinstance(item, NewEntry)]))
        return [_Item(item, None) if isinstance(item, LineproofError) else _Item(item, next(futures)) for item in checked]

    def _check_and_submit(self, raws: Sequence[bytes], caller: Viewer, route: Route) -> list[_Item]:
        return self._submit(self._check(raws, caller, route))

    async def _yield_to_own(self, batches: list[list[_Item]]) -> None:
        """A caller whose batch alone fills the queue waits for its own events instead of being refused: submit the refused ones again."""
        tried = sum(1 for item in batches[-1] if item.future is not None)
        while refused := [position for position, item in enumerate(batches[-1]) if item.queue_full]:
            mine = [asyncio.wrap_future(item.future) for batch in batches for item in batch if item.future is not None and not item.future.done()]
            if len(refused) == tried and not mine:
                return  # others fill it
            if mine:
                await asyncio.shield(asyncio.gather(*mine, return_exceptions=True))
            again = await self._thread(self._submit, [batches[-1][position].entry for position in refused])
            for position, item in zip(refused, again, strict=True):
                batches[-1][position] = item
            tried = len(refused)

    async def _results(self, raws: Sequence[bytes], caller: Viewer, route: Route, batch: Sequence[_Item]) -> list[ItemResult]:
        await _settled([item.future for item in batch if item.future is not None and not item.future.done()])
        if any(isinstance(item.entry, NewEntry) and item.entry.event_type in ADMIN_TYPES for item in batch):
            await self._thread(self._keys.refresh)
        results = [item.result() for item in batch]
        for position, result in enumerate(results):
            entry = batch[position].entry
            if result.ack is not None and isinstance(entry, NewEntry):
                self._metrics.accepted.labels(entry.signed_by, str(result.ack.duplicate).lower()).inc()
            elif result.error is not None:
                self._metrics.refused.labels(result.error.code).inc()
                if result.error.code not in NOT_KEPT:
                    kept = await self._thread(self._keep, raws[position], route, caller, result.error)
                    results[position] = ItemResult(error=result.error, quarantine=kept)
        return results

    async def _thread(self, work: Callable[[Unpack[_Arguments]], _T], *arguments: *_Arguments) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _keep(self, raw: bytes, route: Route, caller: Viewer, error: LineproofError) -> str | None:
        try:
            kept = self._quarantine.keep(raw, route, caller, error)
        except LineproofError:  # the refusal stands and is answered; only the copy is lost, and counted
            kept = None
        self._metrics.quarantined.labels(str(kept is not None).lower()).inc()
        return kept


async def _settled(futures: Sequence[Future[Ack]]) -> None:
    """Return when all are done, however they ended. The loop is woken once: wrapping each costs more than checking a signature's envelope."""
    if not futures:
        return
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    done: list[None] = []

    def note(_: Future[Ack]) -> None:  # in the appender's thread, or here if it was done already
        done.append(None)
        if len(done) == len(futures):
            loop.call_soon_threadsafe(woken.set)

    for future in futures:
        future.add_done_callback(note)
    await woken.wait()
