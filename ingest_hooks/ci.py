"""What the environment of a CI job says about the commit it builds: GitHub Actions, GitLab CI, or any system that sets CI=true.

Nothing here is verified; it is what the job's environment claims.
"""
from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_hooks.git import Commit, repository_name

__all__ = ["CiEnvironment", "ci_environment", "commit_data"]


@dataclass(frozen=True, slots=True)
class CiEnvironment:
    """One CI run. `run` holds the fields of `ciRun` that are known; the rest is what a detached checkout cannot say."""

    run: dict[str, str]
    repository: str | None = None
    branch: str | None = None
    tag: str | None = None
    pull_request: str | None = None


def ci_environment(environ: Mapping[str, str] = os.environ) -> CiEnvironment | None:
    """The CI run this process belongs to; None outside CI."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return _github(environ)
    if environ.get("GITLAB_CI") == "true":
        return _gitlab(environ)
    if environ.get("CI", "").lower() in ("true", "1"):
        return CiEnvironment(_known(provider="ci", runId=environ.get("BUILD_ID") or environ.get("BUILD_NUMBER"), job=environ.get("JOB_NAME"),
                                    url=environ.get("BUILD_URL")), branch=environ.get("BRANCH_NAME") or None)
    return None


def commit_data(commit: Commit, environment: CiEnvironment | None, *, repository: str | None = None) -> dict[str, Any]:
    """The fields of `lineproof.commit.v1`: git's facts, completed by those of the CI run. `repository` wins over both."""
    data = commit.data()
    if environment is not None:
        data["ciRun"] = environment.run
        if environment.repository and data["repository"].startswith("local/"):
            data["repository"] = environment.repository
        for name, value in (("branch", environment.branch), ("tag", environment.tag), ("pullRequest", environment.pull_request)):
            if value:
                data.setdefault(name, value)
    if repository:
        data["repository"] = repository
    return data


def _github(environ: Mapping[str, str]) -> CiEnvironment:
    server, name = environ.get("GITHUB_SERVER_URL", "https://github.com"), environ.get("GITHUB_REPOSITORY", "")
    ref, run_id = environ.get("GITHUB_REF", ""), environ.get("GITHUB_RUN_ID")
    run = _known(provider="github", runId=run_id, runAttempt=environ.get("GITHUB_RUN_ATTEMPT"), workflow=environ.get("GITHUB_WORKFLOW_REF"),
                 job=environ.get("GITHUB_JOB"), actor=environ.get("GITHUB_ACTOR"), eventName=environ.get("GITHUB_EVENT_NAME"),
                 url=f"{server}/{name}/actions/runs/{run_id}" if name and run_id else None,
                 repositoryId=environ.get("GITHUB_REPOSITORY_ID"), repositoryOwnerId=environ.get("GITHUB_REPOSITORY_OWNER_ID"),
                 workflowSha=environ.get("GITHUB_WORKFLOW_SHA"), runnerEnvironment=environ.get("RUNNER_ENVIRONMENT"))
    pull = re.fullmatch(r"refs/pull/(\d+)/.*", ref)
    branch = environ.get("GITHUB_HEAD_REF") or (ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None)
    return CiEnvironment(run, _name(f"{server}/{name}" if name else None), branch,
                         ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else None, pull[1] if pull else None)


def _gitlab(environ: Mapping[str, str]) -> CiEnvironment:
    run = _known(provider="gitlab", runId=environ.get("CI_PIPELINE_ID"), workflow=environ.get("CI_CONFIG_PATH"), job=environ.get("CI_JOB_NAME"),
                 actor=environ.get("GITLAB_USER_LOGIN"), eventName=environ.get("CI_PIPELINE_SOURCE"),
                 url=environ.get("CI_JOB_URL") or environ.get("CI_PIPELINE_URL"), jobId=environ.get("CI_JOB_ID"), projectId=environ.get("CI_PROJECT_ID"))
    branch = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or environ.get("CI_COMMIT_BRANCH")
    return CiEnvironment(run, _name(environ.get("CI_PROJECT_URL")), branch or None, environ.get("CI_COMMIT_TAG") or None,
                         environ.get("CI_MERGE_REQUEST_IID") or None)


def _name(url: str | None) -> str | None:
    return repository_name(url, Path("repository")) if url else None


def _known(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
