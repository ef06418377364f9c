"""Which namespaces an event writes in: what a key's scope, a token's prefixes and tenants are checked against.

Reading is not writing: inputs, training data and consumed datasets of other namespaces are references.
"""
from __future__ import annotations

from urllib.parse import unquote

from lineproof_schema.models import EventData
from lineproof_schema.models.features import MaterializationData
from lineproof_schema.models.lifecycle import DerivationData, TombstoneData
from lineproof_schema.models.usage import CostData, QualityData, UsageData
from lineproof_schema.openlineage import OpenLineageEvent
from lineproof_schema.urn import parse_urn
from metadata_service.errors import IntakeRefused

__all__ = ["namespaces_of_cloudevent", "namespaces_of_openlineage", "namespaces_read"]

def namespaces_of_openlineage(event: OpenLineageEvent) -> tuple[str, ...]:
    """The namespaces of the job, of the outputs and of the dataset a dataset event is about."""
    parts = [part.namespace for part in (event.job, event.dataset) if part is not None]
    return _unique(*parts, *(output.namespace for output in event.outputs))


def namespaces_read(event: OpenLineageEvent) -> tuple[str, ...]:
    """The namespaces of the inputs."""
    return _unique(*(part.namespace for part in event.inputs))


def namespaces_of_cloudevent(data: EventData) -> tuple[str, ...]:
    """The namespaces an event body writes in; empty for types that have none (commits, statements, the log's own).

    Raises:
        UrnError: a subject that is no URN of ours.
        IntakeRefused: `invalid-event`, a feature reference that is not `<ns>:<name>@<version>`.
    """
    match data:
        case MaterializationData():
            output = () if data.output is None else (data.output.namespace,)
            return _unique(_reference_namespace(data.feature), *output)
        case UsageData() | CostData() | QualityData():
            return _urn_namespace(data.subject)
        case TombstoneData():
            return () if data.urn is None else _urn_namespace(data.urn)
        case DerivationData():
            return (data.job.namespace,)
    namespace = getattr(data, "namespace", None)
    return (namespace,) if isinstance(namespace, str) else ()


def _urn_namespace(text: str) -> tuple[str, ...]:
    namespace = parse_urn(text).namespace
    return () if namespace is None else (namespace,)


def _reference_namespace(reference: str) -> str:
    namespace, colon, rest = reference.partition(":")
    name, at, version = rest.partition("@")
    if not (namespace and colon and name and at and version):
        raise IntakeRefused(f"{reference[:200]!r} is not <namespace>:<name>@<version>", errors=[{"field": "feature", "message": "not a reference"}])
    return unquote(namespace)


def _unique(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
