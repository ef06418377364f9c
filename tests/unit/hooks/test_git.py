from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ingest_hooks.ci import ci_environment, commit_data
from ingest_hooks.errors import GitError
from ingest_hooks.git import GitRepository, repository_name
from lineproof_schema.models.code import CommitData

WHO = {"GIT_AUTHOR_NAME": "Ada Müller", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "CI", "GIT_COMMITTER_EMAIL": "ci@example.org",
       "GIT_AUTHOR_DATE": "2026-11-20T10:00:00+01:00", "GIT_COMMITTER_DATE": "2026-11-21T12:00:00+02:00", "GIT_CONFIG_GLOBAL": "/dev/null",
       "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(tree: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True, text=True, env={**os.environ, **WHO}).stdout.strip()


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "flights project"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "models").mkdir()
    (path / "models" / "a.sql").write_text("select 1")
    (path / "old ü.sql").write_text("select 2")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "First")
    (path / "models" / "a.sql").write_text("select 3")
    (path / "new.sql").write_text("select 4")
    git(path, "rm", "-q", "old ü.sql")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "Ändert das Feature\n\nLonger text")
    return path


def blob(tree: Path, path: str) -> str:
    return git(tree, "rev-parse", f"HEAD:{path}")


def test_commit_is_read_as_git_says_it(tree):
    commit = GitRepository(tree).commit()
    assert commit.sha == git(tree, "rev-parse", "HEAD")
    assert commit.parents == (git(tree, "rev-parse", "HEAD~1"),)
    assert (commit.author_name, commit.author_email) == ("Ada Müller", "ada@example.org")
    assert commit.committed_at == "2026-11-21T12:00:00+02:00"
    assert commit.subject == "Ändert das Feature"
    assert dict(commit.changed_files or ()) == {"models/a.sql": blob(tree, "models/a.sql"), "new.sql": blob(tree, "new.sql"), "old ü.sql": None}
    assert (commit.branch, commit.tag, commit.dirty) == ("main", None, False)
    assert commit.repository == "local/flights-project"
    CommitData.model_validate(commit.data())


def test_first_commit_lists_its_whole_tree(tree):
    first = GitRepository(tree).commit("HEAD~1")
    assert first.parents == ()
    assert {path for path, _ in first.changed_files or ()} == {"models/a.sql", "old ü.sql"}
    assert (first.branch, first.dirty) == (None, False)


