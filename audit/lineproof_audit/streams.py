"""Gaps in producers' streams: a withheld event shows, because each signed event says its number and the hash of the one before."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lineproof_audit.facts import EventFacts

__all__ = ["StreamFinding", "StreamTracker"]

MAX_MISSING_PER_STREAM = 10_000  # numbers remembered as missing; a stream that jumps further is reported as one gap


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """Something odd in a stream: `gap` = numbers first..last never arrived (or, `maybe_erased`, arrived and lost their bodies);
    `chain` = the payload before is another one than the event says. `index` is the entry at which it showed."""

    kind: str
    index: int
    signer: str
    stream: str
    first: int
    last: int
    maybe_erased: bool = False


@dataclass(slots=True)
class _Stream:
    next: int = 1
    last_hash: str | None = None
    missing: dict[int, int] = field(default_factory=dict)  # sequence number -> entry at which its absence showed


class StreamTracker:
    """Feed it every entry in order; ask for the gaps at the end. Memory grows with the number of open streams, not of entries.

    A stream is (signer, stream UUID). Events may arrive late (a dead letter sent again): a gap is what never arrived. The tail
    of a stream that was not closed is unknown and no finding. A closed stream without gaps is forgotten.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._erased: set[str] = set()

    def see(self, index: int, signer: str, facts: EventFacts, payload_hash: str) -> StreamFinding | None:
        """Take in one entry, whose payload has this SHA-256 (hex); gives a finding if its `previoushash` does not fit the payload before."""
        if facts.stream is None or facts.sequence is None:
            return None
        key, number = (signer, facts.stream), facts.sequence
        state = self._streams.setdefault(key, _Stream())
        if number < state.next:
            state.missing.pop(number, None)
            return None
        broken = number == state.next and number > 1 and state.last_hash is not None and facts.previous_hash != state.last_hash
        for absent in range(max(state.next, number - MAX_MISSING_PER_STREAM), number):
            state.missing[absent] = index
        state.next, state.last_hash = number + 1, payload_hash
        if facts.closed and not state.missing:
            del self._streams[key]
        return StreamFinding("chain", index, signer, facts.stream, number - 1, number - 1) if broken else None

    def erased(self, signer: str) -> None:
        """An entry of `signer` has lost its body, and its number with it: it may be what looks missing in that signer's streams."""
        self._erased.add(signer)

    def gaps(self) -> Iterator[StreamFinding]:
        """What never arrived, as ranges of numbers, each at the entry where it first showed."""
        for (signer, stream), state in self._streams.items():
            numbers = sorted(state.missing)
            start = 0
            for at in range(1, len(numbers) + 1):
                if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
                    yield StreamFinding("gap", state.missing[numbers[start]], signer, stream, numbers[start], numbers[at - 1], signer in self._erased)
                    start = at
