"""The question commands as a person types them: on a data directory, and against a running service."""
from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lineproof_audit.directory_lock import DirectoryLock
from metadata_service.graph.open import open_graph
from metadata_service.projector.election import FileElection
from tests import forked, serve_process
from tests.command_line import as_json, environment, lineproof, told_home
from tests.flights_world import RAW, column, dataset, flights_world, open_world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `data` and `state`; nobody serves it."""
    return told_home(tmp_path_factory.mktemp("home"), flights_world)


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[str]:
    """The URL of a service on that directory."""
    with _serving(home) as url:
        yield url


@contextmanager
def _serving(home: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = home / "serve.log"
    process = forked.start(["serve", "--port", str(port)], cwd=home, env=environment(home), out=log, err=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_lineage_is_a_tree(home: Path) -> None:
    lines = lineproof(home, "lineage", "training_set", "--depth", "0").splitlines()
    assert lines[0].startswith("training_set  dataset  owner ml-team")
    assert [re.split(r"\W{2,}", line.lstrip("│├└─ "))[0] for line in lines[1:5]] == ["feat_weather", "stg_weather", "weather", "flights"]
    assert lines[-1].startswith("at ")


def test_lineage_of_versions_names_runs_and_what_they_read(home: Path) -> None:
    shown = lineproof(home, "lineage", "training_set", "--versions", "--depth", "0")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "dataset version" in lines[0]
    assert any("run complete 2026-03-02 09:20:00Z ← by training_set" in line for line in lines)
    assert any("weather@v1 " in line and "version not named: it was current" in line for line in lines)
    answer = as_json(home, "lineage", "training_set", "--versions", "--depth", "0")["lineage"]
    assert {edge["level"] for edge in answer["edges"]} == {"VERSION"}
    assert {reason["code"] for reason in answer["completeness"]["reasons"]} == {"version-inferred"}
    assert "[[" in lineproof(home, "lineage", "training_set", "--versions", "--format", "mermaid")
    assert "invalid-argument" in lineproof(home, "lineage", "training_set", "--versions", "--columns", code=2)


@contextmanager
def _cutting(served: str, after: bytes) -> Iterator[tuple[str, list[bool]]]:
    """A way to the service on which the first answer is cut some bytes behind `after`; what was cut."""
    port, cuts = int(served.rpartition(":")[2]), list[bool]()

    def carry(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as service:
            there = threading.Thread(target=_pour, args=(client, service, None, cuts))
            there.start()
            _pour(service, client, after if not cuts else None, cuts)
            client.shutdown(socket.SHUT_RDWR)
            there.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        def accept() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    threading.Thread(target=carry, args=(listening.accept()[0],)).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", cuts
        listening.shutdown(socket.SHUT_RDWR)


def _pour(source: socket.socket, target: socket.socket, until: bytes | None, cuts: list[bool]) -> None:
    """Carry bytes from one to the other, up to some behind `until`."""
    came = b""
    with suppress(OSError):
        while data := source.recv(512):
            came += data
            target.sendall(data)
            if until is not None and until in came[:-600]:
                cuts.append(True)
                return


def test_column_lineage_shows_how_values_are_made(home: Path) -> None:
    shown = lineproof(home, "lineage", "training_set.wind_ms", "--columns", "--depth", "0")
    assert "feat_weather.wind_ms  ← feat.wind_ms  models/training_set.sql:3" in shown
    assert lineproof(home, "lineage", "training_set.wind_ms", "--columns", "--indirect", "--depth", "0") == shown, "nothing here only decides rows"


def test_impact_names_model_dashboard_and_owners(home: Path) -> None:
    shown = lineproof(home, "impact", "weather.wind_speed")
    assert "retire-version" in lineproof(home, "impact", "weather.wind_speed", "--change", "paint-it-blue", code=2)
    assert "8 breaking, 1 possible" in shown
    for word in ("delay@1", "delays_today", "airport-ops", "ml-team", "live in production", "possible"):
        assert word in shown
    assert "stg_weather.wind_speed_mph (models/stg_weather.sql:4) → feat_weather.wind_ms (models/feat_weather.sql:5)" in " ".join(shown.split())


def test_trace_shows_line_commit_and_author(home: Path) -> None:
    shown = lineproof(home, "trace", "training_set.wind_ms", "--since", "2026-03-02")
    for word in ("models/feat_weather.sql:5", "bbbbbbbbbbbb by Bob Berg",
                 "round(wind_speed_mph * 0.44704, 1) → round(wind_speed_mph * 0.27778, 1)", "suspect commit bbbbbbbbbbbb", "raw  weather"):
        assert word in shown


def test_audit_search_entity_event_checkpoint_and_keys_speak(home: Path) -> None:
    assert "ml-team" in lineproof(home, "audit", "training_set", "--limit", "5")
    assert re.search(rf"dataset +weather +{RAW} ", lineproof(home, "search", "weather", "--kind", "dataset"))
    assert "owners: weather-desk" in lineproof(home, "entity", dataset("weather", RAW))
    made = " ".join(lineproof(home, "entity", dataset("feat_weather")).split())
    assert re.search(r"made by feat_weather feat_weather@\w+ now, since \d+, 1 run, last 2026-03-02 09:10:00Z "
                     r"feat_weather feat_weather@\w+ from \d+ to \d+, 1 run", made)
    assert lineproof(home, "audit", "training_set", "--limit", "5000") == lineproof(home, "audit", "training_set")
    everything, changes = lineproof(home, "audit", "feat_weather"), lineproof(home, "audit", "feat_weather", "--changes")
    assert "round(wind_speed_mph * 0.44704, 1) → round(wind_speed_mph * 0.27778, 1) (models/feat_weather.sql:5)" in changes
    assert len(changes) < len(everything)
    assert "c2sp.org/tlog-proof@v1" in lineproof(home, "event", "5")
    assert "the log has" in lineproof(home, "checkpoint")
    assert "pipeline" in lineproof(home, "key-history")


def test_what_cannot_be_answered_has_a_code_and_an_exit_status(home: Path, tmp_path: Path) -> None:
    assert "ambiguous-name" in lineproof(home, "lineage", "origin", code=2)
    assert "not-found" in lineproof(home, "lineage", "nothing_of_this_name", code=2)
    assert "not-found" in lineproof(home, "trace", column("nothing", "training_set"), code=2)
    assert "invalid-position" in lineproof(home, "lineage", "training_set", "--at", "tuesday", code=2)
    assert "position-beyond-log" in lineproof(home, "lineage", "training_set", "--at", "999999", code=2)
    assert "unreachable" in lineproof(home, "lineage", "training_set", code=3, LINEPROOF_DATA=str(tmp_path / "none"))


def test_evidence_of_a_trace_verifies_with_the_trust_file_alone(home: Path, tmp_path: Path) -> None:
    bundle, trust = tmp_path / "evidence.json", tmp_path / "trust"
    answer = as_json(home, "trace", "training_set.wind_ms", "--evidence", str(bundle), "--with-leaves")
    trust.write_text(lineproof(home, "keys", "trust"), encoding="utf-8")
    held = json.loads(bundle.read_text(encoding="utf-8"))
    assert held["answer"] == answer
    cited = {entry["index"] for entry in held["entries"]}
    assert {step["openedBy"] for step in answer["trace"]["steps"]} <= cited
    assert {step["commit"]["recordedBy"] for step in answer["trace"]["steps"]} <= cited
    nowhere = tmp_path / "nothing"  # the verifier has no log and no keys
    nowhere.mkdir()
    assert "keys-complete" in lineproof(nowhere, "log", "verify", str(bundle), "--trust", str(trust))
    held["entries"][0]["envelope"] = held["entries"][1]["envelope"]
    bundle.write_text(json.dumps(held), encoding="utf-8")
    lineproof(nowhere, "log", "verify", str(bundle), "--trust", str(trust), code=1)


def test_what_was_not_projected_yet_is_projected_first(tmp_path: Path) -> None:
    async def build() -> None:
        (tmp_path / "data").mkdir()
        graph = open_graph(f"sqlite:///{tmp_path / 'data' / 'graph.db'}")
        await graph.setup()
        world = open_world(tmp_path, graph)
        world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "fresh", "columns": [{"name": "x"}]})
        world.log.integrator.step()
        world.close()
        await graph.close()

    asyncio.run(build())
    assert "fresh" in lineproof(tmp_path, "lineage", "fresh")


def test_questions_need_no_lock_and_do_not_wait_for_one_another(home: Path, tmp_path: Path) -> None:
    """Another process writes the directory, and answers no questions."""
    lock = DirectoryLock(home / "data")
    try:
        outs = [tmp_path / str(number) for number in range(3)]
        asking = [forked.start(["lineage", "training_set", "--json"], cwd=home, env=environment(home), out=out, err=out) for out in outs]
        codes = [process.wait(90) for process in asking]
        answers = [out.read_text() for out in outs]
    finally:
        lock.release()
    assert codes == [0, 0, 0], answers
    assert len(set(answers)) == 1


def test_beside_another_projector_the_answer_stands_at_what_is_projected(tmp_path: Path) -> None:
    asyncio.run(_behind(tmp_path, "known", "fresh"))
    election = FileElection(tmp_path / "data")
    assert election.won()
    try:
        done = serve_process.lineproof(tmp_path, "search", "known", "--json", env=environment(tmp_path))
        assert [row["name"] for row in json.loads(done.stdout)["search"]["rows"]] == ["known"]
        assert "another process is projecting the rest" in done.stderr
        assert "not-found" in lineproof(tmp_path, "lineage", "fresh", code=2)
    finally:
        election.resign()
    assert "fresh" in lineproof(tmp_path, "lineage", "fresh")


async def _behind(directory: Path, *names: str) -> None:
    """A log of one dataset per name, of which the graph lacks the last."""
    (directory / "data").mkdir()
    graph = open_graph(f"sqlite:///{directory / 'data' / 'graph.db'}")
    await graph.setup()
    world = open_world(directory, graph)
    for name in names:
        if name == names[-1]:
            await world.settle()
        world.say("lineproof.dataset.v1", {"namespace": RAW, "name": name, "columns": [{"name": "x"}]})
    world.log.integrator.step()
    world.close()
    await graph.close()


def test_an_address_left_behind_is_not_trusted(home: Path, tmp_path: Path) -> None:
    """A killed service leaves its address; nobody listens there, or a service of another log."""
    expected = as_json(home, "lineage", "training_set")
    address = home / "data" / "address"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address.write_text(f"http://127.0.0.1:{nobody.getsockname()[1]}\n", encoding="utf-8")
        assert as_json(home, "lineage", "training_set") == expected
    asyncio.run(_behind(tmp_path, "known", "fresh"))
    with _serving(tmp_path) as url:
        address.write_text(url + "\n", encoding="utf-8")
        assert as_json(home, "lineage", "training_set") == expected
    address.unlink()


def test_a_question_to_a_directory_loads_no_web_framework(home: Path) -> None:
    script = ("import sys; from metadata_service.cli import main; sys.argv = ['lineproof', 'lineage', 'training_set']\n"
              "try:\n    main()\nfinally:\n    print('LOADED', *sorted({'fastapi', 'uvicorn', 'httpx', 'jinja2', 'pyarrow'} & sys.modules.keys()))")
    done = subprocess.run([sys.executable, "-c", script], env=environment(home), capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_dbt_is_listed_and_loaded_only_when_asked_for(home: Path) -> None:
    assert re.search(r"dbt +Signed lineage of dbt runs", lineproof(home, "--help"))
    assert "record" in lineproof(home, "dbt", "--help")


def test_the_gate_of_a_pull_request(home: Path, tmp_path: Path) -> None:
    base, head, report = tmp_path / "base.json", tmp_path / "head.json", tmp_path / "report.md"
    base.write_text(json.dumps({"weather": {"origin": "text", "wind_speed": "double", "precip": "double"}, "nobody_told": {"x": "int"}}))
    head.write_text(json.dumps({"weather": {"origin": "text", "precip": "double"}, "nobody_told": {}}))
    lineproof(home, "ci", "gate", "--base", str(base), "--head", str(head), "--out", str(report), code=1)
    text = report.read_text()
    assert "drops the column weather.wind\\_speed" in text
    assert "model version delay@1" in text
    assert "production" in text
    assert "Unknown: nothing recorded is called nobody\\_told.x" in text
    base.write_text(json.dumps({"nobody_told": {"x": "int"}}))
    head.write_text(json.dumps({"nobody_told": {}}))
    assert "1 possible" in lineproof(home, "ci", "gate", "--base", str(base), "--head", str(head))
    lineproof(home, "ci", "gate", "--base", str(base), "--head", str(head), "--fail-on", "possible", code=1)
    base.write_text(head.read_text())
    found = json.loads(lineproof(home, "ci", "gate", "--base", str(base), "--head", str(head), "--json", "--fail-on", "possible"))
    assert found == {"breaking": 0, "possible": 0, "failed": 0, "failOn": "possible", "changes": []}
    assert "invalid-argument" in lineproof(home, "ci", "gate", "--base", str(tmp_path / "none.json"), "--head", str(head), code=2)
    two = tmp_path / "two.json"
    two.write_text(json.dumps({"weather": {"wind_speed": "double"}, "flights": {}}))
    assert f"nothing recorded is called {RAW}x/weather" in lineproof(home, "ci", "gate", "--base", str(two), "--head", str(head), "--namespace", f"{RAW}x")
    assert "drops the table weather" in lineproof(home, "ci", "gate", "--base", str(two), "--head", str(head), "--namespace", RAW, code=1)
    assert "cannot be written" in lineproof(home, "ci", "gate", "--base", str(base), "--head", str(head), "--junit", str(head / "gate.xml"), code=2)


def test_a_pull_request_that_mends_the_readers_as_well_may_go_in(home: Path, tmp_path: Path) -> None:
    def manifest(name: str, columns: list[str], **models: str) -> str:
        source = {"resource_type": "source", "identifier": "weather", "name": "weather", "columns": {each: {"name": each} for each in columns}}
        nodes = {each: {"resource_type": "model", "name": each, "language": "sql", "raw_code": sql, "compiled_code": sql} for each, sql in models.items()}
        file = tmp_path / name
        file.write_text(json.dumps({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
                                    "sources": {"weather": source}, "nodes": nodes}))
        return str(file)

    base = manifest("base.json", ["origin", "wind_speed"], stg_weather="select origin, wind_speed as wind_speed_mph from weather",
                    feat_weather="select origin, wind_speed_mph * 0.4 as wind_ms from stg_weather")
    only_staging = manifest("only.json", ["origin"], stg_weather="select origin from weather",
                            feat_weather="select origin, wind_speed_mph * 0.4 as wind_ms from stg_weather")
    lineproof(home, "ci", "gate", "--base", base, "--head", only_staging, code=1)
    both = manifest("both.json", ["origin"], stg_weather="select origin from weather", feat_weather="select origin, 0.0 as wind_ms from stg_weather")
    found = as_json(home, "ci", "gate", "--base", base, "--head", both)
    assert (found["breaking"], found["failed"]) == (0, 0)
    assert {change["name"]: change["mended"] for change in found["changes"]} == {
        "weather.wind_speed": ["stg_weather"], "stg_weather.wind_speed_mph": ["feat_weather"], "feat_weather.wind_ms": []}


def test_a_snapshot_answers_without_a_log(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "graph.snapshot"
    assert "the graph at" in lineproof(home, "graph", "export", str(file))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["graph.snapshot"]
    file.chmod(0o400)
    for question in (["impact", "weather.wind_speed"], ["lineage", "training_set", "--depth", "0"], ["trace", "training_set.wind_ms"]):
        live, offline = (json.loads(lineproof(home, *question, "--json", *where)) for where in ([], ["--data", str(file)]))
        if question[0] == "trace":  # the code itself is an artifact
            for step in (*live["trace"]["steps"], *offline["trace"]["steps"]):
                step.pop("snippet")
        assert offline == live
    base, head = tmp_path / "base.json", tmp_path / "head.json"
    base.write_text(json.dumps({"weather": {"wind_speed": "double"}}))
    head.write_text(json.dumps({"weather": {}}))
    report, sarif, junit = tmp_path / "report.md", tmp_path / "gate.sarif", tmp_path / "junit.xml"
    gate = ["ci", "gate", "--base", str(base), "--head", str(head), "--data", str(file)]
    lineproof(home, *gate, "--out", str(report), "--sarif", str(sarif), "--junit", str(junit), code=1)
    assert "model version delay@1" in report.read_text()
    assert json.loads(sarif.read_text())["runs"][0]["results"][0]["level"] == "error"
    assert 'failures="1"' in junit.read_text()
    lineproof(home, *gate, "--fail-on", "never")
    assert "not-in-snapshot" in lineproof(home, "audit", "weather.wind_speed", "--data", str(file), code=2)
    assert "invalid-argument" in lineproof(home, "graph", "export", str(file), code=2)
    assert "invalid-argument" in lineproof(home, "impact", "weather.wind_speed", "--data", str(base), code=2)


def test_what_changed_and_what_of_it_is_suspect(home: Path) -> None:
    entries = json.loads(lineproof(home, "checkpoint", "--json"))["checkpoint"]["computedAt"]["size"]
    text = lineproof(home, "diff", "training_set", "--from", "0")
    assert f"from 0 to {entries}" in text
    assert "+ training_set.wind_ms" in text
    found = json.loads(lineproof(home, "diff", "feat_weather.wind_ms", "--from", str(entries - 3), "--json"))["diff"]
    (edge,) = [each for each in found["edges"] if each["change"] == "CHANGED"]
    assert "0.44704" in edge["before"]["expression"]
    assert "0.27778" in edge["after"]["expression"]
    text = lineproof(home, "suspects", "training_set.wind_ms", "--from", str(entries - 3))
    assert text.splitlines()[1].split()[1] == "code"
    assert "+ round(wind_speed_mph * 0.27778, 1)" in text
    assert "Bob" in text
    rows = json.loads(lineproof(home, "suspects", "training_set.wind_ms", "--from", str(entries - 3), "--json"))["suspects"]["rows"]
    assert rows[0]["kind"] == "CODE"
    assert "invalid-argument" in lineproof(home, "diff", "training_set", "--from", str(entries + 1), code=2)
    assert "not-found" in lineproof(home, "suspects", "nothing_of_that_name", "--from", "0", code=2)


def test_a_service_and_a_directory_give_the_same_answers(home: Path, served: str) -> None:
    """Runs last: from here on the directory is served, and commands without an address find the service by themselves."""
    for arguments in (["lineage", "training_set", "--depth", "0"], ["impact", "weather.wind_speed"], ["trace", "training_set.wind_ms"],
                      ["audit", "feat_weather"]):
        found = as_json(home, *arguments)
        assert found == as_json(home, *arguments, "--server", served)
        (answer,) = found.values()
        assert answer["completeness"]["complete"]


def test_an_export_of_the_directory_and_of_the_service_are_the_same_lines(home: Path, served: str, tmp_path: Path) -> None:
    here = lineproof(home, "export", "--at", "20")
    there = lineproof(home, "export", "--at", "20", "--url", served)
    assert [line for line in there.splitlines() if "cursor" not in line] == [line for line in here.splitlines() if "cursor" not in line]
    kinds = [next(iter(json.loads(line))) for line in here.splitlines()]
    assert (kinds[0], kinds[-1], {"node", "edge"} <= set(kinds)) == ("header", "trailer", True)
    end = json.loads(lineproof(home, "export", "training_set", "--assets", "--out", str(tmp_path / "t.ndjson"), "--json"))
    told = (tmp_path / "t.ndjson").read_text().splitlines()
    assert json.loads(told[-1])["trailer"] == end
    assert (end["nodes"], sum('{"node"' in line for line in told)) == (5, 5)
    assert "not-found" in lineproof(home, "export", dataset("nowhere"), "--out", str(tmp_path / "none"), code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["t.ndjson"]
    assert "invalid-argument" in lineproof(home, "export", "--format", "csv", code=2)


def test_an_export_that_breaks_off_goes_on_behind_its_last_whole_page(home: Path, served: str, tmp_path: Path) -> None:
    whole = lineproof(home, "export", "--url", served)
    with _cutting(served, after=b'{"cursor"') as (address, cuts):
        assert lineproof(home, "export", "--url", address) == whole
        assert cuts == [True]
    with _cutting(served, after=b'{"header"') as (address, cuts):  # before there is anything to go on from
        assert "unreachable" in lineproof(home, "export", "--url", address, "--out", str(tmp_path / "cut"), code=3)
        assert list(tmp_path.iterdir()) == []
