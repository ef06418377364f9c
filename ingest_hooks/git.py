"""Facts about a commit, read with git itself: what CI saw, and whether the working tree was that commit.

Every call of git is bounded in time. A shallow clone (the default of CI checkouts) hides a commit's parents, so they are read from
the commit object, and changed files are left out when the parent is not there, rather than listing the whole tree as changed.
"""
from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest_hooks.errors import GitError

__all__ = ["Commit", "GitRepository", "repository_name"]

GIT_SECONDS = 20.0  # a status of a very large tree on a cold disk; a hook that waits longer is in the way
MAX_CHANGED_FILES = 5000  # about 0.6 MiB of event; the commit of a vendored tree is not worth more
_SCP_LIKE = re.compile(r"^(?:[^@/\s]+@)?(?P<host>[^:/\s]+):(?!//)(?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as git says. `changed_files` is None when git cannot tell (shallow clone); `omitted_files` were past the bound."""

    repository: str
    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str | None
    committed_at: str
    subject: str
    changed_files: tuple[tuple[str, str | None], ...] | None
    omitted_files: int
    branch: str | None
    tag: str | None
    dirty: bool

    def data(self) -> dict[str, Any]:
        """The fields of `lineproof.commit.v1`."""
        fields: dict[str, Any] = {"repository": self.repository, "sha": self.sha, "parents": list(self.parents),
                                  "author": {"name": self.author_name, **({"email": self.author_email} if self.author_email else {})},
                                  "committedAt": self.committed_at, "subject": self.subject, "dirty": self.dirty}
        if self.changed_files is not None:
            fields["changedFiles"] = [{"path": path, **({"blobSha": blob} if blob else {})} for path, blob in self.changed_files]
        if self.omitted_files:
            fields["changedFilesOmitted"] = self.omitted_files
        return {**fields, **({"branch": self.branch} if self.branch else {}), **({"tag": self.tag} if self.tag else {})}


class GitRepository:
    """The repository around a path. Methods raise GitError when git is missing, slow, or says no."""

    def __init__(self, path: Path | str = ".", *, name: str | None = None) -> None:
        start = Path(path)
        self.root = Path(_git(start if start.is_dir() else start.parent, "rev-parse", "--show-toplevel").rstrip("\n"))
        self._name = name

    @property
    def name(self) -> str:
        """`host/owner/name` of remote `origin`, else `local/<directory>`."""
        if self._name is None:
            try:
                remote = _git(self.root, "config", "--get", "remote.origin.url").strip()
            except GitError:
                remote = ""
            self._name = repository_name(remote, self.root)
        return self._name

    def head(self) -> str:
        """The sha of HEAD."""
        return self.resolve("HEAD")

    def resolve(self, revision: str) -> str:
        """The sha of a commit."""
        return _git(self.root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()

    def between(self, since: str, until: str) -> list[str]:
        """The commits reachable from `until` and not from `since`, oldest first."""
        return _git(self.root, "rev-list", "--reverse", "--topo-order", self.resolve(until), f"^{self.resolve(since)}").split()

    def is_dirty(self, path: Path | None = None) -> bool:
        """Whether tracked files differ from HEAD; for one `path`, also whether it is not in git at all."""
        arguments = ["--untracked-files=no"] if path is None else ["--untracked-files=all", "--ignored=matching", "--", str(path)]
        return bool(_git(self.root, "status", "--porcelain", *arguments).strip())

    def relative(self, path: Path) -> str | None:
        """`path` inside the repository, with forward slashes; None if it lies outside."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return None

    def branch(self) -> str | None:
        """The branch that HEAD is on; None when detached."""
        try:
            return _git(self.root, "symbolic-ref", "--quiet", "--short", "HEAD").strip() or None
        except GitError:
            return None

    def commit(self, revision: str = "HEAD") -> Commit:
        """Everything about one commit. Branch and dirty flag speak of the working tree and are only set for HEAD."""
        sha = self.resolve(revision)
        text = _git(self.root, "log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%an%x00%ae%x00%cI%x00%s", sha)
        name, email, committed, subject = text.rstrip("\n").split("\0", 3)
        header = _git(self.root, "cat-file", "commit", sha).partition("\n\n")[0]
        parents = tuple(line.removeprefix("parent ") for line in header.splitlines() if line.startswith("parent "))
        files = self._changed_files(sha, parents)
        at_head = sha == self.head()
        tags = _git(self.root, "tag", "--points-at", sha).split("\n")
        omitted = max(0, len(files or ()) - MAX_CHANGED_FILES)
        return Commit(self.name, sha, parents, name or "unknown", email or None, committed, subject[:4096], files and files[:MAX_CHANGED_FILES], omitted,
                      self.branch() if at_head else None, tags[0] or None, at_head and self.is_dirty())

    def _changed_files(self, sha: str, parents: tuple[str, ...]) -> tuple[tuple[str, str | None], ...] | None:
        arguments = ["diff-tree", "-r", "-z", "--no-renames", "--no-commit-id"]
        try:
            raw = _git(self.root, *arguments, parents[0], sha) if parents else _git(self.root, *arguments, "--root", sha)
        except GitError:
            return None
        parts = raw.split("\0")
        found = []
        for meta, path in zip(parts[0::2], parts[1::2], strict=False):
            blob = meta.split(" ")[3]
            found.append((path, blob if blob.strip("0") else None))
        return tuple(found)


def repository_name(remote: str, root: Path) -> str:
    """The name of a repository in URNs: `host/owner/name`, lower-cased host, no scheme, credentials, port or `.git`.

    A remote without a host (a path, or none) gives `local/<directory>`.
    """
    text = remote.strip()
    host, path = "", ""
    if "://" in text:
        parts = urlsplit(text)
        host, path = (parts.hostname or "", parts.path) if parts.scheme != "file" else ("", parts.path)
    elif match := _SCP_LIKE.match(text):
        host, path = match["host"], match["path"]
    path = path.strip("/").removesuffix(".git").strip("/")
    if host and path:
        return re.sub(r"\s", "-", f"{host.lower()}/{path}")
    return "local/" + (re.sub(r"[\s/]", "-", root.name) or "repository")


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "core.quotePath=false", "-c", "color.ui=false", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - fixed program, no shell
    except FileNotFoundError as error:
        raise GitError(f"git is not installed, or {directory} does not exist") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise GitError(f"git {arguments[0]} did not answer: {error}") from error
    if done.returncode != 0:
        raise GitError(f"git {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()[:300] or f'exit {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
