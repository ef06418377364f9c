"""`lineproof`: one command for people and machines.

Exit codes: 0 ok, 1 finding (a gate failed, a proof is invalid), 2 usage, 3 unreachable or busy. The base install has `ci`, `emit`
and `log verify`; other commands say which extra they need. Commands load what they need when they run, so that `lineproof ci`
starts without a web framework.
"""
from __future__ import annotations

import sys
from typing import Final

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli import (
    audit,
    changes,
    database,
    demo,
    doctor,
    erasure,
    export,
    gate,
    graph,
    keys,
    log,
    policy,
    quarantine,
    questions,
    registry,
    reproduce,
    serve,
    settings,
    tokens,
)
from metadata_service.cli.output import fail, report_error

__all__ = ["app", "main"]

FINDINGS: Final = frozenset({"invalid-proof", "unanchored", "bad-signature", "corrupt-log", "invalid-manifest", "not-rebuildable"})
_EXTRAS: Final = {"neo4j": "neo4j", "psycopg": "postgres", "sqlglot": "sql", "sqlfluff": "sql", "jinja2": "sql", "pyarrow": "fingerprint",
                  "xxhash": "fingerprint", "numpy": "fingerprint"}
_OURS: Final = ("metadata_service", "ingest_hooks", "lineproof_audit", "lineproof_schema")

app = typer.Typer(name="lineproof", help="Lineage you can prove.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.add_typer(tokens.app, name="tokens")
app.add_typer(log.app, name="log")
app.add_typer(database.app, name="database")
app.add_typer(erasure.app, name="erasure")
app.add_typer(graph.app, name="graph")
app.add_typer(quarantine.app, name="quarantine")
questions.register(app)
audit.register(app)
changes.register(app)
export.register(app)
registry.register(app)
reproduce.register(app)
app.command("settings")(settings.settings)
app.command("doctor")(doctor.doctor)


def _hooks() -> None:
    from ingest_hooks.cli import ci_app, emit_command

    ci_app.command("gate")(gate.gate)
    app.add_typer(ci_app, name="ci")
    app.command("emit")(emit_command)
    if sys.argv[1:2] == ["dbt"]:  # loads sqlglot, pyarrow and jinja2
        from ingest_hooks.dbt.cli import dbt_app

        app.add_typer(dbt_app, name="dbt")
    else:
        app.add_typer(typer.Typer(help="Signed lineage of dbt runs."), name="dbt")  # its line in --help


def main() -> None:
    """Entry point of the `lineproof` script."""
    try:
        _hooks()
        app()
    except LineproofError as error:
        report_error(error, as_json="--json" in sys.argv)
        raise SystemExit(_exit_code(error)) from None
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS or not missing:
            raise
        fail(f"this needs {missing}: pip install 'lineproof[{_EXTRAS.get(missing, 'server')}]'")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _exit_code(error: LineproofError) -> int:
    if error.code in FINDINGS:
        return 1
    return 3 if error.entry.status == 503 else 2
