"""The one place that appends: verify, check, quarantine, append. It never touches the graph."""
from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from lineproof_audit.append import Ack, Appender, Prepared
from lineproof_audit.errors import AuditError, QueueFull
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
AT_ONCE_BYTES: Final = 16 * 1024  # checked within 0.3 ms, most of it Ed25519
MAY_BE_NEWS: Final = frozenset({"unknown-key", "out-of-scope"})  # what the keyring of a moment ago refuses


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
        checked = self._check_at_once(raws[0], caller, route) if len(raws) == 1 and len(raws[0]) <= AT_ONCE_BYTES else None
        if checked is None:
            chunks = [raws[start:start + CHUNK] for start in range(0, len(raws), CHUNK)]
            checked = [item for chunk in await asyncio.gather(*(self._thread(self._check, chunk, caller, route) for chunk in chunks)) for item in chunk]
        answers = iter(await self._append([item for item in checked if isinstance(item, Prepared)]))
        return await self._results(raws, caller, route, checked, [next(answers) if isinstance(item, Prepared) else item for item in checked])

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

    def _ground(self) -> Ground:
        # Of a clock that was moved back the appender says so (503 `clock`, sent again); here it would refuse for good what is of the present.
        now = max(int(self._clock() * 1_000_000), self._keys.received)
        return Ground(self._keys.current, self._keys.size, now, self._notary)

    def _check(self, raws: Sequence[bytes], caller: Viewer, route: Route) -> list[Prepared | LineproofError]:
        """Check events and do all else of their append that needs no order."""
        ground = self._ground()
        found: list[Prepared | LineproofError] = []
        for raw in raws:
            try:
                try:
                    found.append(self._check_one(raw, caller, route, ground))
                except IntakeRefused as error:
                    if error.code not in MAY_BE_NEWS:
                        raise
                    self._keys.refresh_after_miss()  # another process may have registered the key a moment ago
                    ground = replace(ground, keyring=self._keys.current, next_index=self._keys.size)
                    found.append(self._check_one(raw, caller, route, ground))
            except LineproofError as error:
                found.append(error)
        return found

    def _check_at_once(self, raw: bytes, caller: Viewer, route: Route) -> list[Prepared | LineproofError] | None:
        """As `_check`, of one small event, in the loop's own thread: to hand it to another takes longer. None if the database must be asked first."""
        try:
            return [self._check_one(raw, caller, route, self._ground())]
        except LineproofError as error:
            return None if error.code in MAY_BE_NEWS else [error]

    def _check_one(self, raw: bytes, caller: Viewer, route: Route, ground: Ground) -> Prepared:
        if len(raw) > self._max_event_bytes:
            raise IntakeRefused(f"event of {len(raw)} bytes, at most {self._max_event_bytes}", code="too-large", limit=self._max_event_bytes)
        if route == "openlineage":
            entry = check_openlineage(raw, caller, ground)
        elif route == "notarised":
            entry = check_notarised(raw, caller, ground)
        else:
            entry = check_envelope(raw, caller, replace(ground, erasing=True) if route == "erasure" else ground)
        return self._appender.prepare(entry)

    async def _append(self, prepared: Sequence[Prepared]) -> list[Ack | AuditError]:
        """Append in order; one answer each. A caller whose events alone fill the queue waits for them instead of being refused."""
        if not prepared:
            return []
        answers = await self._appended(prepared)
        tried = list(range(len(prepared)))
        while (refused := [position for position in tried if isinstance(answers[position], QueueFull)]) and len(refused) < len(tried):
            for position, answer in zip(refused, await self._appended([prepared[position] for position in refused]), strict=True):
                answers[position] = answer
            tried = refused
        return answers

    async def _appended(self, prepared: Sequence[Prepared]) -> list[Ack | AuditError]:
        return await asyncio.wrap_future(self._appender.submit_together(prepared))

    async def _results(self, raws: Sequence[bytes], caller: Viewer, route: Route, checked: Sequence[Prepared | LineproofError],
                       answers: Sequence[Ack | LineproofError]) -> list[ItemResult]:
        if any(isinstance(item, Prepared) and item.entry.event_type in ADMIN_TYPES for item in checked):
            await self._thread(self._keys.refresh)
        accepted: Counter[tuple[str, bool]] = Counter()
        results: list[ItemResult] = []
        for raw, item, answer in zip(raws, checked, answers, strict=True):
            if isinstance(answer, Ack):
                if isinstance(item, Prepared):
                    accepted[item.entry.signed_by, answer.duplicate] += 1
                results.append(ItemResult(ack=answer))
                continue
            self._metrics.refused.labels(answer.code).inc()
            kept = None if answer.code in NOT_KEPT else await self._thread(self._keep, raw, route, caller, answer)
            results.append(ItemResult(error=answer, quarantine=kept))
        for (signed_by, duplicate), count in accepted.items():
            self._metrics.accepted.labels(signed_by, str(duplicate).lower()).inc(count)
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
