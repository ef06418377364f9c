"""OpenLineage facets as our hooks write them: the standard ones by their published schemas, and our own by their models."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ingest_hooks.signer import PRODUCER

if TYPE_CHECKING:
    from ingest_hooks.sql import InputColumn, MacroPlace, SqlLineage, Timing

__all__ = ["PRODUCER", "RUN_EVENT_SCHEMA", "both_timings", "column_lineage", "columns", "dataset_version", "error_message", "lineproof", "macro_place",
           "output_statistics", "source_code_location", "sql", "table_schema", "with_earlier_rows"]

EARLIER_ROWS = "earlier-rows"  # a reason in a timing: other statements, of earlier runs, made some of the rows
SPEC = "https://openlineage.io/spec"
RUN_EVENT_SCHEMA = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"

NameOf = Callable[[str], tuple[str, str]]  # table name in SQL -> (namespace, name) of the dataset
Relocate = Callable[[int | None, int | None], tuple[int | None, int | None]]  # position in the statement -> position in its file


def lineproof(model: str, **fields: Any) -> dict[str, Any]:
    """A facet of ours, checked by its model in `lineproof_schema.models.facets` (given by class name)."""
    from lineproof_schema.models import facets as models

    kind: Any = getattr(models, model)
    dumped: dict[str, Any] = kind(**fields).model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def sql(query: str, dialect: str | None) -> dict[str, Any]:
    """Job facet `sql`."""
    return _standard("1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet", query=query, **({"dialect": dialect} if dialect else {}))


def source_code_location(repository: str, path: str | None, sha: str, *, branch: str | None = None) -> dict[str, Any]:
    """Job facet `sourceCodeLocation` for a repository named `host/owner/name`."""
    url = f"https://{repository}" if not repository.startswith("local/") else f"file:///{repository}"
    known = {"path": path, "branch": branch}
    return _standard("1-1-0/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet", type="git",
                     url=f"{url}/blob/{sha}/{path}" if path else url, repoUrl=url, version=sha, **{key: value for key, value in known.items() if value})


def error_message(message: str, stack: str, language: str = "PYTHON") -> dict[str, Any]:
    """Run facet `errorMessage`."""
    return _standard("1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", message=message, programmingLanguage=language, stackTrace=stack)


def dataset_version(version: str) -> dict[str, Any]:
    """Dataset facet `version`."""
    return _standard("1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet", datasetVersion=version)


def output_statistics(rows: int) -> dict[str, Any]:
    """Output facet `outputStatistics`."""
    return _standard("1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet", rowCount=rows)


def table_schema(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Dataset facet `schema` from (name, type) pairs."""
    return _standard("1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", fields=[{"name": name, "type": kind} for name, kind in fields])


def column_lineage(lineage: SqlLineage, name_of: NameOf) -> dict[str, Any]:
    """Dataset facet `columnLineage`; what decides the rows of every output stands under `dataset`."""
    row_inputs = set(lineage.row_inputs)
    fields = {column.name: {"inputFields": _inputs((item for item in column.inputs if item not in row_inputs), name_of)} for column in lineage.outputs}
    return _standard("1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet", fields=fields, dataset=_inputs(lineage.row_inputs, name_of))


def columns(lineage: SqlLineage, *, file: str | None, relocate: Relocate, name_of: NameOf) -> dict[str, Any]:
    """Dataset facet `lineproof_columns`: where each output column is written, the time predicates, the window frames, and the timing of what is read."""

    def place(line: int | None, column: int | None, stands_in: str | None = None) -> dict[str, Any]:
        line, column = relocate(line, column)
        return {"file": stands_in or file, "line": line, "column": column}

    facts = {}
    for column in lineage.outputs:
        end, _ = relocate(column.end_line, None)
        facts[column.name] = {"expression": column.expression, "parser": lineage.parser, "status": column.status, "reason": column.reason, "end_line": end,
                              "approximate": column.approximate, **place(column.line, column.column, column.file),
                              **({"macro": macro_place(column.macro)} if column.macro is not None else {})}
    return lineproof("ColumnsFacet", fields=facts,
                     time_predicates=[{"left": item.left, "op": item.op, "right": item.right, "interval": item.interval,
                                       **place(item.line, item.column, item.file)} for item in lineage.time_predicates],
                     window_frames=[{"expression": item.expression, "partition_by": item.partition_by, "order_by": item.order_by, "frame": item.frame,
                                     **place(item.line, item.column, item.file)} for item in lineage.window_frames],
                     timing=_timing(lineage.timing, name_of, place))


