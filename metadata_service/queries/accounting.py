"""Is a window of the log whole: every entry with an outcome and a body, and no number of a producer missing."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from lineproof_audit.accounting import AccountedStream, Streams, WindowAccount
from lineproof_audit.keyring import Keyring
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument, InvalidPosition
from metadata_service.queries.shapes import Completeness, ComputedAt, Long

__all__ = ["Accounting", "NumberGap", "OutcomeCount", "ProducerAccount", "accounting"]

MAX_WINDOW: Final = 50_000  # entries of one window
MAX_READ: Final = 100_000  # entries that one question reads for the numbers in them: some seconds; the next one goes on from there
RECORDS_AT_ONCE: Final = 5_000
INDICES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many entries of the window came to this."""

    status: str
    count: Long


@dataclass(frozen=True, slots=True)
class NumberGap:
    """Numbers `first` to `last` of a stream that never arrived; it showed at entry `shown_at`. `maybe_erased`: entries of the signer were erased, and
    their numbers with them."""

    first: Long
    last: Long
    shown_at: Long
    maybe_erased: bool


@dataclass(frozen=True, slots=True)
class ProducerAccount:
    """One stream of one producer: `events` entries of the window, numbered between `first` and `last`.

    `closed`: the producer said which event is the last one; while it did not, whether there were later ones is unknown. `broken`: entries that name
    another payload before them than the one that is there.
    """

    signer: str
    label: str | None
    stream: str
    events: Long
    first: Long
    last: Long
    closed: bool
    missing: tuple[NumberGap, ...]
    broken: tuple[Long, ...]


@dataclass(frozen=True, slots=True)
class Accounting:
    """The window [from, to): `entries` there are, of which `accounted` have an outcome and a body (or an erasure entry that says why not).

    `unaccounted` are the others. `statement` says all of it in one paragraph, with what it does not say.
    """

    computed_at: ComputedAt
    completeness: Completeness
    from_: Long
    to: Long
    entries: Long
    accounted: Long
    unaccounted: tuple[Long, ...]
    outcomes: tuple[OutcomeCount, ...]
    erased: tuple[Long, ...]
    unnumbered: Long
    producers: tuple[ProducerAccount, ...]
    statement: str


async def accounting(context: QueryContext, *, start: int = 0, end: int | None = None) -> Accounting:
    """Account for entries `start <= index < end` (to the position without `end`).

    Raises:
        InvalidArgument: more than `MAX_WINDOW` entries.
        InvalidPosition: no window.
    """
    end = context.size if end is None else min(end, context.size)
    if start < 0 or start > end:
        raise InvalidPosition(f"a window [from, to) has 0 <= from <= to, not [{start}, {end})")
    if end - start > MAX_WINDOW:
        raise InvalidArgument(f"{end - start} entries, at most {MAX_WINDOW} at once: ask window by window, or check the log with lineproof log fsck")
    outcomes: Counter[str] = Counter()
    recorded: set[int] = set()
    at = start
    while records := await context.graph.entries(at, end, limit=RECORDS_AT_ONCE):
        outcomes.update(record.status for record in records)
        recorded.update(record.index for record in records)
        at = records[-1].index + 1
    streams = context.room.streams or Streams(context.room.reader)
    read = await to_thread.run_sync(streams.read_to, context.size, MAX_READ)
    account = await to_thread.run_sync(streams.account, start, min(end, read), min(context.size, read))
    if read < context.size:
        context.notes.doubt("streams-not-read", f"of {context.size} entries {read} were read for their producers' numbers so far: ask again for the rest")
    unaccounted = tuple(sorted(set(range(start, end)) - recorded | set(account.bodiless) | set(range(max(start, read), end))))
    keyring = await to_thread.run_sync(context.room.keyring)
    producers = tuple(_producer(stream, keyring) for stream in account.streams)
    computed_at = await context.computed_at()
    return Accounting(computed_at, context.notes.completeness(), start, end, end - start, end - start - len(unaccounted), unaccounted,
                      tuple(OutcomeCount(*each) for each in sorted(outcomes.items())), account.erased, account.unnumbered, producers,
                      _statement(computed_at, start, end, unaccounted, outcomes, account, producers))


def _producer(stream: AccountedStream, keyring: Keyring) -> ProducerAccount:
    record = keyring.key(stream.signer)
    gaps = tuple(NumberGap(gap.first, gap.last, gap.shown_at, gap.maybe_erased) for gap in stream.missing)
    return ProducerAccount(stream.signer, record.label if record else None, stream.stream, stream.events, stream.first, stream.last, stream.closed, gaps,
                           stream.broken)


def _statement(computed_at: ComputedAt, start: int, end: int, unaccounted: tuple[int, ...], outcomes: Counter[str], account: WindowAccount,
               producers: tuple[ProducerAccount, ...]) -> str:
    if start == end:
        return f"No entries: the window [{start}, {end}) is empty."
    said = [f"Entries {start}..{end - 1}: {end - start - len(unaccounted)} of {end - start} accounted for"
            + (f" ({', '.join(f'{count} {status}' for status, count in sorted(outcomes.items()))})." if outcomes else ".")]
    if unaccounted:
        said.append(f"Not accounted for: {_indices(unaccounted)}.")
    if account.erased:
        said.append(f"Bodies erased by an erasure entry: {_indices(account.erased)}.")
    missing = [(producer, gap) for producer in producers for gap in producer.missing]
    numbered = sum(producer.events for producer in producers)
    said.append(f"{numbered} are numbered by their producers, in {len(producers)} streams: "
                + ("no number is missing." if not missing else f"{sum(gap.last - gap.first + 1 for _, gap in missing)} numbers are missing."))
    for producer, gap in missing:
        numbers = f"number {gap.first}" if gap.first == gap.last else f"numbers {gap.first} to {gap.last}"
        said.append(f"{producer.label or producer.signer[:12]} (stream {producer.stream[:8]}) never delivered {numbers}, as entry {gap.shown_at} shows"
                    + (", unless it was erased." if gap.maybe_erased else "."))
    if broken := [index for producer in producers for index in producer.broken]:
        said.append(f"Not the payload that its producer says came before: {_indices(tuple(broken))}.")
    open_ones = sum(not producer.closed for producer in producers)
    if open_ones:
        said.append(f"{open_ones} of the streams are not closed: whether their producers made more events is unknown.")
    if account.unnumbered:
        said.append(f"{account.unnumbered} are numbered by nobody (unsigned, or said by the log itself): an unsigned event that was never sent leaves no gap.")
    covered = "no checkpoint covers it yet" if computed_at.covering_checkpoint is None else f"checkpoint {computed_at.covering_checkpoint} covers it"
    said.append(f"Computed at size {computed_at.size}, root {computed_at.root_hash}; {covered}.")
    return " ".join(said)


def _indices(indices: tuple[int, ...]) -> str:
    more = f" and {len(indices) - INDICES_SHOWN} more" if len(indices) > INDICES_SHOWN else ""
    return ", ".join(map(str, indices[:INDICES_SHOWN])) + more
