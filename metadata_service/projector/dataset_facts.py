"""Facts on datasets and jobs: which facet becomes which fact, columns, owners.

Every facet is kept as it was sent, as the fact `facet:<key>`; those we know also become facts in our words. Facets merge additively:
one that is absent says nothing, one with `_deleted` ends its facts, one that is there replaces them whole. What changes with every
run (statistics, versions) is no fact of the dataset and goes to the run or the version.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lineproof_schema.openlineage import DatasetPart
from lineproof_schema.urn import UrnError
from metadata_service.projector.edges import follow_columns
from metadata_service.projector.facets import fed_by, sourceless
from metadata_service.projector.lives import claimed_at
from metadata_service.projector.names import column_urn, principal_urn
from metadata_service.projector.parts import KnownList, made_of
from metadata_service.projector.plain import MAX_NESTING, as_dict, as_list, as_text
from metadata_service.projector.view import Draft
from metadata_service.projector.words import Words, fact_of

__all__ = ["FED_BY_JOBS_STATE", "INTERPRETED", "is_deleted", "kept_facets", "owners_of", "per_run_facets", "project_assertions",
           "project_dataset_facets", "project_job_facets", "remember_sources", "revise_columns", "revise_owners", "standing_facets", "tags_of",
           "unsaid"]

# facets of ours that are read by their content alone: edges, transformations and the numbers of a producer's stream
_OURS: Final = frozenset({"lineproof_columns", "lineproof_transformation", "lineproof_producer"})
_PER_RUN: Final = frozenset({"dataQualityMetrics", "outputStatistics", "inputStatistics", "subset", "version"})
FED_BY_JOBS_STATE: Final = "fed-by-jobs"  # there is, or was, a dataset with the fact `fedBy`
# facets whose content is told in our words too, as facts, edges, links or versions: where changes are listed, once is enough
INTERPRETED: Final = frozenset(f"facet:{key}" for key in (
    "columnLineage", "dataSource", "documentation", "jobType", "lifecycleStateChange", "lineage", "ownership", "parent", "schema", "sourceCodeLocation",
    "sql", "symlinks", "tags", "version")) | {"sourceless"}  # and a fact that follows from them and from what else is known of the columns


def is_deleted(facet: Mapping[str, Any]) -> bool:
    """Whether the producer takes the facet back (OpenLineage 2-0-2, `_deleted` of job and dataset facets)."""
    return facet.get("_deleted") is True


def kept_facets(facets: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those that can be kept under their key: objects, as the specification wants them. Not to be changed."""
    return made_of(facets, "kept", _kept)


def _kept(facets: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: facet for key, facet in facets.items() if isinstance(facet, dict) and "\0" not in key and key not in _OURS}


def per_run_facets(part: DatasetPart) -> dict[str, dict[str, Any]]:
    """What an event says of this run's reading or writing of a dataset, not of the dataset."""
    if not part.io_facets and _PER_RUN.isdisjoint(part.facets):
        return {}
    return kept_facets({**{key: facet for key, facet in part.facets.items() if key in _PER_RUN}, **part.io_facets})


def project_dataset_facets(draft: Draft, dataset: str, facets: Mapping[str, Any]) -> None:
    """Revise the facts of a dataset that the signer may speak for."""
    for key, facet in kept_facets(facets).items():
        if key in _PER_RUN:
            continue
        before = as_dict(draft.fact(dataset, "facet:tags")) if key == "tags" else {}
        gone = _keep(draft, dataset, key, facet)
        if gone is None:
            continue
        match key:
            case "schema":
                revise_columns(draft, dataset, None if gone else schema_of(facet))
            case "ownership":
                revise_owners(draft, dataset, None if gone else owners_of(facet))
            case "documentation":
                draft.revise(dataset, "description", None if gone else as_text(facet.get("description")))
            case "tags":
                _revise_tags(draft, dataset, before, {} if gone else facet)
            case "dataSource":
                draft.revise(dataset, "storage", None if gone else as_text(facet.get("uri")))


def _keep(draft: Draft, urn: str, key: str, facet: Mapping[str, Any]) -> bool | None:
    """The facet as it was sent; True if it was taken back. None if what stands of a facet that we tell in our words was first said later: an earlier word
    that arrives after it, of whatever run, does not undo it."""
    gone = is_deleted(facet)
    value, fact = None if gone else facet, f"facet:{key}"
    if gone or (fact in INTERPRETED and not draft.stands(urn, fact, value)):
        told, claimed = draft.state(_told_key(urn)) or {}, claimed_at(draft)
        if fact in INTERPRETED and claimed < told.get(key, claimed):
            return None
        draft.put(_told_key(urn), {**told, key: claimed})
    draft.revise(urn, fact, value)
    return gone


