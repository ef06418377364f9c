"""The as-of joins against a join that looks at every pair of rows."""
from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_hooks.asof import asof_join, asof_join_duckdb
from ingest_hooks.errors import AsofError

START = datetime(2026, 3, 1)
HOURS = st.integers(0, 8)  # few, so that ties are common
MAYBE_HOURS = st.one_of(HOURS, HOURS, HOURS, st.none())
KEYS = st.sampled_from(["a", "b", None])
SPINE = st.lists(st.tuples(KEYS, MAYBE_HOURS), max_size=8)
FEATURES = st.dictionaries(st.tuples(KEYS, MAYBE_HOURS, MAYBE_HOURS), st.integers(0, 99), max_size=14)


def at(hour: int | None) -> datetime | None:
    return None if hour is None else START + timedelta(hours=hour)


def spine_frame(rows: list[tuple[str | None, int | None]]) -> pd.DataFrame:
    return pd.DataFrame({"row": pd.Series(range(len(rows)), dtype="int64"), "key": pd.Series([key for key, _ in rows], dtype="object"),
                         "asked": pd.Series([at(hour) for _, hour in rows], dtype="datetime64[us]")})


def feature_frame(rows: dict[tuple[str | None, int | None, int | None], int]) -> pd.DataFrame:
    return pd.DataFrame({"key": pd.Series([key for key, _, _ in rows], dtype="object"),
                         "happened": pd.Series([at(hour) for _, hour, _ in rows], dtype="datetime64[us]"),
                         "loaded": pd.Series([at(hour) for _, _, hour in rows], dtype="datetime64[us]"),
                         "value": pd.Series(list(rows.values()), dtype="int64")})


def by_hand(spine: list[tuple[str | None, int | None]], features: dict[tuple[str | None, int | None, int | None], int], bitemporal: bool, inclusive: bool,
            max_age: int | None) -> list[int | None]:
    """What the join means, row by row."""
    found: list[int | None] = []
    for key, asked in spine:
        usable = []
        for (other, happened, loaded), value in features.items():
            if None in (key, asked, other, happened) or (bitemporal and loaded is None) or key != other:
                continue
            assert asked is not None
            assert happened is not None
            limit = asked + 1 if inclusive else asked
            if happened < limit and (not bitemporal or (loaded is not None and loaded < limit)):
                usable.append((happened, loaded if bitemporal else 0, value))
        best = max(usable, default=None)
        found.append(None if best is None or (max_age is not None and asked is not None and best[0] < asked - max_age) else best[2])
    return found


def without_ties(features: dict[tuple[str | None, int | None, int | None], int]) -> dict[tuple[str | None, int | None, int | None], int]:
    """One row per key and feature time, for joins that do not look at knowledge time."""
    kept: dict[tuple[str | None, int | None], tuple[str | None, int | None, int | None]] = {}
    for row in features:
        kept.setdefault(row[:2], row)
    return {row: features[row] for row in kept.values()}


@settings(max_examples=100, deadline=None)
@given(SPINE, FEATURES, st.booleans(), st.booleans(), st.one_of(st.none(), st.integers(0, 4)))
def test_both_joins_equal_a_join_by_hand(spine: Any, features: Any, bitemporal: bool, inclusive: bool, max_age: int | None) -> None:
    if not bitemporal:
        features = without_ties(features)
    expected = by_hand(spine, features, bitemporal, inclusive, max_age)
    options: dict[str, Any] = {"by": ["key"], "reference_time": "asked", "feature_time": "happened", "knowledge_time": "loaded" if bitemporal else None,
                               "columns": ["value"], "inclusive": inclusive, "max_age": None if max_age is None else timedelta(hours=max_age)}
    left, right = spine_frame(spine), feature_frame(features)
    joined = asof_join(left, right, **options)
    assert [None if pd.isna(value) else int(value) for value in joined["value"]] == expected
    assert joined[["row", "key", "asked"]].equals(left)
    with duckdb.connect() as connection:
        connection.register("spine", left)
        connection.register("features", right)
        rows = asof_join_duckdb(connection, "spine", "features", **options).order("row").project("row, value").fetchall()
    assert rows == list(enumerate(expected))


def test_a_backfilled_row_is_not_seen_before_it_was_loaded() -> None:
    spine = pd.DataFrame({"asked": [at(5)]})
    features = pd.DataFrame({"happened": [at(1), at(4)], "loaded": [at(2), at(6)], "value": [1, 2]})
    options: dict[str, Any] = {"by": [], "reference_time": "asked", "feature_time": "happened"}
    assert asof_join(spine, features, **options, knowledge_time="loaded")["value"].tolist() == [1]
    assert asof_join(spine, features, **options)["value"].tolist() == [2]


def test_a_correction_counts_from_when_it_was_known() -> None:
    features = pd.DataFrame({"happened": [at(1), at(1)], "loaded": [at(2), at(4)], "value": [1, 2]})
    spine = pd.DataFrame({"asked": [at(3), at(5)]})
    joined = asof_join(spine, features, by=[], reference_time="asked", feature_time="happened", knowledge_time="loaded")
    assert joined["value"].tolist() == [1, 2]


def test_rows_that_contradict_each_other_are_refused_and_equal_ones_are_one() -> None:
    spine = pd.DataFrame({"key": ["a"], "asked": [at(5)]})
    options: dict[str, Any] = {"by": ["key"], "reference_time": "asked", "feature_time": "happened"}
    features = pd.DataFrame({"key": ["a", "a"], "happened": [at(1), at(1)], "value": [1, 1]})
    assert asof_join(spine, features, **options)["value"].tolist() == [1]
    features["value"] = [1, 2]
    with pytest.raises(AsofError, match="which of them is right"):
        asof_join(spine, features, **options)
    with duckdb.connect() as connection, pytest.raises(AsofError, match="which of them is right"):
        asof_join_duckdb(connection, connection.from_df(spine), connection.from_df(features), **options)


def test_missing_and_doubled_columns_are_named() -> None:
    spine, features = pd.DataFrame({"asked": [at(1)], "value": [0]}), pd.DataFrame({"happened": [at(0)], "value": [1]})
    with pytest.raises(AsofError, match="no column loaded"):
        asof_join(spine, features, by=[], reference_time="asked", feature_time="happened", knowledge_time="loaded")
    with pytest.raises(AsofError, match="both sides have value"):
        asof_join(spine, features, by=[], reference_time="asked", feature_time="happened")


def test_names_of_any_kind_and_time_zones() -> None:
    zone = "Europe/Berlin"
    spine = pd.DataFrame({'a "key"': ["x"], "select": pd.to_datetime([at(5)]).tz_localize(zone)}, index=[7])
    features = pd.DataFrame({'a "key"': ["x"], "order": pd.to_datetime([at(4)]).tz_localize(zone), "it's": [1]})
    options: dict[str, Any] = {"by": ['a "key"'], "reference_time": "select", "feature_time": "order", "columns": ["it's"]}
    joined = asof_join(spine, features, **options)
    assert joined["it's"].tolist() == [1]
    assert list(joined.index) == [7]
    with duckdb.connect() as connection:
        assert asof_join_duckdb(connection, connection.from_df(spine), connection.from_df(features), **options).project('"it\'s"').fetchall() == [(1,)]
