"""Facts on datasets and jobs: which facet becomes which fact, columns, owners.

Facets merge additively: one that is absent says nothing, one with `_deleted` ends its facts, one that is there replaces them
whole. What changes with every run (statistics, versions) is no fact of the dataset and goes to the run or the version.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from lineproof_schema.urn import UrnError
from metadata_service.projector.names import column_urn, principal_urn
from metadata_service.projector.plain import MAX_NESTING, as_dict, as_list, as_text
from metadata_service.projector.view import Draft

__all__ = ["PER_RUN_FACETS", "owners_of", "project_dataset_facets", "project_job_facets", "revise_columns", "revise_owners",
           "unsaid"]

# facets that edges, lifecycle, versions or run provenance are made of: not kept a second time
_ELSEWHERE: Final = frozenset({"columnLineage", "lineage", "lineproof_columns", "lifecycleStateChange", "symlinks", "version", "lineproof_producer"})
PER_RUN_FACETS: Final = frozenset({"dataQualityMetrics", "outputStatistics", "inputStatistics", "subset"})
_FACTS: Final = {"ownership": "owners", "documentation": "description", "dataSource": "storage", "lifecycleStateChange": "lifecycle"}  # else as the key
WIDE_COLUMNS: Final = 30  # from here on, recognising a schema is cheaper than reading it
_JOB_ELSEWHERE: Final = frozenset({"lineproof_transformation", "lineproof_producer"})


def project_dataset_facets(draft: Draft, dataset: str, facets: Mapping[str, Any]) -> None:
    """Revise the facts of a dataset that the signer may speak for."""
    for key, facet in facets.items():
        if key in _ELSEWHERE or key in PER_RUN_FACETS or not isinstance(facet, dict) or "\0" in key:
            continue
        gone = facet.get("_deleted") is True
        match key:
            case "schema":
                revise_columns(draft, dataset, None if gone else schema_of(facet))
            case "ownership":
                revise_owners(draft, dataset, None if gone else owners_of(facet))
            case "documentation":
                draft.revise(dataset, "description", None if gone else as_text(facet.get("description")))
            case "tags":
                _revise_tags(draft, dataset, [] if gone else as_list(facet.get("tags")))
            case "dataSource":
                draft.revise(dataset, "storage", None if gone else as_text(facet.get("uri")))
                draft.revise(dataset, "facet:dataSource", None if gone else facet)
            case _:
                draft.revise(dataset, f"facet:{key}", None if gone else facet)


def project_job_facets(draft: Draft, job: str, facets: Mapping[str, Any]) -> None:
    """Revise the facts of a job."""
    for key, facet in facets.items():
        if key in _JOB_ELSEWHERE or not isinstance(facet, dict) or "\0" in key:
            continue
        gone = facet.get("_deleted") is True
        match key:
            case "ownership":
                revise_owners(draft, job, None if gone else owners_of(facet))
            case "documentation":
                draft.revise(job, "description", None if gone else as_text(facet.get("description")))
            case "sql":
                draft.revise(job, "sql", None if gone else as_text(facet.get("query")))
                draft.revise(job, "sqlDialect", None if gone else as_text(facet.get("dialect")))
            case "sourceCodeLocation" | "jobType":
                draft.revise(job, key, None if gone else {name: value for name, value in facet.items() if not name.startswith("_")})
            case _:
                draft.revise(job, f"facet:{key}", None if gone else facet)


def unsaid(draft: Draft, urn: str, facets: Mapping[str, Any]) -> dict[str, Any]:
    """Of the facets of an event that arrived behind later ones those that say something new; what is known was said later and stays."""
    return {key: facet for key, facet in facets.items()
            if draft.fact(urn, _FACTS.get(key, key)) is None and draft.fact(urn, f"facet:{key}") is None}


def schema_of(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of a `schema` facet as the `schema` fact keeps them; nested ones under `fields`. Not to be changed: wide ones are kept for the next run."""
    fields = as_list(facet.get("fields"))
    if len(fields) < WIDE_COLUMNS:
        return _columns(fields)
    try:
        return _wide_columns(orjson.dumps(fields))
    except orjson.JSONEncodeError:  # integers beyond 64 bits, lone surrogates
        return _columns(fields)


