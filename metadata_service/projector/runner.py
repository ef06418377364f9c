"""The projector: takes entries from the log, asks the rules, applies the operations, batch by batch.

A batch and the position after it are one transaction, so a crash repeats a batch or does not, and never half. The projector
refuses a log that does not extend the one it projected: other roots at its size mean another log, or a restored one.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lineproof_audit.store import StoredEntry
from lineproof_audit.tree import CompactRange, leaf_hash
from lineproof_schema.errors import LineproofError
from metadata_service.graph.errors import GraphUnavailable, ProjectionConflict
from metadata_service.graph.ops import GraphOp, PutState, digest_delta
from metadata_service.graph.port import GraphStore, Position
from metadata_service.projector.ahead import Guess, guess
from metadata_service.projector.bodies import BodySource, TodaysBodies
from metadata_service.projector.entry import ProjectableEntry
from metadata_service.projector.overlay import Overlay
from metadata_service.projector.project import project, reads
from metadata_service.projector.view import Missing
from metadata_service.projector.waiting import pause
from metadata_service.telemetry import logger

__all__ = ["BATCH_ENTRIES", "REBUILDING_STATE", "EntrySource", "LogDoesNotExtend", "Projector"]

BATCH_ENTRIES: Final = 500  # entries per transaction: a second's work at the slowest, thousands of rows at the densest
BATCH_OPS: Final = 10_000  # a transaction is closed by then, while the next one is worked out; Neo4j takes more time for the same rows in larger ones
LEAST_AHEAD: Final = 8  # entries tried ahead when one finds something missing, and entries in a row that add nothing before that ends
WAIT_SECONDS: Final = 1.0  # longest wait for new entries before looking whether to stop
LONGEST_PAUSE_SECONDS: Final = 30.0  # between attempts while log or graph cannot be reached
TREE_STATE: Final = "tree"
ERASURES_STATE: Final = "erasures"
REBUILDING_STATE: Final = "rebuilding"
_LOG = logger(__name__)


class LogDoesNotExtend(LineproofError):
    """The log is not the one this graph was projected from, or was cut back; rebuild the graph if the log is right."""

    code = "corrupt-log"


class EntrySource(BodySource, Protocol):
    """What the projector needs of a log reader. Called from worker threads."""

    def entries(self, start: int = 0, stop: int | None = None, batch: int = 1_000) -> Iterator[StoredEntry]:
        """Entries in order."""

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries."""

    def wait_for(self, size: int, timeout: float) -> int:
        """Block until the log has `size` entries or `timeout` seconds are over."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What some entries say, ready to be written; `whole`: with it an interrupted rebuild is whole again."""

    ops: list[GraphOp]
    entries: int
    expected_size: int
    size: int
    root: str
    digest_delta: int
    whole: bool


