"""Proofs are recomputed in the browser: what is true is proven, what was changed on the way shows as such."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Place
from tests.browser.views import answer_with, open_view
from tests.cosignatures import witness_vkey

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

ALL_PROVEN = re.compile(r"(\d+) of \1 proven here")


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
    first.locator(".trail-index").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("NOT PROVEN")


def test_a_pasted_key_is_what_proofs_are_held_against(page: Page, place: Place) -> None:
    open_view(page, place, "trust")
    box = page.get_by_label("Paste a trust key")
    box.fill(place.trust.replace("log ", "log x", 1))
    page.get_by_role("button", name="Trust this key").click()
    expect(page.locator(".problem")).to_be_visible()
    box.fill(place.trust)
    page.get_by_role("button", name="Trust this key").click()
    expect(page.get_by_text("trusted key", exact=True)).to_be_visible()
    open_view(page, place, "audit")
    expect(page.get_by_text(ALL_PROVEN)).to_be_visible()
    open_view(page, place, "trust")
    page.get_by_label("Paste a trust key").fill(place.other_vkey)
    page.get_by_role("button", name="Trust this key").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be trusted")
    open_view(page, place, "audit")
    expect(page.get_by_text(re.compile("not proven")).first).to_be_visible()
    expect(page.get_by_text(re.compile("0 of .* proven here"))).to_be_visible()


def test_a_pasted_trust_file_that_asks_for_witnesses_is_not_met_without_them(page: Page, place: Place) -> None:
    open_view(page, place, "trust")
    page.get_by_label("Paste a trust key").fill(place.trust.replace("quorum none", f"witness w1 {witness_vkey('w1')}\nquorum w1"))
    page.get_by_role("button", name="Trust this key").click()
    expect(page.get_by_role("alert")).to_contain_text("fewer witnesses cosigned")
    open_view(page, place, "audit")
    expect(page.get_by_text(re.compile("0 of .* proven here"))).to_be_visible()


def test_a_rolled_back_log_raises_an_alarm(page: Page, place: Place) -> None:
    open_view(page, place, "trust")
    expect(page.get_by_text("first use", exact=True)).to_be_visible()
    page.evaluate("""() => { for (const key of Object.keys(localStorage)) if (key.startsWith('lineproof.trust.')) {
        const kept = JSON.parse(localStorage.getItem(key)); kept.size += 1000; localStorage.setItem(key, JSON.stringify(kept)); } }""")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("rolled back")
