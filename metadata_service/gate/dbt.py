"""Schemas of dbt's artifacts: what somebody described, and what compiled SQL selects."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metadata_service.gate.schemas import Column, Table

__all__ = ["read_catalog", "read_manifest"]

RELATIONS: Final = ("model", "seed", "snapshot", "source")


def read_manifest(document: Mapping[str, Any], dialect: str | None) -> dict[str, Table]:
    """The relations of a manifest.json."""
    dialect = dialect or str(_dict(document.get("metadata")).get("adapter_type") or "") or None
    tables: dict[str, Table] = {}
    for node in (*_dict(document.get("sources")).values(), *_dict(document.get("nodes")).values()):
        if node.get("resource_type") not in RELATIONS or _dict(node.get("config")).get("materialized") == "ephemeral":
            continue
        name = ".".join(str(part) for part in (node.get("database"), node.get("schema"), node.get("identifier") or node.get("alias") or node["name"]) if part)
        described = {str(column["name"]): _described(column, dialect) for column in _dict(node.get("columns")).values()}
        tables[name] = _relation(name, node, described, dialect)
    return tables


def read_catalog(document: Mapping[str, Any]) -> dict[str, Table]:
    """The relations of a catalog.json: what the warehouse itself said."""
    tables: dict[str, Table] = {}
    for node in (*_dict(document.get("sources")).values(), *_dict(document.get("nodes")).values()):
        meta = _dict(node.get("metadata"))
        name = ".".join(str(part) for part in (meta.get("database"), meta.get("schema"), meta.get("name")) if part)
        tables[name] = Table(name, {str(column["name"]): Column(column.get("type")) for column in _dict(node.get("columns")).values()}, True)
    return tables


def _described(column: Mapping[str, Any], dialect: str | None) -> Column:
    required = any(_dict(each).get("type") == "not_null" for each in column.get("constraints") or ())
    return Column(_type(column.get("data_type"), dialect), False if required else None)


def _relation(name: str, node: Mapping[str, Any], described: Mapping[str, Column], dialect: str | None) -> Table:
    file = node.get("original_file_path")
    raw, compiled = node.get("raw_code"), node.get("compiled_code")
    if node.get("language") != "sql" or not (raw or compiled):
        return Table(name, described, False, file, None if raw is None else str(raw))
    selected = _selected(str(compiled), dialect) if compiled else None
    if selected is None:
        return Table(name, described, False, file, " ".join(str(raw or compiled).split()))
    columns = {column: Column(described.get(column, Column()).type, described.get(column, Column()).nullable, made) for column, made in selected[0].items()}
    return Table(name, columns, True, file, selected[1])


def _selected(sql: str, dialect: str | None) -> tuple[dict[str, str], str] | None:
    """Column -> expression, and the rest of the query, of a compiled model; None if what it selects cannot be told for certain."""
    try:
        from ingest_hooks.sql import column_lineage
        from metadata_service.gate.ddl import layout, without_projections
    except ModuleNotFoundError:  # the `sql` extra; without it the described columns have to do
        return None
    found = column_lineage(sql, dialect=dialect, schema=None)
    if not found.outputs or any(column.via_star or "*" in column.name for column in found.outputs):
        return None
    rest = without_projections(sql, dialect)
    return None if rest is None else ({column.name: layout(column.expression, dialect) for column in found.outputs}, rest)


def _type(said: object, dialect: str | None) -> str | None:
    if not said:
        return None
    try:
        from metadata_service.gate.ddl import type_name
    except ModuleNotFoundError:
        return str(said)
    return type_name(str(said), dialect)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
