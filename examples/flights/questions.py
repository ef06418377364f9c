"""The questions of the demo, each with the command a user would type."""
from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import duckdb

from examples.flights.pipeline import Workspace, serve
from examples.flights.screen import CommandFailed, Screen, clean_environment
from ingest_hooks.fp1 import fingerprint_query

__all__ = ["how_to_go_on", "point_in_time", "pull_request", "rolled_back_and_rebuilt", "tampered", "what_breaks", "what_serving_reads", "who_changed_it",
           "wrong_at_the_source", "wrong_since_tuesday"]

_TABLE = "duckdb%3A%2F%2Fflights.duckdb:flights."  # namespace and database of every table, as URNs spell them
PAGES = (  # views of the page with their parameters, and what is to be seen there
    ("trace", {"urn": f"urn:lineproof:column:{_TABLE}training.training_set:visibility_km", "since": "2026-11-17"},
     "question a: the wrong column, back to the line"),
    ("lineage", {"urn": f"urn:lineproof:dataset:{_TABLE}training.training_set"}, "where the training set comes from and who uses it; ‹ and › open it further"),
    ("checks", {"urn": "urn:lineproof:model-version:flights:delay:2"}, "question f: what the second model should not have known"),
    ("audit", {"urn": f"urn:lineproof:dataset:{_TABLE}features.feat_carrier_delay"}, "question c: who changed it, each entry proven in your browser"),
)
BUILT_PAGE = Path(__file__).parents[2] / "metadata_service" / "_ui" / "index.html"
STABLE, FLEXIBLE = "flights:delay@1", "flights:delay_board@1"  # both registered with latest-stable, before the two mistakes


