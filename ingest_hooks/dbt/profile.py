"""Where the project's DuckDB file and its packages are, as its profile and dbt_project.yml say, rendered as dbt renders them (`env_var`, `var`)."""
from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.nativetypes import NativeEnvironment

from ingest_hooks.dbt.artifacts import PACKAGES, Artifacts

__all__ = ["database_path", "engine_settings", "packages_folder", "read_yaml"]

logger = logging.getLogger("ingest_hooks")

_SECRET = re.compile(r"secret|token|password|passwd|key|credential|auth", re.IGNORECASE)  # names of settings that are never recorded


def database_path(artifacts: Artifacts) -> Path | None:
    """The file; None, with the reason in the log, if it cannot be found or the database lives in memory or on a server."""
    adapter = artifacts.manifest["metadata"].get("adapter_type")
    if adapter != "duckdb":
        logger.warning("dbt hook: adapter %s is not DuckDB; there are no dataset versions", adapter)
        return None
    output = _output(artifacts)
    if output is None:
        return None
    try:
        path = str(_rendered(artifacts, output.get("path") or ":memory:"))
    except (KeyError, AttributeError, TypeError, TemplateError) as error:
        logger.warning("dbt hook: the path in the profile cannot be read; give the database file: %s", error)
        return None
    if path == ":memory:" or "://" in path or path.startswith(("md:", "motherduck:")):
        logger.warning("dbt hook: %s cannot be read after the run; there are no dataset versions", path.split("?")[0])
        return None
    found = Path(path).expanduser()
    return found if found.is_absolute() else Path.cwd() / found


def packages_folder(artifacts: Artifacts) -> str:
    """Where `dbt deps` puts packages, relative to the project."""
    said = read_yaml(artifacts.project_dir / "dbt_project.yml").get("packages-install-path") or PACKAGES
    try:
        return Path(os.path.relpath(artifacts.project_dir / str(_rendered(artifacts, said)), artifacts.project_dir)).as_posix()
    except (KeyError, TemplateError) as error:
        logger.warning("dbt hook: packages-install-path cannot be read: %s", error)
        return PACKAGES


def engine_settings(artifacts: Artifacts) -> dict[str, str]:
    """DuckDB's `settings` in the profile's target, without those whose name speaks of a secret."""
    output = _output(artifacts) or {}
    found = {}
    for name, value in (output.get("settings") or {}).items():
        if not _SECRET.search(str(name)) and isinstance(value, str | int | float | bool):
            try:
                found[str(name)] = str(_rendered(artifacts, value))
            except (KeyError, TemplateError) as error:
                logger.warning("dbt hook: setting %s cannot be read: %s", name, error)
    return found


def _output(artifacts: Artifacts) -> Mapping[str, Any] | None:
    """The target's part of the profile."""
    profiles = next((held for folder in _folders(artifacts) if (held := read_yaml(folder / "profiles.yml"))), {})
    name = artifacts.arguments.get("profile") or read_yaml(artifacts.project_dir / "dbt_project.yml").get("profile")
    profile = profiles.get(str(name))
    if not isinstance(profile, dict):
        logger.warning("dbt hook: profile %s is in no profiles.yml; give the database file", name)
        return None
    try:
        target = artifacts.arguments.get("target") or _rendered(artifacts, profile.get("target") or "default")
        found = (profile.get("outputs") or {})[target]
    except (KeyError, AttributeError, TypeError, TemplateError) as error:
        logger.warning("dbt hook: the target of profile %s cannot be read: %s", name, error)
        return None
    return found if isinstance(found, dict) else None


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; empty, with the reason in the log, if there is none."""
    import yaml

    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        logger.warning("dbt hook: %s cannot be read: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


def _folders(artifacts: Artifacts) -> list[Path]:
    """Where dbt looks for profiles.yml: the flag, the environment, the working directory, the project, the home directory."""
    said = artifacts.arguments.get("profiles_dir")
    given = [Path(str(said)), artifacts.project_dir / str(said)] if said else []
    environment = os.environ.get("DBT_PROFILES_DIR")
    return [*given, *([Path(environment)] if environment else []), Path.cwd(), artifacts.project_dir, Path.home() / ".dbt"]


def _rendered(artifacts: Artifacts, text: Any) -> Any:
    variables: Mapping[str, Any] = artifacts.arguments.get("vars") or {}

    def env_var(name: str, default: str | None = None) -> str:
        value = os.environ.get(name, default)
        if value is None:
            raise KeyError(f"environment variable {name} is not set")
        return value

    def var(name: str, default: Any = None) -> Any:
        return variables.get(name, default)

    return NativeEnvironment().from_string(str(text)).render(env_var=env_var, var=var)
