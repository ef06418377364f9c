"""What the events of a plain OpenLineage run say together, or a job event alone, that is worth parsing: a SQL text, what is read, and what is written
without saying how."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineproof_schema.openlineage import DatasetPart, OpenLineageEvent
from metadata_service.projector.facets import job_lineage
from metadata_service.projector.plain import as_dict, as_list, as_text

__all__ = ["NamedDataset", "PlainRun", "columns_of", "may_be_plain", "plain_run"]


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A dataset that a run names. `aliases`: names its `symlinks` facet gives it. `columns`: name -> type as told, in order; None if not told."""

    namespace: str
    name: str
    aliases: tuple[str, ...] = ()
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PlainRun:
    """A run with a SQL text; `outputs` are those for which no column lineage was sent. `integration` is what the job says it runs in."""

    namespace: str
    job: str
    sql: str
    dialect: str | None
    integration: str | None
    inputs: tuple[NamedDataset, ...]
    outputs: tuple[NamedDataset, ...]
    others: int  # outputs that brought their lineage with them


def may_be_plain(event: OpenLineageEvent) -> bool:
    """Whether the event may add to what is worth parsing: it has a SQL text, or is of a run and has an output without lineage. A job event speaks alone."""
    if event.job is None or event.kind == "dataset":
        return False
    return bool(as_dict(event.job.facets.get("sql"))) or (event.kind == "run" and any(not _is_told(part) for part in event.outputs))


def plain_run(events: Sequence[OpenLineageEvent]) -> PlainRun | None:
    """The union of a run's events, in the order of the log, or a job event; None if it has no SQL text or brought lineage for all it wrote."""
    sql = dialect = integration = None
    inputs: dict[tuple[str, str], NamedDataset] = {}
    outputs: dict[tuple[str, str], NamedDataset] = {}
    told: set[tuple[str, str]] = set()
    for event in events:
        if event.job is None:
            continue
        facet = as_dict(event.job.facets.get("sql"))
        if as_text(facet.get("query")) is not None:
            sql, dialect = facet["query"], as_text(facet.get("dialect"))
        integration = as_text(as_dict(event.job.facets.get("jobType")).get("integration")) or integration
        _add(inputs, event.inputs)
        _add(outputs, event.outputs)
        told.update((part.namespace, part.name) for part in event.outputs if _is_told(part))
        told.update(job_lineage(event.job))
    wanted = tuple(named for key, named in outputs.items() if key not in told)
    job = next((event.job for event in events if event.job is not None), None)
    if sql is None or job is None or not wanted:
        return None
    return PlainRun(job.namespace, job.name, sql, dialect, integration, tuple(inputs.values()), wanted, len(outputs) - len(wanted))


def columns_of(fields: Iterable[Any]) -> dict[str, str] | None:
    """Name -> type of the columns of a `schema` facet or fact; None if it names none."""
    found = {name: as_text(as_dict(field).get("type")) or "" for field in fields if (name := as_text(as_dict(field).get("name"))) is not None}
    return found or None


def _is_told(part: DatasetPart) -> bool:
    """Whether an event says itself what the output is made of; where our hooks looked at the statement, they have said what can be said."""
    lineage, columns = as_dict(part.facets.get("lineage")), as_dict(part.facets.get("columnLineage"))
    return bool("inputs" in lineage or lineage.get("fields") or columns.get("fields") or columns.get("dataset") or part.facets.get("lineproof_columns"))


def _add(known: dict[tuple[str, str], NamedDataset], parts: Iterable[DatasetPart]) -> None:
    for part in parts:
        key = (part.namespace, part.name)
        before = known.get(key, NamedDataset(*key))
        links = as_list(as_dict(part.facets.get("symlinks")).get("identifiers"))
        names = (name for link in links if (name := as_text(as_dict(link).get("name"))) is not None)
        known[key] = replace(before, aliases=tuple(dict.fromkeys((*before.aliases, *names))),
                             columns=columns_of(as_list(as_dict(part.facets.get("schema")).get("fields"))) or before.columns)
