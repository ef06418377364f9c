"""Arrow columns as fp1 cells (a, b) and as canonical bytes (docs/fp1.md, "Cells" and "Canonical bytes")."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from ingest_hooks.fp1.errors import FingerprintError
from ingest_hooks.fp1.mix import U64

__all__ = ["Cells", "canonical_bytes", "cells"]

TAGS: Final = {"bool": 1, "int64": 2, "uint64": 3, "float64": 4, "date": 5, "time": 6, "timestamp": 7, "timestamptz": 8, "duration": 9,
               "interval": 10, "decimal": 11, "string": 12, "binary": 13, "list": 14, "struct": 15, "map": 16}
NAN_BITS: Final = np.uint64(0x7FF8000000000000)
NANOSECOND_SHIFT: Final = 8  # the nanoseconds below a microsecond stand above the tag in b
_PER_UNIT: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True)
class Cells:
    """One column: two 64-bit halves per row (`b` may be one number for all), and where it is null."""

    a: U64
    b: U64 | int
    nulls: npt.NDArray[np.bool_] | None


def cells(array: pa.Array) -> Cells:
    """The cells of a column. Dictionaries are hashed once per distinct value."""
    array = _plain(array)
    kind = array.type
    nulls = _nulls(array)
    fixed = _fixed(array)
    if fixed is not None:
        return Cells(fixed[0], _b(fixed[1], fixed[2]), nulls)
    if pa.types.is_null(kind):
        return Cells(np.zeros(len(array), dtype=np.uint64), 0, np.ones(len(array), dtype=np.bool_))
    if pa.types.is_decimal(kind):
        return _decimal_cells(array, nulls)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        encoded = array.dictionary_encode()
        low, high = _hashes(_slices(encoded.dictionary))
        indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        if len(low) == 0:  # only nulls
            return Cells(np.zeros(len(array), dtype=np.uint64), 0, nulls)
        return Cells(low[indices], high[indices], nulls)
    low, high = _hashes(canonical_bytes(array))
    return Cells(low, high, nulls)


def canonical_bytes(array: pa.Array) -> list[bytes]:
    """The canonical bytes of every value, nested values included; a null is one zero byte."""
    array = _plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return [b"\0"] * len(array)
    values = _encoded(array)
    nulls = _nulls(array)
    if nulls is not None:
        for index in np.flatnonzero(nulls):
            values[index] = b"\0"
    return values


def _encoded(array: pa.Array) -> list[bytes]:
    kind = array.type
    fixed = _fixed(array)
    if fixed is not None:
        a, tag, rest = fixed
        head, raw = bytes([tag]), a.astype("<u8").tobytes()
        if tag == TAGS["bool"]:
            return [head + raw[at:at + 1] for at in range(0, len(raw), 8)]
        if TAGS["time"] <= tag <= TAGS["duration"]:
            small = (rest if rest is not None else np.zeros(len(a), dtype=np.uint64)).astype("<u2").tobytes()
            return [head + raw[8 * at:8 * at + 8] + small[2 * at:2 * at + 2] for at in range(len(a))]
        return [head + raw[at:at + 8] for at in range(0, len(raw), 8)]
    if pa.types.is_decimal(kind):
        width = kind.byte_width
        raw = bytes(_values(array, width))
        return [b"\x0b" + int.from_bytes(raw[at:at + width], "little", signed=True).to_bytes(32, "little", signed=True) for at in range(0, len(raw), width)]
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        head = bytes([TAGS["string" if pa.types.is_large_string(kind) else "binary"]])
        return [head + len(value).to_bytes(8, "little") + value for value in _slices(array)]
    if pa.types.is_interval(kind):
        raw = bytes(_values(array, 16))
        return [b"\x0a" + raw[at:at + 16] for at in range(0, len(raw), 16)]
    if pa.types.is_struct(kind):
        order = sorted(range(kind.num_fields), key=lambda number: kind.field(number).name.encode())
        children = [_field(array, number) for number in order]
        return [b"\x0f" + b"".join(parts) for parts in zip(*children, strict=True)] if children else [b"\x0f"] * len(array)
    if pa.types.is_map(kind):
        entries = array.values
        pairs = [key + item for key, item in zip(_field(entries, 0), _field(entries, 1), strict=True)]
        return [b"\x10" + (stop - start).to_bytes(8, "little") + b"".join(sorted(pairs[start:stop])) for start, stop in _list_bounds(array, len(pairs))]
    if pa.types.is_large_list(kind):
        inner = canonical_bytes(array.values)
        return [b"\x0e" + (stop - start).to_bytes(8, "little") + b"".join(inner[start:stop]) for start, stop in _list_bounds(array, len(inner))]
    raise FingerprintError(f"fp1 has no encoding for the type {kind}")


def _field(array: pa.Array, number: int) -> list[bytes]:
    """Canonical bytes of a struct's field, one for each row. Casts and slices leave fields of type null with any length."""
    if pa.types.is_null(array.type.field(number).type):
        return [b"\0"] * len(array)
    return canonical_bytes(array.field(number))


