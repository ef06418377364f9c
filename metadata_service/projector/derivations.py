"""`lineproof.derivation.v1`: column lineage that the service's parser found in SQL of plain OpenLineage events.

It applies to all runs of (job, SHA-256 of the SQL) from its index on, and at once to the edges that runs of that pair hold open.
"""
from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import rfc8785

from lineproof_schema.models.lifecycle import ColumnDerivation, DerivationData
from metadata_service.graph.ops import DERIVED_FROM
from metadata_service.projector.edge_rows import RANKS, row_last_said, slot_of
from metadata_service.projector.edges import SetId, close_edges, held_rows, merge, set_key
from metadata_service.projector.facets import as_declared, show, sourceless
from metadata_service.projector.names import dataset_of, dataset_urn, job_urn
from metadata_service.projector.view import Draft

__all__ = ["declared_sql_key", "derived_key", "project_derivation", "result_digest", "shown_by_key"]


@lru_cache(65_536)
def derived_key(job: str, sql: str) -> str:
    """State key of what was derived from a SQL text of a job: {id, outputs}."""
    return "derived:" + hashlib.sha256(f"{job}\n{sql}".encode()).hexdigest()[:32]


@lru_cache(65_536)
def shown_by_key(job: str, sql: str) -> str:
    """State key of the edge sets that runs of a SQL text hold without better knowledge."""
    return "sqlsets:" + hashlib.sha256(f"{job}\n{sql}".encode()).hexdigest()[:32]


def declared_sql_key(set_id: str) -> str:
    """State key of the SQL text that the declared edges of a set stand for."""
    return f"declared-sql:{set_id}"


def result_digest(data: DerivationData) -> str:
    """What tells one result from another, whichever entry's SQL was read: SHA-256 in hex."""
    return hashlib.sha256(rfc8785.dumps(data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"entry"}))).hexdigest()


def project_derivation(draft: Draft, data: DerivationData) -> None:
    """Remember the derivation, and let the open sets of its runs say what it found."""
    job = job_urn(data.job.namespace, data.job.name)
    key, listed = derived_key(job, data.sql), shown_by_key(job, data.sql)
    draft.touch(job)
    outputs: dict[str, dict[str, Any]] = {}
    for column in data.columns:
        output = dataset_urn(column.output.namespace, column.output.name)
        found = outputs.setdefault(output, {"columns": {}, "status": data.status, "parser": data.parser})
        found["columns"][column.field] = _column(column)
    draft.put(key, {"id": draft.entry.index, "outputs": outputs, "result": result_digest(data)})
    draft.ensure(job)
    draft.revise(job, "derivation", _without_columns(data))
    sets = draft.state(listed) or []
    for set_id in sets:
        state = draft.state(set_key(set_id))
        if state is None or not state["edges"] or state["output"] not in outputs:
            continue
        found = outputs[state["output"]]
        declared = state["kind"] == "declared"
        if declared and draft.state(declared_sql_key(set_id)) != data.sql:
            continue
        inputs = [row[2] for row in state["edges"].values() if row[0] == DERIVED_FROM and not (declared and row[3] != "declared")]
        shown, rank, told = show(state["output"], inputs, None, found)
        if declared:
            shown = [as_declared(edge, inputs) for edge in shown]
        elif all(RANKS[row[3]] <= RANKS["derivation"] for row in state["edges"].values()):
            draft.revise(state["output"], "sourceless", sourceless(None, found) or None)
        for urn in sorted({urn for edge in shown for urn in (edge.downstream, edge.upstream)}):
            draft.ensure(urn)
        if rank == RANKS["derivation"]:
            slots = {slot_of(edge) for edge in shown}
            moment = max(row_last_said(row, 0, dataset_of(state["output"])) for row in held_rows(draft, set_id, state).values())  # that of what it was found in
            close_edges(draft, set_id, [slot for slot, row in state["edges"].items() if row[3] == "derivation" and slot not in slots])
            merge(draft, SetId(state["kind"], state["via"], state["transformation"], state["output"]), shown, rank=rank, firm=True,
                  told=("declared" if declared else "derivation", told), moment=moment)


def _without_columns(data: DerivationData) -> dict[str, Any]:
    """What the job remembers: which SQL was parsed, by what, how far it could be followed and why no further."""
    told = {"sql": data.sql, "dialect": data.dialect, "parser": data.parser, "entry": data.entry, "status": data.status, "reason": data.reason,
            "columns": len(data.columns)}
    return {name: value for name, value in told.items() if value is not None}


def _column(column: ColumnDerivation) -> dict[str, Any]:
    said = column.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"inputs": said.get("inputs", []), **{key: said[key] for key in ("expression", "file", "line", "column", "status") if key in said}}
