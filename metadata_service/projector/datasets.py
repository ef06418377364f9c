"""Declared facts on datasets, and their versions."""
from __future__ import annotations

from typing import Any, Final

from lineproof_schema.models.data import DatasetData, DatasetVersionData
from lineproof_schema.openlineage import run_uuid
from lineproof_schema.urn import UrnError
from metadata_service.projector.dataset_facts import revise_columns, revise_owners
from metadata_service.projector.lifecycle import declared_again
from metadata_service.projector.names import dataset_urn, run_urn, version_clock_key, version_urn
from metadata_service.projector.plain import MAX_NESTING
from metadata_service.projector.view import Draft

__all__ = ["move_current_version", "project_dataset", "project_dataset_version"]

_PLAIN_FACTS: Final = ("description", "classification", "freshness", "retention", "purpose", "isSource")
_VERSION_FACTS: Final = ("id", "pointer", "fingerprint", "rowCount", "eventTime", "knowledge", "columnKnowledge",
                         "committedAt", "partition", "hold", "backfill")


def move_current_version(draft: Draft, dataset: str, version: str, at: int) -> bool:
    """`version` is the current one, unless what is current was written later (a late spool); True if it is."""
    clock = draft.state(version_clock_key(dataset))
    if clock is not None and at < clock:
        return False
    draft.put(version_clock_key(dataset), at)
    draft.revise(dataset, "currentVersion", version)
    return True


def project_dataset(draft: Draft, data: DatasetData) -> None:
    """`lineproof.dataset.v1`: absent fields say nothing, null withdraws nothing, an empty list clears."""
    urn = dataset_urn(data.namespace, data.name)
    draft.touch(urn)
    draft.ensure(urn)
    declared_again(draft, urn)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    if data.columns is not None:
        revise_columns(draft, urn, [_column(column) for column in said["columns"]] or None)
    if data.owners is not None:
        revise_owners(draft, urn, said["owners"] or None)
    if data.tags is not None:
        draft.revise(urn, "tags", sorted(set(data.tags)) or None)
    if data.storage_location is not None:
        draft.revise(urn, "storage", data.storage_location)
    for fact in _PLAIN_FACTS:
        if fact in said:
            draft.revise(urn, fact, said[fact])


def _column(column: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    kept = {key: column[key] for key in ("name", "type", "description", "nullable") if key in column}
    below = [_column(item, depth + 1) for item in column.get("fields") or []] if depth < MAX_NESTING else []
    return {**kept, "fields": below} if below else kept


def project_dataset_version(draft: Draft, data: DatasetVersionData) -> None:
    """`lineproof.dataset-version.v1`: a snapshot; its facts are filled in once and not changed after."""
    dataset = dataset_urn(data.namespace, data.name)
    version = version_urn(dataset, data.id)
    run = _run(data)
    draft.touch(version)
    draft.touch(dataset)
    draft.ensure(version)
    declared_again(draft, dataset)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    for fact in _VERSION_FACTS:
        if fact in said and (fact != "backfill" or data.backfill):
            draft.revise(version, fact, said[fact])
    if run is not None:
        draft.ensure(run)
        draft.touch(run, "mention")
        draft.revise(version, "run", run)
        record = draft.state(f"run:{run.rpartition(':')[2]}")
        mark = f"GENERATED {version}"
        if record is None:
            draft.link("GENERATED", run, version)
        elif mark not in record["done"]:
            draft.link("GENERATED", run, version, known_new=True)
            draft.put(f"run:{run.rpartition(':')[2]}", {**record, "done": [*record["done"], mark]})
    claimed = draft.entry.claimed or 0
    if not data.backfill:
        move_current_version(draft, dataset, version, claimed)


def _run(data: DatasetVersionData) -> str | None:
    if not data.run_id:
        return None
    try:
        return run_urn(run_uuid(data.run_id, data.namespace, data.name))
    except UrnError:
        return None