def macro_place(place: MacroPlace) -> dict[str, Any]:
    """Where in a macro text comes from, as facets say it."""
    said = {"name": place.name, "file": place.file, "line": place.line, "within": place.within, "column": place.column}
    return {key: value for key, value in said.items() if value is not None}


def _timing(timing: Timing, name_of: NameOf, place: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    reads = []
    for read in timing.reads:
        namespace, name = name_of(read.table)
        bounds = [{"field": bound.field, "op": bound.op, "column": bound.column, "seconds": _whole(bound.seconds), "predicates": bound.predicates,
                   "grid": bound.grid} for bound in read.bounds]
        limits = [{"field": limit.field, "op": limit.op, "at": limit.at, "predicates": limit.predicates} for limit in read.limits]
        reads.append({"namespace": namespace, "name": name, "bounds": bounds, "limits": limits, "made": read.made, **place(read.line, read.column, read.file),
                      **({"decides": True} if read.decides else {})})
    columns = {column: [{"read": number, "fields": fields} for number, fields in found] for column, found in timing.columns.items()}
    return {"reads": reads, "columns": columns,
            "predicates": [{"text": item.text, **place(item.line, item.column, item.file)} for item in timing.predicates], "reasons": dict(timing.reasons),
            "grids": dict(timing.grids)}


def with_earlier_rows(timing: Mapping[str, Any]) -> dict[str, Any]:
    """The timing of a table that also holds rows from before this run."""
    reasons = timing.get("reasons", {})
    return {**timing, "reasons": {**reasons, **{name: sorted({*reasons.get(name, []), EARLIER_ROWS}) for name in timing.get("columns", {})}}}


def both_timings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The timing of rows that two statements put into one table, one after the other."""
    reads, predicates = first.get("reads", []), first.get("predicates", [])

    def renumbered(bound: Mapping[str, Any]) -> dict[str, Any]:
        return {**bound, "predicates": [number + len(predicates) for number in bound.get("predicates", [])]}

    moved = [{**read, **{kind: [renumbered(each) for each in read.get(kind, [])] for kind in ("bounds", "limits")}} for read in second.get("reads", [])]
    columns: dict[str, list[Any]] = {name: list(uses) for name, uses in first.get("columns", {}).items()}
    for name, uses in second.get("columns", {}).items():
        columns.setdefault(name, []).extend({**use, "read": use["read"] + len(reads)} for use in uses)
    reasons = {name: list(found) for name, found in first.get("reasons", {}).items()}
    for name, found in second.get("reasons", {}).items():
        reasons[name] = sorted({*reasons.get(name, []), *found})
    grids = {name: unit for name, unit in first.get("grids", {}).items() if second.get("grids", {}).get(name) == unit}
    return {"reads": [*reads, *moved], "columns": columns, "predicates": [*predicates, *second.get("predicates", [])], "reasons": reasons, "grids": grids}


def _whole(seconds: float | None) -> int | float | None:
    return int(seconds) if seconds is not None and seconds.is_integer() else seconds


def _inputs(items: Iterable[InputColumn], name_of: NameOf) -> list[dict[str, Any]]:
    merged: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in items:
        masking = {"masking": True} if item.masking else {}
        merged.setdefault((item.table, item.column), []).append({"type": item.type, "subtype": item.subtype, **masking})
    found = []
    for (table, column), transformations in merged.items():
        namespace, name = name_of(table)
        found.append({"namespace": namespace, "name": name, "field": column, "transformations": transformations})
    return found


def _standard(path: str, /, **fields: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{path}", **fields}
