"""`python -m ingest_hooks.dbt`: run dbt and record it, or record what dbt did last."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest_hooks.dbt.record import Purpose, Recorded, record
from ingest_hooks.dbt.runner import run_dbt
from ingest_hooks.emitter import Emitter

__all__ = ["dbt_app"]

dbt_app = typer.Typer(help="Signed lineage of dbt runs.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option(envvar="LINEPROOF_URL", help="Address of the service; default: what stands beside the key.")]
Key = Annotated[Path | None, typer.Option(envvar="LINEPROOF_KEY", help="Signing key (PEM).")]
Token = Annotated[str | None, typer.Option(envvar="LINEPROOF_TOKEN", help="Bearer token; better given as LINEPROOF_TOKEN.")]
SpoolFolder = Annotated[Path | None, typer.Option("--spool", envvar="LINEPROOF_SPOOL", help="Folder for what is not yet acknowledged.")]
Namespace = Annotated[str | None, typer.Option(envvar="LINEPROOF_NAMESPACE", help="Namespace of jobs and consumers; default: the project's name.")]
Datasets = Annotated[str | None, typer.Option(help="Namespace of datasets; default: duckdb://<file name>.")]
Database = Annotated[Path | None, typer.Option(help="The DuckDB file; default: what the profile says.")]
Why = Annotated[Purpose, typer.Option(help="Why it ran.")]
Lockfile = Annotated[Path | None, typer.Option(envvar="LINEPROOF_LOCKFILE", help="Lock file of dbt's environment, with hashes, so that runs can be rebuilt.")]
Retain = Annotated[bool, typer.Option("--retain", envvar="LINEPROOF_RETAIN", help="Keep the rows of sources in the artifact store (64 MiB each).")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for the acknowledgement; what is left waits in the spool.")]


@dbt_app.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run(context: typer.Context, namespace: Namespace = None, dataset_namespace: Datasets = None, database: Database = None, purpose: Why = "normal",
        url: Url = None, key: Key = None, token: Token = None, spool: SpoolFolder = None, lockfile: Lockfile = None,
        retain: Retain = False, timeout: Timeout = 30.0) -> None:
    """Run dbt with the arguments after `--` and record it: `python -m ingest_hooks.dbt run -- build`. Exits as dbt does."""
    emitter = Emitter.from_env(url=url, key=key, token=token, spool=spool)
    result = run_dbt(context.args, emitter, namespace=namespace, dataset_namespace=dataset_namespace, database=database, purpose=purpose,
                     lockfile=lockfile, retain=retain)
    emitter.close(timeout)
    if result.exception is not None:
        raise typer.Exit(2)
    raise typer.Exit(0 if result.success else 1)


@dbt_app.command("record")
def record_command(project_dir: Annotated[Path, typer.Option(help="The folder of dbt_project.yml.")] = Path("."),
                   target_dir: Annotated[Path, typer.Option(help="Where dbt wrote its artifacts.")] = Path("target"),
                   namespace: Namespace = None, dataset_namespace: Datasets = None, database: Database = None, purpose: Why = "normal",
                   url: Url = None, key: Key = None, token: Token = None, spool: SpoolFolder = None, lockfile: Lockfile = None,
        retain: Retain = False, timeout: Timeout = 30.0) -> None:
    """Record the last invocation from dbt's artifacts. Exits 1 if something of it could not be recorded."""
    emitter = Emitter.from_env(url=url, key=key, token=token, spool=spool)
    found = record(project_dir, emitter, namespace=namespace, dataset_namespace=dataset_namespace, target_dir=target_dir, database=database, purpose=purpose,
                   lockfile=lockfile, retain=retain)
    emitter.close(timeout)
    _say(found)
    raise typer.Exit(1 if found.problems else 0)


def _say(found: Recorded) -> None:
    typer.echo(f"invocation {found.invocation_id}: {found.runs} runs, {len(found.versions)} dataset versions, {found.tests} tests, {found.consumers} consumers")
    for problem in found.problems:
        typer.echo(f"not recorded: {problem}", err=True)
