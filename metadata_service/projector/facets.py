"""From facets to edges: what one output is derived from, and how sure that is.

Per output: the `lineage` facet (of the dataset, or the job's entry for it), else `columnLineage`, else what the deriver found
in the job's SQL, else the product of inputs and outputs. Facets are arbitrary JSON: what has not the expected shape says nothing.
Source: OpenLineage LineageFacet 1-0-0, ColumnLineageDatasetFacet 1-2-0.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lineproof_schema.openlineage import DatasetPart, JobPart
from lineproof_schema.urn import UrnError
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.edges import RANKS, Shown
from metadata_service.projector.names import column_urn, dataset_urn
from metadata_service.projector.plain import LARGEST_EXACT, MAX_NESTING, as_dict, as_list, as_text

__all__ = ["CONTENT_FACETS", "Shows", "column_names", "content_of", "job_lineage", "show"]

CONTENT_FACETS: Final = ("lineage", "columnLineage", "lineproof_columns")
Shows = tuple[list[Shown], int]  # the edges and the rank of the best basis used
_Position = Mapping[str, Any]
_NOT_CONTENT: Final = ("_producer", "_schemaURL", "timing")  # no edge is made of these


def content_of(part: DatasetPart, entry: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What edges of this output are computed from, merged over what the run's earlier events said; None if nothing precise was said."""
    content = dict(before or {})
    for name in CONTENT_FACETS:
        facet = part.facets.get(name)
        if isinstance(facet, dict):
            if facet.get("_deleted") is True:
                content.pop(name, None)
            else:
                content[name] = {key: value for key, value in facet.items() if key not in _NOT_CONTENT}
    if entry is not None:
        content["lineage"] = {key: entry[key] for key in ("inputs", "fields") if key in entry}
    if not any(name in content for name in CONTENT_FACETS):
        return None
    fields = as_list(as_dict(part.facets.get("schema")).get("fields"))
    if fields and _concerns_all_columns(content):
        content["columns"] = column_names(fields)
    return content


def _concerns_all_columns(content: Mapping[str, Any]) -> bool:
    """Whether something was said of the dataset as a whole that holds for each of its columns."""
    return bool(as_dict(content.get("columnLineage")).get("dataset")) or any(
        as_text(as_dict(item).get("field")) is not None for item in as_list(as_dict(content.get("lineage")).get("inputs")))


def column_names(fields: Sequence[Any], depth: int = 0) -> list[list[str]]:
    """Paths of all columns of a `schema` facet, nested ones after their parents."""
    names: list[list[str]] = []
    for field in fields if depth < MAX_NESTING else ():
        name = as_text(as_dict(field).get("name"))
        if name is not None and "\0" not in name:
            names.append([name])
            names.extend([name, *below] for below in column_names(as_list(as_dict(field).get("fields")), depth + 1))
    return names


