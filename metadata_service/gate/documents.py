"""Schemas in JSON: dbt's artifacts, Avro records, JSON Schemas, and the plain form."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineproof_schema.errors import LineproofError
from metadata_service.gate.dbt import read_catalog, read_manifest
from metadata_service.gate.schemas import Column, Table

__all__ = ["read_document"]


def read_document(text: str, file: Path, dialect: str | None) -> dict[str, Table]:
    """The tables of a JSON document; its form tells what it is.

    Raises:
        LineproofError: `invalid-argument`: it is none of the known forms.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LineproofError(f"{file} is no JSON: {error}", code="invalid-argument") from error
    if not isinstance(document, dict):
        raise LineproofError(f"{file} is no JSON object", code="invalid-argument")
    metadata = document.get("metadata")
    kind = str(metadata.get("dbt_schema_version") or "") if isinstance(metadata, dict) else ""
    if "/manifest/" in kind:
        return read_manifest(document, dialect)
    if "/catalog/" in kind:
        return read_catalog(document)
    if document.get("type") == "record" and isinstance(document.get("fields"), list):
        return _avro(document, file)
    if isinstance(document.get("properties"), dict) and document.get("type", "object") == "object":
        return _json_schema(document, file)
    tables = {name: Table(name, {str(column): Column(None if type_ is None else str(type_)) for column, type_ in columns.items()}, True, str(file))
              for name, columns in document.items() if isinstance(columns, dict)}
    if len(tables) != len(document):
        raise LineproofError(f"{file} is neither of dbt, nor an Avro record, a JSON Schema, or {{table: {{column: type}}}}", code="invalid-argument")
    return tables


def _avro(document: Mapping[str, Any], file: Path) -> dict[str, Table]:
    """Nullable is a union with null."""
    name = ".".join(part for part in (document.get("namespace"), document.get("name")) if part)
    columns: dict[str, Column] = {}
    for each in document["fields"]:
        union = each["type"] if isinstance(each.get("type"), list) else [each.get("type")]
        kinds = [kind if isinstance(kind, str) else json.dumps(kind, sort_keys=True) for kind in union if kind != "null"]
        columns[str(each["name"])] = Column("|".join(kinds) or None, "null" in union)
    return {name: Table(name, columns, True, str(file))}


def _json_schema(document: Mapping[str, Any], file: Path) -> dict[str, Table]:
    """Named by its title, else by the file. A property that is not required counts as nullable."""
    name = str(document.get("title") or file.name.split(".")[0])
    required = set(document.get("required") or ())
    columns: dict[str, Column] = {}
    for column, said in document["properties"].items():
        kinds = said.get("type") if isinstance(said, dict) else None
        listed = [kinds] if isinstance(kinds, str) else list(kinds or ())
        typed = "|".join(sorted(str(kind) for kind in listed if kind != "null"))
        columns[column] = Column(typed or None, column not in required or "null" in listed)
    return {name: Table(name, columns, True, str(file))}
