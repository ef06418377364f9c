"""Logical types of fp1: what a column means, not how it is stored (docs/fp1.md, "Logical types")."""
from __future__ import annotations

import json

import pyarrow as pa

from ingest_hooks.fp1.errors import FingerprintError

__all__ = ["logical_type", "storage"]


def storage(kind: pa.DataType) -> pa.DataType:
    """The type below dictionaries, run ends and extensions."""
    while True:
        if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind


def logical_type(kind: pa.DataType) -> str:
    """The name of the logical type.

    Raises:
        FingerprintError: fp1 does not know the type.
    """
    kind = storage(kind)
    simple = _simple(kind)
    if simple is not None:
        return simple
    if pa.types.is_decimal(kind):
        return f"decimal({kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz is not None else "timestamp"
    if pa.types.is_map(kind):
        return f"map<{logical_type(kind.key_type)},{logical_type(kind.item_type)}>"
    if _is_list(kind):
        return f"list<{logical_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        fields = sorted(((field.name, logical_type(field.type)) for field in kind), key=lambda item: item[0].encode())
        if len({name for name, _ in fields}) != len(fields):
            raise FingerprintError(f"struct with two fields of one name: {kind}")
        return "struct<" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{inner}" for name, inner in fields) + ">"
    raise FingerprintError(f"fp1 has no encoding for the type {kind}")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_list_view(kind)
                or pa.types.is_large_list_view(kind))


def _simple(kind: pa.DataType) -> str | None:
    t = pa.types
    rules = ((t.is_null, "null"), (t.is_boolean, "bool"), (t.is_uint64, "uint64"), (t.is_integer, "int64"), (t.is_floating, "float64"),
             (t.is_string, "string"), (t.is_large_string, "string"), (t.is_string_view, "string"), (t.is_binary, "binary"),
             (t.is_large_binary, "binary"), (t.is_binary_view, "binary"), (t.is_fixed_size_binary, "binary"), (t.is_date, "date"),
             (t.is_time, "time"), (t.is_duration, "duration"), (t.is_interval, "interval"))
    return next((name for test, name in rules if test(kind)), None)
