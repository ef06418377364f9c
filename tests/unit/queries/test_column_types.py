"""Types compared by what they hold: the same in other words, wider, or another."""
from __future__ import annotations

import pytest

from metadata_service.queries.column_types import Fit, fit, spelled

SAME, WIDER, OTHER, UNKNOWN = Fit.SAME, Fit.WIDER, Fit.OTHER, Fit.UNKNOWN


@pytest.mark.parametrize(("before", "after", "found"), [
    ("INT", "integer", SAME), ("INT", "INT4", SAME), ("STRING", "text", SAME), ("VARCHAR", "TEXT", SAME), ("int64", "long", SAME),
    ("NUMBER(38,0)", "DECIMAL(38, 0)", SAME),
    ("INT", "BIGINT", WIDER), ("SMALLINT", "INT", WIDER), ("INT", "DECIMAL(12, 2)", WIDER), ("INT", "DOUBLE", WIDER), ("FLOAT", "DOUBLE", WIDER),
    ("UINT", "BIGINT", WIDER),
    ("BIGINT", "INT", OTHER), ("INT", "DECIMAL(10, 2)", OTHER), ("BIGINT", "DOUBLE", OTHER), ("DOUBLE", "FLOAT", OTHER), ("INT", "UBIGINT", OTHER),
    ("DOUBLE", "INT", OTHER),
    ("VARCHAR(10)", "VARCHAR(20)", WIDER), ("VARCHAR(10)", "TEXT", WIDER), ("CHAR(3)", "VARCHAR(3)", SAME), ("VARCHAR(20)", "VARCHAR(10)", OTHER),
    ("TEXT", "VARCHAR(9)", OTHER),
    ("DECIMAL(10,2)", "DECIMAL(12,2)", WIDER), ("DECIMAL(10,2)", "DECIMAL(12,4)", WIDER), ("DECIMAL(10,2)", "DECIMAL(10,4)", OTHER),
    ("DECIMAL(10,2)", "DECIMAL(8,2)", OTHER),
    ("DECIMAL(10,2)", "NUMERIC", WIDER), ("NUMERIC", "DECIMAL(10,2)", OTHER), ("DECIMAL(10)", "DECIMAL(10,0)", SAME),
    ("DECIMAL(10,2)", "DOUBLE", OTHER),
    ("INT", "VARCHAR", OTHER), ("VARCHAR", "INT", OTHER), ("BOOLEAN", "INT", OTHER), ("DATE", "TIMESTAMP", WIDER), ("TIMESTAMP", "DATE", OTHER),
    ("TIMESTAMP", "TIMESTAMPTZ", OTHER), ("timestamp with time zone", "TIMESTAMPTZ", SAME), ("TIMESTAMP(3)", "TIMESTAMP(6)", WIDER),
    ("TIMESTAMP(6)", "TIMESTAMP(3)", OTHER),
    ("INT[]", "ARRAY<INTEGER>", SAME), ("INT[]", "BIGINT[]", WIDER), ("INT[]", "TEXT[]", OTHER), ("INT[]", "INT", OTHER),
    ("MAP<TEXT, INT>", "MAP<TEXT, BIGINT>", WIDER),
    ("STRUCT<a INT, b TEXT>", "struct<b:string,a:int>", SAME), ("STRUCT<a INT>", "STRUCT<a INT, b TEXT>", WIDER),
    ("STRUCT<a INT, b TEXT>", "STRUCT<a INT>", OTHER),
    ("STRUCT<a STRUCT<x INT>>", "STRUCT<a STRUCT<x BIGINT>>", WIDER), ("STRUCT<a INT>", "STRUCT<a TEXT>", OTHER),
    ("STRUCT<a INT>[]", "STRUCT<b INT>[]", OTHER),
    ("ENUM('a', 'b')", "ENUM('a', 'b', 'c')", WIDER), ("ENUM('a', 'b')", "ENUM('a')", OTHER), ("my_type", "MY_TYPE", SAME),
    ("my_type", "other_type", UNKNOWN), ("UNION<a INT>", "UNION<a INT, b TEXT>", WIDER), ("UNION<a INT, b TEXT>", "UNION<a INT>", OTHER),
    ("RANGE<DATE>", "RANGE<INT>", OTHER), ("VECTOR(FLOAT, 3)", "VECTOR(FLOAT, 4)", UNKNOWN), ("GEOMETRY(POINT, 1)", "GEOMETRY(POINT, 2)", UNKNOWN),
    ("MAP<TEXT, UTINYINT>", "MAP<TEXT, TEXT>", UNKNOWN), ("STRUCT<a UTINYINT, b TEXT>", "STRUCT<a UTINYINT>", UNKNOWN),
    ("INT|TEXT", "TEXT|INT", SAME), ("INT", "INT|TEXT", WIDER), ("INT|TEXT", "INT", OTHER), ("bytes", "BLOB", SAME), ("integer", "number", WIDER),
    ("number", "integer", OTHER),
    ("timestamp[us, tz=UTC]", "TIMESTAMP WITH TIME ZONE", SAME), ("timestamp[ns]", "TIMESTAMP", SAME), ("datetime64[ns, UTC]", "TIMESTAMPTZ", SAME),
    ("timestamp[us]", "timestamp[us, tz=UTC]", OTHER), ("timestamp[3]", "TIMESTAMP[3]", SAME), ("date32[day]", "DATE", SAME), ("date64", "DATE", SAME),
    ("time64[us]", "TIME", SAME), ("decimal128(10, 2)", "DECIMAL(10, 2)", SAME), ("decimal128(10, 2)", "decimal256(40, 2)", WIDER),
    ("large_string", "VARCHAR", SAME), ("uint16", "uint32", WIDER), ("uint32", "INT", OTHER), ("fixed_size_binary[16]", "BINARY(16)", SAME),
    ("list<item: int64>", "BIGINT[]", SAME), ("list<element: list<element: int32>>", "list<element: list<element: int64>>", WIDER),
    ("", "INT", UNKNOWN), ("((", "INT", UNKNOWN)])
def test_what_a_change_of_type_means_to_readers(before: str, after: str, found: Fit) -> None:
    assert fit(before, after) is found


@pytest.mark.parametrize(("dialect", "one", "other"), [
    ("bigquery", "INT64", "INTEGER"), ("mysql", "int(11)", "INTEGER"), ("mysql", "BOOL", "tinyint(1)"), ("postgres", "serial", "int4"),
    ("postgres", "character varying(10)", "varchar(10)"),
    ("snowflake", "NUMBER", "NUMBER(38,0)"), ("snowflake", "TIMESTAMP_NTZ", "DATETIME"), ("duckdb", "STRUCT(a INT)", "STRUCT(a INT4)"),
    ("spark", "array<int>", "ARRAY<INTEGER>"),
    ("postgres", "timestamp without time zone", "timestamp"), ("trino", "row(a int)", "ROW(a INTEGER)")])
def test_types_of_a_dialect_have_one_spelling(dialect: str, one: str, other: str) -> None:
    assert fit(spelled(one, dialect), spelled(other, dialect)) is Fit.SAME


def test_the_same_word_means_another_type_in_another_dialect() -> None:
    assert fit(spelled("TIMESTAMP", "bigquery"), spelled("TIMESTAMP", "postgres")) is Fit.OTHER
    assert spelled("no type (((", "duckdb") == "no type ((("
