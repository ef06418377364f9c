"""An export as OpenLineage events, one a line, which any OpenLineage backend takes in.

A dataset is a DatasetEvent with its schema, description, owners, tags and other names. What a job makes of others is a RunEvent if the run that wrote
the current version is one of that job, else a JobEvent: one for each job and output, so that nobody takes every input for one of every output; the
facets `lineage` and `columnLineage` say the same exactly. The export itself is a run of the job `lineproof` / `export`: its START says what is asked
and at which position, RUNNING has the cursors, COMPLETE says what was told and what is left out. Without a COMPLETE the stream is not whole.

Source: OpenLineage 2-0-2 and the facets named below.
"""
from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import WALK_KINDS, holder, kind_of, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, Edge
from metadata_service.graph.port import NodeRow
from metadata_service.projector.names import column_names
from metadata_service.queries.activity import RunRef, VersionRef, current_versions, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.export import FORMAT, Line, Page, Stream
from metadata_service.queries.export_ndjson import described
from metadata_service.queries.lineage import hidden_jobs, owner_names
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import COLUMN_LIMIT
from metadata_service.queries.shapes import of_micros
from metadata_service.queries.wire import as_json

__all__ = ["openlineage_lines"]

PRODUCER: Final = "https://lineproof.dev/export"
SPEC: Final = "https://openlineage.io/spec"
EVENT: Final = f"{SPEC}/2-0-2/OpenLineage.json#/$defs"
SCHEMAS: Final = {"schema": "1-2-0/SchemaDatasetFacet", "documentation": "1-1-0/DocumentationDatasetFacet", "ownership": "1-0-1/OwnershipDatasetFacet",
                  "tags": "1-0-0/TagsDatasetFacet", "symlinks": "1-0-1/SymlinksDatasetFacet", "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
                  "version": "1-0-1/DatasetVersionDatasetFacet", "errorMessage": "1-0-1/ErrorMessageRunFacet"}
