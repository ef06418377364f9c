"""The demo's answers are the true ones: the planted mistakes are found, and nothing else is blamed."""
from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def _commit(demo: Played, subject: str) -> str:
    done = subprocess.run(["git", "log", "--format=%H %s"], cwd=demo.folder / "flights", capture_output=True, text=True, check=True)
    return next(line.split(" ", 1)[0] for line in done.stdout.splitlines() if subject in line)


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
    assert (earlier["violations"], earlier["suspects"]) == (0, 0)
    proven = {check["urn"].rpartition(":")[2] for check in earlier["checks"] if check["check"] == "TIME_PREDICATE" and check["state"] == "PROVEN"}
    assert proven == {"distance_miles", "carrier_flights_7d", "carrier_late_flights_7d", "route_flights_7d", "route_late_flights_7d", "temperature_c",
                      "wind_speed_ms", "visibility_km", "precipitation_mm"}


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


def _shape(answer: dict[str, object]) -> list[str]:
    """What must be equal on every store: URNs, lines and commits; not times, indices and run ids."""
    import re

    text = json.dumps(answer)
    return sorted(set(re.findall(r"urn:lineproof:(?:dataset|column|model-version|consumer|commit|transformation):[^\"\s]+", text))
                  | set(re.findall(r"models/[a-z_/]+\.sql", text)))
