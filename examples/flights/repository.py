"""The pipeline's git repository: created by the demo, with three commits by three people, two of whom make a mistake."""
from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HISTORY", "Edit", "PlannedCommit", "commit", "create"]

PROJECT = Path(__file__).parent / "project"
REMOTE = "https://git.example.org/airport/flights.git"


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `old`, which stands in `path` exactly once, by `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PlannedCommit:
    """Who commits what, and when (ISO 8601)."""

    author: str
    email: str
    date: str
    subject: str
    edits: tuple[Edit, ...] = ()


HISTORY = (
    PlannedCommit("Ada Obi", "ada@example.org", "2026-11-09T10:12:00+01:00", "Delay features for departures from New York"),
    PlannedCommit(
        "Ben Carter", "ben@example.org", "2026-11-17T16:40:00+01:00", "Weather: tidy up the unit conversions",
        # the unit error: visibility is in statute miles, 1.852 km is a nautical mile
        (Edit("models/features/feat_origin_weather.sql", "weather.visibility_miles * 1.609344", "weather.visibility_miles * 1.852"),
         Edit("features.yml", "feat_origin_weather: {version: 1", "feat_origin_weather: {version: 2")),
    ),
    PlannedCommit(
        "Chloe Park", "chloe@example.org", "2026-11-19T09:05:00+01:00", "Carrier delay: use flights as soon as they have departed",
        # the leak: whether a flight is late is known when it arrives, not when it departs
        (Edit("models/features/feat_carrier_delay.sql", "['carrier'], 'arrived_at'", "['carrier'], 'departed_at'"),
         Edit("features.yml", "feat_carrier_delay: {version: 1", "feat_carrier_delay: {version: 2")),
    ),
)


def create(folder: Path) -> None:
    """Copy the project into `folder` and make it a git repository without commits."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs", "__pycache__"))
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _git(folder, "remote", "add", "origin", REMOTE)


def commit(folder: Path, planned: PlannedCommit) -> str:
    """Make the edits and commit them as their author; returns the SHA."""
    for edit in planned.edits:
        path = folder / edit.path
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.path} holds {edit.old!r} {text.count(edit.old)} times, expected once")
        path.write_text(text.replace(edit.old, edit.new))
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", planned.subject, who=planned)
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str, who: PlannedCommit | None = None) -> str:
    identity = {} if who is None else {
        "GIT_AUTHOR_NAME": who.author, "GIT_AUTHOR_EMAIL": who.email, "GIT_AUTHOR_DATE": who.date,
        "GIT_COMMITTER_NAME": who.author, "GIT_COMMITTER_EMAIL": who.email, "GIT_COMMITTER_DATE": who.date,
    }
    # the user's own git configuration (signing, hooks, templates) stays out of the demo
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, env=environment, timeout=60)
    return done.stdout.strip()
