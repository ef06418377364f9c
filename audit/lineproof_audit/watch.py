"""A monitor's look at a log: is what it shows now a continuation of what it showed before, and does it keep what was promised?

A monitor believes the trust file and its own memory, nothing of the log. What it cannot see: a log that shows it one tree and others
another, unless they compare (`others`); that is what witnesses are for.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from lineproof_audit.checkpoint import Checkpoint, peek_checkpoint
from lineproof_audit.errors import CorruptLog, InvalidProof, LogUnavailable
from lineproof_audit.extends import Forked, Unproven, check_extends, nodes_of
from lineproof_audit.fsck_source import FsckSource
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.producer_gaps import ProducerGaps
from lineproof_audit.promises import Broken, Promise, check_promise, shown_leaf
from lineproof_audit.tree import NodeReader
from lineproof_audit.trust import Trust
from lineproof_audit.watch_state import Kept, WatchState
from lineproof_audit.witness import cosigned_by_quorum_at

__all__ = ["Alarm", "Behind", "Expectations", "Look", "Monitor"]

_SECOND: Final = 1_000_000
_CLOCKS_DIFFER: Final = 300  # seconds that a witness's clock may be ahead of ours; a line of later than that makes no log fresh
_RACES: Final = 3  # a folder may be published to while it is read; then the checkpoint is another one afterwards


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a sound log does not do.

    Attributes:
        kind: `signature`, `rollback`, `fork`, `unproven`, `stale`, `gap`, `promise` or `corrupt`; stable.
        detail: what was seen.
        index: the entry it is about, None for the log as a whole.
        kept, shown: the two signed notes that contradict each other: evidence that needs no trust in the monitor.
    """

    kind: str
    detail: str
    index: int | None = None
    kept: str | None = None
    shown: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"event": "alarm", "kind": self.kind, "detail": self.detail, "index": self.index, "kept": self.kept, "shown": self.shown}


@dataclass(frozen=True, slots=True)
class Expectations:
    """What is asked of a log beyond that it only grows.

    Attributes:
        max_age: seconds since its newest entry was received, or since the quorum of the trust file cosigned it; None for any. A checkpoint
            carries no time of its own.
        lag: seconds for which a checkpoint that was seen to be outgrown may still be shown, as by a cache on the way.
        merge_delay: seconds within which an acknowledged entry is under a checkpoint.
        producer_gaps: that no number of a producer is missing; reads every entry once.
    """

    max_age: float | None = None
    lag: float = 0.0
    merge_delay: float = 60.0
    producer_gaps: bool = False


@dataclass(frozen=True, slots=True)
class Behind:
    """The log shows an older checkpoint of `size` entries, which is excused for `seconds` more."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `checkpoint` is the verified one that is kept now, None if there is none; `before` the size kept until then;
    `proven` counts the promises found kept in this look; `notes` say what could not be looked at; `behind` is set while nothing was, because
    an older checkpoint is shown."""

    checkpoint: Checkpoint | None
    before: int | None
    alarms: tuple[Alarm, ...]
    proven: int = 0
    notes: tuple[str, ...] = ()
    behind: Behind | None = None