@lru_cache(256)
def _wide_columns(fields: bytes) -> list[dict[str, Any]]:
    return _columns(orjson.loads(fields))


def _columns(fields: Sequence[Any], depth: int = 0) -> list[dict[str, Any]]:
    columns = []
    for field in fields if depth < MAX_NESTING else ():
        field = as_dict(field)
        name = as_text(field.get("name"))
        if name is None or "\0" in name:
            continue
        column: dict[str, Any] = {"name": name}
        for key in ("type", "description"):
            if as_text(field.get(key)) is not None:
                column[key] = field[key]
        if isinstance(field.get("nullable"), bool):
            column["nullable"] = field["nullable"]
        below = _columns(as_list(field.get("fields")), depth + 1)
        if below:
            column["fields"] = below
        columns.append(column)
    return columns


def revise_columns(draft: Draft, dataset: str, columns: Sequence[Mapping[str, Any]] | None) -> None:
    """The dataset has these columns: column nodes, their type, description and position; columns that are gone stop existing."""
    before = as_list(draft.fact(dataset, "schema"))
    if not draft.revise(dataset, "schema", columns):
        return
    now = _flat(dataset, columns or [])
    gone = [urn for urn in _flat(dataset, before) if urn not in now]
    for position, (urn, column) in enumerate(now.items(), start=1):
        draft.ensure(urn)
        draft.touch(urn)
        draft.revise(urn, "dataType", column.get("type"))
        draft.revise(urn, "description", column.get("description"))
        draft.revise(urn, "position", position)
        if draft.fact(urn, "existence") == "dropped":
            draft.revise(urn, "existence", "exists")
    for urn in gone:
        if draft.exists(urn):
            draft.revise(urn, "existence", "dropped")
            draft.touch(urn)


def _flat(dataset: str, columns: Sequence[Any], above: tuple[str, ...] = ()) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for column in columns:
        path = (*above, str(as_dict(column).get("name")))
        try:
            found[column_urn(dataset, *path)] = column
        except UrnError:
            continue  # a name too long for a URN stays in the schema fact
        found.update(_flat(dataset, as_list(as_dict(column).get("fields")), path))
    return found


def owners_of(facet: Mapping[str, Any]) -> list[dict[str, str]]:
    """The `owners` fact of an ownership facet."""
    owners = []
    for owner in as_list(facet.get("owners")):
        name, kind = as_text(as_dict(owner).get("name")), as_text(as_dict(owner).get("type"))
        if name is not None:
            owners.append({"name": name, "type": kind} if kind is not None else {"name": name})
    return owners


def revise_owners(draft: Draft, urn: str, owners: Sequence[Mapping[str, str]] | None) -> None:
    """The entity is owned by these, each a principal."""
    if not draft.revise(urn, "owners", list(owners) if owners is not None else None):
        return
    principals = []
    for owner in owners or ():
        try:
            principals.append(principal_urn(owner["name"]))
        except UrnError:
            continue  # blank, or too long to be a name: stays in the fact
    for principal in principals:
        draft.ensure(principal)
        draft.link("OWNED_BY", urn, principal)


def _revise_tags(draft: Draft, dataset: str, tags: Sequence[Any]) -> None:
    whole: list[str] = []
    columns: dict[str, list[str]] = {}
    for tag in map(as_dict, tags):
        key, value, column = as_text(tag.get("key")), as_text(tag.get("value")), as_text(tag.get("field"))
        if key is None:
            continue
        text = key if value is None or value.lower() == "true" else f"{key}:{value}"
        (columns.setdefault(column, []) if column is not None else whole).append(text)
    draft.revise(dataset, "tags", sorted(set(whole)) or None)
    for column, said in columns.items():
        try:
            urn = column_urn(dataset, column)
        except UrnError:
            continue
        draft.ensure(urn)
        draft.revise(urn, "tags", sorted(set(said)))
