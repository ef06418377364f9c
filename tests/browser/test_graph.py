"""The lineage graph: grows where it is asked, keeps what stands, stays smooth, and gives way to a table when it would not."""
from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from lineproof_schema.urn import format_urn
from tests.browser.conftest import Place
from tests.browser.extras import FLOOD, NS, READERS
from tests.browser.views import CARRIER, DELAY, TRAINING, WEATHER, cards, column, dataset, on_screen, open_view, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

STAGED = dataset("staging.stg_weather")
COUNT_FRAMES = """() => {
    window.frameTimes = [];
    let before = performance.now();
    const tick = (now) => { window.frameTimes.push(now - before); before = now; window.frameLoop = requestAnimationFrame(tick); };
    window.frameLoop = requestAnimationFrame(tick);
}"""
FRAME_TIMES = "() => { cancelAnimationFrame(window.frameLoop); return window.frameTimes; }"


def _frames(page: Page, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Print what was counted; machines differ, so nothing is asserted."""
    frames: list[float] = sorted(page.evaluate(FRAME_TIMES))
    with capsys.disabled():
        print(f"\n{what}: frame times median {frames[len(frames) // 2]:.0f} ms, longest {frames[-1]:.0f} ms of {len(frames)}")


def test_a_graph_grows_where_it_is_asked_and_nothing_jumps(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    before, seen = cards(page), on_screen(page)
    assert set(before) >= {TRAINING, WEATHER, CARRIER, DELAY}
    assert STAGED not in before
    page.get_by_role("button", name=re.compile("Show 1 more upstream of feat_origin_weather")).click()
    expect(page.locator(f'[data-id="{STAGED}"]')).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("upstream of feat_origin_weather"))).to_have_count(0)  # nothing is hidden there any more
    after = cards(page)
    assert {urn: after[urn] for urn in before} == before
    assert {urn: spot for urn, spot in on_screen(page).items() if urn in seen} == seen
    assert after[STAGED][0] < after[WEATHER][0]
    page.get_by_role("button", name=re.compile("downstream of delay v2")).click()
    expect(page.locator('.react-flow__node[data-id*="delay_dashboard"]')).to_be_visible()
    assert {urn: spot for urn, spot in on_screen(page).items() if urn in seen} == seen
    page.reload()
    settle(page)
    expect(page.locator(f'[data-id="{STAGED}"]')).to_be_visible()  # the layout is computed beside the page


def test_the_position_changes_the_graph_and_what_stays_does_not_move(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    before = cards(page)
    page.get_by_label("As of log position").focus()
    for _ in range(60):
        if DELAY not in cards(page):
            break
        page.get_by_role("button", name="Previous entry about this").click()
        settle(page)
    after = cards(page)
    assert DELAY not in after
    assert TRAINING in after
    assert {urn: before[urn] for urn in after} == after


def test_a_chosen_path_stays_lit_until_it_is_let_go(page: Page, place: Place) -> None:
    open_view(page, place, "lineage")
    page.locator(f'[data-card="{WEATHER}"]').click()
    lit = page.locator(f'[data-id="{WEATHER}"] .card-lit')
    expect(lit).to_be_visible()
    expect(page.locator(f'[data-id="{CARRIER}"] .card-dim')).to_be_visible()
    page.locator(f'[data-card="{CARRIER}"]').hover()
    expect(lit).to_be_visible()
    expect(page.locator(f'[data-id="{CARRIER}"] .card-dim')).to_be_visible()
    expect(page.get_by_role("complementary", name="Chosen in the graph")).to_contain_text("training_set")
    assert "focus=" in page.url
    page.reload()
    settle(page)
    expect(lit).to_be_visible()
    page.keyboard.press("Escape")
    expect(lit).to_have_count(0)
    assert "focus=" not in page.url


def test_columns_show_expressions_and_hide_filters_until_asked(page: Page, place: Place) -> None:
    open_view(page, place, "columns")
    expect(page.locator(f'[data-id="{WEATHER}"]')).to_contain_text("wind_speed_ms")
    wires = page.locator(".react-flow__edge-path").count()
    page.locator(f'[data-id="{TRAINING}"]').get_by_role("button", name="visibility_km", exact=True).click()
    expect(page.get_by_role("complementary")).to_contain_text("models/training/training_set.sql:")
    page.get_by_label(re.compile("filters and joins")).check()
    settle(page)
    assert page.locator(".react-flow__edge-path").count() > wires


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


def test_a_column_has_a_graph_of_its_own(page: Page, place: Place) -> None:
    page.goto(place.link("lineage", urn=column("training.training_set", "visibility_km"), depth="all", direction="up"))
    settle(page)
    assert {TRAINING, WEATHER, STAGED} <= set(cards(page))
    assert CARRIER not in cards(page)


def test_four_hundred_cards_stay_smooth(page: Page, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """All are laid out and can be moved; frame times are printed, not asserted."""
    page.goto(place.link("lineage", urn=format_urn("dataset", NS, "hub")))
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
    _frames(page, f"{READERS + 1} cards moved", capsys)
    assert page.locator(".react-flow__edge-path").count() == READERS
    assert len(cards(page)) > READERS // 2  # what was moved out of sight is not drawn


def test_thousands_of_readers_are_a_table_piece_by_piece(page: Page, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The page answers while it takes them in, and the file holds them all."""
    page.evaluate(COUNT_FRAMES)
    page.evaluate("(address) => { history.pushState(null, '', address); dispatchEvent(new Event('lineproof:navigate')); }",
                  place.link("lineage", urn=format_urn("dataset", NS, "ocean")))
    expect(page.get_by_text("too many to read as a picture")).to_be_visible()
    _frames(page, f"{FLOOD + 1} entities as a table", capsys)
    rows = page.get_by_role("region", name="Edges").locator("tbody tr")
    drawn = rows.count()
    assert drawn < FLOOD
    page.get_by_role("button", name="Show more").last.click()
    assert rows.count() > drawn
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert len(download.value.path().read_text().splitlines()) == FLOOD + 1
    page.keyboard.press("/")
    page.keyboard.type("training_s")
    expect(page.get_by_role("option").first).to_be_visible()