def project_job_facets(draft: Draft, job: str, facets: Mapping[str, Any]) -> None:
    """Revise the facts of a job."""
    for key, facet in kept_facets(facets).items():
        gone = _keep(draft, job, key, facet)
        if gone is None:
            continue
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
            case "tags":
                draft.revise(job, "tags", None if gone else tags_of(facet) or None)


def _told_key(urn: str) -> str:
    """State key of when what stands of an entity's facets was first said, or they were taken back: {key: claimed time (µs)}."""
    return f"told:{urn}"


def unsaid(draft: Draft, urn: str, facets: Mapping[str, Any]) -> dict[str, Any]:
    """Of the facets of an event that arrived behind later ones those that say something new; what is known was said later and stays."""
    told = draft.state(_told_key(urn)) or {}
    claimed = claimed_at(draft)
    return {key: facet for key, facet in facets.items()
            if draft.fact(urn, fact_of(key)) is None and draft.fact(urn, f"facet:{key}") is None and told.get(key, claimed) <= claimed}


def schema_of(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of a `schema` facet as the `schema` fact keeps them; nested ones under `fields`. Not to be changed."""
    return made_of(facet, "columns", lambda said: KnownList(_columns(as_list(said.get("fields")))))


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
    follow_columns(draft, dataset)


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
    if draft.revise(urn, "owners", list(owners) if owners is not None else None):
        _link_owners(draft, urn, owners)


def standing_facets(draft: Draft, words: Words, urn: str, facets: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of an event's facets that stand. Owners that do not, since an event that came before names others, are linked all the same: links say who
    ever was an owner, the fact who is."""
    standing = words.standing(draft, urn, facets)
    if "ownership" in facets and "ownership" not in standing:
        _link_owners(draft, urn, owners_of(as_dict(facets["ownership"])))
    return standing


def _link_owners(draft: Draft, urn: str, owners: Sequence[Mapping[str, str]] | None) -> None:
    principals = []
    for owner in owners or ():
        try:
            principals.append(principal_urn(owner["name"]))
        except UrnError:
            continue  # blank, or too long to be a name: stays in the fact
    for principal in principals:
        draft.ensure(principal)
        draft.link("OWNED_BY", urn, principal)


def remember_sources(draft: Draft, dataset: str, content: Mapping[str, Any] | None, derivation: Mapping[str, Any] | None) -> None:
    """What no edge can say of where a dataset comes from: columns made of no other column, and jobs of which only the name is known."""
    draft.revise(dataset, "sourceless", sourceless(content, derivation) or None)
    jobs = fed_by(content)
    if draft.revise(dataset, "fedBy", jobs or None) and jobs:
        draft.put(FED_BY_JOBS_STATE, 1)


def project_assertions(draft: Draft, dataset: str, assertions: Sequence[Any], *, behind: bool) -> None:
    """Each assertion as the fact `quality:<name>[:<column>]` of the dataset, the last word of it.

    The specification puts the facet on inputs; producers that check what they wrote send it with outputs as well.
    """
    for item in map(as_dict, assertions):
        check = as_text(item.get("name")) or as_text(item.get("assertion"))
        if check is not None and isinstance(item.get("success"), bool):
            column = as_text(item.get("column"))
            said = {key: item[key] for key in ("success", "severity", "expected", "actual", "column") if item.get(key) is not None}
            fact = f"quality:{check}" + (f":{column}" if column is not None else "")
            if not (behind and draft.fact(dataset, fact) is not None):
                draft.revise(dataset, fact, said)


def tags_of(facet: Mapping[str, Any]) -> list[str]:
    """The `tags` fact of a tags facet, without those of single columns."""
    return _tags(facet).get("", [])


def _tags(facet: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tags in our words, `key` or `key:value`, by column; "" stands for the whole."""
    found: dict[str, set[str]] = {}
    for tag in map(as_dict, as_list(facet.get("tags"))):
        key, value = as_text(tag.get("key")), as_text(tag.get("value"))
        if key is not None:
            found.setdefault(as_text(tag.get("field")) or "", set()).add(key if value is None or value.lower() == "true" else f"{key}:{value}")
    return {column: sorted(said) for column, said in found.items()}


def _revise_tags(draft: Draft, dataset: str, before: Mapping[str, Any], facet: Mapping[str, Any]) -> None:
    """The facet replaces the one before whole: a column that it leaves out has no tags of it any more."""
    now = _tags(facet)
    draft.revise(dataset, "tags", now.pop("", None))
    for column in (*now, *(name for name in _tags(before) if name and name not in now)):
        try:
            urn = column_urn(dataset, column)
        except UrnError:
            continue
        draft.ensure(urn)
        draft.revise(urn, "tags", now.get(column))
