"""Every parser of what others wrote, under inputs that nobody meant: no error but ours, no 500, no hang, nothing kept.

A fixed part of what `python -m benchmarks fuzz` does by the million with a coverage-guided engine; what that found lies in tests/data/fuzz.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.mutate import stream
from tests.fuzz.services import TARGETS
from tests.fuzz.watched import Watch, blocks, limited

FOUND = Path(__file__).resolve().parents[1] / "data" / "fuzz"
INPUTS = {"GraphQL": 300, "HTTP": 700, "projection": 1_000, "CloudEvents": 1_200, "OpenLineage": 1_500, "bundle": 1_500}
USUAL = 3_000
# Blocks kept by the second half of the inputs. Caches of bounded size still fill then: of documents in GraphQL, of a graph of 200 events in projection.
KEPT_BLOCKS = {"GraphQL": 80_000, "projection": 20_000, "HTTP": 20_000}
USUALLY_KEPT = 2_000


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_taken_or_refused_with_a_code_and_nothing_of_them_is_kept(name: str) -> None:
    seeds, opened, longest = TARGETS[name]
    valid, number = seeds(), INPUTS.get(name, USUAL)
    with opened() as run, limited():
        watch = Watch(run)
        for data in stream(valid, 1, number, longest):
            watch.feed(data)
        held = blocks()
        for data in stream(valid, 2, number, longest):
            watch.feed(data)
        kept = blocks() - held
    assert not watch.failures, "\n\n".join(f"{place}\n{failure.data[:400]!r}\n{failure.what}" for place, failure in watch.failures.items())
    assert len(watch.codes) > 1, f"every input got the answer {watch.codes}: the target does not see its inputs"
    assert kept < KEPT_BLOCKS.get(name, USUALLY_KEPT), f"{kept} blocks of memory were kept after {number} more inputs"


@pytest.mark.parametrize("file", sorted(FOUND.glob("*/*")), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_fuzzing_found_stays_mended(file: Path) -> None:
    _seeds, opened, _longest = TARGETS[file.parent.name]
    with opened() as run, limited():
        watch = Watch(run)
        watch.feed(file.read_bytes())
    assert not watch.failures, "\n\n".join(f"{place}\n{failure.what}" for place, failure in watch.failures.items())


def test_a_failure_is_seen_once_with_its_shortest_input() -> None:
    def run(data: bytes) -> str:
        if b"slow" in data:
            while True:
                pass
        return str(1 // (len(data) % 2))

    watch = Watch(run, limit=0.05)
    with limited():
        for data in (b"a", b"abcd", b"ab", b"slow!"):
            watch.feed(data)
    assert [failure.data for failure in watch.failures.values()] == [b"ab", b"slow!"]
    assert [failure.what.splitlines()[-1] for failure in watch.failures.values()] == ["ZeroDivisionError: integer division or modulo by zero",
                                                                                  "more than 0.05 s"]


def test_what_is_kept_is_counted() -> None:
    held = blocks()
    kept = [str(number) for number in range(100_000, 110_000)]
    assert blocks() - held >= len(kept)
