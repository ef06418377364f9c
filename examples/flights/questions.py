"""The questions of the demo, each with the command a user would type."""
from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import duckdb

from examples.flights.pipeline import Workspace
from examples.flights.screen import CommandFailed, Screen, clean_environment

__all__ = ["how_to_go_on", "point_in_time", "pull_request", "rebuilt", "tampered", "what_breaks", "who_changed_it", "wrong_at_the_source",
           "wrong_since_tuesday"]


def _rows(work: Workspace, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(work.warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def wrong_since_tuesday(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """a. A training column is wrong since Tuesday: which SQL line, commit, author, run and raw dataset?"""
    screen.heading("a. This training column is wrong since Tuesday")
    highest = _rows(work, "select max(visibility_km) from training.training_set")[0][0]
    screen.say(f"visibility_km reaches {highest} km; the instruments stop at 10 statute miles, which are 16.1 km.")
    screen.run("lineproof", "trace", "training_set.visibility_km", "--since", "2026-11-17", env=env, cwd=work.folder)


def wrong_at_the_source(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """a, again: a wrong value that no commit explains."""
    screen.heading("a. And this one is wrong, though nobody changed the code")
    speed, when = _rows(work, "select wind_speed, time_hour from raw.weather order by wind_speed desc nulls last limit 1")[0]
    rows = _rows(work, "select count(*) from training.training_set where wind_speed_ms > 100")[0][0]
    screen.say(f"{rows} training rows have a wind speed beyond 100 m/s. The raw observation at {when:%Y-%m-%dT%H:%MZ} says {speed:.0f} mph.")
    screen.run("lineproof", "trace", "training_set.wind_speed_ms", "--since", "2026-11-17", env=env, cwd=work.folder)


def what_breaks(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """b. What breaks if a source column is dropped?"""
    screen.heading("b. What breaks if weather.wind_speed is dropped?")
    screen.run("lineproof", "impact", "raw.weather.wind_speed", "--change", "drop-column", env=env, cwd=work.folder)


def who_changed_it(screen: Screen, work: Workspace, env: Mapping[str, str], start: int) -> None:
    """c. Who changed this feature in this window? With proofs that a process without us verifies."""
    screen.heading("c. Who changed the carrier's delay feature since the first build, and can it be proven?")
    size = json.loads(screen.run("lineproof", "checkpoint", "--json", env=env, cwd=work.folder, quiet=True).output)["checkpoint"]["logSize"]
    screen.run("lineproof", "audit", "feat_carrier_delay", "--from", str(start), "--to", str(size), "--changes", "--evidence", "evidence.json",
               "--with-leaves", env=env, cwd=work.folder)
    screen.run("lineproof", "keys", "trust", "--out", "trust.txt", env=env, cwd=work.folder)
    auditor = work.folder / "auditor"
    auditor.mkdir()
    for name in ("evidence.json", "trust.txt"):
        shutil.copy(work.folder / name, auditor / name)
    screen.say("\nAn auditor has these two files and nothing else: no service, no data directory, no token.")
    screen.run("lineproof", "log", "verify", "evidence.json", "--trust", "trust.txt", "--require", "keys-complete",
               env=clean_environment({"HOME": str(auditor)}), cwd=auditor)


def tampered(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """d. One byte changed in a copy of the log: fsck names the entry."""
    screen.heading("d. One byte is changed in a copy of the log")
    if env.get("LINEPROOF_DATABASE_URL"):
        screen.say("The log is in PostgreSQL here, where triggers forbid the change; the copy is shown on the embedded default.")
        screen.run("lineproof", "log", "fsck", env=env, cwd=work.folder)
        return
    copy = work.folder / "copy"
    copy.mkdir()
    with sqlite3.connect(work.data / "log.db") as source, sqlite3.connect(copy / "log.db") as target:
        source.backup(target)
    index = _change_one_byte(copy / "log.db")
    screen.say(f"A byte of entry {index} is now another one. The log itself is untouched:")
    screen.run("lineproof", "log", "fsck", env=env, cwd=work.folder)
    screen.run("lineproof", "log", "fsck", "copy", env=env, cwd=work.folder, expect=1)


def _change_one_byte(database: Path) -> int:
    """Flip one bit in the middle of the middle entry's leaf, in the file itself, past every trigger; returns the entry's index."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        index, leaf = connection.execute("select idx, leaf from entries order by abs(idx * 2 - (select max(idx) from entries)) limit 1").fetchone()
    content = bytearray(database.read_bytes())
    at = content.find(leaf)
    if at < 0:
        raise CommandFailed(f"the leaf of entry {index} does not lie in one piece in {database}")
    content[at + len(leaf) // 2] ^= 1
    database.write_bytes(content)
    return int(index)


def rebuilt(screen: Screen, work: Workspace, env: Mapping[str, str], position: int) -> None:
    """g. The good version of the weather feature, as of `position`, is built again where there is no project, no warehouse and no environment."""
    screen.heading("g. The good version is built again from its manifest")
    folder = work.folder / "elsewhere"
    folder.mkdir()
    screen.run("lineproof", "keys", "trust", "--out", str(folder / "trust.txt"), env=env, cwd=work.folder, quiet=True)
    screen.run("lineproof", "manifest", "feat_origin_weather", "--at", str(position), "-o", "good.json", env=env, cwd=folder)
    screen.say("\nThe rebuild has this file, the log and the artifact store: code, lock file and CSV files by their digests, and an empty environment.")
    screen.run("lineproof", "rebuild", "good.json", "--trust", "trust.txt", "--into", "again", "--yes", env=env, cwd=folder)


def point_in_time(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """f. Was everything in the training data known when predictions are made? Which SQL line and commit say no?"""
    screen.heading("f. Does the model know the future?")
    screen.say("The second model was trained after “Carrier delay: use flights as soon as they have departed”. It looks better than it will be.")
    screen.run("lineproof", "features", "check", "delay@2", env=env, cwd=work.folder, expect=1)
    screen.say("\nThe first one, trained two commits before, uses the same features made as they should be:")
    screen.run("lineproof", "features", "check", "delay@1", env=env, cwd=work.folder, limit=3)


def pull_request(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """h. A pull request drops a source column: what the gate says of it."""
    screen.heading("h. A pull request drops weather.wind_speed")
    branch = work.folder / "pull-request"
    shutil.copytree(work.repository, branch, ignore=shutil.ignore_patterns(".git", "target", "logs"))
    sources = branch / "models" / "sources.yml"
    before, _, rest = sources.read_text().partition("          - name: wind_speed\n")
    sources.write_text(before + rest[rest.index("          - name: visib\n"):])
    screen.run("dbt", "--quiet", "parse", "--profiles-dir", ".", env={**env, "FLIGHTS_DUCKDB": str(work.warehouse)}, cwd=branch)
    screen.run("lineproof", "ci", "gate", "flights/target/manifest.json", "pull-request/target/manifest.json", env=env, cwd=work.folder, expect=1)


def how_to_go_on(screen: Screen, work: Workspace, url: str, env: Mapping[str, str], *, serving: bool) -> None:
    """Where it all is, and a first query."""
    short = os.path.relpath(work.folder)
    exports = f"export LINEPROOF_DATA={short}/lineproof LINEPROOF_STATE_DIR={short}/state"
    exports += "".join(f" {name}={env[name]}" for name in ("LINEPROOF_DATABASE_URL", "LINEPROOF_GRAPH_URL") if env.get(name))
    screen.say(f"Everything lies in {short}/. To ask more:\n")
    screen.say(f"  {exports}\n  lineproof lineage training_set --depth 0\n  lineproof search delay")
    if serving:
        query = '{ lineage(urn: \\"urn:lineproof:model-version:flights:delay:2\\", depth: 2) { nodes { urn distance } computedAt { size rootHash } } }'
        screen.say(f"\nThe API is at [bold]{url}[/] (GraphQL at {url}/graphql, OpenAPI at {url}/openapi.json). A first query:\n")
        screen.say(f"  curl -s {url}/graphql -H 'Content-Type: application/json' \\\n"
                   f"    -H \"Authorization: Bearer $(cat {short}/state/*/admin-token)\" \\\n    -d '{{\"query\": \"{query}\"}}'")
        screen.say("\nCtrl-C ends it.")