def job_lineage(job: JobPart) -> dict[tuple[str, str], dict[str, Any]]:
    """The entries of the job's `lineage` facet that say what feeds a dataset."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in as_list(as_dict(job.facets.get("lineage")).get("entries")):
        entry = as_dict(entry)
        namespace, name = as_text(entry.get("namespace")), as_text(entry.get("name"))
        if entry.get("type", "DATASET") == "DATASET" and namespace is not None and name is not None:
            entries[(namespace, name)] = entry
    return entries


def show(output: str, inputs: Sequence[str], content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> Shows:
    """The edges into the dataset `output`, given the run's `inputs` and what was said about it.

    `derivation` is `{"columns": {column: {"inputs": […], …}}, "status", "parser"}`: what the deriver found for this output.
    """
    said = content or {}
    facts = as_dict(as_dict(said.get("lineproof_columns")).get("fields"))
    columns = [path for path in as_list(said.get("columns")) if isinstance(path, list)]
    lineage, column_lineage = as_dict(said.get("lineage")), as_dict(said.get("columnLineage"))
    unsure = any(as_dict(fact).get("status") in ("partial", "unknown") for fact in facts.values())
    if "inputs" in lineage or lineage.get("fields"):
        return _lineage(output, lineage, column_lineage, facts, columns), RANKS["lineage"]
    if column_lineage.get("fields") or column_lineage.get("dataset"):
        edges = list(_column_lineage(output, column_lineage, facts, columns, "columnLineage"))
        return _with_assets(output, edges, "columnLineage", inputs if unsure else ()), RANKS["columnLineage"]
    if derivation is not None and derivation.get("columns"):
        found = as_dict(derivation["columns"])
        facts = {name: {"parser": derivation.get("parser"), **as_dict(item)} for name, item in found.items()}
        facet = {"fields": {name: {"inputFields": as_list(as_dict(item).get("inputs"))} for name, item in found.items()}}
        edges = list(_column_lineage(output, facet, facts, columns, "derivation"))
        return _with_assets(output, edges, "derivation", inputs if derivation.get("status") != "complete" else ()), RANKS["derivation"]
    return [Shown(DERIVED_FROM, output, upstream, "inputsOutputs") for upstream in inputs], RANKS["inputsOutputs"]


def _lineage(output: str, lineage: _Position, column_lineage: _Position, facts: _Position, columns: Sequence[list[str]]) -> list[Shown]:
    fields = {name: {"inputFields": as_list(as_dict(item).get("inputs"))} for name, item in as_dict(lineage.get("fields")).items()}
    whole = [item for item in as_list(lineage.get("inputs")) if as_dict(item).get("type", "DATASET") == "DATASET"]
    facet: dict[str, Any] = {"fields": fields, "dataset": [item for item in whole if as_text(as_dict(item).get("field"))]}
    if not fields and column_lineage:
        facet = {"fields": column_lineage.get("fields"), "dataset": [*facet["dataset"], *as_list(column_lineage.get("dataset"))]}
        edges = list(_column_lineage(output, facet, facts, columns, "columnLineage"))
    else:
        edges = list(_column_lineage(output, facet, facts, columns, "lineage"))
    if "inputs" in lineage:
        upstreams = dict.fromkeys(urn for urn in (_dataset(item) for item in whole) if urn is not None)
        upstreams.update(dict.fromkeys(urn for item in fields.values() for urn in map(_dataset, item["inputFields"]) if urn is not None))
        return [*edges, *(Shown(DERIVED_FROM, output, urn, "lineage") for urn in upstreams)]
    return _with_assets(output, edges, "lineage", ())


def _column_lineage(output: str, facet: _Position, facts: _Position, columns: Sequence[list[str]], basis: str) -> Iterator[Shown]:
    fields = as_dict(facet.get("fields"))
    for name, item in fields.items():
        fact = as_dict(facts.get(name))
        for upstream, kind, subtype, description in _inputs(as_dict(item).get("inputFields"), as_dict(item)):
            downstream = _column(output, [name])
            if downstream is not None:
                yield Shown(COLUMN_DERIVED_FROM, downstream, upstream, basis, kind, subtype, as_text(fact.get("expression")) or description,
                            as_text(fact.get("file")), _number(fact.get("line")), _number(fact.get("column")), as_text(fact.get("parser")),
                            as_text(fact.get("status")))
    whole = list(_inputs(facet.get("dataset"), {}, "INDIRECT"))
    if whole:
        paths = columns or [[name] for name in fields]
        for path in paths:
            downstream = _column(output, path)
            if downstream is not None:
                for upstream, kind, subtype, description in whole:
                    yield Shown(COLUMN_DERIVED_FROM, downstream, upstream, basis, kind, subtype, description)
        if not paths:  # no column is known: the dataset as a whole depends on these
            for item in as_list(facet.get("dataset")):
                urn = _dataset(item)
                if urn is not None:
                    yield Shown(DERIVED_FROM, output, urn, basis)


def _inputs(items: Any, field: Mapping[str, Any], default: str = "DIRECT") -> Iterator[tuple[str, str, str | None, str | None]]:
    for item in as_list(items):
        item = as_dict(item)
        dataset, name = _dataset(item), as_text(item.get("field"))
        upstream = _column(dataset, [name]) if dataset is not None and name is not None else None
        if upstream is None:
            continue
        transformations = [found for found in as_list(item.get("transformations")) if isinstance(found, dict)]
        if not transformations:  # facet versions before 1-2-0, and our derivations, say it beside the field
            subtype = as_text(item.get("subtype")) or as_text(field.get("transformationType"))
            yield upstream, _kind(item, default), subtype, as_text(field.get("transformationDescription"))
        for found in transformations:
            yield upstream, _kind(found, default), as_text(found.get("subtype")), as_text(found.get("description"))


def _kind(said: Mapping[str, Any], default: str) -> str:
    kind = said.get("type")
    return kind if kind in ("DIRECT", "INDIRECT") else default


def _with_assets(output: str, edges: list[Shown], basis: str, also: Sequence[str]) -> list[Shown]:
    upstreams: dict[str, str] = {}
    for edge in edges:
        if edge.family == COLUMN_DERIVED_FROM:
            upstreams.setdefault(_owner(edge.upstream), basis)
    for urn in also:
        upstreams.setdefault(urn, "inputsOutputs")
    return [*edges, *(Shown(DERIVED_FROM, output, urn, found) for urn, found in upstreams.items())]


def _owner(column: str) -> str:
    kind, namespace, name = column[len("urn:lineproof:"):].split(":")[:3]
    return f"urn:lineproof:dataset:{namespace}:{name}" if kind == "column" else column


def _dataset(item: Any) -> str | None:
    namespace, name = as_text(as_dict(item).get("namespace")), as_text(as_dict(item).get("name"))
    if namespace is None or name is None or as_dict(item).get("type", "DATASET") == "JOB":
        return None
    try:
        return dataset_urn(namespace, name)
    except UrnError:
        return None


def _column(dataset: str, path: Sequence[Any]) -> str | None:
    try:
        return column_urn(dataset, *path) if all(isinstance(part, str) and part for part in path) else None
    except UrnError:
        return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_EXACT else None
