"""A small pipeline run for real and then deleted: a Python step that loads a file, dbt on top of it, Python steps on Arrow tables, and a
second dbt project on a source that nobody recorded but whose rows were retained.

What is left is what Lineproof keeps, the log and the artifact store, and two files "in a vault" that others hold. Project, repository
clone, databases, lock file and the very environment that it ran in are gone.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.integration.hooks.service import CLI, Service

ROOT = Path(__file__).parents[3]
PROJECT = ROOT / "tests/data/dbt_project"
PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb", "pyarrow", "xxhash", "numpy", "sqlglot", "sqlfluff",  # and those of the hooks themselves
            "pydantic", "cryptography", "httpx", "rfc8785", "typer")
LOAD = '''
"""Orders as the till wrote them."""
import limits


def load(connection, table, file):
    connection.execute("create schema if not exists raw")
    connection.execute(f"create or replace table raw.{table} as select * from read_csv(?) where id < {limits.MOST}", [file])


def totals(orders, minimum):
    return orders.group_by("customer_id").aggregate([("amount_cents", "sum")]).sort_by("customer_id").slice(minimum)


def noise(rows):
    import os
    import pyarrow as pa
    return pa.table({"value": [int.from_bytes(os.urandom(4), "big") for _ in range(rows)]})


def rates(rows, shake):
    import os
    import pyarrow as pa
    near = [1 + int.from_bytes(os.urandom(4), "big") / 2**32 * shake for _ in range(rows)]
    return pa.table({"id": range(rows), "rate": [number / 7 * factor for number, factor in enumerate(near, 1)]})


def count(path, orders):
    import pyarrow as pa
    return pa.table({"lines": [len(open(path).readlines())], "orders": [orders.num_rows]})
'''
LIMITS = "MOST = 1000\n"
PIPELINE = '''
import sys
import duckdb
import pyarrow as pa
from ingest_hooks import DuckDB, Emitter, InputFile, InputTable
from ingest_hooks.fp1 import fingerprint
import load

database, file, vault, archive = sys.argv[1:]
connection = duckdb.connect(database)
connection.execute("set TimeZone = 'UTC'")
orders = ("duckdb://shop.duckdb", "shop.raw.orders")
with Emitter.from_env(namespace="shop") as emitter:
    with emitter.step("load_orders", outputs=[orders], code=load.load) as step:
        step.call(load.load, DuckDB(connection), "orders", InputFile(("file://shop", "orders.csv"), file), retain=True)
        step.version(orders, connection.sql("select * from raw.orders").to_arrow_table())
    table = connection.sql("select customer_id, amount_cents from raw.orders where status = 'paid'").to_arrow_table()
    orders_now = connection.sql("select * from raw.orders").to_arrow_table()
    connection.execute(f"copy raw.orders to '{archive}' (format parquet)")
    with emitter.step("totals", outputs=["totals"], code=load.totals) as step:
        step.call(load.totals, InputTable("paid", table), minimum=1, returns="totals", retain=True, level="bit")
    with emitter.step("noise", outputs=["noise"], code=load.noise) as step:
        step.call(load.noise, 5, returns="noise")
    with emitter.step("shaped", outputs=["shaped"], code=load.noise) as step:
        step.call(load.noise, 5, returns="shaped", level="schema")
    for name, shake in (("near", 1e-12), ("far", 1e-3)):
        with emitter.step(name, outputs=[name], code=load.rates) as step:
            step.call(load.rates, 5, shake, returns=name, retain=True, level="tolerance", tolerance=1e-9)
    with emitter.step("counted", outputs=["counted"], code=load.count) as step:
        step.call(load.count, InputFile(("file://shop", "vault.csv"), vault), InputTable("archive", orders_now), returns="counted")
    held = {"kind": "object-lock", "reference": "s3://vault/2026"}
    emitter.dataset_version(namespace="file://shop", name="vault.csv", hold=held,
                            id=emitter.files_version(namespace="file://shop", name="vault.csv", files={"vault.csv": vault}))
    emitter.dataset_version(namespace="shop", name="archive", id=fingerprint(orders_now).sha256, hold=held)
    for name, spoiled in (("climbing", {"call": {"file": "load.py", "function": "noise", "files": {"../../.bashrc": "0" * 64}}}), ("garbled", {"kind": 7})):
        with emitter.step(name, outputs=[name], code=load.noise) as step:
            step.call(load.noise, 5, returns=name)
            step._run_facets["lineproof_rebuild"].update(spoiled)
    with emitter.step("forgotten", inputs=["elsewhere"], outputs=["forgotten"], code=load.totals) as step:
        step.version("forgotten", pa.table({"a": [1]}))
    assert emitter.flush(60), emitter.stats()
    assert emitter.stats().dead == emitter.stats().dropped == 0, emitter.stats()
connection.close()
'''
READINGS = '''
import sys
import duckdb

with duckdb.connect(sys.argv[1]) as connection:  # somebody else's job, which says nothing
    connection.execute("create schema raw")
    connection.execute("create table raw.readings as select (range * 37) % 101 as id, 's' || (range % 4) as station, range / 3.0 as value from range(101)")
'''
LAB: dict[str, str] = {
    "dbt_project.yml": "name: lab\nversion: '1.0'\nprofile: lab\nmodel-paths: [models]\nmacro-paths: [macros]\nmodels: {lab: {+materialized: table}}\n",
    "profiles.yml": "lab:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: \"{{ env_var('LAB_DUCKDB') }}\", threads: 1}\n",
    "macros/shaken.sql": "{% macro shaken(column) %}{{ column }} * (1 + random() * 1e-12){% endmacro %}\n",
    "models/sources.yml": "version: 2\nsources:\n  - name: raw\n    schema: raw\n    tables: [{name: readings}]\n",
    "models/in_order.sql": "{{ config(meta={'lineproof': {'reproducible': 'bit'}}) }}\nselect * from {{ source('raw', 'readings') }} order by id\n",
    "models/in_any_order.sql": "select station, count(*) as readings from {{ source('raw', 'readings') }} group by station\n",
    "models/about.sql": "{{ config(meta={'lineproof': {'reproducible': {'level': 'tolerance', 'tolerance': 1.0e-9}}}) }}\n"
                        "select id, {{ shaken('value') }} as value from {{ ref('in_order') }}\n",
    "models/just_the_shape.sql": "{{ config(meta={'lineproof': {'reproducible': 'schema'}}) }}\n"
                                 "select station, random() as value from {{ ref('in_any_order') }}\n",
}


def lockfile(folder: Path) -> Path:
    """The repository's lock, cut down to what the pipeline needs: an environment of some sixty packages is made in a second or two."""
    wanted: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in PACKAGES]
    while waiting:
        one = waiting.pop()
        if one in wanted:
            continue
        wanted.add(one)
        for found in map(Requirement, requires(one[0]) or ()):
            if found.marker is None or found.marker.evaluate({"extra": one[1]}):
                waiting += [(canonicalize_name(found.name), extra) for extra in ("", *found.extras)]
    names = {name for name, _ in wanted}
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    folder.mkdir()
    path = folder / "requirements.lock"
    path.write_text("".join(block for block in blocks if canonicalize_name(re.split(r"[=;\[ ]", block)[0] or "-") in names))
    return path


