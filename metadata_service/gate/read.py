"""From the files of a project to its tables: which file is read how."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lineproof_schema.errors import LineproofError
from metadata_service.gate.documents import read_document
from metadata_service.gate.schemas import Schemas

__all__ = ["read_schemas", "shown"]

MAX_BYTES: Final = 512 * 1024 * 1024  # manifests of the largest projects have some 100 MB
SCRIPTS: Final = (".sql", ".ddl")
DOCUMENTS: Final = (".json", ".avsc")
BACKWARD: Final = ".down.sql"  # takes a migration back


def read_schemas(path: Path, dialect: str | None = None) -> Schemas:
    """The tables of a project, by name: `database.schema.table` as the warehouse calls them.

    A file is dbt's manifest.json (described columns; of compiled models also what their SQL selects) or catalog.json, SQL (`create`, `alter` and
    `drop` of tables and views, in order), an Avro record, a JSON Schema, or `{"<table>": {"<column>": "<type>"}}`. A folder is its manifest.json if
    it has one, else all its SQL and schema files, by path: migrations, without what takes them back.

    Args:
        path: The file or folder.
        dialect: Of the SQL, as sqlglot calls it; a manifest says its own.

    Raises:
        LineproofError: `invalid-argument`: none of these.
    """
    if dialect is not None:
        _check(dialect)
    if not path.is_dir():
        return _read([path], dialect)
    manifest = next((each for each in (path / "manifest.json", path / "target" / "manifest.json") if each.is_file()), None)
    files = [manifest] if manifest is not None else sorted(filter(_is_read, path.rglob("*")), key=_place)
    if not files:
        raise LineproofError(f"{path} holds neither a manifest.json nor SQL or schema files", code="invalid-argument")
    return _read(files, dialect)


def _is_read(file: Path) -> bool:
    return file.suffix.lower() in (*SCRIPTS, *DOCUMENTS) and not file.name.lower().endswith(BACKWARD) and file.is_file()


def _place(file: Path) -> list[tuple[bool, int, str]]:
    """Where a file stands among others: V2 before V10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", file.as_posix())]


def _check(dialect: str) -> None:
    try:
        from sqlglot import Dialect
    except ModuleNotFoundError as error:
        raise LineproofError("reading SQL needs the sql extra: pip install lineproof[sql]", code="invalid-argument") from error
    if Dialect.get(dialect) is None:
        raise LineproofError(f"no dialect is called {dialect!r}; there are {', '.join(sorted(filter(None, Dialect.classes)))}", code="invalid-argument")


def _read(files: list[Path], dialect: str | None) -> Schemas:
    schemas = Schemas()
    for file in files:
        text = _text(file)
        if file.suffix.lower() in SCRIPTS:
            from metadata_service.gate.ddl import apply_script

            apply_script(schemas, text, shown(file), dialect)
        else:
            found = read_document(text, file, shown(file), dialect)
            schemas.tables.update(found.tables)
    return schemas


def shown(file: Path) -> str:
    """A file as a pull request calls it: from the root of its repository, else from here."""
    whole = file.resolve()
    for folder in (*(each for each in whole.parents if (each / ".git").exists()), Path.cwd()):
        if whole.is_relative_to(folder):
            return whole.relative_to(folder).as_posix()
    return file.as_posix()


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise LineproofError(f"{file} has more than {MAX_BYTES} bytes", code="invalid-argument")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise LineproofError(f"{file} cannot be read: {error}", code="invalid-argument") from error
