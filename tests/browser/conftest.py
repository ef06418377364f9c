"""A real service over the demo's data, and a real Chromium that looks at it.

One service for all tests: a copy of what the demo left, and beside it what `extras` tells. Every test gets a new browser context; a console
error or a page error fails it.
"""
from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from lineproof_audit.init import ROOT_ADMIN_KEY
from lineproof_audit.keys import SigningKey
from lineproof_audit.note import NoteVerifier
from tests.browser.extras import Teller, tell
from tests.serve_process import Serving, serving
from tests.services.browser import FLAGS

if TYPE_CHECKING:
    from tests.e2e.conftest import Played

WAIT_MS = 15_000
COUNT_REQUESTS = """(() => {
    const ask = window.fetch;
    window.inFlight = 0;
    window.fetch = async (...what) => { window.inFlight += 1; try { return await ask(...what); } finally { window.inFlight -= 1; } };
})()"""
WIDTHS = {"wide": 1440, "narrow": 390}


@dataclass(frozen=True)
class Place:
    """The service and what its viewers need."""

    serving: Serving
    token: str
    narrow: str  # a reader of the warehouse only: no files, no models
    trust: str  # the demo's trust file
    other_vkey: str  # a key of the same name that is not the log's
    demo_size: int  # entries that the demo left; what comes after is of extras

    def link(self, page: str = "", **params: str | int) -> str:
        return f"{self.serving.url}/ui/{page}" + (f"?{urlencode(params)}" if params else "")

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        """The one field of an answer of the service itself, to compare with what is shown."""
        with self.serving.client() as http:
            answer = http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        return dict(found)


@pytest.fixture(scope="session")
def place(chromium: str, demo: Played, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The service on a copy of the demo's data, with the extras told and projected, and two tokens."""
    folder = tmp_path_factory.mktemp("browser")
    shutil.copytree(demo.folder / "lineproof", folder / ".lineproof")
    shutil.copytree(demo.folder / "state", folder / "state")
    with serving(folder, "--projector", "inline") as service, service.client() as http:
        ready = _settled(http)
        origin = str(ready["origin"])
        tell(Teller(http, origin, SigningKey.load(next((folder / "state").glob(f"*/{ROOT_ADMIN_KEY}.pem")))))
        narrow = http.post("/api/v1/admin/tokens", json={"subject": "narrow", "roles": ["reader"], "namespaces": ["duckdb://flights.duckdb"]})
        assert narrow.status_code == 201, narrow.text
        _settled(http)
        other = NoteVerifier(origin, SigningKey.generate().verify_key).vkey
        yield Place(service, service.token, narrow.json()["token"], (demo.folder / "trust.txt").read_text(), other, int(str(ready["log"])))


def _settled(http: httpx.Client) -> dict[str, object]:
    """Wait until the graph stands where the log does."""
    for _ in range(1200):
        ready = http.get("/readyz").json()
        if ready["graph"] == ready["log"]:
            return dict(ready)
        time.sleep(0.05)
    raise AssertionError(f"not projected: {ready}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium per module: playwright keeps an event loop in this thread, which async tests elsewhere must not meet."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """An empty profile."""
    made = browser.new_context(viewport={"width": WIDTHS["wide"], "height": 900}, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    made.set_default_timeout(WAIT_MS)
    made.add_init_script(COUNT_REQUESTS)
    expect.set_options(timeout=WAIT_MS)
    yield made
    made.close()


@pytest.fixture
def signed_out(context: BrowserContext) -> Iterator[Page]:
    """A page before sign-in; what it complains about fails the test."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    page.on("console", lambda message: complaints.append(f"console {message.type}: {message.text}") if message.type in ("error", "warning") else None)
    yield page
    unexpected = [each for each in complaints if not re.search(r"status of (401|403|503)", each)]  # the browser's own line about a refusal that a test asks for
    assert unexpected == []


@pytest.fixture
def sign_in(signed_out: Page, place: Place) -> Callable[[str], Page]:
    """Sign in with a token, as a person does."""
    def enter(token: str) -> Page:
        signed_out.goto(place.link())
        signed_out.get_by_label("Access token").fill(token)
        signed_out.get_by_role("button", name="Sign in").click()
        expect(signed_out.get_by_role("heading", name="What there is")).to_be_visible()
        return signed_out

    return enter


@pytest.fixture
def page(signed_out: Page, place: Place) -> Page:
    """The start page of an admin's tab that signed in before."""
    signed_out.add_init_script(f"try {{ sessionStorage.setItem('lineproof.token', {json.dumps(place.token)}); }} catch {{ /* no page yet */ }}")
    signed_out.goto(place.link())
    expect(signed_out.get_by_role("heading", name="What there is")).to_be_visible()
    return signed_out
