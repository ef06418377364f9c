"""Schemas in JSON: dbt's artifacts, Avro records, JSON Schemas, and the plain form."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lineproof_schema.errors import LineproofError
from metadata_service.gate.dbt import read_catalog, read_manifest
from metadata_service.gate.schemas import Column, Schemas, Table

__all__ = ["read_document"]

TYPED_FORMATS: Final = ("date", "date-time", "time", "duration", "uuid")  # of strings that are another type in all but name
MAX_DEPTH: Final = 50  # of types within types, and of references that lead to themselves


def read_document(text: str, file: Path, shown: str, dialect: str | None) -> Schemas:
    """The tables of a JSON document; its form tells what it is. `shown` is what the file is called in reports.

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
    try:
        if "/manifest/" in kind:
            return _placed(read_manifest(document, dialect), file, shown)
        if "/catalog/" in kind:
            return read_catalog(document)
        if document.get("type") == "record" and isinstance(document.get("fields"), list):
            return _avro(document, shown)
        if isinstance(document.get("properties"), dict) and document.get("type", "object") == "object":
            return _json_schema(document, file, shown)
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
    columns = {str(each["name"]): Column(_avro_type(each["type"], 0), _is_null(each["type"])) for each in document["fields"]}
    return Schemas({name: Table(name, columns, True, shown)})


def _is_null(said: Any) -> bool:
    return "null" in said if isinstance(said, list) else said == "null"


def _avro_type(said: Any, depth: int) -> str | None:
    """An Avro type in the words of SQL, where these exist; what only documents it is left out."""
    if depth > MAX_DEPTH:
        raise ValueError("types within types without end")
    if isinstance(said, list):
        return "|".join(str(_avro_type(each, depth + 1)) for each in said if each != "null") or None
    if not isinstance(said, dict):
        return str(said)
    kind = said["type"]
    if kind in ("record", "error"):
        fields = [f"{each['name']} {_avro_type(each['type'], depth + 1)}" for each in said["fields"]]
        return f"STRUCT<{', '.join(fields)}>"
    if kind == "array":
        return f"ARRAY<{_avro_type(said['items'], depth + 1)}>"
    if kind == "map":
        return f"MAP<STRING, {_avro_type(said['values'], depth + 1)}>"
    if kind == "enum":
        return f"ENUM({', '.join(repr(str(each)) for each in said['symbols'])})"
    if kind == "fixed":
        return f"BINARY({said['size']})"
    logical = said.get("logicalType")
    if logical == "decimal":
        return f"DECIMAL({said['precision']}, {said.get('scale', 0)})"
    return f"{_avro_type(kind, depth + 1)}" if logical is None else str(logical)


def _json_schema(document: Mapping[str, Any], file: Path, shown: str) -> Schemas:
    """Named by its title, else by the file. A property that is not required counts as nullable."""
    name = str(document.get("title") or file.name.split(".")[0])
    required = set(document.get("required") or ())
    columns: dict[str, Column] = {}
    for column, said in document["properties"].items():
        kinds = _json_type(said, document, 0)
        columns[column] = Column("|".join(sorted(kinds - {"null"})) or None, column not in required or "null" in kinds)
    return Schemas({name: Table(name, columns, True, shown)})


def _json_type(said: Any, document: Mapping[str, Any], depth: int) -> set[str]:
    """The alternatives of a type; of an object with its properties, of an array with its items, through references within the document."""
    if not isinstance(said, dict) or depth > MAX_DEPTH:
        return set()
    if isinstance(said.get("$ref"), str):
        target: Any = document if said["$ref"].startswith("#/") else {}
        for part in said["$ref"].removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        return _json_type(target, document, depth + 1) or {said["$ref"]}
    options = said.get("anyOf") or said.get("oneOf")
    if isinstance(options, list):
        return {kind for each in options for kind in _json_type(each, document, depth + 1)}
    listed = said.get("type")
    return {_json_kind(str(kind), said, document, depth) for kind in ([listed] if isinstance(listed, str) else listed or ())}


def _json_kind(kind: str, said: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> str:
    def typed(inner: Any) -> str:
        return "|".join(sorted(_json_type(inner, document, depth + 1))) or "any"

    if kind == "object" and said.get("properties"):
        return f"STRUCT<{', '.join(f'{name} {typed(inner)}' for name, inner in sorted(said['properties'].items()))}>"
    if kind == "array" and "items" in said:
        return f"ARRAY<{typed(said['items'])}>"
    return str(said["format"]) if kind == "string" and said.get("format") in TYPED_FORMATS else kind
