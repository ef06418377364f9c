"""The fp1 fingerprint of a table: same rows, same fingerprint, whoever wrote the file (docs/fp1.md)."""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from ingest_hooks.fp1.columns import canonical_bytes, cells
from ingest_hooks.fp1.errors import FingerprintError
from ingest_hooks.fp1.mix import U64, add_cells, column_key, finish
from ingest_hooks.fp1.types import logical_type

__all__ = ["Fingerprint", "bit_digest", "fingerprint", "fingerprint_query", "merge_sums"]

BATCH_ROWS: Final = 1 << 20  # rows of a stream taken together, so that repeated strings are hashed once
Source: TypeAlias = pa.Table | pa.RecordBatch | pa.RecordBatchReader


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What fp1 says of a table.

    `sum` (32 hex digits) is the sum of the row hashes modulo 2^128 and adds up over partitions; `sha256` is taken over schema, row count and
    sorted row hashes; `columns` are (name, logical type), sorted by name.
    """

    rows: int
    sum: str
    sha256: str
    columns: tuple[tuple[str, str], ...]

    def to_event(self) -> dict[str, Any]:
        """The `fingerprint` of a `lineproof.dataset-version.v1` event."""
        return {"algorithm": "fp1", "rows": self.rows, "sum": self.sum, "sha256": self.sha256, "columns": [list(column) for column in self.columns]}


def fingerprint(source: Source) -> Fingerprint:
    """The fingerprint of a table or stream. Row order, column order, chunking, file format and integer width do not matter.

    Memory: 16 bytes per row, and one batch of a stream.

    Raises:
        FingerprintError: two columns of one name, or a type fp1 has no encoding for.
    """
    columns = _columns(source.schema)
    parts: list[tuple[U64, U64]] = []
    for table in _tables(source):
        lanes = (np.zeros(table.num_rows, dtype=np.uint64), np.zeros(table.num_rows, dtype=np.uint64))
        for name, kind in columns:
            found = cells(_whole(table.column(name)))
            add_cells(lanes, column_key(name, kind), found.a, found.b, found.nulls)
        finish(lanes)
        parts.append(lanes)
    first = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
    second = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
    return Fingerprint(len(first), f"{_sum(first, second):032x}", _digest(columns, first, second), columns)


def fingerprint_query(connection: Any, query: str) -> Fingerprint:
    """The fingerprint of a query's result on a DuckDB connection, streamed.

    Raises:
        FingerprintError: as `fingerprint`, and for types that DuckDB cannot hand over whole.
    """
    relation = connection.sql(query)
    for name, kind in zip(relation.columns, relation.types, strict=True):
        _refuse_lossy(name, kind)
    reader = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader  # DuckDB < 2
    return fingerprint(reader(BATCH_ROWS))


def bit_digest(source: Source) -> str:
    """SHA-256 of the canonical bytes, column by column in name order, rows in the table's order: reproduction level `bit`."""
    columns = _columns(source.schema)
    table = source.read_all() if isinstance(source, pa.RecordBatchReader) else source
    digest = hashlib.sha256(b"lineproof fp1 bit\n" + _header(columns, table.num_rows))
    for name, _ in columns:
        column = table.column(name)
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else (column,):
            digest.update(b"".join(canonical_bytes(chunk)))
    return digest.hexdigest()


def merge_sums(sums: Iterable[str]) -> str:
    """The `sum` of a table from the sums of its partitions."""
    return f"{sum(int(part, 16) for part in sums) & (1 << 128) - 1:032x}"


def _refuse_lossy(name: str, kind: Any) -> None:
    """DuckDB's Arrow drops the zone of a `TIME WITH TIME ZONE`, and what of a `UHUGEINT` is beyond 127 bits: different rows would look alike."""
    if kind.id in ("time with time zone", "uhugeint"):
        raise FingerprintError(f"column {name} has a {kind}, which DuckDB cannot hand over whole: cast it")
    if kind.id in ("list", "array", "struct", "map", "union"):
        for _, inner in kind.children:
            if not isinstance(inner, int):  # the size of an array
                _refuse_lossy(name, inner)


def _columns(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    if len(set(schema.names)) != len(schema.names):
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        raise FingerprintError(f"columns that share a name: {', '.join(twice)}")
    return tuple(sorted(((field.name, logical_type(field.type)) for field in schema), key=lambda item: item[0].encode()))


def _tables(source: Source) -> Iterator[pa.Table]:
    if isinstance(source, pa.RecordBatch):
        yield pa.Table.from_batches([source])
    elif isinstance(source, pa.Table):
        yield source
    else:
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in source:
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= BATCH_ROWS:
                yield pa.Table.from_batches(waiting)
                waiting, rows = [], 0
        if waiting:
            yield pa.Table.from_batches(waiting)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        # 32-bit offsets would overflow on more than 2 GiB of text
        column = column.cast(pa.large_string() if pa.types.is_string(column.type) else pa.large_binary())
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    whole = column.combine_chunks()
    return whole if not isinstance(whole, pa.ChunkedArray) else pa.concat_arrays(whole.chunks)


def _sum(first: U64, second: U64) -> int:
    total = 0
    for lane, shift in ((first, 64), (second, 0)):
        # sums of 32-bit halves cannot overflow 64 bits below 2^32 rows
        total += int(np.sum(lane >> np.uint64(32))) << shift + 32
        total += int(np.sum(lane & np.uint64(0xFFFFFFFF))) << shift
    return total & (1 << 128) - 1


def _digest(columns: tuple[tuple[str, str], ...], first: U64, second: U64) -> str:
    order = np.argsort(first)
    high, low = first[order], second[order]
    ties = high[1:] == high[:-1]
    if np.any(ties & (low[1:] < low[:-1])):
        order = np.lexsort((second, first))
        high, low = first[order], second[order]
    rows = np.empty((len(high), 2), dtype=">u8")
    rows[:, 0], rows[:, 1] = high, low
    digest = hashlib.sha256(b"lineproof fp1\n" + _header(columns, len(high)))
    digest.update(rows.tobytes())
    return digest.hexdigest()


def _header(columns: tuple[tuple[str, str], ...], rows: int) -> bytes:
    parts = [rows.to_bytes(8, "little"), len(columns).to_bytes(4, "little")]
    for name, kind in columns:
        for text in (name.encode(), kind.encode()):
            parts += [len(text).to_bytes(4, "little"), text]
    return b"".join(parts)