class Monitor:
    """Follows one log. For one thread.

    Args:
        trust: the log keys that are believed.
        state: the memory; a checkpoint is kept once it is verified, and never replaced by one that raised an alarm.
        now: the time, µs since the epoch.
    """

    def __init__(self, trust: Trust, state: WatchState, expect: Expectations, now: Callable[[], int]) -> None:
        self._trust, self._state, self._expect, self._now = trust, state, expect, now
        self._gaps = ProducerGaps()
        self._proven: set[Promise] = set()

    def look(self, source: FsckSource, promises: Iterable[Promise] = (), others: Sequence[str] = ()) -> Look:
        """Look once.

        Args:
            source: the log, opened anew for this look.
            promises: acknowledgements that the log has to keep.
            others: signed notes of the same log that somebody else was shown.

        Raises:
            LogUnavailable: the log cannot be read now; nothing is known of it, and what was kept stays.
            CorruptLog: it is too damaged to be read, see `damaged`.
        """
        before = None if self._state.kept is None else self._state.kept.checkpoint.size
        found, node = self._advance(source)
        if found is not None or self._state.kept is None or node is None:
            kept_now = None if self._state.kept is None else self._state.kept.checkpoint
            return Look(kept_now, before, (), behind=found) if isinstance(found, Behind) else Look(kept_now, before, () if found is None else (found,))
        kept = self._state.kept
        alarms, notes = self._others(kept, others, node)
        alarms += self._age(kept, source, node)
        proven, broken = self._promises(kept.checkpoint, promises, source, node)
        alarms += broken
        if self._expect.producer_gaps:
            missing, unseen = self._producers(kept.checkpoint, source)
            alarms += missing
            notes += unseen
        return Look(kept.checkpoint, before, tuple(alarms), proven, tuple(notes))

    def damaged(self, error: CorruptLog) -> Look:
        """The look at a log that cannot be read for its own fault."""
        kept = None if self._state.kept is None else self._state.kept.checkpoint
        return Look(kept, None if kept is None else kept.size, (_corrupt(error),))

    def _advance(self, source: FsckSource) -> tuple[Alarm | Behind | None, NodeReader | None]:
        """Take the shown checkpoint as the kept one, or say why not."""
        note = source.checkpoint()
        for _ in range(_RACES):
            node = nodes_of(source)
            found = self._compared(note, node)
            if not isinstance(found, Alarm) or found.kind != "unproven":
                return found, node
            if (again := source.checkpoint()) == note:
                return found, node
            note = again
        raise LogUnavailable("the log's checkpoint changes faster than its tiles can be read")

    def _compared(self, note: str | None, node: NodeReader) -> Alarm | Behind | None:
        kept = self._state.kept
        if note is None:
            if kept is None:
                raise LogUnavailable("the log has no checkpoint yet")
            return Alarm("rollback", f"the log shows no checkpoint any more; it had signed {kept.checkpoint.size} entries", kept=kept.note)
        held, before = (None, None) if kept is None else (kept.note, kept.checkpoint)
        try:
            shown = self._signed(note)
            if before is not None and shown.origin != before.origin:
                raise InvalidProof(f"the log calls itself {shown.origin}, and was {before.origin}")
            if kept is not None and shown.size < kept.checkpoint.size:
                return self._smaller(kept, note, shown, node)
            check_extends(before, shown, node)
        except Forked as error:
            return Alarm("fork", error.detail, kept=held, shown=note)
        except Unproven as error:
            return Alarm("unproven", error.detail, kept=held, shown=note)
        except InvalidProof as error:
            return Alarm("signature", error.detail, kept=held, shown=note)
        if kept is None or shown != kept.checkpoint:
            self._state.keep(Kept(note, self._now()))
        elif kept.behind is not None or self._cosigned(note) > self._cosigned(kept.note):
            self._state.keep(Kept(note, kept.since))
        return None

    def _smaller(self, kept: Kept, note: str, shown: Checkpoint, node: NodeReader) -> Alarm | Behind:
        """The log shows less than before. A cache does that for a while; what it shows then is the beginning of what was seen.

        Raises:
            Forked: it is not.
        """
        rollback = Alarm("rollback", f"the log shows {shown.size} entries and had signed {kept.checkpoint.size}", kept=kept.note, shown=note)
        if not self._expect.lag:
            return rollback
        with suppress(Unproven):  # tiles may be behind as well; what was kept stays, so that a fork is found when the log has grown again
            check_extends(shown, kept.checkpoint, node)
        since = kept.behind or self._now()
        if kept.behind is None:
            self._state.keep(replace(kept, behind=since))
        left = self._expect.lag - (self._now() - since) / _SECOND
        if left >= 0:
            return Behind(shown.size, left)
        return replace(rollback, detail=f"{rollback.detail}; it has done so for longer than {self._expect.lag:.0f} s")

    def _cosigned(self, note: str) -> int:
        """When the quorum cosigned the note, in seconds; 0 without one, or by a clock that is far ahead."""
        quorum = self._trust.quorum
        time = None if quorum is None else cosigned_by_quorum_at(note, quorum)
        return 0 if time is None or time * _SECOND > self._now() + _CLOCKS_DIFFER * _SECOND else time

    def _signed(self, note: str) -> Checkpoint:
        return self._trust.open(note, peek_checkpoint(note).origin)

    def _others(self, kept: Kept, others: Sequence[str], node: NodeReader) -> tuple[list[Alarm], list[str]]:
        alarms: list[Alarm] = []
        notes: list[str] = []
        for note in others:
            mine = kept.checkpoint
            try:
                other = self._signed(note)
                if other.origin != mine.origin:
                    notes.append(f"a checkpoint to compare with is of {other.origin}, not of {mine.origin}")
                elif other.size > mine.size:
                    notes.append(f"others were shown {other.size} entries, this monitor {mine.size}: compared once the log shows it as many")
                else:
                    check_extends(other, mine, node)
            except Forked as error:
                alarms.append(Alarm("fork", f"others were shown another log: {error.detail}", kept=note, shown=kept.note))
            except Unproven as error:
                alarms.append(Alarm("unproven", f"what others were shown is not shown to be in it: {error.detail}", kept=note, shown=kept.note))
            except InvalidProof as error:
                notes.append(f"a checkpoint to compare with is not this log's: {error.detail}")
        return alarms, notes

    def _age(self, kept: Kept, source: FsckSource, node: NodeReader) -> list[Alarm]:
        """Of the newest entry, or of the first sight of the checkpoint if that was earlier: an entry of the future makes no log fresh. Witnesses that
        say that a log which is idle was still the same make it younger."""
        if self._expect.max_age is None:
            return []
        since = kept.since
        if kept.checkpoint.size:
            last = kept.checkpoint.size - 1
            try:
                since = min(since, parse_leaf(shown_leaf(last, kept.checkpoint, source, node)).received)
            except (InvalidProof, CorruptLog) as error:
                return [Alarm("unproven", error.detail, last, shown=kept.note)]
        cosigned = self._cosigned(kept.note) * _SECOND
        age = (self._now() - max(since, cosigned)) / _SECOND
        if age <= self._expect.max_age:
            return []
        what = "the newest of {} entries is" if cosigned <= since else "the last cosignature of {} entries is"
        return [Alarm("stale", f"{what.format(kept.checkpoint.size)} {age:.0f} s old, more than {self._expect.max_age:.0f}", shown=kept.note)]

    def _promises(self, checkpoint: Checkpoint, promises: Iterable[Promise], source: FsckSource, node: NodeReader) -> tuple[int, list[Alarm]]:
        """What was proven under an earlier checkpoint is so under every one that extends it."""
        alarms: list[Alarm] = []
        proven = 0
        for promise in sorted(set(promises) - self._proven, key=lambda promise: promise.index):
            if promise.index >= checkpoint.size:
                if promise.received is None or self._now() - promise.received > self._expect.merge_delay * _SECOND:
                    alarms.append(Alarm("promise", f"entry {promise.index} was acknowledged, and the log has signed {checkpoint.size} entries", promise.index))
                continue
            try:
                check_promise(promise, checkpoint, source, node)
            except Broken as error:
                alarms.append(Alarm("promise", error.detail, promise.index))
            except InvalidProof as error:
                alarms.append(Alarm("unproven", error.detail, promise.index))
            else:
                self._proven.add(promise)
                proven += 1
        return proven, alarms

    def _producers(self, checkpoint: Checkpoint, source: FsckSource) -> tuple[list[Alarm], list[str]]:
        try:
            account = self._gaps.read(source, checkpoint)
        except CorruptLog as error:
            return [_corrupt(error)], []
        alarms: list[Alarm] = []
        notes: list[str] = []
        for line in account.streams:
            for gap in line.missing:
                numbers = f"{gap.first}" if gap.first == gap.last else f"{gap.first} to {gap.last}"
                said = f"key {line.signer[:16]}, stream {line.stream}: {numbers} never arrived"
                if gap.maybe_erased:
                    notes.append(f"{said}, or arrived without a body that is shown here")
                else:
                    alarms.append(Alarm("gap", said, gap.shown_at))
            alarms += [Alarm("gap", f"key {line.signer[:16]}, stream {line.stream}: the event before is not the one that entry {index} names", index)
                       for index in line.broken]
        if self._gaps.hidden:
            notes.append(f"the bodies of {self._gaps.hidden} entries are not shown here: the numbers of their producers are unknown")
        else:
            alarms += [Alarm("corrupt", f"entry {index} has lost its body and no erasure entry says so", index) for index in account.bodiless]
        return alarms, notes


def _corrupt(error: CorruptLog) -> Alarm:
    index = error.extra.get("index")
    return Alarm("corrupt", error.detail, index if isinstance(index, int) else None)
