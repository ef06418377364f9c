"""One byte changed anywhere in the evidence is noticed."""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineproof_audit.verify import verify_bundle
from tests.unit.audit.memory_log import MemoryLog, trust

LOG = MemoryLog()
CITED = [LOG.say("lineproof.quality.v1", {"check": str(number)}) for number in range(6)]
BUNDLE = LOG.sign().bundle(CITED[1], CITED[4], with_leaves=True)
UNPROVEN = {"query", "answer", "toolVersion"}  # the statement of the verdict says so


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every string of the document that is evidence, with its place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if path or name not in UNPROVEN:
            if isinstance(item, str):
                yield (*path, name), item
            yield from texts(item, (*path, name))


TEXTS = list(texts(BUNDLE))


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copy = json.loads(json.dumps(BUNDLE))
    target = copy
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return copy


def test_the_bundle_is_good_before_it_is_changed() -> None:
    assert verify_bundle(BUNDLE, trust(), "keys-complete").ok
    assert {path[0] for path, _ in TEXTS} == {"format", "origin", "checkpoint", "entries", "keyEntries", "leaves"}


@pytest.mark.parametrize("path", [path for path, _ in TEXTS], ids=lambda path: ".".join(map(str, path)))
def test_first_middle_and_last_character_of_every_part_count(path: tuple[Any, ...]) -> None:
    text = dict(TEXTS)[path]
    for at in {0, len(text) // 2, len(text) - 1}:
        for bit in (1, 2, 32):
            assert not verify_bundle(changed(path, text[:at] + chr(ord(text[at]) ^ bit) + text[at + 1:]), trust()).ok


@settings(max_examples=300)
@given(st.data())
def test_any_bit_of_any_part_counts(data: st.DataObject) -> None:
    path, text = data.draw(st.sampled_from(TEXTS))
    at = data.draw(st.integers(0, len(text) - 1))
    flipped = text[:at] + chr(ord(text[at]) ^ (1 << data.draw(st.integers(0, 6)))) + text[at + 1:]
    assert not verify_bundle(changed(path, flipped), trust()).ok


@pytest.mark.parametrize("place", [("entries", 0), ("keyEntries", 1)])
@pytest.mark.parametrize("index", [-1, 0, 3, 5, 999, 2**70, "4", True, None])
def test_another_index_is_noticed(place: tuple[str, int], index: object) -> None:
    assert BUNDLE[place[0]][place[1]]["index"] in (1, 4)
    assert not verify_bundle(changed((*place, "index"), index), trust()).ok


@pytest.mark.parametrize("field", ["leaf", "salt", "envelope", "proof"])
def test_parts_of_one_entry_do_not_fit_another(field: str) -> None:
    assert not verify_bundle(changed(("entries", 0, field), BUNDLE["entries"][1][field]), trust()).ok