def test_merge_is_compared_with_its_first_parent(tree):
    git(tree, "checkout", "-q", "-b", "side", "HEAD~1")
    (tree / "side.sql").write_text("select 5")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "Side")
    git(tree, "checkout", "-q", "main")
    git(tree, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    merge = GitRepository(tree).commit()
    assert len(merge.parents) == 2
    assert {path for path, _ in merge.changed_files or ()} == {"side.sql"}


def test_shallow_clone_keeps_the_parents_and_does_not_guess_the_files(tree, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", tree.as_uri(), "shallow")
    commit = GitRepository(tmp_path / "shallow").commit()
    assert commit.parents == (git(tree, "rev-parse", "HEAD~1"),)
    assert commit.changed_files is None
    assert "changedFiles" not in commit.data()


def test_dirty_speaks_of_tracked_files_and_of_one_path(tree):
    repository = GitRepository(tree)
    (tree / "untracked.sql").write_text("x")
    assert not repository.is_dirty()
    assert repository.is_dirty(tree / "untracked.sql")
    assert not repository.is_dirty(tree / "new.sql")
    (tree / "new.sql").write_text("changed")
    assert repository.is_dirty()
    assert repository.is_dirty(tree / "new.sql")
    assert repository.commit().dirty
    assert not repository.commit("HEAD~1").dirty


def test_tag_and_detached_head(tree):
    git(tree, "tag", "v1")
    git(tree, "checkout", "-q", "--detach")
    commit = GitRepository(tree / "models").commit()
    assert (commit.branch, commit.tag) == (None, "v1")


def test_commits_between_two_oldest_first(tree):
    repository = GitRepository(tree)
    assert repository.between("HEAD~1", "HEAD") == [repository.head()]
    assert repository.between("HEAD", "HEAD") == []


def test_remote_names_the_repository(tree):
    git(tree, "remote", "add", "origin", "git@GitHub.com:Owner/Repo.git")
    assert GitRepository(tree).name == "github.com/Owner/Repo"
    assert GitRepository(tree, name="host/a/b").name == "host/a/b"


@pytest.mark.parametrize("revision", ["nope", "--output=/tmp/x", "HEAD:models"])
def test_what_is_no_commit_is_an_error(tree, revision):
    with pytest.raises(GitError):
        GitRepository(tree).commit(revision)


def test_no_repository_and_no_git_are_errors(tmp_path, monkeypatch):
    with pytest.raises(GitError):
        GitRepository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError):
        GitRepository(tmp_path)


def test_slow_git_is_given_up(tree, tmp_path, monkeypatch):
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    monkeypatch.setattr("ingest_hooks.git.GIT_SECONDS", 0.3)
    with pytest.raises(GitError, match="did not answer"):
        GitRepository(tree)


@pytest.mark.parametrize(("remote", "name"), [
    ("https://github.com/o/r.git", "github.com/o/r"), ("https://user:secret@GitHub.com/O/R", "github.com/O/R"), ("git@github.com:o/r.git", "github.com/o/r"),
    ("ssh://git@host.example:2222/o/r.git/", "host.example/o/r"), ("host:o/r", "host/o/r"), ("git://host/a/b/c.git", "host/a/b/c"),
    ("https://dev.azure.com/org/my project/_git/r", "dev.azure.com/org/my-project/_git/r"), ("", "local/tree"), ("/srv/git/x.git", "local/tree"),
    ("../other", "local/tree"), ("file:///srv/git/x.git", "local/tree"), ("https://github.com/", "local/tree")])
def test_names_of_repositories(remote, name):
    assert repository_name(remote, Path("/home/me/tree")) == name


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF": "refs/pull/12/merge",
          "GITHUB_HEAD_REF": "feature", "GITHUB_RUN_ID": "99", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/ci.yml@refs/heads/main",
          "GITHUB_JOB": "build", "GITHUB_ACTOR": "ada", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY_ID": "5"}
GITLAB = {"GITLAB_CI": "true", "CI": "true", "CI_PROJECT_URL": "https://gitlab.example.org/g/s/r", "CI_PIPELINE_ID": "7", "CI_JOB_NAME": "test",
          "CI_JOB_URL": "https://gitlab.example.org/g/s/r/-/jobs/1", "CI_COMMIT_TAG": "v1", "CI_PIPELINE_SOURCE": "push", "GITLAB_USER_LOGIN": "ada"}


def test_github_fills_in_what_a_detached_checkout_cannot_say(tree):
    git(tree, "checkout", "-q", "--detach")
    data = commit_data(GitRepository(tree).commit(), ci_environment(GITHUB))
    parsed = CommitData.model_validate(data)
    assert (parsed.repository, parsed.branch, parsed.pull_request) == ("github.com/o/r", "feature", "12")
    assert parsed.ci_run is not None
    run = parsed.ci_run
    assert (run.provider, run.run_id, run.run_attempt, run.job, run.actor) == ("github", "99", "2", "build", "ada")
    assert parsed.ci_run.url == "https://github.com/o/r/actions/runs/99"
    assert (parsed.ci_run.model_extra or {})["repositoryId"] == "5"


def test_gitlab_and_generic_ci(tree):
    gitlab = ci_environment(GITLAB)
    assert gitlab is not None
    assert (gitlab.repository, gitlab.tag, gitlab.branch, gitlab.run["provider"], gitlab.run["runId"]) == (
        "gitlab.example.org/g/s/r", "v1", None, "gitlab", "7")
    generic = ci_environment({"CI": "true", "BUILD_ID": "3", "JOB_NAME": "nightly", "BUILD_URL": "https://jenkins/3", "BRANCH_NAME": "main"})
    assert generic is not None
    assert (generic.run, generic.branch) == ({"provider": "ci", "runId": "3", "job": "nightly", "url": "https://jenkins/3"}, "main")
    assert ci_environment({}) is None
    assert "ciRun" not in commit_data(GitRepository(tree).commit(), None)


def test_given_repository_wins(tree):
    assert commit_data(GitRepository(tree).commit(), ci_environment(GITHUB), repository="local/flights")["repository"] == "local/flights"
