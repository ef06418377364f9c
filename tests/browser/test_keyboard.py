"""Without a mouse: search, every view's controls, the graph; and axe-core in every view, light and dark."""
from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import WIDTHS, Place
from tests.browser.views import SHOTS, TRAINING, VIEWS, cards, open_view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

ONLY_VIOLATIONS = {"resultTypes": ["violations"]}  # what passes is not described: half the time
STEPS = 400  # more than any view has stops
PARTS = 9  # of one control that Tab goes through: day, month, year, hour, minute, second, half of the day, and the picker of a date and time
REACHABLE = """() => [...document.querySelectorAll('a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex="0"]')]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.tabIndex >= 0)
    .map((each, place) => { each.dataset.stop = place; return place; })"""
FOCUSED = """() => {
    const now = document.activeElement;
    if (now === null || now === document.body) return null;
    const style = getComputedStyle(now);
    const box = now.getBoundingClientRect();
    const drawn = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
    return { stop: now.dataset.stop === undefined ? null : Number(now.dataset.stop), seen: drawn && box.width > 0, what: now.outerHTML.slice(0, 160) };
}"""


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


def test_the_skip_link_leads_past_the_header(page: Page, place: Place) -> None:
    open_view(page, place, "facts")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("past", "unknown", "floating")])
def test_every_control_is_reached_by_tab_and_seen(page: Page, place: Place, name: str) -> None:
    """Tab goes through everything that can be used, shows where it is, and comes out at the end: no traps."""
    open_view(page, place, name)
    wanted = set(page.evaluate(REACHABLE))
    reached: list[int] = []
    for _ in range(STEPS):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        if now is None or (now["stop"] in reached and now["stop"] != reached[-1]):
            break
        assert now["seen"], now["what"]
        if now["stop"] is not None:  # else it came after the count
            reached.append(now["stop"])
            assert reached[-PARTS:].count(now["stop"]) < PARTS, f"held by {now['what']}"
    else:
        raise AssertionError("Tab does not come to an end")
    assert [page.locator(f"[data-stop='{stop}']").evaluate("(each) => each.outerHTML.slice(0, 160)") for stop in sorted(wanted - set(reached))] == []


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
    page.keyboard.press("Escape")
    assert "focus=" not in page.url


@pytest.mark.parametrize(("scheme", "width"), [("light", "wide"), ("dark", "narrow")])
def test_every_view_is_accessible_and_fits(page: Page, place: Place, scheme: str, width: str) -> None:
    """axe-core finds nothing, nothing is cut off at the right; what was seen is kept as pictures in .cache/screenshots."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": WIDTHS[width], "height": 900})
    SHOTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for name in VIEWS:
        open_view(page, place, name)
        page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=VIEWS[name][0] not in ("lineage", ""))
        told = Axe().run(page, options=ONLY_VIOLATIONS).response["violations"]
        violations = [(each["id"], [(node["target"], node["html"][:160]) for node in each["nodes"][:3]]) for each in told]
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if violations or over > 0:
            found[name] = (over, violations)
    assert found == {}, json.dumps(found, indent=1)
