"""Schemas in JSON: dbt's artifacts, Avro records, JSON Schemas, and the plain form."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lineproof_schema.errors import LineproofError
from metadata_service.gate.dbt import read_catalog, read_manifest
from metadata_service.gate.json_schema import JsonSchema
from metadata_service.gate.schemas import Column, Schemas, Table

__all__ = ["read_document"]

_JSON_SCHEMA: Final = frozenset({"$schema", "$ref", "properties", "allOf", "items"})  # one of these it has
MAX_DEPTH: Final = 50  # of types within types


def read_document(text: str, file: Path, shown: str, dialect: str | None) -> Schemas:
    """The tables of a JSON document; its form tells what it is. `shown` is what the file is called in reports.

    Raises:
        LineproofError: `invalid-argument`: it is none of the known forms.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LineproofError(f"{file} is neither SQL (.sql, .ddl) nor JSON: {error}", code="invalid-argument") from error
    if not isinstance(document, dict):
        raise LineproofError(f"{file} is no JSON object", code="invalid-argument")
    metadata = document.get("metadata")
    kind = str(metadata.get("dbt_schema_version") or "") if isinstance(metadata, dict) else ""
    try:
        if "/manifest/" in kind:
            return _placed(read_manifest(document, dialect), file, shown)
        if "/catalog/" in kind:
            return read_catalog(document)
        if document.get("type") == "record" and isinstance(document.get("fields"), list):
            return _avro(document, shown)
        if document.keys() & _JSON_SCHEMA and (columns := JsonSchema(document).columns()) is not None:  # called by its title, else by the file
            name = str(document.get("title") or file.name.split(".")[0])
            return Schemas({name: Table(name, columns, True, shown)})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise LineproofError(f"{file} says it is {kind or 'a schema'}, but has not its shape: {said}", code="invalid-argument") from error
    tables = {name: Table(name, {column: Column(said) for column, said in columns.items()}, True, shown, folds=True)
              for name, columns in document.items() if isinstance(columns, dict) and all(said is None or isinstance(said, str) for said in columns.values())}
    if kind or len(tables) != len(document):
        raise LineproofError(f"{file} is neither dbt's manifest or catalog, nor an Avro record, a JSON Schema, or {{table: {{column: type}}}}",
                             code="invalid-argument")
    return Schemas(tables)


def _placed(found: Schemas, file: Path, shown: str) -> Schemas:
    """A manifest's files are those of its project; the project may be a folder of the repository."""
    root = PurePosixPath(shown).parent.parent
    for name, table in found.tables.items():
        if table.file is not None and (file.parent.parent / table.file).is_file():
            found.tables[name] = replace(table, file=(root / table.file).as_posix())
    return found


def _avro(document: Mapping[str, Any], shown: str) -> Schemas:
    """Nullable is a union with null."""
    name = ".".join(str(part) for part in (document.get("namespace"), document["name"]) if part)
    named = {_last(each): each for each in _named(document, 0)}
    columns = {str(each["name"]): Column(_avro_type(each["type"], 0, named), _is_null(each["type"])) for each in document["fields"]}
    return Schemas({name: Table(name, columns, True, shown)})


def _is_null(said: Any) -> bool:
    return "null" in said if isinstance(said, list) else said == "null"


def _named(said: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The types that have a name, which may be said once and then called by it."""
    if depth > MAX_DEPTH:
        raise ValueError("types within types without end")
    if isinstance(said, dict):
        if "name" in said and said.get("type") in ("record", "error", "enum", "fixed"):
            yield said
        said = [each["type"] for each in said.get("fields") or ()] + [said.get(part) for part in ("type", "items", "values")]
    for each in said if isinstance(said, list) else ():
        yield from _named(each, depth + 1)


def _last(said: Any) -> str:
    """A name without its namespace."""
    return str(said["name"] if isinstance(said, dict) else said).rpartition(".")[2]


def _avro_type(said: Any, depth: int, named: Mapping[str, Any]) -> str | None:
    """An Avro type in the words of SQL, where these exist; what only documents it is left out. `named` are types that are not around this one."""
    if depth > MAX_DEPTH:
        raise ValueError("types within types without end")
    if isinstance(said, list):
        return "|".join(str(_avro_type(each, depth + 1, named)) for each in said if each != "null") or None
    if isinstance(said, str) and _last(said) in named:
        said = named[_last(said)]
    if not isinstance(said, dict):
        return str(said)
    kind = said["type"]
    if "name" in said:
        named = {name: each for name, each in named.items() if name != _last(said)}
    if kind in ("record", "error"):
        fields = [f"{each['name']} {_avro_type(each['type'], depth + 1, named)}" for each in said["fields"]]
        return f"STRUCT<{', '.join(fields)}>"
    if kind == "array":
        return f"ARRAY<{_avro_type(said['items'], depth + 1, named)}>"
    if kind == "map":
        return f"MAP<STRING, {_avro_type(said['values'], depth + 1, named)}>"
    if kind == "enum":
        return f"ENUM({', '.join(repr(str(each)) for each in said['symbols'])})"
    if kind == "fixed":
        return f"BINARY({said['size']})"
    logical = said.get("logicalType")
    if logical == "decimal":
        return f"DECIMAL({said['precision']}, {said.get('scale', 0)})"
    return f"{_avro_type(kind, depth + 1, named)}" if logical is None else str(logical)
