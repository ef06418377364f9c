"""Operations, their digest, and the folding of batches."""
from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.graph.batch import fold
from metadata_service.graph.ops import (
    OPEN,
    CloseEdge,
    Edge,
    GraphOp,
    Link,
    OpenEdge,
    PutState,
    Revise,
    Touch,
    UpsertNode,
    digest_delta,
    edge_digest,
    node_digest,
)
from metadata_service.graph.rows import plain, unplain
from metadata_service.graph.sql_text import contains

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
EDGE = Edge("DERIVED_FROM", "urn:lineproof:dataset:n:a", "urn:lineproof:dataset:n:b", "set", None, None, None, "lineage", "t", 3, 2)
OTHER: dict[str, Any] = {"family": "COLUMN_DERIVED_FROM", "from_": 4, "opened_by": 3, "to": 9, "line": 1, "column": 2}


def canonical_number(*parts: Any) -> int:
    return int.from_bytes(hashlib.sha256(rfc8785.dumps(list(parts))).digest())


@given(texts=st.lists(st.none() | TEXT, min_size=3, max_size=3), line=st.none() | st.integers(0, 2**53 - 1))
def test_edge_digest_and_key_are_over_rfc_8785_bytes(texts: list[str | None], line: int | None) -> None:
    edge = replace(EDGE, downstream=texts[0] or "", expression=texts[1], file=texts[2], line=line)
    everything = {field.name: getattr(edge, field.name) for field in fields(edge)}
    assert edge_digest(edge) == canonical_number("edge", *everything.values())
    said = [value for name, value in everything.items() if name not in ("commit", "from_", "to", "opened_by")]
    assert edge.key == hashlib.sha256(rfc8785.dumps(said)).hexdigest()[:32]


@given(urn=TEXT, tenant=TEXT)
def test_node_digest_is_over_rfc_8785_bytes(urn: str, tenant: str) -> None:
    assert node_digest(urn, tenant, 7) == canonical_number("node", urn, tenant, 7)


@pytest.mark.parametrize("name", [field.name for field in fields(Edge)])
def test_the_key_names_what_is_said_and_the_digest_everything(name: str) -> None:
    changed = replace(EDGE, **{name: OTHER.get(name, "changed")})
    assert (changed.key == EDGE.key) == (name in ("commit", "from_", "to", "opened_by"))
    assert edge_digest(changed) != edge_digest(EDGE)


def test_the_digest_does_not_depend_on_order_or_batches() -> None:
    ops: list[GraphOp] = [UpsertNode("a", "t", 1), Revise("a", "f", {"x": 1}, 1), OpenEdge(EDGE), Revise("a", "f", None, 2, {"x": 1}, 1), CloseEdge(EDGE, 5),
           Link("OF", "a", "b", 1)]
    whole = digest_delta(ops)
    assert whole == digest_delta(reversed(ops)) == sum(digest_delta([op]) for op in ops) % 2**256
    assert digest_delta([OpenEdge(EDGE), CloseEdge(EDGE, 5)]) == digest_delta([OpenEdge(replace(EDGE, to=5))])


def test_empty_intervals_leave_nothing_in_the_digest() -> None:
    assert digest_delta([OpenEdge(EDGE), CloseEdge(EDGE, EDGE.from_)]) == 0
    assert digest_delta([Revise("a", "f", 1, 3), Revise("a", "f", 2, 3, 1, 3)]) == digest_delta([Revise("a", "f", 2, 3)])


def test_touches_states_and_the_like_are_no_part_of_the_digest() -> None:
    assert digest_delta([Touch("a", 1), PutState("k", 1)]) == 0


def test_folding_keeps_the_net_effect() -> None:
    first, again = replace(EDGE, from_=1, opened_by=0), replace(EDGE, from_=5, opened_by=4)
    batch = fold([UpsertNode("a", "t", 1), UpsertNode("a", "u", 2), CloseEdge(first, 3), OpenEdge(again), CloseEdge(again, 8), Revise("a", "f", 1, 5),
                  Revise("a", "f", 2, 6, 1, 5), Revise("a", "g", None, 6, 0, 2), Touch("a", 1, "mention"), Touch("a", 1), Touch("a", 1, "mention"),
                  PutState("k", 1), PutState("k", None)])
    assert batch.nodes["a"].tenant == "t"
    assert batch.closed == {(first.key, 1): (first, 3)}
    assert batch.edges == {(again.key, 5): replace(again, to=8)}
    assert {key: (write.value, write.to) for key, write in batch.revisions.items()} == {("a", "f", 5): (1, 6), ("a", "f", 6): (2, OPEN)}
    assert batch.ended == {("a", "g", 2): 6}
    assert batch.touches == {("a", 1): "subject"}
    assert batch.states == {"k": None}
    assert batch.referenced() == {"a", EDGE.downstream, EDGE.upstream}


@pytest.mark.parametrize("op", [CloseEdge(EDGE, 2), Revise("a", "f", 1, 2, 0, 3)])
def test_an_interval_cannot_end_before_it_begins(op: CloseEdge | Revise) -> None:
    with pytest.raises(ValueError, match="before it"):
        fold([op])


@given(TEXT, TEXT)
def test_text_without_nul_stays_distinct_and_comes_back(one: str, other: str) -> None:
    assert "\0" not in plain(one)
    assert unplain(plain(one)) == one
    assert (plain(one) == plain(other)) == (one == other)


def test_the_pattern_of_a_search_matches_it_literally() -> None:
    assert contains("50%_\\") == "%50\\%\\_\\\\%"
