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


Row = tuple[int | None, str | None, int | None, int | None, int]  # two keys, happened, loaded, value
MANY_KEYS = st.lists(st.tuples(st.integers(1, 2), KEYS, MAYBE_HOURS), max_size=6)
MANY_FEATURES = st.lists(st.tuples(st.one_of(st.integers(1, 2), st.none()), KEYS, MAYBE_HOURS, MAYBE_HOURS, st.integers(0, 3)), max_size=12,
                         unique_by=lambda row: row[:4])


@settings(max_examples=60, deadline=None)
@given(MANY_KEYS, MANY_FEATURES, st.lists(st.integers(0, 11), max_size=3), st.sampled_from([None, ("Europe/Berlin", "UTC"), ("UTC", "America/New_York")]),
       st.sampled_from(["us", "ns", "ms"]), st.booleans(), st.booleans())
def test_several_keys_repeated_rows_time_zones_and_units_change_nothing(spine: Any, features: list[Row], again: list[int], zones: tuple[str, str] | None,
                                                                        unit: str, bitemporal: bool, inclusive: bool) -> None:
    if not bitemporal:
        features = list({row[:3]: row for row in features}.values())
    expected: list[int | None] = []
    for number, key, asked in spine:
        limit = None if asked is None else asked + inclusive
        usable = [(happened, loaded if bitemporal else 0, value) for other, name, happened, loaded, value in features
                  if key is not None and limit is not None and happened is not None and (number, key) == (other, name) and happened < limit
                  and (not bitemporal or (loaded is not None and loaded < limit))]
        expected.append(max(usable)[2] if usable else None)
    told = [*features, *(features[number] for number in again if number < len(features))]
    left = pd.DataFrame({"row": range(len(spine)), "n": pd.Series([row[0] for row in spine], dtype="int64"),
                         "key": pd.Series([row[1] for row in spine], dtype="object"), "asked": times([row[2] for row in spine], "us", zones and zones[0])})
    right = pd.DataFrame({"n": pd.Series([row[0] for row in told], dtype="float64"), "key": pd.Series([row[1] for row in told], dtype="object"),
                          "happened": times([row[2] for row in told], unit, zones and zones[1]),
                          "loaded": times([row[3] for row in told], "us", zones and zones[0]),
                          "value": pd.Series([row[4] for row in told], dtype="int64")})
    options: dict[str, Any] = {"by": ["n", "key"], "reference_time": "asked", "feature_time": "happened", "columns": ["value"], "inclusive": inclusive,
                               "knowledge_time": "loaded" if bitemporal else None}
    joined = asof_join(left, right, **options)
    assert [None if pd.isna(value) else int(value) for value in joined["value"]] == expected
    assert joined[["row", "n", "key", "asked"]].equals(left)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'Asia/Tokyo'")
        connection.register("spine", left)
        connection.register("features", right)
        rows = asof_join_duckdb(connection, "spine", "features", **options).order("row").project("row, value").fetchall()
    assert rows == list(enumerate(expected))


def times(hours: list[int | None], unit: str, zone: str | None) -> pd.Series:
    """Hours as moments: the same ones whatever the zone they are told in."""
    column = pd.Series([at(hour) for hour in hours], dtype="datetime64[us]").dt.as_unit(unit)
    return column if zone is None else column.dt.tz_localize("UTC").dt.tz_convert(zone)


def test_what_is_a_nanosecond_later_is_not_taken_for_earlier() -> None:
    spine = pd.DataFrame({"asked": pd.Series([at(5)], dtype="datetime64[us]")})
    features = pd.DataFrame({"happened": pd.Series([pd.Timestamp(START + timedelta(hours=5)).as_unit("ns") + pd.Timedelta(1, "ns")]), "value": [1]})
    options: dict[str, Any] = {"by": [], "reference_time": "asked", "feature_time": "happened"}
    assert asof_join(spine, features, **options, inclusive=True)["value"].isna().all()
    features["happened"] -= pd.Timedelta(1, "ns")
    assert asof_join(spine, features, **options, inclusive=True)["value"].tolist() == [1]
    assert asof_join(spine, features, **options)["value"].isna().all()


def test_the_times_that_are_added_stay_as_they_were() -> None:
    seen = pd.Series([at(4), at(6)], dtype="datetime64[ms]").dt.tz_localize("Europe/Berlin")
    spine = pd.DataFrame({"asked": pd.Series([at(5)]).dt.tz_localize("UTC")}).set_axis(["a"])
    joined = asof_join(spine, pd.DataFrame({"seen": seen}).set_axis([3, 3]), by=[], reference_time="asked", feature_time="seen")
    assert joined["seen"].dtype == seen.dtype
    assert joined.loc["a", "seen"] == seen[0]


NAIVE, AWARE = pd.Series([at(1)]), pd.Series([at(1)]).dt.tz_localize("UTC")


@pytest.mark.parametrize(("spine", "features", "said"), [
    ({"asked": NAIVE, "key": ["a"]}, {"happened": AWARE, "key": ["a"]}, "some times have a time zone and others none"),
    ({"asked": AWARE, "key": ["a"]}, {"happened": AWARE, "loaded": NAIVE, "key": ["a"]}, "some times have a time zone and others none"),
    ({"asked": NAIVE, "key": ["a"]}, {"happened": ["2026-03-01"], "key": ["a"]}, "happened of the features is .*, not a time"),
    ({"asked": [3], "key": ["a"]}, {"happened": NAIVE, "key": ["a"]}, "asked of the spine is .*, not a time"),
])
def test_times_that_nobody_can_compare_are_refused_by_both(spine: dict[str, Any], features: dict[str, Any], said: str) -> None:
    left, right = pd.DataFrame(spine), pd.DataFrame(features)
    options: dict[str, Any] = {"by": ["key"], "reference_time": "asked", "feature_time": "happened", "columns": [],
                               "knowledge_time": "loaded" if "loaded" in features else None}
    with pytest.raises(AsofError, match=said) as refused:
        asof_join(left, right, **options)
    assert refused.value.code == "invalid-argument"
    with duckdb.connect() as connection, pytest.raises(AsofError, match=said):
        asof_join_duckdb(connection, connection.from_df(left), connection.from_df(right), **options)


def test_keys_of_two_types_and_values_without_equality_are_refused() -> None:
    options: dict[str, Any] = {"by": ["key"], "reference_time": "asked", "feature_time": "happened"}
    with pytest.raises(AsofError, match="key key is int64 in the spine"):
        asof_join(pd.DataFrame({"key": [1], "asked": NAIVE}), pd.DataFrame({"key": ["1"], "happened": NAIVE, "value": [1]}), **options)
    with pytest.raises(AsofError, match="cannot be compared"):
        asof_join(pd.DataFrame({"key": [1], "asked": NAIVE}), pd.DataFrame({"key": [1], "happened": NAIVE, "value": [[1]]}), **options)
