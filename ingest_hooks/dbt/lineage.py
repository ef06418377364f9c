"""Column lineage of a dbt node, with positions in the model's file."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ingest_hooks import facets
from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.macros import PathOf
from ingest_hooks.dbt.naming import Names
from ingest_hooks.dbt.template import model_source_map
from ingest_hooks.dbt.warehouse import Warehouse
from ingest_hooks.sql import InputColumn, column_lineage

__all__ = ["node_lineage"]


def node_lineage(artifacts: Artifacts, names: Names, node: Node, compiled: Any, variables: Mapping[str, Any], warehouse: Warehouse | None, *,
                 file: str, path: PathOf) -> dict[str, Any]:
    """The output facets of a SQL node; none for seeds and Python models, whose columns cannot be followed from outside.

    Positions are in its `file`; where a macro made the text, also in the macro's file as `path` tells it.
    """
    if not compiled or node.get("language") != "sql":
        return {}
    _, name = names.dataset(node)
    found = column_lineage(str(compiled), dialect="duckdb", schema=warehouse.columns if warehouse is not None else None, output=name,
                           source_map=model_source_map(artifacts, node, variables, file=file, path=path,
                                                       columns=warehouse.columns if warehouse is not None else None))
    columns = facets.columns(found, file=file, relocate=lambda line, column: (line, column), name_of=names.table)
    if (node.get("config") or {}).get("materialized") in ("incremental", "snapshot") and not artifacts.arguments.get("full_refresh"):
        columns["timing"] = facets.with_earlier_rows(columns["timing"])
    for column in found.outputs:
        if len(column.steps) > 1:
            columns["fields"][column.name]["steps"] = [
                {"name": step.name, "expression": step.expression, "file": step.file, "line": step.line, "column": step.column,
                 **({"macro": facets.macro_place(step.macro)} if step.macro is not None else {})} for step in column.steps]
    for said, predicate in zip(columns["timePredicates"], found.time_predicates, strict=True):
        said["leftInputs"], said["rightInputs"] = _columns(names, predicate.left_inputs), _columns(names, predicate.right_inputs)
    return {"columnLineage": facets.column_lineage(found, names.table), "lineproof_columns": columns}


def _columns(names: Names, inputs: Iterable[InputColumn]) -> list[dict[str, str]]:
    found = []
    for item in inputs:
        namespace, name = names.table(item.table)
        found.append({"namespace": namespace, "name": name, "field": item.column})
    return found
