"""The fast spelling of canonical JSON is the canonical one."""
from __future__ import annotations

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.graph.ops import canonical_json
from metadata_service.projector.plain import plain

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
                      lambda below: st.lists(below) | st.dictionaries(TEXT, below), max_leaves=20)
ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=20)


@given(VALUES)
def test_canonical_json_is_rfc_8785(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(ANYTHING)
def test_plain_values_can_be_written_canonically_and_stay_as_they_are(value: object) -> None:
    kept = plain(value)
    assert rfc8785.dumps(kept)
    assert plain(kept) == kept
