"""Each view says what the demo's log says: a person reads it off a real Chromium."""
from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from lineproof_schema.urn import format_urn
from tests.browser.conftest import Place
from tests.browser.extras import ADAPTER
from tests.browser.views import DELAY, TRAINING, WEATHER, answer_with, column, open_view, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_facts_name_owner_versions_runs_and_commits(page: Page, place: Place) -> None:
    open_view(page, place, "facts")
    expect(page.get_by_text("delay-model@example.org").first).to_be_visible()
    known = place.ask("query($urn: ID!) { entity(urn: $urn) { entity { links { type outgoing } facts { name value } } } }", urn=TRAINING)
    entity = json.loads(json.dumps(known["entity"]))
    versions = sum(link["type"] == "VERSION_OF" and not link["outgoing"] for link in entity["links"])
    (schema,) = [fact["value"] for fact in entity["facts"] if fact["name"] == "schema"]
    assert versions >= 2
    expect(page.get_by_role("region", name="Versions").locator("tbody tr")).to_have_count(versions)
    expect(page.get_by_role("region", name="Columns", exact=True).locator("tbody tr")).to_have_count(len(schema))
    expect(page.get_by_role("region", name="Runs").get_by_text("complete").first).to_be_visible()
    expect(page.get_by_text("Delay features for departures from New York")).to_be_visible()


def test_an_alias_shows_who_moved_it_and_what_was_refused(page: Page, place: Place) -> None:
    open_view(page, place, "feature")
    expect(page.get_by_role("region", name="Aliases", exact=True).get_by_text("unit fixed")).to_be_visible()
    history = page.get_by_role("region", name="Alias history")
    expect(history.get_by_text("first version")).to_be_visible()
    refused = history.locator("tr").filter(has_text="a stale move")
    expect(refused).to_contain_text("rejected")
    expect(refused).to_contain_text("alias-moved")
    expect(page.get_by_role("region", name="Versions").locator("tbody tr")).to_have_count(2)
    refused.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("proven")
    expect(page.locator(".json")).to_contain_text("a stale move")


def test_a_feature_version_shows_hashes_storage_and_what_it_breaks(page: Page, place: Place) -> None:
    open_view(page, place, "feature-version")
    shown = page.locator("main")
    for hash_of in ("Data hash", "Metadata hash"):
        expect(shown.locator(".fact").filter(has=page.get_by_text(hash_of, exact=True)).locator("code")).to_have_text(re.compile("^[0-9a-f]{64}$"))
    expect(shown).to_contain_text("s3://features/wind")
    expect(shown).to_contain_text("redis://features/wind")
    expect(page.get_by_role("region", name="Offline schema")).to_contain_text("metres per second")
    expect(page.get_by_text("declared additive, found breaking")).to_contain_text("disputed")
    expect(page.get_by_role("region", name="Differences").locator("tbody tr").first).to_be_visible()
    page.get_by_role("region", name="Adapters").get_by_role("button", name="show").click()
    expect(page.get_by_label("Text of the artifact")).to_contain_text(ADAPTER.decode().splitlines()[0])


def test_a_model_version_shows_training_data_and_deployments(page: Page, place: Place) -> None:
    open_view(page, place, "model-version")
    expect(page.locator("section").filter(has_text="Training data").get_by_role("link")).to_contain_text("training_set @")
    expect(page.get_by_role("region", name="Deployments")).to_contain_text("live")
    expect(page.get_by_role("region", name="Pinned features")).to_contain_text("latest-stable as of entry")
    page.get_by_role("region", name="Deployments").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("production-2")


def test_the_rollback_of_the_demo_is_a_move_that_says_what_it_restores(page: Page, place: Place) -> None:
    open_view(page, place, "rolled-back")
    history = page.get_by_role("region", name="Alias history").locator("tbody tr")
    expect(history.first).to_contain_text("had it")
    back = history.first.locator("td").nth(3).get_by_role("link").first.inner_text()
    expect(page.get_by_role("region", name="Aliases", exact=True).locator("tr").filter(has_text="latest-stable").get_by_role("link").first).to_have_text(back)


def test_stable_bindings_are_pinned_and_flexible_ones_float(page: Page, place: Place) -> None:
    open_view(page, place, "pinned")
    pinned = page.get_by_role("region", name="Pinned features")
    expect(pinned.get_by_role("link", name="wind v1")).to_be_visible()
    expect(pinned).to_contain_text("latest-stable as of entry")
    open_view(page, place, "floating")
    floating = page.get_by_role("region", name="Floating features")
    expect(floating.get_by_role("link", name="wind v2")).to_be_visible()
    expect(page.get_by_text("kept for 60 s")).to_be_visible()
    open_view(page, place, "deployment")
    expect(page.get_by_role("region", name="Pinned features").get_by_role("link", name="wind v1")).to_be_visible()
    expect(page.locator(".fact").filter(has_text="State")).to_contain_text("live")


