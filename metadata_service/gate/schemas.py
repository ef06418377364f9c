"""Tables and their columns, from a dbt manifest or catalog, or from plain JSON."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lineproof_schema.errors import LineproofError

__all__ = ["Table", "read_schemas"]

MAX_BYTES: Final = 512 * 1024 * 1024  # manifests of the largest projects have some 100 MB
RELATIONS: Final = ("model", "seed", "snapshot", "source")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: column -> type (None: not said). `whole` if these are all its columns, and not only those that somebody described."""

    name: str
    columns: Mapping[str, str | None]
    whole: bool


def read_schemas(file: Path) -> dict[str, Table]:
    """The tables that a file names, by name: `database.schema.table` as the warehouse calls them.

    Reads dbt's manifest.json (described columns; of compiled models also what their SQL selects), dbt's catalog.json, or
    `{"<table>": {"<column>": "<type>"}}`.

    Raises:
        LineproofError: `invalid-argument`: none of these.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise LineproofError(f"{file} has more than {MAX_BYTES} bytes", code="invalid-argument")
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LineproofError(f"{file} cannot be read: {error}", code="invalid-argument") from error
    if not isinstance(document, dict):
        raise LineproofError(f"{file} is no JSON object", code="invalid-argument")
    kind = str(_dict(document.get("metadata")).get("dbt_schema_version") or "")
    if "/manifest/" in kind:
        return _manifest(document)
    if "/catalog/" in kind:
        return _catalog(document)
    tables = {name: Table(name, {str(column): str(type_) if type_ is not None else None for column, type_ in columns.items()}, True)
              for name, columns in document.items() if isinstance(columns, dict)}
    if len(tables) != len(document):
        raise LineproofError(f"{file} is neither a dbt manifest or catalog nor {{table: {{column: type}}}}", code="invalid-argument")
    return tables


def _manifest(document: Mapping[str, Any]) -> dict[str, Table]:
    dialect = str(_dict(document.get("metadata")).get("adapter_type") or "duckdb")
    tables: dict[str, Table] = {}
    for node in (*_dict(document.get("sources")).values(), *_dict(document.get("nodes")).values()):
        if node.get("resource_type") not in RELATIONS or _dict(node.get("config")).get("materialized") == "ephemeral":
            continue
        name = ".".join(str(part) for part in (node.get("database"), node.get("schema"), node.get("identifier") or node.get("alias") or node["name"]) if part)
        described = {str(column["name"]): column.get("data_type") for column in _dict(node.get("columns")).values()}
        selected = _selected(node, dialect)
        tables[name] = Table(name, described if selected is None else {column: described.get(column) for column in selected}, selected is not None)
    return tables


def _selected(node: Mapping[str, Any], dialect: str) -> list[str] | None:
    """The columns that a compiled model selects; None if that cannot be told for certain."""
    sql = node.get("compiled_code")
    if not sql or node.get("language") != "sql":
        return None
    try:
        from ingest_hooks.sql import column_lineage
    except ModuleNotFoundError:  # the `sql` extra; without it the described columns have to do
        return None
    found = column_lineage(str(sql), dialect=dialect, schema=None)
    names = [column.name for column in found.outputs]
    return names if names and not any(column.via_star or "*" in column.name for column in found.outputs) else None


def _catalog(document: Mapping[str, Any]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for node in (*_dict(document.get("sources")).values(), *_dict(document.get("nodes")).values()):
        meta = _dict(node.get("metadata"))
        name = ".".join(str(part) for part in (meta.get("database"), meta.get("schema"), meta.get("name")) if part)
        tables[name] = Table(name, {str(column["name"]): column.get("type") for column in _dict(node.get("columns")).values()}, True)
    return tables


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