def _rows(work: Workspace, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(work.warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def _size(screen: Screen, work: Workspace, env: Mapping[str, str]) -> int:
    """The number of entries in the log."""
    found = json.loads(screen.run("lineproof", "checkpoint", "--json", env=env, cwd=work.folder, quiet=True).output)
    return int(found["checkpoint"]["logSize"])


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
    end = _size(screen, work, env)
    screen.run("lineproof", "audit", "feat_carrier_delay", "--from", str(start), "--to", str(end), "--changes", "--evidence", "evidence.json",
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


def what_serving_reads(screen: Screen, work: Workspace, env: Mapping[str, str], serving: Mapping[str, str]) -> None:
    """e. Two models were registered with `latest-stable`, which has moved on since: what do they get now?"""
    screen.heading("e. latest-stable has moved on: what do models get that were registered with it?")
    screen.say("Both models named latest-stable of nine features, when it stood on version 1 of them all. delay is bound stable: what that meant then was\n"
               "written into the log with its registration, as its manifest:")
    screen.run("lineproof", "models", STABLE, env=env, cwd=work.folder, limit=18)
    screen.say("\ndelay_board is bound flexible: it follows latest-stable, which the two later commits have moved:")
    screen.run("lineproof", "aliases", "history", "flights:visibility_km", "--alias", "latest-stable", env=env, cwd=work.folder)
    screen.say("\nA serving process asks POST /resolve what its model is bound to, and reads these versions from the online store:")
    serve(screen, work, serving, STABLE, FLEXIBLE)


def rolled_back_and_rebuilt(screen: Screen, work: Workspace, env: Mapping[str, str], serving: Mapping[str, str]) -> None:
    """g. Back to the good version in one step; and its table, which the wrong one has replaced, is built again where nothing of the pipeline is."""
    screen.heading("g. latest-stable is rolled back, and the good version built again from its manifest")
    before = _size(screen, work, env)
    screen.run("lineproof", "rollback", "flights:visibility_km", "--alias", "latest-stable", "--reason", "visibility is in statute miles", env=env,
               cwd=work.folder)
    screen.run("lineproof", "audit", "flights:visibility_km", "--from", str(before), env=env, cwd=work.folder)
    screen.say("\nThe departure board follows at once; what is pinned has nothing to follow:")
    serve(screen, work, serving, STABLE, FLEXIBLE)
    folder = work.folder / "elsewhere"
    folder.mkdir()
    screen.run("lineproof", "keys", "trust", "--out", str(folder / "trust.txt"), env=env, cwd=work.folder, quiet=True)
    screen.say("\nThe table of version 1 is gone from the warehouse: the wrong one was written over it. Its manifest says how to make it:")
    screen.run("lineproof", "manifest", "flights:visibility_km@1", "-o", "good.json", env=env, cwd=folder)
    screen.say("\nThe rebuild has this file, the log and the artifact store: code, lock file and CSV files by their digests, and an empty environment.")
    screen.run("lineproof", "rebuild", "good.json", "--trust", "trust.txt", "--into", "again", "--yes", env=env, cwd=folder)
    statement = json.loads(b64decode(json.loads((folder / "good.reproduction.json").read_text())["payload"]))
    *_, weather = statement["predicate"]["outputs"]
    with duckdb.connect(str(work.warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        today = fingerprint_query(connection, "select * from features.feat_origin_weather").sha256
    screen.say(f"\nfp1 of feat_origin_weather, all {weather['rows']:,} rows:")
    for what, digest in (("recorded then", weather["expected"]["fp1"]), ("built again now", weather["actual"]["fp1"]), ("in the warehouse now", today)):
        screen.say(f"  {what:<22}{digest}")


def point_in_time(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """f. Was everything in the training data known when predictions are made? Which SQL line and commit say no?"""
    screen.heading("f. Does the model know the future?")
    screen.say("The second model was trained after “Carrier delay: use flights as soon as they have departed”. Its score shows nothing.")
    screen.run("lineproof", "features", "check", "delay@2", env=env, cwd=work.folder, expect=1)
    screen.say("\nThe first one, trained two commits before, has no violation. It stays suspect, and rightly: the values of all of 2013 were made just now,\n"
               "so nobody could have been served with them then:")
    screen.run("lineproof", "features", "check", "delay@1", env=env, cwd=work.folder, limit=7)
    screen.say("\nThe departure board, bound flexible, is no longer served with what it was trained on:")
    screen.run("lineproof", "features", "check", "delay_board@1", env=env, cwd=work.folder, expect=1, limit=7)


def pull_request(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """h. A pull request drops a source column: what the gate says of it."""
    screen.heading("h. A pull request drops weather.wind_speed")
    branch = work.folder / "pull-request"
    shutil.copytree(work.repository, branch, ignore=shutil.ignore_patterns(".git", "target", "logs"))
    sources = branch / "models" / "sources.yml"
    before, _, rest = sources.read_text().partition("          - name: wind_speed\n")
    sources.write_text(before + rest[rest.index("          - name: visib\n"):])
    screen.run("dbt", "--quiet", "parse", "--profiles-dir", ".", env={**env, "FLIGHTS_DUCKDB": str(work.warehouse)}, cwd=branch)
    screen.run("lineproof", "ci", "gate", "--base", "flights/target/manifest.json", "--head", "pull-request/target/manifest.json", env=env,
               cwd=work.folder, expect=1)


def how_to_go_on(screen: Screen, work: Workspace, env: Mapping[str, str], token: str | None) -> None:
    """Where it all is, what to look at, and a first query. With `token` the service goes on and a visitor may sign in with it."""
    here, programs, url = os.path.relpath(work.folder), os.path.relpath(os.path.dirname(sys.executable)), env["LINEPROOF_URL"]
    exports = f"export LINEPROOF_DATA={here}/lineproof LINEPROOF_STATE_DIR={here}/state"
    exports += "".join(f" {name}={env[name]}" for name in ("LINEPROOF_DATABASE_URL", "LINEPROOF_GRAPH_URL") if env.get(name))
    screen.say(f"Everything lies in {here}/. To ask more in a terminal:\n")
    screen.say(f"  . {programs}/activate\n  {exports}\n  lineproof lineage training_set --depth 0\n  lineproof search delay")
    if token is None:
        screen.say("  lineproof serve           [dim]# the page and the API[/]")
        return
    if not BUILT_PAGE.is_file():
        screen.say("\n[yellow]The page is not built:[/] it needs Node 20.19 or newer; `make ui` takes one from PyPI. Then load this:")
    screen.say(f"\nThe page is at [bold]{url}/ui/[/]. Sign in with this token, which may read for a day:\n\n  {token}\n\nThen look at\n")
    for view, parameters, what in PAGES:
        screen.say(f"  {what}\n    {url}/ui/{view}?{urlencode(parameters, safe=':')}")
    query = '{ lineage(urn: \\"urn:lineproof:model-version:flights:delay:2\\", depth: 2) { nodes { urn distance } computedAt { size rootHash } } }'
    screen.say(f"\nThe API: GraphQL at {url}/graphql, OpenAPI at {url}/api/v1/openapi.json. A first query:\n")
    screen.say(f"  curl -s {url}/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer {token}' \\\n    -d '{{\"query\": \"{query}\"}}'")
    screen.say("\nCtrl-C ends it.")
