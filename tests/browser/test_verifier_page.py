"""The page that verifies evidence, written by the command and opened from disk in a browser that has no network."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.bundle_worlds import TRUST, erased, plain
from tests.command_line import lineproof
from tests.cosignatures import cosignature, witness_vkey
from tests.unit.audit.memory_log import MemoryLog

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def page_file(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("verifier")
    lineproof(home, "log", "verifier", str(home / "verifier.html"))
    return home / "verifier.html"


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The page; a request to anywhere, or a complaint of the browser, fails the test."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    said: list[str] = []
    opened.on("request", lambda request: said.append(request.url))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(page_file.as_uri())
    yield opened
    assert said == [page_file.as_uri()]
    context.close()


def give(page: Page, folder: Path, bundle: Any, trust: str | None = TRUST) -> None:
    (folder / "evidence.json").write_text(json.dumps(bundle))
    page.get_by_label("Evidence bundle").set_input_files(folder / "evidence.json")
    if trust is not None:
        (folder / "trust.txt").write_text(trust)
        page.get_by_label("Trust file").set_input_files(folder / "trust.txt")


def bundle_of(made: tuple[MemoryLog, list[int]], *, with_leaves: bool = False) -> Any:
    log, cited = made
    return log.sign().bundle(*cited, with_leaves=with_leaves)


def test_true_evidence_is_verified(page: Page, tmp_path: Path) -> None:
    bundle = bundle_of(plain(), with_leaves=True)
    give(page, tmp_path, bundle)
    expect(page.get_by_role("heading", name="Verified: included, keys-complete")).to_be_visible()
    expect(page.get_by_text("Log log.example/unit, size 9, root")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_text("show", exact=True).first.click()
    expect(page.get_by_text('"check": "\\u201c').first).to_be_visible()
    assert Axe().run(page).response["violations"] == []


def test_without_leaves_it_says_what_could_be_hidden(page: Page, tmp_path: Path) -> None:
    give(page, tmp_path, bundle_of(erased()))
    expect(page.get_by_role("heading", name="Verified: included", exact=True)).to_be_visible()
    expect(page.get_by_text("a revocation could be hidden")).to_be_visible()
    expect(page.get_by_text("its body was erased").first).to_be_visible()


def test_without_a_trust_file_nothing_is_verified_and_with_another_ones_neither(page: Page, tmp_path: Path) -> None:
    bundle = bundle_of(plain())
    give(page, tmp_path, bundle, None)
    expect(page.get_by_role("heading", name="Not verified: no trust file")).to_be_visible()
    page.get_by_label("or paste it").fill(TRUST.replace("log.example/unit+", "log.example/other+"))
    expect(page.get_by_role("heading", name="Not verified", exact=True)).to_be_visible()
    page.get_by_label("or paste it").fill(TRUST)
    expect(page.get_by_role("heading", name="Verified: included", exact=True)).to_be_visible()


@pytest.mark.parametrize(("has", "said"), [(("w1",), "fewer witnesses cosigned"), (("w1", "w2"), "the witnesses that the trust file asks for cosigned it")])
def test_a_trust_file_that_asks_for_witnesses_is_held_against_the_checkpoints_lines(page: Page, tmp_path: Path, has: tuple[str, ...], said: str) -> None:
    log, cited = plain()
    note = log.sign().note or ""
    log.note = note + "".join(cosignature(name, note) for name in has)
    quorum = [*(f"witness {name} {witness_vkey(name)}" for name in ("w1", "w2")), "group both all w1 w2", "quorum both"]
    give(page, tmp_path, log.bundle(*cited), TRUST.replace("quorum none", "\n".join(quorum)))
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_have_text("Verified: included" if len(has) == 2 else "NOT verified")


def test_changed_evidence_is_not_verified(page: Page, tmp_path: Path) -> None:
    bundle = bundle_of(plain(), with_leaves=True)
    bundle["entries"][1]["envelope"] = bundle["entries"][0]["envelope"]
    give(page, tmp_path, bundle)
    expect(page.get_by_role("heading", name="NOT verified")).to_be_visible()
    expect(page.get_by_text("the body is not the one its leaf commits to").first).to_be_visible()


def test_what_an_entry_says_is_shown_and_never_run(page: Page, tmp_path: Path) -> None:
    log = MemoryLog()
    event = log.say("lineproof.quality.v1", {"check": "<img src=x onerror=alert(1)><script>alert(2)</script>"})
    give(page, tmp_path, log.sign().bundle(event))
    page.get_by_text("show", exact=True).click()
    expect(page.get_by_text("<script>alert(2)</script>")).to_be_visible()
    assert page.locator("#result img, #result script").count() == 0
