"""One method per event type: the words a pipeline has for what CI, ETL and serving do.

Arguments are those of the models in `lineproof_schema.models`, in snake_case; a value of None says nothing. Nested parts may be
dictionaries (snake_case or camelCase) or the models themselves. Every method returns a `Receipt` and never raises.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingest_hooks.receipt import Receipt

__all__ = ["EventMethods"]

Part = Mapping[str, Any] | Any  # a dictionary, or the pydantic model of that part
Moment = datetime | str  # aware, or RFC 3339


class EventMethods(ABC):
    """The typed helpers over `emit`."""

    @abstractmethod
    def emit(self, kind: str, data: Any, *, event_id: str | None = None, time: datetime | None = None, closes_stream: bool = False) -> Receipt:
        """Emit an event of any type."""

    # ---- code

    def commit(self, *, repository: str, sha: str, author: Part, committed_at: Moment, subject: str, parents: Iterable[str] = (),
               changed_files: Iterable[Part] | None = None, branch: str | None = None, tag: str | None = None, pull_request: str | None = None,
               ci_run: Part | None = None, dirty: bool = False, closes_stream: bool = False) -> Receipt:
        """CI saw a commit."""
        return self.emit("lineproof.commit.v1", _said(repository=repository, sha=sha, author=author, committed_at=committed_at, subject=subject,
                                                      parents=_tuple(parents), changed_files=_tuple(changed_files), branch=branch, tag=tag,
                                                      pull_request=pull_request, ci_run=ci_run, dirty=dirty), closes_stream=closes_stream)

    def transformation(self, *, namespace: str, name: str, version: str, language: str, raw_code: str, dialect: str | None = None,
                       modules: Mapping[str, str] | None = None, config: str | None = None, path: str | None = None, repository: str | None = None,
                       commit: str | None = None, dirty: bool = False, image: str | None = None, lockfile: str | None = None,
                       source_map: Iterable[Part] | None = None, raw_code_line: int | None = None) -> Receipt:
        """A version of transformation code; `version` as `ingest_hooks.transformation_version` computes it."""
        return self.emit("lineproof.transformation.v1", _said(namespace=namespace, name=name, version=version, language=language, raw_code=raw_code,
                                                              dialect=dialect, modules=modules, config=config, path=path, repository=repository,
                                                              commit=commit, dirty=dirty, image=image, lockfile=lockfile, source_map=_tuple(source_map),
                                                              raw_code_line=raw_code_line))

    # ---- data

    def dataset(self, *, namespace: str, name: str, columns: Iterable[Part] | None = None, owners: Iterable[Part] | None = None,
                description: str | None = None, tags: Iterable[str] | None = None, classification: str | None = None,
                storage_location: str | None = None, freshness: Part | None = None, retention: str | None = None, purpose: str | None = None,
                is_source: bool | None = None) -> Receipt:
        """Declared facts on a dataset; an empty list clears."""
        return self.emit("lineproof.dataset.v1", _said(namespace=namespace, name=name, columns=_tuple(columns), owners=_tuple(owners),
                                                       description=description, tags=_tuple(tags), classification=classification,
                                                       storage_location=storage_location, freshness=freshness, retention=retention, purpose=purpose,
                                                       is_source=is_source))

    def dataset_version(self, *, namespace: str, name: str, id: str, pointer: Part | None = None, fingerprint: Part | None = None,
                        row_count: int | None = None, event_time: Part | None = None, knowledge: str = "committed",
                        committed_at: Moment | None = None, partition: Mapping[str, Any] | None = None, hold: Part | None = None,
                        backfill: bool = False, run_id: str | None = None, column_knowledge: Mapping[str, str] | None = None) -> Receipt:
        """A snapshot of a dataset's content."""
        return self.emit("lineproof.dataset-version.v1", _said(namespace=namespace, name=name, id=id, pointer=pointer, fingerprint=fingerprint,
                                                               row_count=row_count, event_time=event_time, knowledge=knowledge,
                                                               committed_at=committed_at, partition=partition, hold=hold, backfill=backfill, run_id=run_id,
                                                               column_knowledge=column_knowledge))

    # ---- features and models

    def feature_version(self, *, namespace: str, name: str, version: str, definition: Part, column: Part, offline: Part | None = None,
                        online: Part | None = None, repository: str | None = None, commit: str | None = None, compatibility: Part | None = None,
                        description: str | None = None, owners: Iterable[str] = (), tags: Iterable[str] = ()) -> Receipt:
        """An immutable version of a feature."""
        return self.emit("lineproof.feature-version.v1", _said(namespace=namespace, name=name, version=version, definition=definition, column=column,
                                                               offline=offline, online=online, repository=repository, commit=commit,
                                                               compatibility=compatibility, description=description, owners=_tuple(owners),
                                                               tags=_tuple(tags)))

    def materialization(self, *, feature: str, status: str, interval: Part | None = None, run_id: str | None = None, location: str | None = None,
                        rows: int | None = None, output: Part | None = None, finished_at: Moment | None = None) -> Receipt:
        """A feature version (`<ns>:<name>@<version>`) was written to a store; `status` is started, completed or failed."""
        return self.emit("lineproof.materialization.v1", _said(feature=feature, status=status, interval=interval, run_id=run_id, location=location,
                                                               rows=rows, output=output, finished_at=finished_at))

    def alias(self, *, kind: str, namespace: str, name: str, alias: str, to: str | None, expected: int | None = None, reason: str | None = None,
              approval: str | None = None, actor: str | None = None, details: Mapping[str, Any] | None = None) -> Receipt:
        """Move an alias of a feature or model, or delete it (`to=None`), if it still stands where entry `expected` put it."""
        return self.emit("lineproof.alias.v1", {"to": to, **_said(kind=kind, namespace=namespace, name=name, alias=alias, expected=expected, reason=reason,
                                                                 approval=approval, actor=actor, details=details)})

    def model_version(self, *, namespace: str, name: str, version: str, artifact: str, framework: str | None = None,
                      training_datasets: Iterable[Part] = (), training_columns: Iterable[Part] = (), reference_time_column: str | None = None,
                      label_time_column: str | None = None, features: Iterable[str] = (), binding: str = "stable", ttl_seconds: int | None = None,
                      repository: str | None = None, commit: str | None = None, run_id: str | None = None, owners: Iterable[str] = (),
                      description: str | None = None, label_columns: Iterable[str] | None = None, as_of: Moment | None = None) -> Receipt:
        """An immutable version of a model; `artifact` is the SHA-256 of its file."""
        return self.emit("lineproof.model-version.v1", _said(namespace=namespace, name=name, version=version, artifact=artifact, framework=framework,
                                                             training_datasets=_tuple(training_datasets), training_columns=_tuple(training_columns),
                                                             reference_time_column=reference_time_column, label_time_column=label_time_column,
                                                             label_columns=_tuple(label_columns), as_of=as_of, features=_tuple(features), binding=binding,
                                                             ttl_seconds=ttl_seconds, repository=repository,
                                                             commit=commit, run_id=run_id, owners=_tuple(owners), description=description))

    def deployment(self, *, namespace: str, name: str, id: str, action: str, model_version: str, environment: str, features: Iterable[str] = (),
                   image: str | None = None, previous: str | None = None) -> Receipt:
        """A model version goes live (`deploy`) or is taken out (`retire`); `features` are concrete versions, never aliases."""
        return self.emit("lineproof.deployment.v1", _said(namespace=namespace, name=name, id=id, action=action, model_version=model_version,
                                                          environment=environment, features=_tuple(features), image=image, previous=previous))

    def consumer(self, *, kind: str, namespace: str, name: str, owners: Iterable[str] = (), url: str | None = None, description: str | None = None,
                 datasets: Iterable[Part] = (), columns: Iterable[Part] = (), features: Iterable[str] = (), models: Iterable[str] = ()) -> Receipt:
        """A dashboard, report, application, notebook or export, and what it reads."""
        return self.emit("lineproof.consumer.v1", _said(kind=kind, namespace=namespace, name=name, owners=_tuple(owners), url=url,
                                                        description=description, datasets=_tuple(datasets), columns=_tuple(columns),
                                                        features=_tuple(features), models=_tuple(models)))

    # ---- what happens to entities

    def usage(self, *, subject: str, count: int, window: Part, reader: str | None = None) -> Receipt:
        """Reads of an entity (URN) over a window."""
        return self.emit("lineproof.usage.v1", _said(subject=subject, count=count, window=window, reader=reader))

    def cost(self, *, subject: str, window: Part | None = None, service_name: str | None = None, consumed_quantity: float | None = None,
             consumed_unit: str | None = None, effective_cost: float | None = None, billing_currency: str | None = None) -> Receipt:
        """What a run or a dataset's storage cost, in FOCUS terms."""
        return self.emit("lineproof.cost.v1", _said(subject=subject, window=window, service_name=service_name, consumed_quantity=consumed_quantity,
                                                    consumed_unit=consumed_unit, effective_cost=effective_cost, billing_currency=billing_currency))

    def quality(self, *, subject: str, check: str, success: bool, severity: str = "error", version: str | None = None, expected: Any = None,
                actual: Any = None, column: str | None = None, run_id: str | None = None, checked_at: Moment | None = None) -> Receipt:
        """The result of a check on an entity (URN)."""
        return self.emit("lineproof.quality.v1", _said(subject=subject, check=check, success=success, severity=severity, version=version,
                                                       expected=expected, actual=actual, column=column, run_id=run_id, checked_at=checked_at))

    def tombstone(self, *, reason: str, urn: str | None = None, entry: int | None = None) -> Receipt:
        """An entity ceased (`urn`), or an entry is retracted (`entry`, its index)."""
        return self.emit("lineproof.tombstone.v1", _said(reason=reason, urn=urn, entry=entry))

    def statement(self, statement: Mapping[str, Any]) -> Receipt:
        """An in-toto Statement v1: provenance, a reproduction manifest, a result."""
        return self.emit("lineproof.statement.v1", statement)


def _said(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _tuple(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
