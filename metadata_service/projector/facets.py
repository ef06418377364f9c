"""From facets to edges: what one output is derived from, and how sure that is.

Per output: the `lineage` facet (of the dataset, or the job's entry for it), else `columnLineage`, else what the deriver found
in the job's SQL, else the product of inputs and outputs. Facets are arbitrary JSON: what has not the expected shape says nothing.
Source: OpenLineage LineageFacet 1-0-0, ColumnLineageDatasetFacet 1-2-0.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lineproof_schema.openlineage import DatasetPart, JobPart
from lineproof_schema.urn import UrnError, holder
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.edge_rows import RANKS, Shown
from metadata_service.projector.names import column_of, dataset_urn, job_urn
from metadata_service.projector.parts import Known, made_of
from metadata_service.projector.plain import as_dict, as_list, as_place, as_text

__all__ = ["CONTENT_FACETS", "JOB_LINEAGE", "Shows", "as_declared", "content_of", "fed_by", "job_lineage", "named_dataset", "named_job", "show",
           "sourceless", "superseded", "taken_back_of", "union_of"]

CONTENT_FACETS: Final = ("lineage", "columnLineage", "lineproof_columns")
JOB_LINEAGE: Final = "jobLineage"  # what the job's `lineage` facet says of the dataset
Shows = tuple[list[Shown], int, list[str]]  # the edges, the rank of the best basis used, and the columns that it speaks of
Heard = Mapping[str, Mapping[str, list[int]]]
_Position = Mapping[str, Any]
_PLACE: Final = ("expression", "file", "line", "column", "parser")  # of a column that is made of no other
_NOT_CONTENT: Final = ("_producer", "_schemaURL", "timing")  # no edge is made of these


def content_of(facets: Mapping[str, Any], entry: Mapping[str, Any] | None, taken_back: Collection[str] = ()) -> Mapping[str, dict[str, Any]]:
    """What an event says by itself of what edges of an output are computed from: with the output's `facets` and, as `jobLineage`, with the `entry` for it
    in the job's `lineage` facet."""
    said: Mapping[str, dict[str, Any]] = made_of(facets, "content", _content)
    if entry is not None:
        said = {**said, JOB_LINEAGE: {key: entry[key] for key in ("inputs", "fields") if key in entry}}
        said = {name: facet for name, facet in said.items() if _weight(name, facet)}
    return {name: facet for name, facet in said.items() if name not in taken_back} if taken_back else said


def _content(facets: Mapping[str, Any]) -> Known:
    said = {name: Known({key: value for key, value in facets[name].items() if key not in _NOT_CONTENT}) for name in CONTENT_FACETS
            if isinstance(facets.get(name), dict)}
    return Known({name: facet for name, facet in said.items() if _weight(name, facet)})


def union_of(content: Mapping[str, Any] | None, heard: Heard, said: Mapping[str, Any], taken_back: Collection[str],
             order: list[int]) -> tuple[Mapping[str, Any] | None, dict[str, dict[str, list[int]]]]:
    """What a run's events together say of an output, whatever the order they come in: of each facet the last word of those that say most, unless it was
    taken back later.

    Args:
        content: The union so far; under `gone` the names that were taken back and not said again.
        heard: Of each name when what is held was said (`held`), and when it was taken back (`gone`).
        said: What one more event says.
        taken_back: The names that it takes back.
        order: When it was said.

    Returns:
        The union and what was heard, with this event; None if nothing precise was said.
    """
    if content is None and not heard and not taken_back:
        return said or None, {name: {"held": order} for name in said}
    now = {name: facet for name, facet in (content or {}).items() if name != "gone"}
    when = {name: dict(at) for name, at in heard.items()}
    for name in taken_back:
        if order >= when.setdefault(name, {}).get("gone", order):
            when[name]["gone"] = order
        if name in now and order >= when[name].get("held", order):
            del now[name]
    for name, facet in said.items():
        at = when.setdefault(name, {})
        weight, held = _weight(name, facet), _weight(name, now.get(name))
        if order > at.get("gone", []) and (weight > held or (weight == held and order >= at.get("held", order))):
            now[name], at["held"] = facet, order
    gone = sorted(name for name, at in when.items() if "gone" in at and name not in now)
    return {**now, **({"gone": gone} if gone else {})} or None, when


def _weight(name: str, facet: Any) -> int:
    """How much a facet says of edges: nothing, something, or sources by name. What says less does not replace what says more."""
    return made_of(as_dict(facet), ("weight", name), lambda said: _weighed(name, said))


