"""Retained inputs: what the hook kept comes back in the sandbox as it was."""
from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from ingest_hooks.fp1 import fingerprint, fingerprint_query
from ingest_hooks.retention import retained_relation
from metadata_service.reproduce.sandbox import Failed, Sandbox
from metadata_service.reproduce.tables import Missing, Tables

ROWS = """select range::integer as id, (range * 1.5)::decimal(10, 2) as price, timestamptz '2026-01-01 00:00:00+00' + to_hours(range::integer) as at,
    ['a', null] as tags, {'x': range, 'y': 'é'} as nested, (case when range % 2 = 0 then 'even' else 'odd' end)::enum('even', 'odd') as kind from range(50)"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path / "sandbox")
    made.make()
    return made


def keep(sandbox: Sandbox, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    sandbox.artifact(digest).write_bytes(content)
    return digest


def test_a_relation_kept_as_parquet_is_the_same_table_again(sandbox):
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create table given as {ROWS}")
        expected = fingerprint_query(connection, "select * from given")
        hold = retained_relation(connection, '"given"', expected.sha256, "shop.raw.given", lambda content: keep(sandbox, content))
    tables = Tables(sandbox)
    placed = tables.place({"version": "v", "dataset": ["duckdb://shop.duckdb", "shop.raw.given"], "retention": {"state": "retained", **hold}})
    assert fingerprint(placed) == expected
    tables.close()
    with duckdb.connect(str(sandbox.database("shop"))) as connection:
        assert connection.execute("select typeof(price), typeof(kind) from raw.given limit 1").fetchone() == ("DECIMAL(10,2)", "VARCHAR")


def test_rows_that_parquet_does_not_give_back_are_not_called_retained(sandbox, caplog):
    with duckdb.connect() as connection:
        connection.execute("create table given as select range::hugeint as id from range(3)")
        expected = fingerprint_query(connection, "select * from given")
        kept = []
        assert retained_relation(connection, "given", expected.sha256, "given", lambda content: kept.append(content) or "d") is None
    assert kept == []
    assert "does not give its rows back" in caplog.text


def test_files_are_put_where_a_step_finds_them(sandbox):
    digest = keep(sandbox, b"a,b\n1,2\n")
    tables = Tables(sandbox)
    given = {"version": "v", "dataset": ["file://raw", "x.csv"], "retention": {"state": "retained", "format": "raw", "files": {"x.csv": digest}}}
    assert tables.place(given) is None
    assert (tables.file("v").name, tables.file("v").read_bytes()) == ("x.csv", b"a,b\n1,2\n")
    with pytest.raises(Missing):
        tables.file("other")


def test_what_a_step_did_not_write_is_missing(sandbox):
    with pytest.raises(Missing, match="did not write"):
        Tables(sandbox).output({"job": ["ns", "job"]}, {"version": "v", "dataset": ["duckdb://shop.duckdb", "shop.raw.none"]})


def test_a_sandbox_is_never_made_over_something(tmp_path):
    (tmp_path / "kept").write_text("x")
    with pytest.raises(FileExistsError):
        Sandbox(tmp_path).make()


def test_a_step_gets_nothing_of_the_environment_it_is_started_from(sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/show").symlink_to("/usr/bin/env")
    sandbox.run(environment, ["show"], cwd=sandbox.folder, log="shown")
    shown = (sandbox.folder / "logs/shown.log").read_text()
    assert "AWS_SECRET_ACCESS_KEY" not in shown
    assert {line.split("=")[0] for line in shown.splitlines()} <= {
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "DO_NOT_TRACK",
        "DBT_SEND_ANONYMOUS_USAGE_STATS", "VIRTUAL_ENV"}


def test_a_command_that_fails_says_the_end_of_its_output(sandbox, tmp_path):
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/sh").symlink_to("/bin/sh")
    with pytest.raises(Failed, match="no such column"):
        sandbox.run(environment, ["sh", "-c", "echo no such column; exit 3"], cwd=sandbox.folder, log="failed")
    with pytest.raises(Failed):
        sandbox.run(environment, ["not-there"], cwd=sandbox.folder, log="absent")
