"""A real service over a small real log, and a real Chromium that looks at it.

One service for all tests: the world of `tests.flights_world`, and beside it names that hurt, an alias with a history, and a table of 400 readers.
Every test gets a new browser context; a console error or a page error fails it.
"""
from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from lineproof_audit.keys import SigningKey
from lineproof_audit.note import NoteVerifier
from metadata_service.graph.open import open_graph
from tests.flights_world import ADA, NS, World, flights_world, run_id
from tests.serve_process import Serving, serving
from tests.services.browser import FLAGS

SHOTS = Path(__file__).resolve().parents[2] / ".cache" / "screenshots"
ODD = "odd \"quotes\", 'ticks'/slashes\\ <b>ünïcødé 数据</b> 100% #?&+~"
READERS = 400
WRITTEN_AT_ONCE = 10
WAIT_MS = 15_000


@dataclass(frozen=True)
class Place:
    """The service and what its viewers need."""

    serving: Serving
    token: str
    narrow: str  # a reader of the namespace of raw data only
    vkey: str
    other_vkey: str

    def link(self, page: str = "", **params: str | int) -> str:
        return f"{self.serving.url}/ui/{page}" + (f"?{urlencode(params)}" if params else "")


async def _world(folder: Path) -> World:
    """Everything that the tests look at, settled and covered by a checkpoint."""
    (folder / "data").mkdir(mode=0o700)
    graph = open_graph(f"sqlite:///{folder}/data/graph.db")  # the service goes on with it
    await graph.setup()
    world = await flights_world(folder, graph)
    for version in ("1", "2"):
        world.say("lineproof.feature-version.v1", {
            "namespace": NS, "name": "wind", "version": version, "description": f"Wind at the origin, version {version}", "owners": ["weather-desk"],
            "definition": {"entities": ["origin"], "dtype": "double", "sql": f"select wind_ms from feat_weather -- {version}",
                           "sources": [{"namespace": NS, "name": "feat_weather"}]},
            "column": {"namespace": NS, "name": "feat_weather", "column": "wind_ms"}}, f"2026-03-02T1{version}:00:00Z")
    moved = _alias(world, "1", None, "first version")
    _alias(world, "2", moved, "unit fixed")
    _alias(world, "1", moved, "a stale move")
    world.say("lineproof.dataset.v1", {"namespace": "odd/ns", "name": ODD, "description": "<script>alert(1)</script>", "columns": [{"name": ODD}]})
    for batch in range(0, READERS, WRITTEN_AT_ONCE):
        world.openlineage({"eventType": "COMPLETE", "eventTime": "2026-03-03T00:00:00Z", "run": {"runId": run_id(f"fan {batch}")},
                           "job": {"namespace": NS, "name": f"fan_{batch}"}, "inputs": [{"namespace": NS, "name": "hub"}],
                           "outputs": [{"namespace": NS, "name": f"reader_{number:03}"} for number in range(batch, batch + WRITTEN_AT_ONCE)]})
    await world.settle()
    await graph.close()
    return world


def _alias(world: World, to: str, expected: int | None, reason: str) -> int:
    return world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "latest-stable", "to": to, "expected": expected,
                                            "reason": reason, "actor": ADA["email"]}, "2026-03-02T13:00:00Z")


@pytest.fixture(scope="module")
def place(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The service, with the world in its log, its code in the artifact store, and two tokens."""
    folder = tmp_path_factory.mktemp("browser")
    with ThreadPoolExecutor(1) as thread:  # playwright's event loop may run in this one
        world = thread.submit(lambda: asyncio.run(_world(folder))).result(60)
    sources, log_key = dict(world.sources), next((folder / "data" / "keys").glob("log.pem"))
    origin = world.log.origin
    world.close()
    (folder / ".lineproof").symlink_to(folder / "data")
    with serving(folder, "--projector", "inline") as service, service.client() as http:
        for digest, code in sources.items():
            assert http.put(f"/api/v1/artifacts/sha256:{digest}", content=code).status_code in (200, 201)
        narrow = http.post("/api/v1/admin/tokens", json={"subject": "narrow", "roles": ["reader"], "namespaces": [NS]})
        assert narrow.status_code == 201, narrow.text
        _settled(http)
        vkey = NoteVerifier(origin, SigningKey.load(log_key).verify_key).vkey
        other = NoteVerifier(origin, SigningKey.generate().verify_key).vkey
        yield Place(service, service.token, narrow.json()["token"], vkey, other)


def _settled(http: httpx.Client) -> None:
    """Wait until the graph stands where the log does."""
    for _ in range(600):
        ready = http.get("/readyz").json()
        if ready["graph"] == ready["log"]:
            return
        time.sleep(0.05)
    raise AssertionError(f"not projected: {ready}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for the module: playwright keeps an event loop in this thread, which async tests elsewhere must not meet."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """An empty profile."""
    made = browser.new_context(viewport={"width": 1380, "height": 900}, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    made.set_default_timeout(WAIT_MS)
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
def page(sign_in: Callable[[str], Page], place: Place) -> Page:
    """A page, signed in as the admin."""
    return sign_in(place.token)

