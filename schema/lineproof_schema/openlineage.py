"""Reading OpenLineage events as real clients send them: strict on what is needed to place an event, lenient on the rest.

Accepted and noted as warnings: run ids that are no UUIDs (a UUIDv5 stands in), times without a zone (UTC), nanoseconds
(truncated to µs), a missing schemaURL, a producer that is no URI. Refused: no JSON object, no eventTime, no job or dataset name, names that no URN can hold.
Source: OpenLineage specification 2-0-2, objects RunEvent, JobEvent and DatasetEvent.
"""
from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

from lineproof_schema.errors import LineproofError

__all__ = ["STATES", "TERMINAL_STATES", "DatasetPart", "JobPart", "OpenLineageError", "OpenLineageEvent", "parse_openlineage", "producer_facet", "run_uuid"]

STATES: Final = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
TERMINAL_STATES: Final = frozenset({"COMPLETE", "ABORT", "FAIL"})
# uuid5(NAMESPACE_URL, "urn:lineproof:openlineage-run"): the name space of run ids that were no UUIDs
RUN_ID_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lineproof:openlineage-run")
# namespace and name, percent-encoded: the graph takes URNs of 1,300 characters, and that of a version of the code or the data has to fit as well
MAX_NAME_LENGTH: Final = 1_200
EARLIEST_US: Final = -(2**53 - 1)  # 1684: of times before, µs since 1970 are no integer that every JSON reader keeps
ALWAYS_FITS: Final = MAX_NAME_LENGTH // 12  # a character takes at most 12
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d+))?\s*(Z|z|[+-]\d{2}:?\d{2})?$")
_URI: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


class OpenLineageError(LineproofError):
    """The event cannot be placed in the graph."""

    code = "invalid-openlineage"


@dataclass(frozen=True, slots=True)
class DatasetPart:
    """A dataset as an event names it; `io_facets` are its inputFacets or outputFacets.

    An event that names it more than once says all of that of it: `facets` are all of them, `mentions` those of each.
    """

    namespace: str
    name: str
    facets: dict[str, Any] = field(default_factory=dict)
    io_facets: dict[str, Any] = field(default_factory=dict)
    mentions: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class JobPart:
    """A job as an event names it."""

    namespace: str
    name: str
    facets: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenLineageEvent:
    """A parsed Run, Job or Dataset event. `event_time_us` counts µs since the epoch; `run_id` is always a UUID."""

    kind: Literal["run", "job", "dataset"]
    state: str | None
    event_time: datetime
    event_time_us: int
    producer: str
    run_id: str | None
    run_id_original: str | None
    run_facets: dict[str, Any]
    job: JobPart | None
    dataset: DatasetPart | None
    inputs: tuple[DatasetPart, ...]
    outputs: tuple[DatasetPart, ...]
    warnings: tuple[str, ...] = ()


