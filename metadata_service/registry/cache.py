"""Resolution from memory: what was answered at a projected size holds until an entry that can change it is projected.

The position is looked at again when the last look is older than `FRESH_SECONDS`, beside the answers that go on meanwhile; one older
than `STALE_SECONDS` is waited for, so an answer is at most that much behind the graph. Who has written something names the size to be seen
(`Lineproof-Min-Size`) or is announced by `saw`.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from metadata_service.graph.port import GraphStore, Position
from metadata_service.registry.resolution import Resolved, resolve

__all__ = ["FRESH_SECONDS", "MAX_KEPT_BYTES", "STALE_SECONDS", "Kept", "ResolutionCache", "Snapshot"]

FRESH_SECONDS: Final = 0.05
STALE_SECONDS: Final = 0.25  # five looks; a thousand callers a second do not all wait for a look that takes long
WAIT_SECONDS: Final = 2.0  # as long as other reads of one's own writes wait
POLL_SECONDS: Final = 0.01
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024  # of questions and answers, and again of answers written out
ROW_BYTES: Final = 1_500  # of one resolved reference in memory, about
MAX_NEWS: Final = 20_000  # entries looked through for one that matters; beyond it everything is forgotten
CHANGES: Final = ("lineproof.feature-version.v1", "lineproof.alias.v1", "lineproof.model-version.v1", "lineproof.deployment.v1", "lineproof.tombstone.v1",
                  "lineproof.erasure.v1")

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Answers kept until they weigh more than `MAX_KEPT_BYTES` together; then all are forgotten, and what is still asked for comes back."""

    __slots__ = ("_bytes", "_kept", "get")

    def __init__(self) -> None:
        self._kept: dict[K, V] = {}
        self._bytes = 0
        self.get = self._kept.get

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep it; `weight` in bytes, about."""
        if self._bytes + weight > MAX_KEPT_BYTES:
            self._kept.clear()
            self._bytes = 0
        self._kept[key] = value
        self._bytes += weight


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the answers stand, and the answers; `rendered` are those written out, by request body, for viewers from whom nothing is hidden, with
    whether they show something classified.

    A snapshot shares them with the one before iff nothing happened between the two that can change an answer.
    """

    position: Position
    answers: Kept[tuple[str | None, tuple[str, ...]], Resolved]
    rendered: Kept[bytes, tuple[bytes, bool]]


class ResolutionCache:
    """Answers by (model, references). For one event loop."""

    def __init__(self, graph: GraphStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._graph = graph
        self._clock = clock
        self._now: Snapshot | None = None
        self._looked = float("-inf")
        self._least = 0
        self._looking: asyncio.Task[Snapshot] | None = None

    def saw(self, size: int) -> None:
        """This process knows the graph to stand at `size`: no older answer is given from now on."""
        self._least = max(self._least, size)

    async def current(self, least: int = 0) -> Snapshot:
        """The snapshot to answer from; it stands at `least` or beyond, or where the graph stands when the wait is over.

        Raises:
            GraphUnavailable: the graph cannot be reached, and what is known is too old.
        """
        least = max(least, self._least)
        now = self._now
        age = self._clock() - self._looked
        if now is not None and age < STALE_SECONDS and now.position.size >= least:
            if age >= FRESH_SECONDS:
                self._start_looking()
            return now
        deadline = self._clock() + WAIT_SECONDS
        while True:
            now = await self._look()
            if now.position.size >= least or self._clock() > deadline:
                return now
            await asyncio.sleep(POLL_SECONDS)

    async def resolve(self, snapshot: Snapshot, references: tuple[str, ...], model: str | None) -> Resolved:
        """The answer at the snapshot's position. Raises what `resolution.resolve` raises; refusals are not kept."""
        key = (model, references)
        known = snapshot.answers.get(key)
        if known is None:
            known = await resolve(self._graph, snapshot.position.size, references, model)
            snapshot.answers.put(key, known, sum(map(len, references)) + ROW_BYTES * (1 + len(known.rows)))
        return known

    async def _look(self) -> Snapshot:
        """Look at the graph's position; those who come while somebody looks share the answer."""
        return await asyncio.shield(self._start_looking())

    def _start_looking(self) -> asyncio.Task[Snapshot]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._refresh())
            self._looking.add_done_callback(_seen)
        return self._looking

    async def _refresh(self) -> Snapshot:
        began, before = self._clock(), self._now
        position = await self._graph.position()
        if before is not None and position == before.position:
            found = before
        elif before is not None and await self._unchanged(before.position, position):
            found = Snapshot(position, before.answers, before.rendered)
        else:
            found = Snapshot(position, Kept(), Kept())
        self._now, self._looked = found, began
        return found

    async def _unchanged(self, before: Position, now: Position) -> bool:
        """Whether nothing between the two positions can have changed an answer."""
        if not 0 < now.size - before.size <= MAX_NEWS:
            return False  # rebuilt, wiped, or too much happened to look through
        return not await self._graph.entries(before.size, now.size, limit=1, event_types=CHANGES)


def _seen(look: asyncio.Task[Snapshot]) -> None:
    """A look beside the answers that failed is reported by the next one that is waited for."""
    if not look.cancelled():
        look.exception()
