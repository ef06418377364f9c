"""A small pipeline run for real and then deleted: a Python step that loads a file, dbt on top of it, a Python step on Arrow tables.

What is left is what Lineproof keeps: the log and the artifact store.
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
PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb", "pyarrow")
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
'''
LIMITS = "MOST = 1000\n"
PIPELINE = '''
import sys
import duckdb
import pyarrow as pa
from ingest_hooks import DuckDB, Emitter, InputFile, InputTable
import load

database, file = sys.argv[1:]
connection = duckdb.connect(database)
connection.execute("set TimeZone = 'UTC'")
orders = ("duckdb://shop.duckdb", "shop.raw.orders")
with Emitter.from_env(namespace="shop") as emitter:
    with emitter.step("load_orders", outputs=[orders], code=load.load) as step:
        step.call(load.load, DuckDB(connection), "orders", InputFile(("file://shop", "orders.csv"), file), retain=True)
        step.version(orders, connection.sql("select * from raw.orders").to_arrow_table())
    table = connection.sql("select customer_id, amount_cents from raw.orders where status = 'paid'").to_arrow_table()
    with emitter.step("totals", outputs=["totals"], code=load.totals) as step:
        step.call(load.totals, InputTable("paid", table), minimum=1, returns="totals", retain=True, level="bit")
    with emitter.step("noise", outputs=["noise"], code=load.noise) as step:
        step.call(load.noise, 5, returns="noise")
    with emitter.step("forgotten", inputs=["elsewhere"], outputs=["forgotten"], code=load.totals) as step:
        step.version("forgotten", pa.table({"a": [1]}))
    assert emitter.flush(60), emitter.stats()
    assert emitter.stats().dead == emitter.stats().dropped == 0, emitter.stats()
connection.close()
'''


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


def play(service: Service, folder: Path) -> World:
    """Run the pipeline against the service, then delete everything of it."""
    key = service.command("keys", "create", "etl", "-n", "shop", "-n", "jobs", "-n", "duckdb://shop.duckdb", "-n", "file://shop")["path"]
    token = service.command("tokens", "create", "etl", "--role", "ingest")["token"]
    repository, database = folder / "repository", folder / "shop.duckdb"
    shutil.copytree(PROJECT, repository, ignore=shutil.ignore_patterns("target", "logs", "broken.sql"))
    for name, content in (("load.py", LOAD), ("limits.py", LIMITS), ("pipeline.py", PIPELINE)):
        (repository / name).write_text(content)
    rows = [f"{number},{number % 3 + 1},2026-01-{number // 24 % 28 + 1:02d} {number % 24:02d}:00:00,{number * 10},{'paid' if number % 5 else 'cancelled'}"
            for number in range(200)]
    (folder / "orders.csv").write_text("id,customer_id,ordered_at,amount_cents,status\n" + "\n".join(rows) + "\n")
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://git.example.org/shop/data.git"], ["add", "-A"],
                    ["commit", "-q", "-m", "Orders"]):
        subprocess.run([*git, *command], check=True, timeout=30)
    environment = {**os.environ, "LINEPROOF_URL": service.url, "LINEPROOF_KEY": key, "LINEPROOF_TOKEN": token, "LINEPROOF_SPOOL": str(folder / "spool"),
                   "LINEPROOF_LOCKFILE": str(lockfile(folder)), "SHOP_DUCKDB": str(database), "DO_NOT_TRACK": "1"}
    for command in (["pipeline.py", str(database), str(folder / "orders.csv")],
                    ["-m", "ingest_hooks.dbt", "run", "--namespace", "jobs", "--", "build", "--exclude-resource-type", "test", "--profiles-dir", "."]):
        done = subprocess.run([sys.executable, *command], env=environment, cwd=repository, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for path in (repository, folder / "spool"):
        shutil.rmtree(path)
    for file in (database, folder / "orders.csv", folder / "requirements.lock"):
        file.unlink()
    service.wait_projected()
    return World(service, Path(key), folder)
