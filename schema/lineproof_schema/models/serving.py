"""Models, deployments and the consumers behind them."""
from __future__ import annotations

from typing import Literal

from pydantic import Field

from lineproof_schema.models.common import ColumnRef, DatasetRef, DatasetVersionRef, EventData, GitSha, Instant, Name, Repository, Sha256

__all__ = ["ConsumerData", "DeploymentData", "ModelVersionData"]


class ModelVersionData(EventData):
    """`lineproof.model-version.v1`: an immutable version of a model.

    `reference_time_column` is when the prediction is made, `label_time_column` when the outcome is known; both name columns of
    the training dataset. `training_columns` are the columns that were read (empty = all), `label_columns` those of them that are learned to
    predict. `as_of`: the training data claim to hold nothing that was written later.
    """

    namespace: Name
    name: Name
    version: Name
    artifact: Sha256
    framework: str | None = None
    training_datasets: tuple[DatasetVersionRef, ...] = ()
    training_columns: tuple[ColumnRef, ...] = ()
    reference_time_column: str | None = None
    label_time_column: str | None = None
    label_columns: tuple[Name, ...] | None = None
    as_of: Instant | None = None
    features: tuple[Name, ...] = ()  # <ns>:<name>@<version|alias>
    binding: Literal["stable", "flexible"] = "stable"
    ttl_seconds: int | None = Field(default=None, gt=0)
    repository: Repository | None = None
    commit: GitSha | None = None
    run_id: str | None = None
    owners: tuple[str, ...] = ()
    description: str | None = None


class DeploymentData(EventData):
    """`lineproof.deployment.v1`: a model version goes live or is retired. `features` are concrete versions, never aliases."""

    namespace: Name
    name: Name
    id: Name
    action: Literal["deploy", "retire"]
    model_version: Name
    environment: Name
    features: tuple[Name, ...] = ()
    image: str | None = None
    previous: Name | None = None


class ConsumerData(EventData):
    """`lineproof.consumer.v1`: a dashboard, report, application, notebook or export, and what it reads."""

    kind: Literal["dashboard", "report", "application", "notebook", "export"]
    namespace: Name
    name: Name
    owners: tuple[str, ...] = ()
    url: str | None = None
    description: str | None = None
    datasets: tuple[DatasetRef, ...] = ()
    columns: tuple[ColumnRef, ...] = ()
    features: tuple[Name, ...] = ()
    models: tuple[Name, ...] = ()  # <ns>:<name>@<version|alias>