class Projector:
    """Projects one log into one graph. Use one instance from one task; a second projector is told apart by `ProjectionConflict`."""

    def __init__(self, reader: EntrySource, graph: GraphStore, watch: Callable[[int, Sequence[GraphOp]], None] | None = None) -> None:
        """`watch` is told the index and the operations of every entry, before they are applied."""
        self._reader = reader
        self._graph = graph
        self._watch = watch
        self._overlay = Overlay()
        self._position: Position | None = None
        self._tree = CompactRange()
        self._bodies = TodaysBodies(reader)
        self._erased: dict[str, int | None] = {}  # the erasures that the graph was projected with
        self._ahead = LEAST_AHEAD
        self._fitting = BATCH_ENTRIES  # entries that are likely to fit into a batch: to open more of them is work for nothing
        self._rebuilding: int | None = None  # the size at which an interrupted rebuild is whole again

    async def step(self, batch: int = BATCH_ENTRIES, *, upto: int | None = None) -> int:
        """Project at most `batch` more entries (up to size `upto`) in one transaction; returns how many.

        Raises:
            LogDoesNotExtend: the graph was projected from another log.
            ProjectionConflict: another projector moved the graph; the next call starts from where it stands.
            GraphUnavailable, LogUnavailable: retry.
        """
        try:
            ready = await self._prepare(batch, upto)
            if ready is None:
                return 0
            await self._write(ready)
        except (LineproofError, asyncio.CancelledError):
            self._reset()
            raise
        self._overlay.age()
        return ready.entries

    async def catch_up(self, batch: int = BATCH_ENTRIES, *, upto: int | None = None, stop: asyncio.Event | None = None,
                       progress: Callable[[int], None] | None = None) -> int:
        """Project all there is (up to size `upto`), working out each batch while the one before it is written; returns how many entries.

        `stop` ends it after the batch at hand; `progress` is told after every batch how many entries are done. Raises what `step` raises.
        """
        done, writing = 0, None
        try:
            while True:
                ready = None if stop is not None and stop.is_set() else await self._prepare(batch, upto, writing)
                if writing is not None:
                    done += await writing
                    writing = None
                    self._overlay.age()  # not before: what the batch changed was read from here until the store had it
                    if progress is not None:
                        progress(done)
                if ready is None:
                    return done
                writing = asyncio.create_task(self._write(ready))
        except (LineproofError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and writing is not None:
                writing.cancel()
            self._reset()
            raise
        finally:
            if writing is not None:
                await asyncio.gather(writing, return_exceptions=True)  # not left behind

    async def run(self, stop: asyncio.Event) -> None:
        """Project what comes until `stop` is set.

        An outage is logged and waited out. Raises LogDoesNotExtend, and whatever shows that log or rules are broken.
        """
        seconds = WAIT_SECONDS
        while not stop.is_set():
            try:
                if await self.catch_up(stop=stop) == 0:
                    await self._wait(stop)
                seconds = WAIT_SECONDS
            except (GraphUnavailable, ProjectionConflict, LineproofError) as error:
                if isinstance(error, LogDoesNotExtend) or not (error.entry.retriable or isinstance(error, (GraphUnavailable, ProjectionConflict))):
                    raise
                _LOG.warning("projection waits", code=error.code, detail=error.detail, seconds=seconds)
                await pause(stop, seconds)
                seconds = min(seconds * 2, LONGEST_PAUSE_SECONDS)

    # -- one batch

    async def _prepare(self, batch: int, upto: int | None, writing: asyncio.Task[int] | None = None) -> _Batch | None:
        """The next batch, None if there is nothing to project. What it changes counts as changed from here on; `writing` is the batch before it."""
        position = self._position or await self._begin()
        stop = position.size + min(batch, self._fitting)
        entries, leaves = await asyncio.to_thread(self._read, position.size, stop if upto is None else min(stop, upto))
        if self._reaches_back(position.size):
            if writing is not None:
                await writing
            await self._start_over(position.size)
            return await self._prepare(batch, upto)
        if not entries:
            return None
        ops, done = await self._project(entries, writing)
        self._fitting = max(1, min(done * BATCH_OPS // max(len(ops), 1), BATCH_ENTRIES))
        for leaf in leaves[:done]:
            self._tree.append(leaf_hash(leaf))
        size = position.size + done
        delta = await asyncio.to_thread(digest_delta, ops) if len(ops) > 1_000 else digest_delta(ops)
        erased = self._bodies.erasures.below(size)
        ops.append(PutState(TREE_STATE, self._tree.to_bytes().hex()))
        if erased != self._erased:
            ops.append(PutState(ERASURES_STATE, erased))
        whole = self._rebuilding is not None and size >= self._rebuilding
        if whole:
            ops.append(PutState(REBUILDING_STATE, None))
            self._rebuilding = None
        root = self._tree.root().hex()
        self._position, self._erased = Position(size, root, ""), erased
        return _Batch(ops, done, position.size, size, root, delta, whole)

    async def _write(self, batch: _Batch) -> int:
        await self._graph.apply(batch.ops, expected_size=batch.expected_size, size=batch.size, root=batch.root, digest_delta=batch.digest_delta)
        if batch.whole:
            await self._graph.forget()
        return batch.entries

    async def _project(self, entries: Sequence[ProjectableEntry], writing: asyncio.Task[int] | None) -> tuple[list[GraphOp], int]:
        """The operations of the first so many entries, and how many those are."""
        urns: set[str] = set()
        states: set[str] = set()
        for entry in entries:
            needed = reads(entry, self._overlay.has)
            urns |= needed.urns
            states |= needed.states
        await self._load(*self._overlay.unloaded(sorted(urns), sorted(states)))
        ops: list[GraphOp] = []
        guesses: dict[int, Guess] = {}
        for done, entry in enumerate(entries):
            if len(ops) >= BATCH_OPS:
                return ops, done
            await _give_way(writing)
            while True:
                known = guesses.pop(entry.index, None)
                if known is not None and known.holds(self._overlay):
                    result = known.ops
                    break
                try:
                    result = project(entry, self._overlay)
                    break
                except Missing as missing:
                    guesses = await self._foresee(entry, missing, entries[done + 1:done + 1 + self._ahead], BATCH_OPS - len(ops), writing)
            self._overlay.take(result)
            if self._watch is not None:
                self._watch(entry.index, result)
            ops.extend(result)
        return ops, len(entries)

    async def _foresee(self, entry: ProjectableEntry, missing: Missing, coming: Sequence[ProjectableEntry], room: int,
                       writing: asyncio.Task[int] | None) -> dict[int, Guess]:
        """Load what is missing, and with it what entries to come would find missing: each on its own would cost a round trip.

        Only the batch at hand profits, so no further than it has room for operations.

        They are tried on the graph as it stands, so an entry may come to need something else after all; then it asks when its turn comes.
        Trying takes time too, so we look further ahead only while most of what we look at is new. What came out is given back by index.
        """
        urns, states, guesses = set(missing.urns), set(missing.states), {entry.index: Guess(missing.ops, missing.urns, missing.states, set(), set())}
        self._overlay.mark()
        new, idle, ops = 0, 0, len(missing.ops)
        for later in coming:
            await _give_way(writing)
            found = guesses[later.index] = guess(later, self._overlay)
            adds = not (urns.issuperset(found.absent_urns) and states.issuperset(found.absent_states))
            new, idle, ops = new + adds, 0 if adds else idle + 1, ops + len(found.ops)
            urns.update(found.absent_urns)
            states.update(found.absent_states)
            if idle == LEAST_AHEAD or ops >= room:
                break
        if coming:
            self._ahead = min(self._ahead * 2, BATCH_ENTRIES) if 2 * new > len(guesses) - 1 else max(self._ahead // 2, LEAST_AHEAD)
        await self._load(*self._overlay.unloaded(sorted(urns), sorted(states)))
        return guesses

    async def _load(self, urns: Sequence[str], states: Sequence[str]) -> None:
        if urns or states:
            loaded = await self._graph.load(urns, states)
            self._overlay.fill(urns, states, loaded.nodes, loaded.states)

    def _read(self, start: int, stop: int) -> tuple[list[ProjectableEntry], list[bytes]]:
        """Open the entries of a batch."""
        size = self._bodies.follow()
        entries: list[ProjectableEntry] = []
        leaves: list[bytes] = []
        for stored in self._reader.entries(start, min(stop, size)):
            leaves.append(stored.leaf)
            entries.append(self._bodies.open(stored))
        return entries, leaves

    # -- beginning

    async def _begin(self) -> Position:
        position = await self._graph.position()
        loaded = await self._graph.load((), (TREE_STATE, ERASURES_STATE, REBUILDING_STATE))
        known: Any = loaded.states.get(TREE_STATE)
        self._tree = CompactRange.from_bytes(bytes.fromhex(known)) if known is not None else CompactRange()
        if position.size:
            await asyncio.to_thread(self._check_extends, position)
        self._erased = loaded.states.get(ERASURES_STATE) or {}
        self._rebuilding = loaded.states.get(REBUILDING_STATE)
        self._position = position
        return position

    def _check_extends(self, position: Position) -> None:
        size = self._reader.size()
        if size < position.size:
            raise LogDoesNotExtend(f"the graph stands at {position.size}, the log has {size} entries", size=size)
        root = self._reader.root_at(position.size).hex()
        if root != position.root or self._tree.root().hex() != root:
            raise LogDoesNotExtend(f"at size {position.size} the log's root is {root}, the graph was projected from {position.root}")

    def _reaches_back(self, size: int) -> bool:
        """Whether an erasure concerns an entry that was projected with its body."""
        return any(self._erased.get(entry, _NOT_ERASED) != replacement for entry, replacement in self._bodies.erasures.below(size).items())

    async def _start_over(self, size: int) -> None:
        """Project everything again without the erased bodies; until it is done the graph says that it is being rebuilt."""
        _LOG.warning("an erasure reaches back: the graph is rebuilt", size=size)
        await self._graph.wipe()
        self._overlay.forget()
        position = await self._graph.position()
        await self._graph.apply([PutState(REBUILDING_STATE, size)], expected_size=0, size=0, root=position.root, digest_delta=0)
        await self._begin()

    def _reset(self) -> None:
        self._position = None
        self._overlay.forget()

    async def _wait(self, stop: asyncio.Event) -> None:
        size = self._position.size if self._position is not None else 0
        arrival = asyncio.ensure_future(asyncio.to_thread(self._reader.wait_for, size + 1, WAIT_SECONDS))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({arrival, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await arrival


async def _give_way(writing: asyncio.Task[int] | None) -> None:
    """The next statement of what is being written may be due."""
    if writing is not None and not writing.done():
        await asyncio.sleep(0)


_NOT_ERASED: Final = object()