def _list_bounds(array: pa.Array, length: int) -> list[tuple[int, int]]:
    offsets = array.offsets.to_pylist()
    return [(start or 0, min(stop or 0, length)) for start, stop in pairwise(offsets)]


def _plain(array: pa.Array) -> pa.Array:
    """The same values without dictionary, run ends, extension or view, with 64-bit offsets."""
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(array))
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.large_binary())
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return array.cast(pa.large_list(kind.value_field))
    if pa.types.is_decimal(kind) and kind.byte_width < 16:
        return array.cast(pa.decimal128(kind.precision, kind.scale))
    return array


def _nulls(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    if array.null_count == 0:
        return None
    found: npt.NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
    return found


def _fixed(array: pa.Array) -> tuple[U64, int, U64 | None] | None:
    """(64-bit values, tag, nanoseconds below a microsecond or None) of types that fit; values under nulls are arbitrary."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return _numbers(array.cast(pa.uint8())).astype(np.uint64), TAGS["bool"], None
    if pa.types.is_uint64(kind):
        return _numbers(array), TAGS["uint64"], None
    if pa.types.is_integer(kind):
        return _numbers(array.cast(pa.int64())).view(np.uint64), TAGS["int64"], None
    if pa.types.is_floating(kind):
        values = _numbers(array.cast(pa.float64())) + 0.0  # -0.0 + 0.0 is 0.0
        bits = values.view(np.uint64)
        bits[np.isnan(values)] = NAN_BITS
        return bits, TAGS["float64"], None
    if pa.types.is_date(kind):
        days = _numbers(array).astype(np.int64)
        return (days if pa.types.is_date32(kind) else days // 86_400_000).view(np.uint64), TAGS["date"], None
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return _instants(array)
    return None


def _instants(array: pa.Array) -> tuple[U64, int, U64 | None]:
    kind = array.type
    name = "time" if pa.types.is_time(kind) else "duration" if pa.types.is_duration(kind) else "timestamp" if kind.tz is None else "timestamptz"
    values = _numbers(array).astype(np.int64)
    if kind.unit == "ns":
        micros = values // 1000
        rest = (values - micros * 1000).view(np.uint64)
        return micros.view(np.uint64), TAGS[name], rest if rest.any() else None
    factor = _PER_UNIT[kind.unit]
    if factor > 1 and len(values):
        limit = (2**63 - 1) // factor
        valid = values if array.null_count == 0 else values[array.is_valid().to_numpy(zero_copy_only=False)]
        if len(valid) and (valid.max() > limit or valid.min() < -limit):
            raise FingerprintError(f"a {kind} value lies beyond what 64-bit microseconds hold")
    return (values * factor).view(np.uint64), TAGS[name], None


def _b(tag: int, rest: U64 | None) -> U64 | int:
    return tag if rest is None else (rest << np.uint64(NANOSECOND_SHIFT)) | np.uint64(tag)


def _decimal_cells(array: pa.Array, nulls: npt.NDArray[np.bool_] | None) -> Cells:
    if array.type.byte_width == 16:
        halves = np.frombuffer(_values(array, 16), dtype="<u8").reshape(-1, 2)
        return Cells(halves[:, 0].copy(), halves[:, 1].copy(), nulls)
    raw = _values(array, 32)
    a, b = np.zeros(len(array), dtype=np.uint64), np.zeros(len(array), dtype=np.uint64)
    for row in range(len(array)):
        value = int.from_bytes(raw[32 * row:32 * row + 32], "little", signed=True)
        fits = -(1 << 127) < value < 1 << 127
        pair = value & (1 << 128) - 1 if fits else xxhash.xxh3_128_intdigest(b"\x0b" + value.to_bytes(32, "little", signed=True))
        a[row], b[row] = pair & (1 << 64) - 1, pair >> 64
    return Cells(a, b, nulls)


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    width = array.type.bit_width // 8
    kind = array.type
    dtype = "f8" if pa.types.is_float64(kind) else "u8" if pa.types.is_uint64(kind) else "u1" if pa.types.is_uint8(kind) else f"i{width}"
    return np.frombuffer(_values(array, width), dtype="<" + dtype)


def _values(array: pa.Array, width: int) -> memoryview:
    """The value buffer of the rows of a fixed-width array."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return memoryview(bytes(width * len(array)))
    return memoryview(buffer)[array.offset * width:(array.offset + len(array)) * width]


def _slices(array: pa.Array) -> list[bytes]:
    if len(array) == 0:
        return []
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, dtype="<i8")[array.offset:array.offset + len(array) + 1]
    first = int(bounds[0])
    raw = memoryview(data)[first:int(bounds[-1])].tobytes() if data is not None else b""
    edges = (bounds - first).tolist()
    return [raw[start:stop] for start, stop in pairwise(edges)]


def _hashes(values: Sequence[bytes]) -> tuple[U64, U64]:
    """(low, high) 64 bits of XXH3-128 of each value."""
    digest = xxhash.xxh3_128_digest
    halves = np.frombuffer(b"".join([digest(value) for value in values]), dtype=">u8").reshape(-1, 2)
    return halves[:, 1].astype(np.uint64), halves[:, 0].astype(np.uint64)
