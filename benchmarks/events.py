"""Events as real pipelines send them: signed OpenLineage runs of about 3 KB, chained as the emitter chains them."""
from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest_hooks.segment import StreamHead
from ingest_hooks.signer import Signed, Signer, openlineage_draft
from lineproof_audit.keys import SigningKey

__all__ = ["JOBS", "NAMESPACE", "run_event", "signed_events"]

NAMESPACE = "bench"
JOBS = 50
PRODUCER = "https://lineproof.dev/benchmarks"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def run_event(number: int, *, columns: int = 7, job: str | None = None, purpose_of_job: str = "") -> dict[str, Any]:
    """The COMPLETE event of run `number`: two inputs, one output with its schema, and where each of its columns comes from.

    With 7 columns the signed envelope has about 3 KB. Runs of one job say the same edges.
    """
    name = job or f"models.stage_{number % JOBS}"
    inputs = [f"raw.{name.rpartition('.')[2]}_{side}" for side in ("left", "right")]
    fields = [f"column_{position}" for position in range(columns)]
    lineage = {each: {"inputFields": [{"namespace": NAMESPACE, "name": inputs[position % 2], "field": each,
                                       "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]} for position, each in enumerate(fields)}
    return {
        "eventType": "COMPLETE", "eventTime": (_BEGAN + timedelta(seconds=number)).isoformat(), "producer": PRODUCER, "schemaURL": SCHEMA,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{purpose_of_job}{name} {number}")), "facets": {}},
        "job": {"namespace": NAMESPACE, "name": name, "facets": {}},
        "inputs": [{"namespace": NAMESPACE, "name": each, "facets": {}} for each in inputs],
        "outputs": [{"namespace": NAMESPACE, "name": f"out.{name}", "facets": {
            "schema": {"_producer": PRODUCER, "_schemaURL": FACET, "fields": [{"name": each, "type": "DOUBLE"} for each in fields]},
            "columnLineage": {"_producer": PRODUCER, "_schemaURL": FACET, "fields": lineage}}}]}


def signed_events(events: Iterator[dict[str, Any]] | list[dict[str, Any]], key: SigningKey, origin: str) -> Iterator[Signed]:
    """The events of one producer stream."""
    signer, head = Signer(key, origin), StreamHead.fresh()
    for event in events:
        signed = signer.sign(openlineage_draft(event), head)
        head = signed.head
        yield signed