LINEAGE: Final = "1-0-0/LineageFacet.json#/$defs"
NAMESPACE, JOB = "lineproof", "export"
UNSAYABLE: Final = sorted(WALK_KINDS - {"dataset", "column"})  # OpenLineage has no words for them


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known around a page of datasets."""

    rows: Mapping[str, NodeRow]
    versions: Mapping[str, VersionRef]
    runs: Mapping[str, RunRef]
    names: Mapping[str, Sequence[str]]  # dataset -> other names of it


async def openlineage_lines(stream: Stream) -> AsyncIterator[Line]:
    """The events of an opened stream. One that cannot be finished ends with FAIL in the place of COMPLETE."""
    context = stream.context
    now = await _moment(context)
    yield _own_event("START", stream, now, {"format": FORMAT, **await described(stream)})
    try:
        async for page in stream.pages(["dataset"]):
            async for line in _page(stream, page, now):
                yield line
    except LineproofError as error:
        message = _facet(SCHEMAS["errorMessage"], message=f"{error.detail} [{error.code}]", programmingLanguage="Python")
        yield _own_event("FAIL", stream, now, {"problem": error.problem()}, errorMessage=message)
        return
    if left_out := await _left_out(stream):
        context.notes.doubt("no-openlineage-word", f"OpenLineage has no words for {' and '.join(left_out)}: they are not told")
    yield _own_event("COMPLETE", stream, now, {"datasets": stream.told.nodes, "jobs": stream.told.edges, "computedAt": as_json(await context.computed_at()),
                                               "completeness": as_json(context.notes.completeness())})


async def _page(stream: Stream, page: Page, now: str) -> AsyncIterator[Line]:
    context = stream.context
    masked = await hidden(context, page.distance)
    placed = await stream.placed(masked)
    context.notes.restrict(len(placed))
    stream.told.restricted += len(placed)
    shown = [urn for urn in page.distance if urn not in masked]
    facts = await _facts(context, shown)
    await stream.stand()
    into: dict[str, dict[str | None, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    async for edges in stream.edges([*shown, *await _columns(stream, shown)]):
        far = await hidden(context, {edge.upstream for edge in edges})
        jobs = await hidden_jobs(context, edges)
        for edge in edges:
            if edge.subtype != "SAME_AS" and edge.upstream not in far and edge.via not in jobs and kind_of(holder(edge.upstream)) == "dataset":
                into[holder(edge.downstream)][edge.via].append(edge)
    for urn in facts.rows:
        stream.told.nodes += 1
        yield _dataset_event(urn, facts, into[urn].pop(None, []), now)
        for job, edges in sorted(into[urn].items(), key=lambda item: str(item[0])):
            stream.told.edges += 1
            yield _job_event(urn, str(job), edges, facts, now)
    if (cursor := stream.cursor(page, masked)) is not None:
        yield _own_event("RUNNING", stream, now, {"cursor": cursor})


async def _columns(stream: Stream, datasets: Sequence[str]) -> list[str]:
    """The columns of these datasets that are told."""
    if not stream.selection.columns or not datasets:
        return []
    links = await stream.context.links(datasets, ["COLUMN_OF"], COLUMN_LIMIT, "columns of one dataset")
    found = [link.src for each in links.values() for link in each.into]
    return found if stream.reached is None else [urn for urn in found if urn in stream.reached]


async def _facts(context: QueryContext, datasets: Sequence[str]) -> _Facts:
    rows = await context.graph.get(datasets, context.at)
    versions = await current_versions(context, rows)
    written = await runs(context, [version.run for version in versions.values() if version.run])
    links = await context.graph.provenance(list(rows), ["SAME_AS"], context.at) if rows else {}
    names = {urn: [link.dst for link in each.out] for urn, each in links.items()}
    masked = await hidden(context, {name for each in names.values() for name in each})
    return _Facts(rows, versions, written, {urn: [name for name in each if name not in masked] for urn, each in names.items()})


async def _left_out(stream: Stream) -> list[str]:
    """The kinds of entities that were asked for and are not told."""
    there = [kind for kind in UNSAYABLE if (any(kind_of(urn) == kind for urn in stream.reached) if stream.reached is not None
                                            else await stream.context.graph.listed(kind, stream.context.at, None, 1))]
    return [f"{kind.replace('-', ' ')}s" for kind in there]


async def _moment(context: QueryContext) -> str:
    """When the log received the last entry of the position."""
    entry = await context.graph.outcome(context.size - 1) if context.size else None
    return _time(of_micros(entry.received) if entry is not None else datetime.fromtimestamp(0, UTC))


# -- events

def _own_event(state: str, stream: Stream, now: str, told: Mapping[str, Any], **facets: Any) -> Line:
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"{stream.context.root} {stream.question}")
    own = {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}#ExportRunFacet", **told}
    return {"eventType": state, "eventTime": now, "producer": PRODUCER, "schemaURL": f"{EVENT}/RunEvent",
            "run": {"runId": str(run), "facets": {"lineproof_export": own, **facets}}, "job": {"namespace": NAMESPACE, "name": JOB, "facets": {}},
            "inputs": [], "outputs": []}


def _dataset_event(urn: str, facts: _Facts, edges: Sequence[Edge], now: str) -> Line:
    """What a dataset is; and what it is made of where no job is said to make it (views, declarations)."""
    facets = _described(facts.rows[urn], facts.names.get(urn, ()))
    if edges:
        facets |= {"lineage": _facet(f"{LINEAGE}/LineageDatasetFacet", inputs=_inputs(edges)), **_column_facets(edges, facts.rows[urn])}
    return {"eventTime": now, "producer": PRODUCER, "schemaURL": f"{EVENT}/DatasetEvent", "dataset": {**_name(urn), "facets": facets}}


def _job_event(urn: str, job: str, edges: Sequence[Edge], facts: _Facts, now: str) -> Line:
    """What one job makes one dataset of."""
    version = facts.versions.get(urn)
    run = facts.runs.get(version.run or "") if version is not None else None
    entry = {"type": "DATASET", **_name(urn), "inputs": _inputs(edges)}
    facets = _column_facets(edges, facts.rows[urn])
    by_run = run is not None and run.job == job and run.status == "COMPLETE"
    if by_run and version is not None and not version.id.startswith("run:"):
        facets["version"] = _facet(SCHEMAS["version"], datasetVersion=version.id)
    event = {"producer": PRODUCER, "job": {**_name(job), "facets": {"lineage": _facet(f"{LINEAGE}/LineageJobFacet", entries=[entry])}},
             "inputs": [{**_name(each), "facets": {}} for each in sorted({holder(edge.upstream) for edge in edges})],
             "outputs": [{**_name(urn), "facets": facets}]}
    if by_run and run is not None:
        at = run.ended_at or run.started_at
        event |= {"eventType": "COMPLETE", "run": {"runId": run.id, "facets": {}}}
        return {"eventTime": _time(at) if at else now, "schemaURL": f"{EVENT}/RunEvent", **event}
    return {"eventTime": now, "schemaURL": f"{EVENT}/JobEvent", **event}


# -- facets

def _described(row: NodeRow, names: Sequence[str]) -> dict[str, Any]:
    facts, facets = row.facts, dict[str, Any]()
    if isinstance(facts.get("schema"), list):
        facets["schema"] = _facet(SCHEMAS["schema"], fields=[_field(each) for each in facts["schema"] if isinstance(each, Mapping) and "name" in each])
    if isinstance(facts.get("description"), str):
        facets["documentation"] = _facet(SCHEMAS["documentation"], description=facts["description"])
    if facts.get("owners"):
        facets["ownership"] = _facet(SCHEMAS["ownership"], owners=[{"name": name} for name in owner_names(row)])
    if isinstance(facts.get("tags"), list):
        facets["tags"] = _facet(SCHEMAS["tags"], tags=[_tag(str(each)) for each in facts["tags"]])
    if names:
        facets["symlinks"] = _facet(SCHEMAS["symlinks"], identifiers=[{**_name(each), "type": "TABLE"} for each in names])
    if facts.get("existence") == "dropped":
        facets["lifecycleStateChange"] = _facet("1-0-1/LifecycleStateChangeDatasetFacet", lifecycleStateChange="DROP")
    return facets


def _field(known: Mapping[str, Any]) -> dict[str, Any]:
    below = [_field(each) for each in known.get("fields") or () if isinstance(each, Mapping) and "name" in each]
    told = {key: str(known[key]) for key in ("name", "type", "description") if known.get(key) is not None}
    return {**told, **({"fields": below} if below else {})}


def _tag(known: str) -> dict[str, str]:
    key, colon, value = known.partition(":")
    return {"key": key, "value": value if colon else "true", "source": "lineproof"}


def _inputs(edges: Sequence[Edge]) -> list[dict[str, str]]:
    """The datasets behind these edges, as the `lineage` facet names them."""
    return [{"type": "DATASET", **_name(urn)} for urn in sorted({holder(edge.upstream) for edge in edges})]


def _column_facets(edges: Sequence[Edge], row: NodeRow) -> dict[str, Any]:
    """`columnLineage`, and where in the code it stands. What decides the rows, and so every column, is said once, of the dataset."""
    fields: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    places: dict[str, dict[str, Any]] = {}
    precise = [edge for edge in edges if edge.family == COLUMN_DERIVED_FROM and kind_of(edge.upstream) == "column"]
    of_rows = _of_all_columns(precise, row)
    for edge in sorted(precise, key=lambda edge: edge.type != "DIRECT"):  # a column's place is that of what it is computed from, where there is such a thing
        column = _column(edge.downstream)
        if _said_of_rows(edge) in of_rows:
            continue
        known = {"type": edge.type or "DIRECT", "subtype": edge.subtype, "description": edge.expression}
        fields[column][edge.upstream].append({key: value for key, value in known.items() if value is not None})
        place = {"expression": edge.expression, "file": edge.file, "line": edge.line, "column": edge.column, "status": edge.status, "parser": edge.parser}
        if edge.file or edge.status:
            places.setdefault(column, {key: value for key, value in place.items() if value is not None})
    if not precise:
        return {}
    told = {column: {"inputFields": [{**_name(holder(urn)), "field": _column(urn), "transformations": found} for urn, found in sorted(inputs.items())]}
            for column, inputs in sorted(fields.items())}
    whole = [{**_name(holder(urn)), "field": _column(urn), "transformations": [{"type": "INDIRECT", **({"subtype": subtype} if subtype else {})}]}
             for urn, subtype in sorted(each for each in of_rows if each is not None)]
    facets = {"columnLineage": _facet(SCHEMAS["columnLineage"], fields=told, **({"dataset": whole} if whole else {}))}
    if places:
        facets["lineproof_columns"] = {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}#ColumnsDatasetFacet", "fields": places}
    return facets


def _said_of_rows(edge: Edge) -> tuple[str, str] | None:
    """The column and what it does to the rows, if the edge says that and no place in the code."""
    return (edge.upstream, edge.subtype or "") if edge.type == "INDIRECT" and edge.expression is None and edge.file is None else None


def _of_all_columns(edges: Sequence[Edge], row: NodeRow) -> set[tuple[str, str] | None]:
    """What is said of the rows and of every column that the schema has."""
    columns = {".".join(path) for path in column_names(row.facts.get("schema") or [])}
    by_said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for edge in edges:
        if (told := _said_of_rows(edge)) is not None:
            by_said[told].add(_column(edge.downstream))
    return {told for told, of in by_said.items() if of == columns}


def _facet(schema: str, **told: Any) -> dict[str, Any]:
    url = schema if "#" in schema else f"{schema}.json#/$defs/{schema.rpartition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{url}", **told}


def _name(urn: str) -> dict[str, str]:
    namespace, name = parse_urn(urn).components[:2]
    return {"namespace": namespace, "name": name}


def _column(urn: str) -> str:
    return ".".join(parse_urn(urn).components[2:])


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
