"""fp1 in plain Python, one value at a time: slow, and easy to compare with docs/fp1.md.

Values are plain: None, bool, int, float, str, bytes; a date is its days since 1970-01-01; a time, timestamp, timestamptz or duration is (microseconds,
nanoseconds 0..999); an interval is (months, days, nanoseconds); a decimal is its unscaled integer; a list is a list; a struct is a dict; a map is a list of
(key, value) pairs. Logical types are written as in docs/fp1.md.
"""
from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import xxhash

__all__ = ["reference_bit_digest", "reference_fingerprint"]

MASK = (1 << 64) - 1
LANE = 0x9E3779B97F4A7C15
TAGS = {"bool": 1, "int64": 2, "uint64": 3, "float64": 4, "date": 5, "time": 6, "timestamp": 7, "timestamptz": 8, "duration": 9, "interval": 10,
        "decimal": 11, "string": 12, "binary": 13, "list": 14, "struct": 15, "map": 16}
Columns = Mapping[str, tuple[str, Sequence[Any]]]


def reference_fingerprint(columns: Columns) -> tuple[int, str, str]:
    """(rows, sum, sha256) of columns name -> (logical type, values)."""
    names = sorted(columns, key=lambda name: name.encode())
    rows = len(columns[names[0]][1]) if names else 0
    hashes: list[int] = []
    for row in range(rows):
        first = second = 0
        for name in names:
            kind, values = columns[name]
            a, b = _cell(kind, values[row])
            key = xxhash.xxh3_128_intdigest(b"fp1:column" + struct.pack("<Q", len(name.encode())) + name.encode() + kind.encode())
            x, y = _mix(a ^ key & MASK), _mix(b ^ key >> 64)
            first += _mix(x + y & MASK)
            second += _mix(x + 2 * y + LANE & MASK)
        upper = _mix(first & MASK)
        lower = _mix(second + upper & MASK)
        hashes.append(upper << 64 | lower)
    body = b"".join(value.to_bytes(16, "big") for value in sorted(hashes))
    evidence = hashlib.sha256(b"lineproof fp1\n" + _header(columns, names, rows) + body).hexdigest()
    return rows, f"{sum(hashes) & (1 << 128) - 1:032x}", evidence


def reference_bit_digest(columns: Columns) -> str:
    """SHA-256 of the canonical bytes of columns name -> (logical type, values)."""
    names = sorted(columns, key=lambda name: name.encode())
    rows = len(columns[names[0]][1]) if names else 0
    body = b"".join(_canonical(columns[name][0], value) for name in names for value in columns[name][1])
    return hashlib.sha256(b"lineproof fp1 bit\n" + _header(columns, names, rows) + body).hexdigest()


def _header(columns: Columns, names: Sequence[str], rows: int) -> bytes:
    header = struct.pack("<QI", rows, len(names))
    for name in names:
        for text in (name, columns[name][0]):
            header += struct.pack("<I", len(text.encode())) + text.encode()
    return header


def _mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def _cell(kind: str, value: Any) -> tuple[int, int]:
    if value is None:
        return 0, 1 << 63
    if kind in ("bool", "int64", "uint64", "date"):
        return int(value) & MASK, TAGS[kind]
    if kind == "float64":
        return struct.unpack("<Q", _float(value))[0], TAGS[kind]
    if kind in ("time", "timestamp", "timestamptz", "duration"):
        return value[0] & MASK, value[1] << 8 | TAGS[kind]
    if kind.startswith("decimal(") and -(1 << 127) < value < 1 << 127:
        return value & MASK, value >> 64 & MASK
    if kind == "string":
        digest = xxhash.xxh3_128_intdigest(value.encode())
    elif kind == "binary":
        digest = xxhash.xxh3_128_intdigest(value)
    else:
        digest = xxhash.xxh3_128_intdigest(_canonical(kind, value))
    return digest & MASK, digest >> 64


def _float(value: float) -> bytes:
    return struct.pack("<Q", 0x7FF8000000000000) if math.isnan(value) else struct.pack("<d", value if value != 0 else 0.0)


def _canonical(kind: str, value: Any) -> bytes:
    if value is None or kind == "null":
        return b"\0"
    name = kind.split("(")[0].split("<")[0]
    tag = bytes([TAGS[name]])
    if name == "bool":
        return tag + bytes([int(value)])
    if name in ("int64", "date"):
        return tag + struct.pack("<q", value)
    if name == "uint64":
        return tag + struct.pack("<Q", value)
    if name == "float64":
        return tag + _float(value)
    if name in ("time", "timestamp", "timestamptz", "duration"):
        return tag + struct.pack("<qH", *value)
    if name == "interval":
        return tag + struct.pack("<iiq", *value)
    if name == "decimal":
        return tag + int(value).to_bytes(32, "little", signed=True)
    if name in ("string", "binary"):
        raw: bytes = value.encode() if name == "string" else value
        return tag + struct.pack("<Q", len(raw)) + raw
    parameters = _parameters(kind)
    if name == "list":
        return tag + struct.pack("<Q", len(value)) + b"".join(_canonical(parameters[0], item) for item in value)
    if name == "map":
        pairs = sorted(_canonical(parameters[0], key) + _canonical(parameters[1], item) for key, item in value)
        return tag + struct.pack("<Q", len(pairs)) + b"".join(pairs)
    fields = [_field(parameter) for parameter in parameters]
    return tag + b"".join(_canonical(inner, value[field]) for field, inner in fields)


def _parameters(kind: str) -> list[str]:
    """The comma-separated parts between the outermost brackets; commas inside brackets or quoted names do not count."""
    inner = kind[kind.index("<") + 1:-1]
    parts: list[str] = []
    depth = start = 0
    quoted = escaped = False
    for index, char in enumerate(inner):
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "<(":
            depth += 1
        elif char in ">)":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(inner[start:index])
            start = index + 1
    return [*parts, inner[start:]] if inner else []


def _field(parameter: str) -> tuple[str, str]:
    name, end = json.JSONDecoder().raw_decode(parameter)
    return name, parameter[end + 1:]
