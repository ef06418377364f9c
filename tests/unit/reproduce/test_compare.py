"""Levels of reproduction: which one a table reaches."""
from __future__ import annotations

import pyarrow as pa
import pytest

from ingest_hooks.fp1 import bit_digest, fingerprint
from metadata_service.reproduce.compare import compare

TABLE = pa.table({"name": ["a", "b", "b"], "value": [0.1, 0.2, float("nan")], "at": pa.array([1, 2, None], pa.timestamp("us", "UTC"))})
BITS = {**fingerprint(TABLE).to_event(), "bit": bit_digest(TABLE)}


@pytest.mark.parametrize(("table", "reached"), [
    (TABLE, "bit"),
    (TABLE.take([2, 0, 1]), "row-set"),
    (TABLE.set_column(1, "value", pa.array([0.1 + 1e-15, 0.2, float("nan")])), "schema"),
    (TABLE.slice(0, 2), "none"),
    (TABLE.rename_columns(["name", "value", "when"]), "none"),
])
def test_the_strongest_level_that_holds_is_reached(table, reached):
    assert compare(table, BITS, "row-set", None, None).reached == reached


@pytest.mark.parametrize(("claimed", "reached", "ok"), [("row-set", "bit", True), ("bit", "row-set", False), ("schema", "schema", True),
                                                       ("tolerance", "schema", False)])
def test_a_level_is_enough_from_the_claimed_one_on(claimed, reached, ok):
    made = {"bit": TABLE, "row-set": TABLE.take([2, 1, 0]), "schema": TABLE.set_column(0, "name", pa.array(["a", "b", "c"]))}[reached]
    found = compare(made, BITS, claimed, 1e-9, None)
    assert (found.reached, found.ok) == (reached, ok)


def test_without_a_recorded_digest_of_the_order_bit_is_never_reached():
    assert compare(TABLE, fingerprint(TABLE).to_event(), "row-set", None, None).reached == "row-set"


@pytest.mark.parametrize(("value", "reached"), [(0.2 * (1 + 1e-10), "tolerance"), (0.2 * (1 + 1e-6), "schema"), (None, "schema"), (float("nan"), "schema")])
def test_floats_are_compared_with_the_retained_original_within_the_tolerance(value, reached):
    made = TABLE.set_column(1, "value", pa.array([0.1, value, float("nan")]))
    assert compare(made.take([1, 0, 2]), BITS, "tolerance", 1e-9, TABLE).reached == reached


def test_a_tolerance_never_covers_a_column_that_is_no_float():
    made = TABLE.set_column(0, "name", pa.array(["a", "c", "b"]))
    assert compare(made, BITS, "tolerance", 1.0, TABLE).reached == "schema"