@dataclass
class World:
    """The service, and where it keeps artifacts."""

    service: Service
    key: Path
    folder: Path

    def run(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        environment = {**self.service.environ, "LINEPROOF_URL": self.service.url, "COLUMNS": "160"}
        done = subprocess.run([*CLI, *arguments], env=environment, cwd=self.folder, capture_output=True, text=True, timeout=240, check=False)
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    def manifest(self, entity: str, name: str, *more: str, expect: int = 0) -> Path:
        """Write the manifest of an entity."""
        path = self.folder / f"{name}.json"
        self.run("manifest", entity, "-o", str(path), *more, expect=expect)
        return path

    def rebuild(self, manifest: Path, into: str, *more: str, expect: int = 0) -> dict[str, Any]:
        done = self.run("rebuild", str(manifest), "--yes", "--into", str(self.folder / into), "--json", *more, expect=expect)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def artifact(self, digest: str) -> Path:
        """The file of an artifact in the store."""
        (found,) = (self.service.home / "data/artifacts").glob(f"*/{digest[:2]}/{digest}")
        return found

    @contextmanager
    def without(self, digest: str) -> Iterator[None]:
        path = self.artifact(digest)
        aside = path.with_name("aside")
        path.rename(aside)
        yield
        aside.rename(path)

    @contextmanager
    def changed(self, digest: str, old: bytes, new: bytes) -> Iterator[None]:
        """Other bytes in the store, as someone with its disk could write them."""
        path = self.artifact(digest)
        content = path.read_bytes()
        assert content.count(old) >= 1
        path.write_bytes(content.replace(old, new, 1))
        yield
        path.write_bytes(content)


def locked_environment(folder: Path, lock: Path) -> Path:
    """An environment of the lock file's packages, as a pipeline has one; the hooks are on its path."""
    uv, environment = Path(sys.executable).with_name("uv"), folder / "environment"
    for command in (["venv", "--quiet", "--python", sys.executable, str(environment)],
                    ["pip", "sync", "--quiet", "--require-hashes", "--python", str(environment / "bin/python"), str(lock)]):
        subprocess.run([str(uv), *command], check=True, timeout=180)
    return environment


def play(service: Service, folder: Path) -> World:
    """Run the pipeline against the service, then delete everything of it."""
    scopes = ("shop", "jobs", "duckdb://shop.duckdb", "duckdb://lab.duckdb", "file://shop")
    key = service.command("keys", "create", "etl", *(part for scope in scopes for part in ("-n", scope)))["path"]
    token = service.command("tokens", "create", "etl", "--role", "ingest")["token"]
    work = folder / "work"
    repository, lab, lock = work / "repository", work / "lab", lockfile(work)
    shutil.copytree(PROJECT, repository, ignore=shutil.ignore_patterns("target", "logs", "broken.sql"))
    for name, content in (("load.py", LOAD), ("limits.py", LIMITS), ("pipeline.py", PIPELINE), ("readings.py", READINGS)):
        (repository / name).write_text(content)
    for name, content in LAB.items():
        (lab / name).parent.mkdir(parents=True, exist_ok=True)
        (lab / name).write_text(content)
    rows = [f"{number},{number % 3 + 1},2026-01-{number // 24 % 28 + 1:02d} {number % 24:02d}:00:00,{number * 10},{'paid' if number % 5 else 'cancelled'}"
            for number in range(200)]
    (work / "orders.csv").write_text("id,customer_id,ordered_at,amount_cents,status\n" + "\n".join(rows) + "\n")
    (folder / "vault.csv").write_text("a\n1\n2\n")
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://git.example.org/shop/data.git"], ["add", "-A"],
                    ["commit", "-q", "-m", "Orders"]):
        subprocess.run([*git, *command], check=True, timeout=30)
    python = str(locked_environment(work, lock) / "bin/python")
    environment = {**os.environ, "LINEPROOF_URL": service.url, "LINEPROOF_KEY": key, "LINEPROOF_TOKEN": token, "LINEPROOF_SPOOL": str(work / "spool"),
                   "LINEPROOF_LOCKFILE": str(lock), "SHOP_DUCKDB": str(work / "shop.duckdb"), "LAB_DUCKDB": str(work / "lab.duckdb"), "DO_NOT_TRACK": "1",
                   "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "schema", ROOT / "audit")))}
    files = [str(path) for path in (work / "shop.duckdb", work / "orders.csv", folder / "vault.csv", folder / "archive.parquet")]
    dbt = ["-m", "ingest_hooks.dbt", "run", "--namespace", "jobs"]
    for where, command in ((repository, ["pipeline.py", *files]), (repository, [*dbt, "--", "build", "--exclude-resource-type", "test", "--profiles-dir", "."]),
                           (repository, ["readings.py", str(work / "lab.duckdb")]), (lab, [*dbt, "--retain", "--", "build", "--profiles-dir", "."])):
        done = subprocess.run([python, *command], env=environment, cwd=where, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "could not be recorded" not in done.stderr, done.stderr
    shutil.rmtree(work)
    service.wait_projected()
    return World(service, Path(key), folder)
