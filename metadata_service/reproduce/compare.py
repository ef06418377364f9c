"""Whether a rebuilt table is the one that was recorded, and how exactly.

bit: the same values in the same order. row-set: the same rows (fp1). tolerance: the same rows, floats within a relative tolerance of the
retained original. schema: the same columns, logical types and row count.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ingest_hooks.fp1 import bit_digest, fingerprint

__all__ = ["LEVELS", "Comparison", "compare"]

LEVELS: Final = ("none", "schema", "tolerance", "row-set", "bit")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`reached` is the strongest level that holds; `ok` iff it is at least the one that was claimed."""

    claimed: str
    reached: str
    expected: str
    actual: str
    rows: int
    detail: str

    @property
    def ok(self) -> bool:
        return LEVELS.index(self.reached) >= LEVELS.index(self.claimed)


def compare(table: pa.Table, expected: Mapping[str, Any], claimed: str, tolerance: float | None, original: pa.Table | None) -> Comparison:
    """Compare a rebuilt table with a recorded fingerprint, and with the original rows where they are kept."""
    taken = fingerprint(table)
    same_schema = [list(column) for column in expected.get("columns") or ()] == [list(column) for column in taken.columns]
    if taken.sha256 == expected["sha256"]:
        bits = expected.get("bit")
        if bits is not None and bits == bit_digest(table):
            reached, detail = "bit", "the same values in the same order"
        else:
            reached, detail = "row-set", "the same rows" if bits is None else "the same rows in another order"
    elif claimed == "tolerance" and original is not None and same_schema and _close(table, original, tolerance or 0.0):
        reached, detail = "tolerance", f"the same rows, floats within {tolerance}"
    elif same_schema and taken.rows == expected["rows"]:
        reached, detail = "schema", f"the same schema and {taken.rows} rows, with other values"
    else:
        reached, detail = "none", f"{taken.rows} rows, recorded were {expected['rows']}" if same_schema else "another schema"
    return Comparison(claimed, reached, str(expected["sha256"]), taken.sha256, taken.rows, detail)


def _close(left: pa.Table, right: pa.Table, tolerance: float) -> bool:
    if left.num_rows != right.num_rows:
        return False
    names = sorted(left.schema.names)
    floats = [name for name in names if pa.types.is_floating(left.schema.field(name).type)]
    exact = [name for name in names if name not in floats]
    order = [(name, "ascending") for name in (*exact, *floats)]
    first, second = (table.select(names).sort_by(order) for table in (left, right))
    if fingerprint(first.select(exact)).sha256 != fingerprint(second.select(exact)).sha256:
        return False
    for name in floats:
        a, b = first.column(name), second.column(name)
        if not a.is_null().equals(b.is_null()):
            return False
        x, y = a.fill_null(0).to_numpy().astype(float), b.fill_null(0).to_numpy().astype(float)
        if not np.allclose(x, y, rtol=tolerance, atol=0.0, equal_nan=True):
            return False
    return True
