from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Context, Decimal
from importlib.resources import files
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_hooks.fp1 import FingerprintError, bit_digest, fingerprint, fingerprint_query, logical_type, merge_sums
from ingest_hooks.fp1.reference import reference_bit_digest, reference_fingerprint

_WIDE = Context(prec=80)
INT64 = st.integers(-(2**63), 2**63 - 1)
Pair = tuple[Any, Any]  # (value for the reference, value for Arrow)


def same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    return values.map(lambda value: (value, value))


def instants(unit: str) -> st.SearchStrategy[Pair]:
    if unit == "ns":
        return INT64.map(lambda nanos: ((nanos // 1000, nanos % 1000), nanos))
    factor = {"s": 1_000_000, "ms": 1000, "us": 1}[unit]
    return st.integers(-(2**63) // factor + 1, (2**63 - 1) // factor).map(lambda value: ((value * factor, 0), value))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Pair]:
    limit = 10**precision - 1
    return st.integers(-limit, limit).map(lambda unscaled: (unscaled, Decimal(unscaled).scaleb(-scale, context=_WIDE)))


SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Pair]]] = [
    (pa.bool_(), same(st.booleans())),
    (pa.int64(), same(INT64)),
    (pa.int8(), same(st.integers(-128, 127))),
    (pa.uint32(), same(st.integers(0, 2**32 - 1))),
    (pa.uint64(), same(st.integers(0, 2**64 - 1))),
    (pa.float64(), same(st.floats() | st.sampled_from([0.0, -0.0, float("nan")]))),
    (pa.float32(), same(st.floats(width=32))),
    (pa.string(), same(st.text(max_size=20))),
    (pa.large_string(), same(st.text(max_size=5))),
    (pa.string_view(), same(st.text(max_size=20))),
    (pa.dictionary(pa.int32(), pa.string()), same(st.sampled_from(["", "a", "é", "a\0b"]))),
    (pa.binary(), same(st.binary(max_size=20))),
    (pa.binary(3), same(st.binary(min_size=3, max_size=3))),
    (pa.decimal128(20, 3), decimals(20, 3)),
    (pa.decimal128(38, 0), decimals(38, 0)),
    (pa.decimal256(76, 2), decimals(76, 2)),
    (pa.date32(), same(st.integers(-(2**31), 2**31 - 1))),
    (pa.time64("us"), st.integers(0, 86_399_999_999).map(lambda value: ((value, 0), value))),
    (pa.time64("ns"), st.integers(0, 86_399_999_999_999).map(lambda value: ((value // 1000, value % 1000), value))),
    *((pa.timestamp(unit), instants(unit)) for unit in ("s", "ms", "us", "ns")),
    (pa.timestamp("us", tz="America/New_York"), instants("us")),
    (pa.duration("ms"), instants("ms")),
    (pa.month_day_nano_interval(), st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(-10**12, 10**12)).map(lambda value: (value, value))),
    (pa.null(), same(st.none())),
]


def nullable(values: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return st.just((None, None)) | values


def lists(inner: tuple[pa.DataType, st.SearchStrategy[Pair]]) -> tuple[pa.DataType, st.SearchStrategy[Pair]]:
    return pa.list_(inner[0]), st.lists(nullable(inner[1]), max_size=3).map(lambda pairs: ([left for left, _ in pairs], [right for _, right in pairs]))


def structs(inner: tuple[pa.DataType, st.SearchStrategy[Pair]]) -> tuple[pa.DataType, st.SearchStrategy[Pair]]:
    names = ("z", 'a,"<b')
    kind = pa.struct([(names[0], inner[0]), (names[1], pa.int16())])
    return kind, st.tuples(nullable(inner[1]), st.integers(-5, 5)).map(
        lambda pair: ({names[0]: pair[0][0], names[1]: pair[1]}, {names[0]: pair[0][1], names[1]: pair[1]}))


def maps(inner: tuple[pa.DataType, st.SearchStrategy[Pair]]) -> tuple[pa.DataType, st.SearchStrategy[Pair]]:
    kind = pa.map_(pa.string(), inner[0])
    return kind, st.dictionaries(st.text(max_size=3), nullable(inner[1]), max_size=3).map(
        lambda found: ([(key, left) for key, (left, _) in found.items()], [(key, right) for key, (_, right) in found.items()]))


def times(zone: tzinfo | None) -> st.SearchStrategy[Pair]:
    return st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(zone)).map(
        lambda value: (((value - datetime(1970, 1, 1, tzinfo=zone and UTC)) // timedelta(microseconds=1), 0), value))


# Arrow refuses instants as plain integers below a nested type, so nesting has its own
NESTED_TIMES: list[tuple[pa.DataType, st.SearchStrategy[Pair]]] = [
    (pa.timestamp("us"), times(None)),
    (pa.timestamp("us", tz="Asia/Kathmandu"), times(UTC)),
    (pa.date32(), st.dates().map(lambda value: (value.toordinal() - date(1970, 1, 1).toordinal(), value))),
]
NESTABLE = [entry for entry in SCALARS if not pa.types.is_temporal(entry[0]) and not pa.types.is_dictionary(entry[0])] + NESTED_TIMES
kinds = st.sampled_from(SCALARS) | st.recursive(
    st.sampled_from(NESTABLE), lambda inner: inner.map(lists) | inner.map(structs) | inner.map(maps), max_leaves=3)


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, tuple[str, list[Any]]], pa.Table]:
    rows = draw(st.integers(0, 6))
    columns: dict[str, tuple[str, list[Any]]] = {}
    arrays: dict[str, pa.Array] = {}
    for name in draw(st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True)):
        kind, values = draw(kinds)
        pairs = draw(st.lists(nullable(values), min_size=rows, max_size=rows))
        columns[name] = (logical_type(kind), [left for left, _ in pairs])
        arrays[name] = pa.array([right for _, right in pairs], type=kind)
    return columns, pa.table(arrays)


@given(tables())
@settings(max_examples=300, deadline=None)
def test_arrow_and_the_reference_agree(pair: tuple[dict[str, tuple[str, list[Any]]], pa.Table]) -> None:
    columns, table = pair
    found = fingerprint(table)
    assert (found.rows, found.sum, found.sha256) == reference_fingerprint(columns)
    assert bit_digest(table) == reference_bit_digest(columns)


@given(tables(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_row_order_column_order_and_chunking_do_not_matter(pair: tuple[dict[str, tuple[str, list[Any]]], pa.Table], random: Any) -> None:
    _, table = pair
    order = list(range(table.num_rows))
    random.shuffle(order)
    moved = pa.concat_tables([table.slice(row, 1) for row in order] or [table]).select(table.column_names[::-1])
    assert fingerprint(moved) == fingerprint(table)
    assert fingerprint(pa.RecordBatchReader.from_batches(moved.schema, moved.to_batches())) == fingerprint(table)


@given(tables(), st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_sums_of_partitions_add_up(pair: tuple[dict[str, tuple[str, list[Any]]], pa.Table], cut: int) -> None:
    _, table = pair
    assert merge_sums([fingerprint(table.slice(0, cut)).sum, fingerprint(table.slice(cut)).sum]) == fingerprint(table).sum


def one(values: list[Any], kind: pa.DataType, name: str = "c") -> str:
    return fingerprint(pa.table({name: pa.array(values, type=kind)})).sha256


@pytest.mark.parametrize(("left", "right"), [
    ((["a", None], pa.string()), (["a", ""], pa.string())),
    (([None], pa.float64()), ([float("nan")], pa.float64())),
    (([1], pa.int64()), ([1.0], pa.float64())),
    (([1], pa.int64()), ([1], pa.uint64())),
    (([1], pa.timestamp("us")), ([1], pa.timestamp("us", tz="UTC"))),
    (([1000], pa.timestamp("ns")), ([1001], pa.timestamp("ns"))),
    (([Decimal("1.0")], pa.decimal128(5, 1)), ([Decimal("1.00")], pa.decimal128(5, 2))),
    (([1, 1, 2], pa.int64()), ([1, 2, 2], pa.int64())),
    (([1, 1], pa.int64()), ([1], pa.int64())),
    ((["x"], pa.string()), ([b"x"], pa.binary())),
    (([["a", "b"]], pa.list_(pa.string())), ([["ab"]], pa.list_(pa.string()))),
    (([[None]], pa.list_(pa.string())), ([[]], pa.list_(pa.string()))),
])
def test_different_rows_differ(left: tuple[list[Any], pa.DataType], right: tuple[list[Any], pa.DataType]) -> None:
    assert one(*left) != one(*right)


@pytest.mark.parametrize(("left", "right"), [
    (([1, None], pa.int8()), ([1, None], pa.int64())),
    (([0.0], pa.float64()), ([-0.0], pa.float64())),
    (([1.5], pa.float32()), ([1.5], pa.float64())),
    (([1], pa.timestamp("ms", tz="UTC")), ([1_000_000], pa.timestamp("ns", tz="Asia/Tokyo"))),
    ((["a", "b", "a"], pa.string()), (["b", "a", "a"], pa.dictionary(pa.int8(), pa.string()))),
    (([Decimal("1.5")], pa.decimal128(5, 1)), ([Decimal("1.5")], pa.decimal256(50, 1))),
    (([86_400_000], pa.date64()), ([1], pa.date32())),
    (([[("b", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())), ([[("a", 2), ("b", 1)]], pa.map_(pa.string(), pa.int64()))),
])
def test_the_same_rows_in_other_storage_agree(left: tuple[list[Any], pa.DataType], right: tuple[list[Any], pa.DataType]) -> None:
    assert one(*left) == one(*right)


NESTED_NULLS: list[tuple[pa.DataType, list[Any]]] = [
    (pa.list_(pa.map_(pa.string(), pa.null())), [[[("", None), ("0", None)]], None, [[], None]]),
    (pa.struct([("a", pa.null()), ("b", pa.int8())]), [{"a": None, "b": 1}, None, {"a": None, "b": 2}]),
]


@pytest.mark.parametrize(("kind", "rows"), NESTED_NULLS)
def test_slices_of_nested_nulls(kind: pa.DataType, rows: list[Any]) -> None:
    table = pa.table({"c": pa.array(rows, type=kind)})
    moved = pa.concat_tables([table.slice(2, 1), table.slice(0, 1), table.slice(1, 1)])
    assert fingerprint(moved) == fingerprint(table)


def test_nan_payloads_are_one_nan() -> None:
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    assert fingerprint(pa.table({"c": odd})) == fingerprint(pa.table({"c": [float("nan"), float("nan")]}))


def test_swapping_two_columns_of_one_type_is_seen() -> None:
    left = fingerprint(pa.table({"a": [1, 2], "b": [3, 4]}))
    right = fingerprint(pa.table({"a": [3, 4], "b": [1, 2]}))
    assert left.sha256 != right.sha256
    assert left.sum != right.sum


def test_bit_level_sees_the_order_of_rows() -> None:
    assert bit_digest(pa.table({"a": [1, 2]})) != bit_digest(pa.table({"a": [2, 1]}))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(FingerprintError, match="share a name: a"):
        fingerprint(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))


def test_instants_beyond_microseconds_are_refused() -> None:
    with pytest.raises(FingerprintError, match="beyond"):
        fingerprint(pa.table({"a": pa.array([2**62], pa.timestamp("s"))}))


def test_a_duckdb_query_and_the_same_table_in_arrow_agree() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t as select range::integer as id, 'n' || (range % 7) as name, range / 3 as part, "
                           "case when range % 5 > 0 then timestamptz '2013-01-01 00:00:00+00' + to_hours(range::integer) end as seen from range(5000)")
        found = fingerprint_query(connection, "select * from t order by name")
        assert found == fingerprint(connection.sql("select seen, part, name, id::bigint as id from t").to_arrow_table())
    assert (found.rows, dict(found.columns)) == (5000, {"id": "int64", "name": "string", "part": "float64", "seen": "timestamptz"})


@pytest.mark.parametrize("value", ["'10:00:00+02'::timetz", "1::uhugeint", "['10:00:00+02'::timetz]", "{'a': 1::uhugeint}", "map {1: '10:00:00+02'::timetz}",
                                   "['10:00:00+02'::timetz]::timetz[1]"])
def test_what_duckdb_would_hand_over_in_part_is_refused(value: str) -> None:
    with duckdb.connect() as connection, pytest.raises(FingerprintError, match="cast it"):
        fingerprint_query(connection, f"select {value} as v")


@pytest.mark.parametrize(("left", "right", "same"), [
    ("170141183460469231731687303715884105727::hugeint", "170141183460469231731687303715884105726::hugeint", False),
    ("-1::hugeint", "-1::decimal(38, 0)", True), ("'a'::enum('a', 'b')", "'a'::enum('b', 'a')", True), ("[1, 2]::int[2]", "[1, 2]", True),
    ("'infinity'::timestamp", "'-infinity'::timestamp", False), ("interval 1 month", "interval 30 days", False), ("'101'::bit", "'0101'::bit", False),
    ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", True), ("[null]::int[]", "[]::int[]", False), ("-0.0::float", "0.0::double", True),
    ("timestamp_ns '2026-01-01 00:00:00.000000001'", "timestamp '2026-01-01'", False), ("timestamp_s '2026-01-01'", "timestamp '2026-01-01'", True)])
def test_duckdb_types_are_told_apart_by_their_values_only(left: str, right: str, same: bool) -> None:
    with duckdb.connect() as connection:
        one, two = (fingerprint_query(connection, f"select {value} as v") for value in (left, right))
    assert (one.sha256 == two.sha256) is same


MODERN = st.integers(-(2**55), 2**55)  # µs within some 1,100 years of 1970: beyond, DuckDB has infinity and limits of its own
IN_DUCKDB: list[tuple[pa.DataType, st.SearchStrategy[Pair]]] = [
    *(entry for entry in SCALARS if entry[0] in (pa.bool_(), pa.int64(), pa.int8(), pa.uint32(), pa.uint64(), pa.float64(), pa.float32(), pa.string(),
                                                 pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.binary(),
                                                 pa.decimal128(20, 3), pa.decimal128(38, 0), pa.time64("us"))),
    (pa.date32(), same(st.integers(-400_000, 400_000))),
    (pa.timestamp("us"), MODERN.map(lambda value: ((value, 0), value))),
    (pa.timestamp("us", tz="America/New_York"), MODERN.map(lambda value: ((value, 0), value))),
]
NESTABLE_IN_DUCKDB = [entry for entry in IN_DUCKDB if not pa.types.is_temporal(entry[0]) and not pa.types.is_dictionary(entry[0])] + NESTED_TIMES
kinds_in_duckdb = st.sampled_from(IN_DUCKDB) | st.recursive(
    st.sampled_from(NESTABLE_IN_DUCKDB), lambda inner: inner.map(lists) | inner.map(structs) | inner.map(maps), max_leaves=3)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_table_kept_in_duckdb_and_the_reference_agree(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 5))
    columns: dict[str, tuple[str, list[Any]]] = {}
    arrays: dict[str, pa.Array] = {}
    for number in range(data.draw(st.integers(1, 3))):
        kind, values = data.draw(kinds_in_duckdb)
        pairs = data.draw(st.lists(nullable(values), min_size=rows, max_size=rows))
        pairs += pairs[:1]  # a row that stands twice
        columns[f"c{number}"] = (logical_type(kind), [left for left, _ in pairs])
        arrays[f"c{number}"] = pa.array([right for _, right in pairs], type=kind)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'Asia/Kathmandu'")
        connection.register("given", pa.table(arrays))
        connection.execute("create table kept as select * from given")
        found = fingerprint_query(connection, "select * from kept order by random()")
    assert (found.rows, found.sum, found.sha256) == reference_fingerprint(columns)


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(files("lineproof_schema").joinpath("vectors/fp1.json").read_text())["vectors"]
    return found


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["name"]))
def test_committed_vectors(vector: dict[str, Any]) -> None:
    columns = {column["name"]: (column["type"], [_plain(column["type"], value) for value in column["values"]]) for column in vector["columns"]}
    assert reference_fingerprint(columns) == (vector["rows"], vector["sum"], vector["sha256"])
    assert reference_bit_digest(columns) == vector["bit"]


def _plain(kind: str, value: Any) -> Any:
    """Vectors write NaN, infinities and wide integers as text, bytes as hex, pairs as lists."""
    if value is None:
        return None
    if kind == "float64":
        return float(value)
    if kind == "binary":
        return bytes.fromhex(value)
    if kind in ("int64", "uint64", "date") or kind.startswith("decimal"):
        return int(value)
    if kind in ("time", "timestamp", "timestamptz", "duration", "interval"):
        return tuple(int(part) for part in value)
    if kind.startswith("map"):
        return [tuple(pair) for pair in value]
    return value
