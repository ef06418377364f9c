"""What a person does on the page, done in a real Chromium over a real service."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from lineproof_schema.urn import format_urn
from tests.browser.conftest import ODD, READERS, SHOTS, Place
from tests.flights_world import NS, RAW, column, dataset, model

pytestmark = pytest.mark.browser

TRAINING, FEATURES, WIND = dataset("training_set"), dataset("feat_weather"), column("wind_ms", "training_set")
VIEWS: dict[str, tuple[str, dict[str, str | int]]] = {
    "start": ("", {}),
    "facts": ("entity", {"urn": TRAINING}),
    "model": ("entity", {"urn": model("1")}),
    "feature": ("entity", {"urn": format_urn("feature", NS, "wind")}),
    "lineage": ("lineage", {"urn": TRAINING}),
    "columns": ("lineage", {"urn": TRAINING, "level": "column"}),
    "table": ("lineage", {"urn": TRAINING, "view": "table"}),
    "chosen": ("lineage", {"urn": TRAINING, "focus": FEATURES}),
    "trace": ("trace", {"urn": WIND, "since": "2026-03-02"}),
    "impact": ("impact", {"urn": column("wind_speed", "weather", RAW), "change": "drop"}),
    "audit": ("audit", {"urn": TRAINING}),
    "entry": ("entry", {"index": 4}),
    "trust": ("trust", {}),
    "past": ("entity", {"urn": TRAINING, "at": 14}),
    "unknown": ("entity", {"urn": dataset("nothing")}),
}
SPOTS = "() => Object.fromEntries([...document.querySelectorAll('.react-flow__node')].map((n) => [n.dataset.id, n.style.transform]))"
TOKEN_IS_STORED = "() => Object.values(localStorage).some((value) => value.includes(sessionStorage.getItem('lineproof.token')))"
COUNT_FRAMES = """() => {
    window.frameTimes = [];
    let before = performance.now();
    const tick = (now) => { window.frameTimes.push(now - before); before = now; window.frameLoop = requestAnimationFrame(tick); };
    window.frameLoop = requestAnimationFrame(tick);
}"""
FRAME_TIMES = "() => { cancelAnimationFrame(window.frameLoop); return window.frameTimes; }"


def open_view(page: Page, place: Place, name: str) -> None:
    """Go there and wait until it stands still."""
    path, params = VIEWS[name]
    page.goto(place.link(path, **params))
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    expect(page.locator(".loading")).to_have_count(0)
    if page.locator(".canvas-flow").count():
        expect(page.locator(".react-flow__node").first).to_be_visible()


def cards(page: Page) -> dict[str, tuple[float, float]]:
    """Where every card stands in the graph's own coordinates."""
    found: dict[str, str] = page.evaluate(SPOTS)
    return {urn: tuple(float(each) for each in re.findall(r"-?[\d.]+", transform)) for urn, transform in found.items()}  # type: ignore[misc]


def answer_with(page: Page, operation: str, change: Callable[[dict[str, Any]], None]) -> None:
    """A server that lies: its answers to one operation, changed on the way."""
    def lie(route: Route) -> None:
        if (route.request.post_data_json or {}).get("operationName") != operation:
            route.continue_()
            return
        response = route.fetch()
        body = response.json()
        change(body["data"])
        route.fulfill(response=response, body=json.dumps(body))

    page.route("**/graphql", lie)


def test_a_wrong_token_is_refused_and_a_right_one_is_kept_for_the_tab(signed_out: Page, place: Place) -> None:
    signed_out.goto(place.link("entity", urn=TRAINING))
    signed_out.get_by_label("Access token").fill("no such token")
    signed_out.get_by_role("button", name="Sign in").click()
    expect(signed_out.get_by_role("alert")).to_be_visible()
    signed_out.get_by_label("Access token").fill(place.token)
    signed_out.get_by_label("Access token").press("Enter")
    expect(signed_out.get_by_role("heading", level=1)).to_contain_text("training_set")
    signed_out.reload()
    expect(signed_out.get_by_role("heading", level=1)).to_contain_text("training_set")
    assert signed_out.evaluate(TOKEN_IS_STORED) is False
    signed_out.get_by_role("button", name="Sign out").click()
    expect(signed_out.get_by_label("Access token")).to_be_visible()
    assert signed_out.evaluate("() => sessionStorage.length") == 0


