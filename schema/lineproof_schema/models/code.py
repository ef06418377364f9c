"""Commits and transformation code."""
from __future__ import annotations

from typing import Any

from pydantic import Field

from lineproof_schema.models.common import EventData, GitSha, Instant, Name, Repository, Sha256

__all__ = ["Actor", "ChangedFile", "CiRun", "CommitData", "TemplateSpan", "TransformationData"]


class Actor(EventData):
    """A person as git says: nothing here is verified."""

    name: str
    email: str | None = None


class ChangedFile(EventData):
    """A file a commit changed; `blob_sha` is git's blob id after the change, absent when the file was deleted."""

    path: Name
    blob_sha: GitSha | None = None


class CiRun(EventData):
    """The CI run that recorded the commit. `claims` are OIDC claims and count as verified only when the service verified them."""

    provider: Name
    run_id: str | None = None
    run_attempt: str | None = None
    workflow: str | None = None
    job: str | None = None
    actor: str | None = None
    event_name: str | None = None
    url: str | None = None
    claims: dict[str, Any] | None = None


class CommitData(EventData):
    """`lineproof.commit.v1`: CI saw a commit."""

    repository: Repository
    sha: GitSha
    parents: tuple[GitSha, ...] = ()
    author: Actor
    committed_at: Instant
    subject: str = Field(max_length=4096)
    changed_files: tuple[ChangedFile, ...] = ()
    branch: str | None = None
    tag: str | None = None
    pull_request: str | None = None
    ci_run: CiRun | None = None
    dirty: bool = False


class TemplateSpan(EventData):
    """One stretch of compiled SQL and the template text it came from: 1-based lines, `file` relative to the repository."""

    compiled_line: int = Field(ge=1)
    file: Name
    line: int = Field(ge=1)
    approximate: bool = False


class TransformationData(EventData):
    """`lineproof.transformation.v1`: a version of transformation code.

    The version is SHA-256 over RFC 8785 JSON `{rawCode, modules, config}` (digests, hex): not the commit, not the compiled text.
    `rawCodeLine` is the line of `path` at which the raw code begins, if that is not the first.
    """

    namespace: Name
    name: Name
    version: Sha256
    language: Name
    dialect: str | None = None
    raw_code: Sha256
    raw_code_line: int | None = Field(default=None, ge=1)
    modules: dict[str, Sha256] = Field(default_factory=dict)
    config: Sha256 | None = None
    path: str | None = None
    repository: Repository | None = None
    commit: GitSha | None = None
    dirty: bool = False
    image: str | None = None
    lockfile: Sha256 | None = None
    source_map: tuple[TemplateSpan, ...] = ()