def _weighed(name: str, facet: Mapping[str, Any]) -> int:
    if name == "lineproof_columns":
        return 2 if facet else 0
    if "inputs" in facet and name != "columnLineage":
        return 2
    return 2 if any(_named_in(name, facet)) else 1 if facet.get("fields") else 0


def _named_in(name: str, facet: Mapping[str, Any]) -> Iterator[str]:
    """The datasets that a facet names as sources, of a column or of the whole."""
    key, whole = ("inputFields", "dataset") if name == "columnLineage" else ("inputs", "inputs")
    fields = (as_list(as_dict(field).get(key)) for field in as_dict(facet.get("fields")).values())
    return (urn for items in (*fields, as_list(facet.get(whole))) for urn in map(named_dataset, items) if urn is not None)


def _explicit(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `lineage` facet that counts: the dataset's own, else what the job's says of the dataset."""
    return as_dict(content.get("lineage")) or as_dict(content.get(JOB_LINEAGE))


def superseded(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was said of the output and shows no edge because something better was said: each alone."""
    names = [name for name in ("lineage", JOB_LINEAGE, "columnLineage") if name in content]
    return [{name: content[name]} for name in names[1:]]


def taken_back_of(part: DatasetPart, job: JobPart | None) -> frozenset[str]:
    """What an event takes back with `_deleted` of what edges are made of, of the dataset or of the job."""
    found = {name for name in CONTENT_FACETS if as_dict(part.facets.get(name)).get("_deleted") is True}
    if job is not None and as_dict(job.facets.get("lineage")).get("_deleted") is True:
        found.add(JOB_LINEAGE)
    return frozenset(found)


def job_lineage(job: JobPart) -> dict[tuple[str, str], dict[str, Any]]:
    """The entries of the job's `lineage` facet that say what feeds a dataset.

    Where a job feeds it and another entry says what feeds that job, the dataset is derived from that. Entries for one dataset add up.
    """
    facet = as_dict(job.facets.get("lineage"))
    found = [as_dict(entry) for entry in as_list(facet.get("entries"))] if facet.get("_deleted") is not True else []
    into_jobs: dict[tuple[str, str], list[Any]] = {}
    for entry in found:
        if entry.get("type") == "JOB":
            into_jobs.setdefault(_job_named(entry, job), []).extend(as_list(entry.get("inputs")))
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in found:
        namespace, name = as_text(entry.get("namespace")), as_text(entry.get("name"))
        if entry.get("type", "DATASET") != "DATASET" or namespace is None or name is None:
            continue
        known = entries.setdefault((namespace, name), {})
        if "inputs" in entry:
            known["inputs"] = [*known.get("inputs", ()), *_through_jobs(as_list(entry["inputs"]), into_jobs, job)]
        for name, field in as_dict(entry.get("fields")).items():
            through = _through_jobs(as_list(as_dict(field).get("inputs")), into_jobs, job)
            known["fields"] = {**known.get("fields", {}), name: {**as_dict(field), "inputs": through}}
    return entries


def _through_jobs(items: Sequence[Any], into_jobs: Mapping[tuple[str, str], Sequence[Any]], own: JobPart) -> list[Any]:
    """The inputs, with what feeds a job in the place of each job that the facet explains; the event's own job generates the rest."""
    through: list[Any] = []
    waiting, seen = list(items), {(own.namespace, own.name)} - into_jobs.keys()
    while waiting:
        item = waiting.pop(0)
        named = _job_named(item, own) if as_dict(item).get("type") == "JOB" else None
        if named is None or (named not in into_jobs and named not in seen):
            through.append(item)
        elif named not in seen:
            seen.add(named)
            waiting.extend(into_jobs[named])
    return through


def fed_by(content: Mapping[str, Any] | None) -> list[str]:
    """The jobs that are said to feed the dataset while nobody says what feeds them."""
    lineage = _explicit(content or {})
    fields = (as_list(as_dict(field).get("inputs")) for field in as_dict(lineage.get("fields")).values())
    items = [as_dict(item) for found in (as_list(lineage.get("inputs")), *fields) for item in found]
    return sorted({urn for item in items if item.get("type") == "JOB" for urn in (named_job(item),) if urn is not None})


def _job_named(item: Mapping[str, Any], own: JobPart) -> tuple[str, str]:
    name = as_text(item.get("name"))
    return (own.namespace, own.name) if name is None else (as_text(item.get("namespace")) or "default", name)


def show(output: str, inputs: Sequence[str], content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> Shows:
    """The edges into the dataset `output`, given the run's `inputs` and what was said about it.

    `derivation` is `{"columns": {column: {"inputs": […], …}}, "status", "parser"}`: what the deriver found for this output. A column edge whose lower end
    is `output` itself stands for one into each of its columns. A dataset edge has status `unknown` if nothing was said of columns.
    """
    edges, rank = _show(output, inputs, content, derivation)
    told = sorted(_told(content, derivation)) if rank > RANKS["inputsOutputs"] else []
    if told or rank <= RANKS["inputsOutputs"]:
        return edges, rank, told
    return [replace(edge, status="unknown") if edge.family == DERIVED_FROM and edge.basis != "inputsOutputs" else edge for edge in edges], rank, told


def as_declared(edge: Shown, inputs: Collection[str]) -> Shown:
    """What is declared outweighs what runs show; that nothing is known of columns stays said. What a parser found in declared SQL stays its finding, but for
    the edges from declared inputs."""
    if edge.basis == "derivation" and not (edge.family == DERIVED_FROM and edge.upstream in inputs):
        return edge
    return replace(edge, basis="declared", status="unknown" if edge.basis == "inputsOutputs" else edge.status)


def sourceless(content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Columns that are said to take their value from no column (constants, counters, the time of day), each with where that stands: no edge can say it."""
    facts = {**as_dict((derivation or {}).get("columns")), **as_dict(as_dict((content or {}).get("lineproof_columns")).get("fields"))}
    return {name: {key: value for key in _PLACE if (value := as_dict(facts.get(name)).get(key)) is not None}
            for name, field in sorted(_told(content, derivation).items())
            if field.get("status") not in ("partial", "unknown") and not any(map(_gives_value, field["from"]))}


def _gives_value(item: Any) -> bool:
    """Whether an input of a field is where its value comes from. The event's own job is none: it generates the value."""
    item = as_dict(item)
    if item.get("type") == "JOB":
        return as_text(item.get("name")) is not None
    said = [found for found in as_list(item.get("transformations")) if isinstance(found, dict)] or [item]
    return any(_kind(found, "DIRECT") == "DIRECT" for found in said)


def _told(content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The fields that the best basis speaks of: what each is made of under `from`, and how far it could be followed under `status`."""
    said = content or {}
    facts = as_dict(as_dict(said.get("lineproof_columns")).get("fields"))
    lineage, column_lineage = _explicit(said), as_dict(said.get("columnLineage"))
    if lineage.get("fields"):
        fields, key = as_dict(lineage.get("fields")), "inputs"
    elif column_lineage.get("fields") or column_lineage.get("dataset") or "inputs" in lineage:
        fields, key = as_dict(column_lineage.get("fields")), "inputFields"
    else:
        fields, key = as_dict((derivation or {}).get("columns")), "inputs"
        facts = {name: {"status": (derivation or {}).get("status"), **as_dict(field)} for name, field in fields.items()}
    return {name: {**as_dict(field), "from": as_list(as_dict(field).get(key)), "status": as_dict(facts.get(name)).get("status")}
            for name, field in fields.items()}


def _show(output: str, inputs: Sequence[str], content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> tuple[list[Shown], int]:
    said = content or {}
    facts = as_dict(as_dict(said.get("lineproof_columns")).get("fields"))
    lineage, column_lineage = _explicit(said), as_dict(said.get("columnLineage"))
    unsure = any(as_dict(fact).get("status") in ("partial", "unknown") for fact in facts.values())
    if _weight("lineage", lineage) > 1:
        return _lineage(output, lineage, column_lineage, facts), RANKS["lineage"]
    named = dict.fromkeys(_named_in("columnLineage", column_lineage))
    if named:
        edges = list(_column_lineage(output, column_lineage, facts, "columnLineage"))
        return _with_assets(output, edges, "columnLineage", inputs if unsure else (), named), RANKS["columnLineage"]
    if lineage or column_lineage:  # columns made of no other column; what the dataset was made of is not said
        return [Shown(DERIVED_FROM, output, upstream, "inputsOutputs") for upstream in inputs], RANKS["inputsOutputs"]
    if derivation is not None and derivation.get("columns"):
        found = as_dict(derivation["columns"])
        facts = {name: {"parser": derivation.get("parser"), **as_dict(item)} for name, item in found.items()}
        facet = {"fields": {name: {"inputFields": as_list(as_dict(item).get("inputs"))} for name, item in found.items()}}
        edges = list(_column_lineage(output, facet, facts, "derivation"))
        return _with_assets(output, edges, "derivation", inputs if derivation.get("status") != "complete" else ()), RANKS["derivation"]
    return [Shown(DERIVED_FROM, output, upstream, "inputsOutputs") for upstream in inputs], RANKS["inputsOutputs"]


def _lineage(output: str, lineage: _Position, column_lineage: _Position, facts: _Position) -> list[Shown]:
    fields = {name: {"inputFields": as_list(as_dict(item).get("inputs"))} for name, item in as_dict(lineage.get("fields")).items()}
    whole = [item for item in as_list(lineage.get("inputs")) if as_dict(item).get("type", "DATASET") == "DATASET"]
    facet: dict[str, Any] = {"fields": fields, "dataset": [item for item in whole if as_text(as_dict(item).get("field"))]}
    if not fields and column_lineage and lineage.get("inputs"):  # with no inputs there is nothing upstream, whatever was said of columns
        facet = {"fields": column_lineage.get("fields"), "dataset": [*facet["dataset"], *as_list(column_lineage.get("dataset"))]}
        sources = {urn for urn in map(named_dataset, whole) if urn is not None}
        edges = [edge for edge in _column_lineage(output, facet, facts, "columnLineage") if holder(edge.upstream) in sources]
    else:
        edges = list(_column_lineage(output, facet, facts, "lineage"))
    if "inputs" in lineage:
        upstreams = dict.fromkeys(urn for urn in (named_dataset(item) for item in whole) if urn is not None)
        upstreams.update(dict.fromkeys(urn for item in fields.values() for urn in map(named_dataset, item["inputFields"]) if urn is not None))
        return [*edges, *(Shown(DERIVED_FROM, output, urn, "lineage") for urn in upstreams)]
    return _with_assets(output, edges, "lineage", (), dict.fromkeys(_named_in("lineage", lineage)))


def _column_lineage(output: str, facet: _Position, facts: _Position, basis: str) -> Iterator[Shown]:
    for name, item in as_dict(facet.get("fields")).items():
        fact = as_dict(facts.get(name))
        for upstream, kind, subtype, description in _inputs(as_dict(item).get("inputFields"), as_dict(item)):
            downstream = column_of(output, [name])
            if downstream is not None:
                yield Shown(COLUMN_DERIVED_FROM, downstream, upstream, basis, kind, subtype, as_text(fact.get("expression")) or description,
                            as_text(fact.get("file")), as_place(fact.get("line")), as_place(fact.get("column")), as_text(fact.get("parser")),
                            as_text(fact.get("status")))
    for upstream, kind, subtype, description in _inputs(facet.get("dataset"), {}, "INDIRECT"):
        yield Shown(COLUMN_DERIVED_FROM, output, upstream, basis, kind, subtype, description)


def _inputs(items: Any, field: Mapping[str, Any], default: str = "DIRECT") -> Iterator[tuple[str, str, str | None, str | None]]:
    for item in as_list(items):
        item = as_dict(item)
        dataset, name = named_dataset(item), as_text(item.get("field"))
        upstream = column_of(dataset, [name]) if dataset is not None and name is not None else None
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


def _with_assets(output: str, edges: list[Shown], basis: str, also: Sequence[str], named: Iterable[str] = ()) -> list[Shown]:
    """With the edges between datasets. Of some of those `named` no column is known, or none that a URN can name."""
    upstreams = dict.fromkeys(named, basis)
    for edge in edges:
        if edge.family == COLUMN_DERIVED_FROM:
            upstreams.setdefault(holder(edge.upstream), basis)
    for urn in also:
        upstreams.setdefault(urn, "inputsOutputs")
    return [*edges, *(Shown(DERIVED_FROM, output, urn, found) for urn, found in upstreams.items())]


def named_dataset(item: Any) -> str | None:
    """The dataset that an item of a facet names; None if it names none, or a job."""
    namespace, name = as_text(as_dict(item).get("namespace")), as_text(as_dict(item).get("name"))
    if namespace is None or name is None or as_dict(item).get("type", "DATASET") == "JOB":
        return None
    try:
        return dataset_urn(namespace, name)
    except UrnError:
        return None


def named_job(item: Mapping[str, Any]) -> str | None:
    """The job that an item of a facet names; None if it names none."""
    namespace, name = as_text(item.get("namespace")), as_text(item.get("name"))
    try:
        return job_urn(namespace or "default", name) if name is not None else None
    except UrnError:
        return None
