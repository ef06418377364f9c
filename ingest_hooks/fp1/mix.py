"""The 64-bit mixing of fp1, on whole columns at once."""
from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import xxhash

__all__ = ["U64", "add_cells", "column_key", "finish"]

U64 = npt.NDArray[np.uint64]
MASK: Final = (1 << 64) - 1
NULL_B: Final = 1 << 63  # no 128-bit decimal and no tag has this as its upper half
LANE: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, as in SplitMix64
BLOCK: Final = 32_768  # rows worked on at once, so that three blocks stay in the processor's cache

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


def column_key(name: str, kind: str) -> tuple[int, int]:
    """(low, high) 64 bits of XXH3-128 over the column's name and logical type."""
    raw = name.encode()
    digest = xxhash.xxh3_128_intdigest(b"fp1:column" + len(raw).to_bytes(8, "little") + raw + kind.encode())
    return digest & MASK, digest >> 64


def mix_int(value: int) -> int:
    """The finalizer of SplitMix64 (Stafford's variant 13) on one number."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & MASK
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def add_cells(lanes: tuple[U64, U64], key: tuple[int, int], a: U64, b: U64 | int, nulls: npt.NDArray[np.bool_] | None) -> None:
    """Add one column's cells (a, b) to the row lanes in place. Where `nulls` is set, (0, NULL_B) counts instead."""
    low, high = np.uint64(key[0]), key[1]
    fixed = mix_int(b ^ high) if isinstance(b, int) else None
    null_x, null_y = mix_int(key[0]), mix_int(NULL_B ^ high)
    null_cell = (np.uint64(mix_int((null_x + null_y) & MASK)), np.uint64(mix_int((null_x + 2 * null_y + LANE) & MASK)))
    spare = np.empty(min(BLOCK, len(a)), dtype=np.uint64)
    for start in range(0, len(a), BLOCK):
        part = slice(start, min(start + BLOCK, len(a)))
        room = spare[:part.stop - part.start]
        x = a[part] ^ low
        _mix(x, room)
        if fixed is not None:
            first = x + np.uint64(fixed)
            second = x
            second += np.uint64((2 * fixed + LANE) & MASK)
        else:
            assert not isinstance(b, int)
            y = b[part] ^ np.uint64(high)
            _mix(y, room)
            first = x + y
            second = first + y
            second += np.uint64(LANE)
        _mix(first, room)
        _mix(second, room)
        if nulls is not None:
            gaps = nulls[part]
            first[gaps] = null_cell[0]
            second[gaps] = null_cell[1]
        lanes[0][part] += first
        lanes[1][part] += second


def finish(lanes: tuple[U64, U64]) -> None:
    """Turn row sums into row hashes in place: r0 = mix(R0), r1 = mix(R1 + r0)."""
    for start in range(0, len(lanes[0]), BLOCK):
        first, second = lanes[0][start:start + BLOCK], lanes[1][start:start + BLOCK]
        room = np.empty(len(first), dtype=np.uint64)
        _mix(first, room)
        second += first
        _mix(second, room)


def _mix(value: U64, room: U64) -> None:
    np.right_shift(value, _S30, out=room)
    np.bitwise_xor(value, room, out=value)
    np.multiply(value, _M1, out=value)
    np.right_shift(value, _S27, out=room)
    np.bitwise_xor(value, room, out=value)
    np.multiply(value, _M2, out=value)
    np.right_shift(value, _S31, out=room)
    np.bitwise_xor(value, room, out=value)
