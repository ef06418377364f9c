"""The demo's answers are the true ones: the planted mistakes are found, and nothing else is blamed."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from examples.flights.questions import PAGES
from examples.flights.service import Service, free_port

if TYPE_CHECKING:
    from tests.e2e.conftest import Played

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def _commit(demo: Played, subject: str) -> str:
    done = subprocess.run(["git", "log", "--format=%H %s"], cwd=demo.folder / "flights", capture_output=True, text=True, check=True)
    return next(line.split(" ", 1)[0] for line in done.stdout.splitlines() if subject in line)


class Served:
    """A service on what the demo left."""

    def __init__(self, demo: Played, service: Service) -> None:
        self.url = service.url
        self._token = next((demo.folder / "state").glob("*/admin-token")).read_text().strip()

    def resolve(self, model: str) -> dict[str, Any]:
        """`POST /resolve` of everything a model is bound to: the subject, and rows by the feature's name."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/resolve", json.dumps({"model": model}).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.loads(answer.read())
        return {"subject": found["subject"], "rows": {row["reference"].partition(":")[2].partition("@")[0]: row for row in found["resolutions"]}}


@pytest.fixture(scope="module")
def served(demo: Played) -> Iterator[Served]:
    service = Service(demo.env, demo.folder / "served-again.log", free_port())
    try:
        service.wait_ready()
        yield Served(demo, service)
    finally:
        service.stop()


def test_wrong_column_leads_to_line_commit_author_run_and_raw_data(demo: Played) -> None:
    trace = demo.ask("trace", "training_set.visibility_km", "--since", "2026-11-17")
    culprit = _commit(demo, "tidy up the unit conversions")
    text = json.dumps(trace)
    assert culprit in text
    assert "ben@example.org" in text
    (step,) = [step for step in trace["steps"] if "1.852" in json.dumps(step)]
    assert "models/features/feat_origin_weather.sql" in json.dumps(step)
    value = [step["urn"].split("flights.duckdb:")[1] for step in trace["steps"] if step["influence"] == "VALUE"]
    assert value == ["flights.training.training_set:visibility_km", "flights.features.feat_origin_weather:visibility_km",
                     "flights.staging.stg_weather:visibility_miles", "flights.raw.weather"]
    assert "flights.raw.weather" in text
    assert [change["commit"]["sha"] for change in trace["changes"] if change["suspect"]] == [culprit]
    assert trace["verdict"]["cause"] == "CODE"
    rows_only = [change["commit"]["author"] for change in trace["changes"] if change["pathChanged"] and change["influence"] == "ROWS"]
    assert rows_only == ["Chloe Park"]
    assert trace["verdict"]["because"].index("Ben Carter") < trace["verdict"]["because"].index("Chloe Park")


def test_wrong_source_value_blames_no_commit_but_the_source(demo: Played) -> None:
    trace = demo.ask("trace", "training_set.wind_speed_ms", "--since", "2026-11-17")
    assert trace["verdict"]["cause"] == "SOURCE_DATA"
    (failed,) = trace["quality"]
    assert "raw.weather" in failed["urn"]
    assert (failed["column"], failed["onSource"], failed["influence"]) == ("wind_speed", True, "VALUE")
    assert failed["check"] in trace["verdict"]["because"]
    assert not any(change["suspect"] for change in trace["changes"])


def test_dropping_wind_speed_reaches_model_and_dashboard(demo: Played) -> None:
    impact = demo.ask("impact", "raw.weather.wind_speed", "--change", "drop-column")
    text = json.dumps(impact)
    for expected in ("training_set", "delay_dashboard", "urn:lineproof:model-version:flights:delay:2", "control-room@example.org", "delay-model@example.org"):
        assert expected in text
    assert "punctuality_report" not in text, "the report reads no weather"


def test_who_changed_the_carrier_feature(demo: Played) -> None:
    rows = demo.ask("audit", "feat_carrier_delay")["rows"]
    culprit = _commit(demo, "as soon as they have departed")
    changed = [row for row in rows if row["commit"] and row["commit"]["sha"] == culprit and "departed_at" in json.dumps(row)]
    assert changed
    assert all(row["actor"] == "chloe@example.org" and row["status"] == "applied" for row in changed)