def test_search_needs_no_mouse(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.type("training_s")
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowUp")
    chosen = options.first.inner_text().split("\n")[0]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(chosen.rpartition(".")[2])
    assert "/ui/entity?urn=" in page.url


def test_facts_name_owner_versions_runs_and_commits(page: Page, place: Place) -> None:
    open_view(page, place, "facts")
    expect(page.get_by_text("ml-team").first).to_be_visible()
    expect(page.get_by_role("region", name="Versions").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("region", name="Runs").get_by_text("complete").first).to_be_visible()
    expect(page.get_by_text("Delay features")).to_be_visible()
    expect(page.get_by_role("region", name="Columns", exact=True).get_by_role("row")).to_have_count(4)


def test_an_alias_shows_who_moved_it_and_what_was_refused(page: Page, place: Place) -> None:
    open_view(page, place, "feature")
    expect(page.get_by_role("region", name="Aliases", exact=True).get_by_text("unit fixed")).to_be_visible()
    history = page.get_by_role("region", name="Alias history")
    expect(history.get_by_text("first version")).to_be_visible()
    expect(page.get_by_role("region", name="Refused moves").get_by_text("alias-moved")).to_be_visible()
    page.get_by_role("link", name="Audit trail").click()
    expect(page.locator(".trail-entry").filter(has_text="alias.v1").locator(".status-bad", has_text="rejected")).to_have_count(1)


def test_a_graph_grows_where_it_is_asked_and_nothing_jumps(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    before = cards(page)
    assert set(before) >= {TRAINING, FEATURES, model("1")}
    assert dataset("stg_weather") not in before
    page.get_by_role("button", name=re.compile("Show 1 more upstream of feat_weather")).click()
    expect(page.locator(f'[data-id="{dataset("stg_weather")}"]')).to_be_visible()
    after = cards(page)
    assert {urn: after[urn] for urn in before} == before
    assert after[dataset("stg_weather")][0] < after[FEATURES][0]
    page.reload()
    settle(page)
    assert dataset("stg_weather") in cards(page)


def test_a_chosen_path_stays_lit_until_it_is_let_go(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    page.locator(f'[data-card="{FEATURES}"]').click()
    lit = page.locator(f'[data-id="{FEATURES}"] .card-lit')
    expect(lit).to_be_visible()
    expect(page.locator(f'[data-id="{dataset("flights", RAW)}"] .card-dim')).to_be_visible()
    page.locator(f'[data-card="{TRAINING}"]').hover()
    expect(lit).to_be_visible()
    expect(page.get_by_role("complementary", name="Chosen in the graph")).to_contain_text("training_set")
    assert "focus=" in page.url
    page.keyboard.press("Escape")
    expect(lit).to_have_count(0)
    assert "focus=" not in page.url


def test_columns_show_expressions_and_hide_filters_until_asked(page: Page, place: Place) -> None:
    open_view(page, place, "columns")
    expect(page.locator(f'[data-id="{FEATURES}"]')).to_contain_text("wind_ms")
    page.get_by_role("button", name="wind_ms", exact=True).first.click()
    expect(page.get_by_role("complementary")).to_contain_text("models/training_set.sql:3")


def test_the_table_and_the_csv_say_what_the_picture_says(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    shown = len(cards(page))
    page.get_by_role("button", name="Table", exact=True).click()
    expect(page.get_by_role("region", name="Entities").locator("tbody tr")).to_have_count(shown)
    edges = page.get_by_role("region", name="Edges").locator("tbody tr").count()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("upstream,")
    assert len(lines) == edges + 1


def test_a_trace_says_its_verdict_first_then_the_line_and_the_commit(page: Page, place: Place) -> None:
    open_view(page, place, "trace")
    assert page.locator("main h2").first.inner_text() == "The code changed"
    expect(page.locator(".changes").first).to_contain_text("Wind in km/h")
    expect(page.locator(".diff-after").first).to_contain_text("0.27778")
    step = page.locator(".step").filter(has=page.get_by_role("link", name="feat_weather.wind_ms")).last
    expect(step.locator(".listing-line.meant")).to_contain_text("0.27778")
    expect(step).to_contain_text("Bob Berg")


def test_impact_lists_who_has_to_know(page: Page, place: Place) -> None:
    open_view(page, place, "impact")
    expect(page.locator(".summary")).to_contain_text("would break")
    table = page.get_by_role("region", name="Affected")
    expect(table).to_contain_text("airport-ops")
    expect(table).to_contain_text("live: production")
    page.get_by_label("What if we").select_option("values")
    expect(page.locator(".summary")).to_contain_text("may be affected")
    assert "change=values" in page.url


def test_every_proof_is_verified_in_the_browser(page: Page, place: Place) -> None:
    open_view(page, place, "audit")
    rows = page.locator(".trail-entry").count()
    assert rows >= 5
    expect(page.get_by_text(f"{rows} of {rows} proven here")).to_be_visible()
    expect(page.get_by_text("first use", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile("Details of entry")).first.click()
    expect(page.locator(".finding-proven")).to_have_count(4)


@pytest.mark.parametrize(("what", "change", "finding"), [
    ("hash", lambda event: event["proof"]["hashes"].__setitem__(0, "A" * 43 + "="), "Inclusion"),
    ("leaf", lambda event: event.__setitem__("leaf", event["leaf"].replace("e", "f", 1)), "Inclusion"),
    ("body", lambda event: event.__setitem__("envelope", event["envelope"].replace('"payloadType"', ' "payloadType"')), "Body"),
    ("checkpoint", lambda event: event["proof"].__setitem__("checkpoint", event["proof"]["checkpoint"].replace("\n", "0\n", 2)), "Checkpoint")])
def test_a_tampered_entry_shows_as_such(page: Page, place: Place, what: str, change: Callable[[dict[str, Any]], None], finding: str) -> None:
    open_view(page, place, "audit")
    index = int(page.locator(".trail-index").first.inner_text())

    def tamper(data: dict[str, Any]) -> None:
        event = data["event"]["event"]
        if event["index"] == index:
            change(event)

    answer_with(page, "Entry", tamper)
    page.reload()
    first = page.locator(".trail-entry").first
    expect(first).to_contain_text("NOT PROVEN")
    expect(page.get_by_text("1 not proven")).to_be_visible()
    first.get_by_role("button", name=re.compile("Details")).click()
    expect(first.locator(".finding-false").first).to_contain_text(finding)
    expect(page.locator(".trail-entry").nth(1)).not_to_contain_text("NOT PROVEN")


def test_a_pasted_key_is_what_proofs_are_held_against(page: Page, place: Place) -> None:
    open_view(page, place, "trust")
    box = page.get_by_label("Paste a trust key")
    box.fill(place.vkey[:-3])
    page.get_by_role("button", name="Trust this key").click()
    expect(page.locator(".problem")).to_be_visible()
    box.fill(f"log {place.vkey}\nquorum none\n")
    page.get_by_role("button", name="Trust this key").click()
    expect(page.get_by_text("trusted key", exact=True)).to_be_visible()
    open_view(page, place, "audit")
    expect(page.get_by_text(re.compile(r"(\d+) of \1 proven here"))).to_be_visible()
    open_view(page, place, "trust")
    page.get_by_label("Paste a trust key").fill(place.other_vkey)
    page.get_by_role("button", name="Trust this key").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be trusted")
    open_view(page, place, "audit")
    expect(page.get_by_text(re.compile("not proven")).first).to_be_visible()
    expect(page.get_by_text(re.compile("0 of .* proven here"))).to_be_visible()


def test_a_rolled_back_log_raises_an_alarm(page: Page, place: Place) -> None:
    open_view(page, place, "trust")
    expect(page.get_by_text("first use", exact=True)).to_be_visible()
    page.evaluate("""() => { for (const key of Object.keys(localStorage)) if (key.startsWith('lineproof.trust.')) {
        const kept = JSON.parse(localStorage.getItem(key)); kept.size += 1000; localStorage.setItem(key, JSON.stringify(kept)); } }""")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("rolled back")


def test_the_rail_shows_what_was_known_then(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    assert model("1") in cards(page)
    page.get_by_label("As of log position").focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("did not exist at position 1")).to_be_visible()
    assert "at=1" in page.url
    for _ in range(40):
        if page.locator(".react-flow__node").count():
            break
        page.get_by_role("button", name="Next entry about this").click()
        settle(page)
    settle(page)
    assert model("1") not in cards(page)
    expect(page.get_by_text("As of", exact=True)).to_be_visible()
    page.get_by_role("link", name="Trace", exact=True).click()
    assert re.search(r"at=\d+", page.url)
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_text("Now", exact=True)).to_be_visible()
    expect(page).not_to_have_url(re.compile("at="))


def test_what_lies_outside_the_grants_is_a_placeholder(sign_in: Callable[[str], Page], place: Place) -> None:
    page = sign_in(place.narrow)
    page.goto(place.link("lineage", urn=dataset("stg_weather"), direction="up"))
    settle(page)
    expect(page.locator(".card-restricted")).to_contain_text("outside your grants")
    expect(page.locator(".notes")).to_contain_text("restricted")
    assert "weather-desk" not in page.content()


@pytest.mark.parametrize("view", ["entity", "lineage", "trace", "impact", "audit"])
def test_a_name_that_hurts_is_only_a_name(page: Page, place: Place, view: str) -> None:
    page.goto(place.link(view, urn=format_urn("dataset", "odd/ns", ODD)))
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("100% #?&+~")
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("ünïcødé 数据")
    assert page.locator("h1 b").count() == 0


def test_an_unreachable_service_is_said_and_can_be_tried_again(signed_out: Page, place: Place) -> None:
    signed_out.goto(place.link())
    signed_out.get_by_label("Access token").fill(place.token)
    signed_out.route("**/graphql", lambda route: route.fulfill(status=503, content_type="application/problem+json",
                                                               body=json.dumps({"code": "overloaded", "detail": "too busy", "fix": "Wait."})))
    signed_out.get_by_role("button", name="Sign in").click()
    expect(signed_out.get_by_role("alert")).to_contain_text("too busy")
    signed_out.unroute("**/graphql")
    signed_out.get_by_role("button", name="Sign in").click()
    expect(signed_out.get_by_role("heading", name="What there is")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(page: Page, place: Place, scheme: str) -> None:
    """axe-core finds nothing in any view; what was seen is kept as pictures in .cache/screenshots."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    SHOTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for name in VIEWS:
        open_view(page, place, name)
        page.screenshot(path=SHOTS / f"{name}-{scheme}.png", full_page=name in ("facts", "trace", "audit"))
        violations = Axe().run(page).response["violations"]
        if violations:
            found[name] = [(each["id"], [(node["target"], node["html"][:160]) for node in each["nodes"][:3]]) for each in violations]
    assert found == {}


def test_four_hundred_cards_stay_smooth(page: Page, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """All are laid out and can be moved; frame times are printed, not asserted."""
    page.goto(place.link("lineage", urn=dataset("hub")))
    settle(page)
    page.get_by_role("button", name="Fit View").click()
    expect(page.locator(".react-flow__node")).to_have_count(READERS + 1)
    box = page.locator(".react-flow__pane").bounding_box()
    assert box is not None
    page.evaluate(COUNT_FRAMES)
    page.mouse.move(box["x"] + 200, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 380, steps=30)
    page.mouse.up()
    frames: list[float] = sorted(page.evaluate(FRAME_TIMES))
    with capsys.disabled():
        print(f"\n{READERS + 1} cards: frame times median {frames[len(frames) // 2]:.0f} ms, longest {frames[-1]:.0f} ms of {len(frames)}")
    assert page.locator(".react-flow__edge-path").count() == READERS
    assert len(cards(page)) > READERS // 2  # what was moved out of sight is not drawn


def test_the_graph_is_walked_with_arrow_keys(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    page.locator(f'[data-card="{TRAINING}"]').focus()
    page.keyboard.press("ArrowRight")
    reached = page.evaluate("() => document.activeElement.dataset.card")
    assert reached != TRAINING
    assert cards(page)[reached][0] > cards(page)[TRAINING][0]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert "focus=" in page.url
