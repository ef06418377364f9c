"""Running dbt in this process and recording what it did."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest_hooks.dbt.record import Purpose, record
from ingest_hooks.dbt.sink import EventSink

__all__ = ["run_dbt"]

logger = logging.getLogger("ingest_hooks")


def run_dbt(args: Sequence[str], emitter: EventSink, *, namespace: str | None = None, dataset_namespace: str | None = None,
            database: str | Path | None = None, purpose: Purpose = "normal", lockfile: str | Path | None = None, retain: bool = False) -> Any:
    """Run `dbt <args>` and record it. What dbt does, prints and returns stays as it is.

    Returns:
        dbt's `dbtRunnerResult` (`success`, `exception`, `result`).
    """
    from dbt.cli.main import dbtRunner

    written: dict[str, Path] = {}

    def note(event: Any) -> None:
        if event.info.name == "ArtifactWritten":
            path = Path(event.data.artifact_path)
            written[path.name] = path

    result = dbtRunner(callbacks=[note]).invoke(list(args))
    try:
        if "run_results.json" in written:
            target = written["run_results.json"].resolve().parent
            record(_project_dir(args, target), emitter, namespace=namespace, dataset_namespace=dataset_namespace, target_dir=target, database=database,
                   purpose=purpose, lockfile=lockfile, retain=retain)
        else:
            logger.info("dbt hook: dbt wrote no run results, there is nothing to record")
    except Exception as error:  # the hook boundary
        logger.warning("dbt hook: the invocation could not be recorded: %s: %s", type(error).__name__, error)
    return result


def _project_dir(args: Sequence[str], target: Path) -> Path:
    """As dbt finds it: --project-dir, else the nearest folder around the working directory or the target that has a dbt_project.yml."""
    for position, argument in enumerate(args):
        if argument == "--project-dir" and position + 1 < len(args):
            return Path(args[position + 1])
        if argument.startswith("--project-dir="):
            return Path(argument.partition("=")[2])
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents, *target.parents) if (folder / "dbt_project.yml").is_file()), here)