def test_the_leak_is_found_by_line_and_commit_and_nothing_else_is_called_one(demo: Played) -> None:
    found = json.loads(demo.run("lineproof", "features", "check", "delay@2", "--json", expect=1))["pointInTimeChecks"]
    wrong = {check["urn"].rpartition(":")[2]: check for check in found["checks"] if check["check"] == "TIME_PREDICATE" and check["state"] == "VIOLATION"}
    assert set(wrong) == {"carrier_flights_7d", "carrier_late_flights_7d"}
    place = wrong["carrier_late_flights_7d"]["evidence"][0]
    lines = (demo.folder / "flights/models/features/feat_carrier_delay.sql").read_text().splitlines()
    assert place["file"] == "models/features/feat_carrier_delay.sql"
    assert lines[place["line"] - 1][place["column"] - 1:].startswith("requests.reference_time > totals.known_at")
    assert place["commit"]["sha"] == _commit(demo, "as soon as they have departed")
    earlier = demo.ask("features", "check", "delay@1")
    assert earlier["violations"] == 0
    assert {check["check"] for check in earlier["checks"] if check["state"] == "SUSPECT"} == {"LATE_DATA"}
    proven = {check["urn"].rpartition(":")[2] for check in earlier["checks"] if check["check"] == "TIME_PREDICATE" and check["state"] == "PROVEN"}
    assert proven == {"distance_miles", "carrier_flights_7d", "carrier_late_flights_7d", "route_flights_7d", "route_late_flights_7d", "temperature_c",
                      "wind_speed_ms", "visibility_km", "precipitation_mm"}


def _moves(demo: Played, feature: str) -> list[dict[str, Any]]:
    found = demo.ask("aliases", "history", f"flights:{feature}", "--alias", "latest-stable")
    return [move for move in found["history"] if move["status"] == "applied"]


def test_a_stable_binding_is_served_what_latest_stable_meant_at_its_registration(demo: Played, served: Served) -> None:
    first, second = served.resolve("flights:delay@1"), served.resolve("flights:delay@2")
    assert {(row["alias"], row["via"], row["version"], row["ttlSeconds"]) for row in first["rows"].values()} == {("latest-stable", "pin", "1", None)}
    changed = {"carrier_flights_7d", "carrier_late_flights_7d", "temperature_c", "wind_speed_ms", "visibility_km", "precipitation_mm"}
    assert {name for name, row in second["rows"].items() if row["version"] == "2"} == changed
    assert {name for name, row in second["rows"].items() if row["version"] == "1"} == first["rows"].keys() - changed
    assert second["subject"]["liveIn"] == ["production"]
    for name in changed:  # the alias has moved on since, and the pins name the entry that had put it where it stood
        put, moved = _moves(demo, name)[:2]
        assert (put["to"], moved["was"], moved["to"], moved["expected"]) == ("1", "1", "2", put["index"])
        assert first["rows"][name]["aliasIndex"] == put["index"] < first["subject"]["manifestIndex"] < moved["index"]
        assert first["rows"][name]["online"]["uri"].endswith(f"{name}_v1")
        assert [column["name"] for column in first["rows"][name]["offline"]["columns"]][-1] == name


def test_a_flexible_binding_follows_latest_stable(demo: Played, served: Served) -> None:
    found = served.resolve("flights:delay_board@1")
    for name, row in found["rows"].items():
        now = _moves(demo, name)[-1]
        assert (row["via"], row["version"], row["aliasIndex"], row["ttlSeconds"]) == ("alias", now["to"], now["index"], 60)
    assert {row["version"] for row in found["rows"].values()} == {"1", "2"}
    printed = demo.output.split("$ python ml/serve.py")[1:]
    values = [next(line for line in part.splitlines() if line.startswith("visibility_km")).split()[1:] for part in printed]
    assert values == [["@1", "16.1", "@2", "18.5"], ["@1", "16.1", "@1", "16.1"]], "stable beside flexible, before and after the rollback"


def test_checks_of_a_binding_say_what_serving_reads(demo: Played) -> None:
    for model in ("delay@1", "delay_board@1"):
        found = json.loads(demo.run("lineproof", "features", "check", model, "--json", expect=int(model != "delay@1")))["pointInTimeChecks"]
        skew = {check["urn"].split(":")[-2]: check["state"] for check in found["checks"] if check["check"] == "BINDING_SKEW"}
        moved = {name for name in skew if _moves(demo, name)[-1]["to"] != "1"} if model != "delay@1" else set()
        assert skew == {name: "VIOLATION" if name in moved else "PROVEN" for name in skew}
        assert len(skew) == 9
        late = {check["state"] for check in found["checks"] if check["check"] == "LATE_DATA" and "plane_age" not in check["urn"]}
        assert late == {"SUSPECT"}, "the values of 2013 were made when the demo ran"


def test_latest_stable_is_rolled_back_in_one_signed_step(demo: Played) -> None:
    put, wrong, back = _moves(demo, "visibility_km")
    assert (back["was"], back["to"], back["expected"], back["restores"]) == ("2", "1", wrong["index"], put["index"])
    assert back["reason"] == "visibility is in statute miles"
    assert (put["actor"], wrong["actor"]) == ("ada@example.org", "ben@example.org")
    event = demo.ask("event", str(back["index"]))["event"]
    assert (event["eventType"], event["status"], event["key"]["state"]) == ("lineproof.alias.v1", "applied", "valid")
    assert event["proof"] is not None


