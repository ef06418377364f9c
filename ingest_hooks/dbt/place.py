"""Where the project's files stand in git."""
from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_hooks.errors import GitError
from ingest_hooks.git import GitRepository

__all__ = ["Checkout", "checkout_of"]

logger = logging.getLogger("ingest_hooks")


@dataclass(frozen=True, slots=True)
class Checkout:
    """The working tree around a project, or none."""

    project_dir: Path
    tree: GitRepository | None
    commit: str | None
    branch: str | None

    def path(self, file: str) -> str:
        """A project file's path inside the repository (inside the project, if there is none)."""
        inside = self.tree.relative(self.project_dir / file) if self.tree is not None else None
        return inside or Path(file).as_posix()

    def place(self, file: str) -> dict[str, Any]:
        """Repository, commit, path and dirty flag of a project file."""
        if self.tree is None or self.commit is None:
            return {"path": self.path(file)}
        try:
            dirty = self.tree.is_dirty(self.project_dir / file)
        except GitError as error:
            logger.warning("dbt hook: git cannot say whether %s is committed: %s", file, error)
            return {"path": self.path(file)}
        return {"repository": self.tree.name, "commit": self.commit, "path": self.path(file), "dirty": dirty}


def checkout_of(project_dir: Path) -> Checkout:
    """The checkout of a project; without git its code has no commit, which the graph shows as unknown."""
    try:
        tree = GitRepository(project_dir)
        return Checkout(project_dir, tree, tree.head(), tree.branch())
    except GitError as error:
        logger.warning("dbt hook: %s is in no git repository: %s", project_dir, error.detail)
        return Checkout(project_dir, None, None, None)