def parse_openlineage(payload: bytes | dict[str, Any]) -> OpenLineageEvent:
    """Parse one event.

    Raises:
        OpenLineageError: `not-json` when the bytes are no JSON object, `invalid-openlineage` when the event cannot be placed.
    """
    event = _loads(payload) if isinstance(payload, bytes) else payload
    if not isinstance(event, dict):
        raise OpenLineageError(f"an event is a JSON object, not {type(event).__name__}", code="not-json")
    warnings: list[str] = []
    when = _event_time(event.get("eventTime"), warnings)
    producer = event.get("producer")
    if not isinstance(producer, str) or not _URI.match(producer):
        warnings.append("producer is not a URI")
        producer = producer if isinstance(producer, str) else ""
    if not isinstance(event.get("schemaURL"), str):
        warnings.append("schemaURL is missing")

    run = _object(event.get("run"), "run")
    job_value = _object(event.get("job"), "job")
    dataset_value = _object(event.get("dataset"), "dataset")
    job = JobPart(*_identity(job_value, "job", warnings), facets=_facets(job_value, "facets", "job", warnings)) if job_value is not None else None
    dataset = _dataset(dataset_value, "dataset", None, warnings) if dataset_value is not None else None
    if job is None and dataset is None:
        raise OpenLineageError("the event names neither a job nor a dataset")
    if run is not None and job is None:
        raise OpenLineageError("a run event needs a job")

    state = event.get("eventType")
    if state is not None:
        if not isinstance(state, str) or state.upper() not in STATES:
            raise OpenLineageError(f"eventType {state!r} is none of {', '.join(sorted(STATES))}")
        state = state.upper()
    run_id = original = None
    if run is not None and job is not None:
        original = run.get("runId")
        if not isinstance(original, str) or not original:
            raise OpenLineageError("run.runId is missing")
        if not _is_unicode(original):
            raise OpenLineageError("run.runId is not valid Unicode")
        run_id = run_uuid(original, job.namespace, job.name)
        if run_id != original.lower():
            warnings.append("runId is not a UUID")
        if state is None:
            state = "OTHER"
    return OpenLineageEvent(
        kind="run" if run is not None else "job" if job is not None else "dataset",
        state=state if run is not None else None,
        event_time=when, event_time_us=(when - _EPOCH) // timedelta(microseconds=1), producer=producer,
        run_id=run_id, run_id_original=original if run_id != original else None,
        run_facets=_facets(run, "facets", "run", warnings) if run is not None else {},
        job=job, dataset=dataset if job is None else None,
        inputs=_datasets(event.get("inputs"), "inputs", "inputFacets", warnings),
        outputs=_datasets(event.get("outputs"), "outputs", "outputFacets", warnings),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def run_uuid(run_id: str, job_namespace: str, job_name: str) -> str:
    """The UUID of a run: its own in lower case, or a UUIDv5 over job namespace, job name and run id when it is none."""
    try:
        return str(uuid.UUID(run_id)) if len(run_id) == 36 else _derived(run_id, job_namespace, job_name)
    except ValueError:
        return _derived(run_id, job_namespace, job_name)


def producer_facet(event: OpenLineageEvent) -> dict[str, Any] | None:
    """The `lineproof_producer` facet: on the run, else the job, else the dataset."""
    for facets in (event.run_facets, event.job.facets if event.job else {}, event.dataset.facets if event.dataset else {}):
        facet = facets.get("lineproof_producer")
        if isinstance(facet, dict):
            return facet
    return None


def _derived(run_id: str, job_namespace: str, job_name: str) -> str:
    return str(uuid.uuid5(RUN_ID_NAMESPACE, f"{job_namespace}\0{job_name}\0{run_id}"))


def _loads(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise OpenLineageError(f"the payload is not JSON: {error}", code="not-json") from error


def _event_time(value: Any, warnings: list[str]) -> datetime:
    if not isinstance(value, str):
        raise OpenLineageError("eventTime is missing")
    match = _TIME.match(value.strip())
    if match is None:
        raise OpenLineageError(f"eventTime {value!r} is not a date and time")
    day, clock, fraction, zone = match.groups()
    if fraction and len(fraction) > 6:
        warnings.append("eventTime has nanoseconds; truncated to µs")
    if zone is None:
        warnings.append("eventTime has no time zone; read as UTC")
    offset = "+00:00" if zone is None or zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    clock = clock if clock.count(":") == 2 else clock + ":00"
    leap = timedelta(seconds=1 if clock.endswith(":60") else 0)  # RFC 3339 has leap seconds, datetime has not
    clock = clock[:-2] + "59" if leap else clock
    try:
        when = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6].ljust(6, '0')}{offset}").astimezone(UTC) + leap
    except (ValueError, OverflowError) as error:
        raise OpenLineageError(f"eventTime {value!r}: {error}") from error
    if (when - _EPOCH) // timedelta(microseconds=1) < EARLIEST_US:
        raise OpenLineageError(f"eventTime {value!r} is centuries ago: it was never set")
    return when


def _object(value: Any, where: str) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise OpenLineageError(f"{where} is not an object")
    return value


def _identity(value: dict[str, Any], where: str, warnings: list[str]) -> tuple[str, str]:
    name, namespace = value.get("name"), value.get("namespace")
    if not isinstance(name, str) or not name:
        raise OpenLineageError(f"{where}.name is missing")
    if not isinstance(namespace, str) or not namespace:
        warnings.append(f"{where}.namespace is missing; read as 'default'")
        namespace = "default"
    if not _is_unicode(namespace + name):
        raise OpenLineageError(f"{where} has a name that is not valid Unicode")
    if "\0" in namespace or "\0" in name:
        raise OpenLineageError(f"{where} has a name with a NUL character")
    if len(namespace) + len(name) > ALWAYS_FITS and len(quote(namespace, safe="")) + len(quote(name, safe="")) > MAX_NAME_LENGTH:
        raise OpenLineageError(f"{where} has a name of {len(namespace) + len(name)} characters; percent-encoded, at most {MAX_NAME_LENGTH}")
    return namespace, name


def _is_unicode(text: str) -> bool:
    """JSON can escape half a surrogate pair; such a text has no bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _facets(value: dict[str, Any], key: str, where: str, warnings: list[str]) -> dict[str, Any]:
    facets = value.get(key)
    if facets is None:
        return {}
    if not isinstance(facets, dict):
        warnings.append(f"{where}.{key} is not an object; ignored")
        return {}
    return facets


def _dataset(value: Any, where: str, io_key: str | None, warnings: list[str]) -> DatasetPart:
    if not isinstance(value, dict):
        raise OpenLineageError(f"{where} is not an object")
    namespace, name = _identity(value, where, warnings)
    return DatasetPart(namespace, name, _facets(value, "facets", where, warnings), _facets(value, io_key, where, warnings) if io_key else {})


def _datasets(value: Any, where: str, io_key: str, warnings: list[str]) -> tuple[DatasetPart, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise OpenLineageError(f"{where} is not an array")
    found: dict[tuple[str, str], DatasetPart] = {}
    for position, item in enumerate(value):
        part = _dataset(item, f"{where}[{position}]", io_key, warnings)
        known = found.get((part.namespace, part.name))
        if known is not None:
            part = DatasetPart(part.namespace, part.name, {**known.facets, **part.facets}, {**known.io_facets, **part.io_facets},
                               (*(known.mentions or (known.facets,)), part.facets))
        found[part.namespace, part.name] = part
    return tuple(found.values())