def test_the_good_version_is_built_again_to_the_same_fingerprint(demo: Played) -> None:
    folder = demo.folder / "elsewhere"
    said = json.loads(b64decode(json.loads((folder / "good.reproduction.json").read_text())["payload"]))["predicate"]
    assert said["verdict"] == "reproduced"
    assert all(output["actual"] == output["expected"] for output in said["outputs"])
    (weather,) = [output for output in said["outputs"] if "feat_origin_weather" in output["version"]]
    manifest = demo.ask("manifest", "flights:visibility_km@1")["statement"]
    assert [each["name"] for each in manifest["subject"]] == [weather["version"]]
    recorded = weather["expected"]["fp1"]
    assert weather["version"].endswith(f":{recorded}")
    facts = {fact["name"]: fact["value"] for fact in demo.ask("entity", "feat_origin_weather")["entity"]["facts"]}
    assert not facts["currentVersion"].endswith(f":{recorded}"), "the warehouse holds the wrong one"
    assert demo.output.count(recorded) >= 2


@pytest.mark.parametrize(("view", "parameters", "what"), PAGES, ids=[view for view, _, _ in PAGES])
def test_what_the_end_points_at_is_there(demo: Played, view: str, parameters: dict[str, str], what: str) -> None:
    assert f"'{view}'" in (ROOT / "ui" / "src" / "url.ts").read_text().split("PAGES = ")[1].split("]")[0]
    assert demo.ask("entity", parameters["urn"])["entity"]["urn"] == parameters["urn"]


def test_a_command_without_a_token_says_where_to_get_one(demo: Played, served: Served) -> None:
    elsewhere = {**demo.env, "LINEPROOF_STATE_DIR": str(demo.folder / "no-state")}
    done = subprocess.run([Path(sys.executable).with_name("lineproof"), "search", "delay", "--server", served.url], env=elsewhere, capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "unauthenticated" in done.stderr
    assert "set LINEPROOF_TOKEN, or LINEPROOF_STATE_DIR to the state directory that the service was started with" in done.stderr


def test_the_gate_of_the_pull_request_names_dashboard_and_owner(demo: Played) -> None:
    found = json.loads(demo.run("lineproof", "ci", "gate", "--base", "flights/target/manifest.json", "--head", "pull-request/target/manifest.json",
                                "--json", expect=1))
    (change,) = found["changes"]
    assert (change["kind"], change["name"]) == ("drop-column", "flights.raw.weather.wind_speed")
    text = json.dumps(change["impact"])
    assert "delay_dashboard" in text
    assert "control-room@example.org" in text


def test_evidence_verifies_with_nothing_but_the_trust_file(demo: Played) -> None:
    verdict = json.loads(demo.run("lineproof", "log", "verify", "evidence.json", "--trust", "trust.txt", "--json", cwd=demo.folder / "auditor"))
    assert verdict["ok"] is True
    assert verdict["levels"] == ["included", "keys-complete"]


def test_evidence_with_one_changed_character_is_refused(demo: Played, tmp_path: pytest.TempPathFactory) -> None:
    folder = demo.folder / "forged"
    shutil.copytree(demo.folder / "auditor", folder)
    text = (folder / "evidence.json").read_text()
    at = text.index('"envelope": "') + 200
    (folder / "evidence.json").write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:])
    demo.run("lineproof", "log", "verify", "evidence.json", "--trust", "trust.txt", cwd=folder, expect=1)


def test_fsck_names_the_changed_entry(demo: Played) -> None:
    assert json.loads(demo.run("lineproof", "log", "fsck", "--json"))["ok"] is True
    report = json.loads(demo.run("lineproof", "log", "fsck", "copy", "--json", expect=1))
    said = int(demo.output.split("A byte of entry ")[1].split()[0])
    assert report["firstBadIndex"] == said


def test_graph_is_what_a_rebuild_gives(demo: Played) -> None:
    demo.run("lineproof", "graph", "verify")


def test_demo_is_the_same_on_neo4j_and_postgresql(demo: Played, tmp_path_factory: pytest.TempPathFactory, postgres_database: str, neo4j_server: object,
                                                 neo4j_uri: str) -> None:
    from tests.e2e.conftest import play

    other = play(tmp_path_factory.mktemp("production") / "run", LINEPROOF_DATABASE_URL=postgres_database, LINEPROOF_GRAPH_URL=neo4j_server.url)  # type: ignore[attr-defined]
    for question in (("trace", "training_set.visibility_km", "--since", "2026-11-17"), ("impact", "raw.weather.wind_speed", "--change", "drop-column"),
                     ("lineage", "training_set", "--depth", "0")):
        assert _shape(other.ask(*question)) == _shape(demo.ask(*question)), question
    assert [(move["was"], move["to"]) for move in _moves(other, "visibility_km")] == [(None, "1"), ("1", "2"), ("2", "1")]
    assert "reproduced: " in other.output


def _shape(answer: dict[str, object]) -> list[str]:
    """What must be equal on every store: URNs, lines and commits; not times, indices and run ids."""
    import re

    text = json.dumps(answer)
    return sorted(set(re.findall(r"urn:lineproof:(?:dataset|column|model-version|consumer|commit|transformation):[^\"\s]+", text))
                  | set(re.findall(r"models/[a-z_/]+\.sql", text)))