def test_a_trace_says_its_verdict_first_then_the_line_and_the_commit(page: Page, place: Place) -> None:
    open_view(page, place, "trace")
    assert page.locator("main h2").first.inner_text() == "The code changed"
    expect(page.locator(".change").first).to_contain_text("Weather: tidy up the unit conversions")
    expect(page.locator(".change").first.locator(".diff-after")).to_contain_text("1.852")
    expect(page.locator(".change:not(.change-aside)")).to_have_count(1)
    step = page.locator(".step").filter(has=page.locator(".step-head", has_text="feat_origin_weather.visibility_km"))
    expect(step.locator(".listing-line.meant")).to_contain_text("1.852")
    expect(step).to_contain_text("Ben Carter")
    expect(step.locator(".fact").filter(has_text="Made from")).to_contain_text(re.compile("stg_weather.visibility_miles version [0-9a-f]{12}"))
    few = page.locator(".step").count()
    page.get_by_label("with filters and joins").check()
    settle(page)
    assert page.locator(".step").count() > few
    page.get_by_label("Value as it was at (UTC)").fill("2013-01-01T00:00:00")
    settle(page)
    expect(page.get_by_text("Nothing had written it by then")).to_be_visible()


def test_suspects_come_first_with_both_expressions_their_commit_and_line(page: Page, place: Place) -> None:
    asked = column("training.training_set", "visibility_km")
    question = "query($urn: ID!, $from: Position!) { suspects(urn: $urn, from: $from) { from to rows { kind score } opaque { urn } } }"
    known = place.ask(question, **{"urn": asked, "from": {"time": "2026-11-17T00:00:00Z"}})
    rows, opaque = json.loads(json.dumps([known["rows"], known["opaque"]]))
    open_view(page, place, "changes")
    expect(page.locator("main")).to_contain_text(f"{len(rows)} changes upstream, from position {known['from']} to {known['to']}")
    likeliest = page.locator(".suspect").first
    expect(likeliest.locator(".score")).to_contain_text(str(rows[0]["score"]))
    expect(likeliest.locator(".status")).to_have_text("code")
    expect(likeliest.locator(".diff-before")).to_contain_text("weather.visibility_miles * 1.609344")
    expect(likeliest.locator(".diff-after")).to_contain_text("weather.visibility_miles * 1.852")
    expect(likeliest).to_contain_text("Weather: tidy up the unit conversions")
    expect(likeliest).to_contain_text("Ben Carter")
    again = page.locator(".suspect").filter(has_text="failed check")
    expect(again).to_have_count(1)  # one check that fails in every run is said once
    expect(again.get_by_role("link", name=re.compile(r"entry \d+"))).to_have_count(sum(row["kind"] == "QUALITY" for row in rows))
    expect(again).to_contain_text("decides only which rows there are")
    expect(page.locator(".opaque li")).to_have_count(len(opaque))
    expect(page.locator(".opaque")).to_contain_text("load_weather")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download suspects as CSV").click()
    assert len(download.value.path().read_text().splitlines()) == len(rows) + 1
    likeliest.get_by_role("link", name=re.compile("feat_origin_weather.sql:")).click()
    settle(page)
    expect(page.locator(".listing-line.meant").first).to_contain_text("1.852")
    page.go_back()
    settle(page)
    page.locator(".suspect").first.get_by_role("link", name=re.compile(r"entry \d+")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("proven")


def test_differences_are_those_of_the_window_and_lead_to_where_it_changed(page: Page, place: Place) -> None:
    question = """query($urn: ID!, $from: Long!) { diff(urn: $urn, from: {size: $from}) {
        nodes { change } edges { change type } facts { fact } positions } }"""
    whole = place.ask(question, **{"urn": WEATHER, "from": 0})
    positions = json.loads(json.dumps(whole["positions"]))
    assert len(positions) == 4  # a run and, later, one of other code: each says at its start what it reads, and at its end column by column
    first, second = positions[1], positions[-1]
    page.goto(place.link("changes", **{"urn": WEATHER, "from": first}))
    settle(page)
    table = page.get_by_role("region", name="Different lineage")
    known = json.loads(json.dumps(place.ask(question, **{"urn": WEATHER, "from": first})))
    direct = [edge for edge in known["edges"] if edge["type"] != "INDIRECT"]
    expect(table.locator("tbody tr")).to_have_count(len(direct))
    expect(table.locator("tbody tr").first).to_contain_text("changed")
    expect(table.locator("tbody tr").first.locator(".diff-before")).to_contain_text("1.609344")
    expect(table.locator("tbody tr").first.locator(".diff-after")).to_contain_text("1.852")
    expect(table).to_contain_text("the same, by new code")
    page.get_by_label("with filters and joins").check()
    expect(table.locator("tbody tr")).to_have_count(len(known["edges"]))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download differences as CSV").click()
    assert len(download.value.path().read_text().splitlines()) == sum(len(known[each]) for each in ("nodes", "edges", "facts")) + 1
    expect(page.get_by_role("list", name="Positions at which its own lineage changed").get_by_role("link")).to_have_count(len(positions[2:]))
    page.get_by_label("Changes since position").fill("")
    page.get_by_role("list", name="Positions at which its own lineage changed").get_by_role("link", name=str(first)).click()
    settle(page)
    expect(page).to_have_url(re.compile(f"at={first}"))
    expect(page).not_to_have_url(re.compile("from="))
    expect(page.get_by_label("As of log position")).to_have_value(str(first))
    expect(table).not_to_contain_text("1.852")
    page.get_by_label("Changes since position").fill(str(second))
    expect(page.get_by_text("The window begins after it ends")).to_be_visible()
    page.get_by_role("button", name="Back to now").click()
    settle(page)
    expect(page.get_by_text(f"Nothing is different between positions {second}")).to_be_visible()
    page.get_by_label("Compare").select_option("DOWNSTREAM")
    settle(page)
    expect(page.locator("main")).to_contain_text("entities between positions")
    assert "direction=down" in page.url


def test_impact_lists_who_has_to_know(page: Page, place: Place) -> None:
    open_view(page, place, "impact")
    expect(page.locator(".summary")).to_contain_text("would break")
    table = page.get_by_role("region", name="Affected")
    expect(table).to_contain_text("control-room@example.org")
    expect(table).to_contain_text("live: production")
    rows = table.locator("tbody tr").count()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert len(download.value.path().read_text().splitlines()) == rows + 1
    page.get_by_label("What if we").select_option("values")
    expect(page.locator(".summary")).to_contain_text("may be affected")
    assert "change=values" in page.url


def test_checks_name_the_leak_with_line_and_commit(page: Page, place: Place) -> None:
    open_view(page, place, "checks")
    expect(page.locator(".verdict")).to_contain_text("violation")
    expect(page.locator("section.section")).to_have_count(8)
    leak = page.locator("section").filter(has_text="only what was known before the reference time is read").locator(".finding-block-bad")
    expect(leak.get_by_role("link", name="training_set.carrier_late_flights_7d")).to_be_visible()
    expect(leak).to_contain_text("Carrier delay: use flights as soon as they have departed")
    expect(leak.locator("figcaption").first).to_contain_text("models/features/feat_carrier_delay.sql:")
    expect(leak.locator(".listing-line.meant").first).to_contain_text("totals.known_at")
    answer = place.ask("query($urn: ID!) { pointInTimeChecks(urn: $urn) { checks { state } } }", urn=DELAY)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert len(download.value.path().read_text().splitlines()) == len(json.loads(json.dumps(answer["checks"]))) + 1
    page.goto(place.link("checks", urn=format_urn("model-version", "flights", "delay", "1")))
    settle(page)
    expect(page.locator(".finding-block-bad")).to_have_count(0)


def test_a_manifest_shows_steps_and_inputs_and_is_what_rebuild_takes(page: Page, place: Place) -> None:
    open_view(page, place, "manifest")
    expect(page.locator(".verdict")).to_contain_text("can be built again")
    expect(page.locator(".fact").filter(has_text="Signature")).to_contain_text("proven")
    expect(page.get_by_role("region", name="Steps")).to_contain_text("feat_origin_weather.sql")
    kept = page.get_by_role("region", name="Inputs").locator("tbody tr")
    expect(kept.filter(has_text="retained")).to_have_count(kept.count())
    results = page.get_by_role("region", name="Results of rebuilds").locator("tbody tr")
    expect(results).to_have_count(1)
    expect(results).to_contain_text("reproduced")
    expect(results).to_contain_text("abababababababab")
    page.get_by_text("what is pinned").last.click()
    expect(page.get_by_role("region", name="Steps")).to_contain_text("Lockfile")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the signed manifest").click()
    envelope = json.loads(download.value.path().read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    open_view(page, place, "not-rebuildable")
    expect(page.locator(".verdict")).to_contain_text("cannot be built again")
    expect(page.locator(".verdict li").first).to_be_visible()


@pytest.mark.parametrize("part", ["payload", "signature"])
def test_a_forged_manifest_is_not_proven(page: Page, place: Place, part: str) -> None:
    def forge(data: dict[str, dict[str, str]]) -> None:
        envelope = json.loads(data["manifest"]["envelope"])
        if part == "payload":
            envelope["payload"] = envelope["payload"][:-8] + "AAAA" + envelope["payload"][-4:]
        else:
            sig = envelope["signatures"][0]["sig"]
            envelope["signatures"][0]["sig"] = ("B" if sig[0] == "A" else "A") + sig[1:]
        data["manifest"]["envelope"] = json.dumps(envelope)

    answer_with(page, "Manifest", forge)
    open_view(page, place, "manifest")
    expect(page.locator(".fact").filter(has_text="Signature")).to_contain_text("NOT PROVEN")


def test_the_audit_trail_says_what_was_read_since_when(page: Page, place: Place) -> None:
    open_view(page, place, "audit")
    expect(page.locator(".trail-entry").filter(has_text="now reads")).not_to_have_count(0)
    page.get_by_label("with its columns").check()
    settle(page)
    moved = page.locator(".trail-entry").filter(has_text="chloe@example.org").filter(has_text="no longer reads")
    expect(moved.first).to_contain_text("stg_flights.departed_at")
    expect(moved.first).to_contain_text("stg_flights.arrived_at")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert "no longer reads" in download.value.path().read_text()
