"""Schemas of dbt's artifacts: what somebody described, and what compiled SQL selects."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from metadata_service.gate.schemas import Column, Schemas, Table
from metadata_service.projector.feature_hash import fold_sql
from metadata_service.queries.column_types import spelled

if TYPE_CHECKING:
    from metadata_service.gate.selected import Known

__all__ = ["read_catalog", "read_manifest"]

RELATIONS: Final = ("model", "seed", "snapshot", "source")
DIALECTS: Final = {"sqlserver": "tsql", "synapse": "tsql", "fabric": "tsql", "glue": "spark"}  # adapters that are called otherwise than their SQL
_KEPT: Final = ("materialized", "unique_key", "on_schema_change", "updated_at", "full_refresh")
KEEPING: Final = {"incremental": (*_KEPT, "incremental_strategy", "incremental_predicates", "merge_update_columns", "merge_exclude_columns"),
                  "snapshot": (*_KEPT, "strategy", "check_cols", "hard_deletes", "invalidate_hard_deletes"), "seed": ("column_types", "delimiter")}
_JINJA_COMMENT: Final = re.compile(r"\{#.*?#\}", re.DOTALL)


def read_manifest(document: Mapping[str, Any], dialect: str | None) -> Schemas:
    """The relations of a manifest.json.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it has not the shape of one.
    """
    dialect = dialect or _dialect(document)
    found = Schemas()
    known = _known()
    for node in _in_order({**document.get("sources", {}), **document["nodes"]}):
        if node["resource_type"] not in RELATIONS or _dict(node.get("config")).get("materialized") == "ephemeral":
            continue
        name = ".".join(str(part) for part in (node.get("database"), node.get("schema"), node.get("identifier") or node.get("alias") or node["name"]) if part)
        config = _dict(node.get("config"))
        contract = bool(_dict(config.get("contract")).get("enforced"))
        described = {column: Column(spelled(str(said), dialect)) for column, said in _dict(config.get("column_types")).items()}  # of seeds
        described |= {str(column["name"]): _described(column, dialect, contract) for column in _dict(node.get("columns")).values()}
        table = found.tables[name] = _relation(name, node, described, dialect, known)
        if known is not None:
            known.add(table)
    return found


def read_catalog(document: Mapping[str, Any]) -> Schemas:
    """The relations of a catalog.json: what the warehouse itself said.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it has not the shape of one.
    """
    found = Schemas()
    for node in (*document.get("sources", {}).values(), *document["nodes"].values()):
        meta = node["metadata"]
        name = ".".join(str(part) for part in (meta.get("database"), meta.get("schema"), meta["name"]) if part)
        columns = {str(column["name"]): Column(spelled(str(column["type"]), None) if column.get("type") else None) for column in node["columns"].values()}
        found.tables[name] = Table(name, columns, True, origin=node.get("unique_id"), folds=True)
    return found


def _known() -> Known | None:
    """For the models of which all columns get known; without the `sql` extra the described columns have to do."""
    try:
        from metadata_service.gate.selected import Known
    except ModuleNotFoundError:
        return None
    return Known()


def _dialect(document: Mapping[str, Any]) -> str | None:
    """The dialect of the project's adapter; None if there is no parser for it."""
    adapter = str(_dict(document.get("metadata")).get("adapter_type") or "")
    name = DIALECTS.get(adapter, adapter)
    try:
        from sqlglot import Dialect
    except ModuleNotFoundError:  # the `sql` extra
        return name or None
    return name if Dialect.get(name) is not None else None


def _in_order(nodes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node after those it depends on."""
    done = set[str]()
    for start in nodes:
        waiting = [(start, False)]
        while waiting:
            key, ready = waiting.pop()
            if ready:
                yield nodes[key]
            elif key not in done:
                done.add(key)
                above = _dict(nodes[key].get("depends_on")).get("nodes") or ()
                waiting += [(key, True), *((each, False) for each in above if each in nodes and each not in done)]


def _described(column: Mapping[str, Any], dialect: str | None, contract: bool) -> Column:
    required = any(_dict(each).get("type") in ("not_null", "primary_key") for each in column.get("constraints") or ())
    said = column.get("data_type")
    return Column(spelled(str(said), dialect) if said else None, False if required else True if contract else None)


def _relation(name: str, node: Mapping[str, Any], described: Mapping[str, Column], dialect: str | None, known: Known | None) -> Table:
    table = Table(name, described, False, node.get("original_file_path"), origin=node.get("unique_id"), folds=True)
    raw, compiled, kept = node.get("raw_code"), node.get("compiled_code"), _kept(_dict(node.get("config")))
    if node.get("language") != "sql" or not (raw or compiled):
        code = raw or _dict(node.get("checksum")).get("checksum")  # Python, or the rows of a seed
        return replace(table, code=None if code is None else f"{code}{kept}")
    table = replace(table, text=fold_sql(_JINJA_COMMENT.sub(" ", str(raw or compiled))) + kept)
    if not compiled:
        return table
    if known is None:
        return replace(table, code=fold_sql(str(compiled)) + kept)
    from metadata_service.gate.selected import selected

    query = selected(str(compiled), dialect, known)
    table = replace(table, code=query.code + kept, reads=query.reads)
    if query.columns is None:
        return table
    said = {column.casefold(): each for column, each in described.items()}
    columns = {column: Column(said[column.casefold()].type, said[column.casefold()].nullable, made) if column.casefold() in said else Column(made=made)
               for column, made in query.columns.items()}
    return replace(table, columns=columns, whole=True)


def _kept(config: Mapping[str, Any]) -> str:
    """How the rows of a table become those of the next run, where the SQL does not say it."""
    words = KEEPING.get(str(config.get("materialized") or ""), ())
    return "".join(f"\n{word} {json.dumps(config[word], sort_keys=True)}" for word in words if config.get(word))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
