"""The views of the page over the demo's data, and how tests look at them."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, Route, expect

from lineproof_schema.urn import format_urn
from tests.browser.conftest import Place
from tests.browser.extras import NS, WIND

SHOTS: Final = Path(__file__).resolve().parents[2] / ".cache" / "screenshots"
WAREHOUSE: Final = "duckdb://flights.duckdb"


def dataset(name: str) -> str:
    """A table of the demo: `training.training_set`."""
    return format_urn("dataset", WAREHOUSE, f"flights.{name}")


def column(table: str, name: str) -> str:
    return format_urn("column", WAREHOUSE, f"flights.{table}", name)


TRAINING: Final = dataset("training.training_set")
WEATHER: Final = dataset("features.feat_origin_weather")
CARRIER: Final = dataset("features.feat_carrier_delay")
DELAY: Final = format_urn("model-version", "flights", "delay", "2")
Target = tuple[str, dict[str, str | int]]
VIEWS: Final[dict[str, Target]] = {
    "start": ("", {}),
    "found": ("", {"q": "weather"}),
    "facts": ("entity", {"urn": TRAINING}),
    "feature": ("entity", {"urn": WIND}),
    "feature-version": ("entity", {"urn": format_urn("feature-version", NS, "wind", "2")}),
    "rolled-back": ("entity", {"urn": format_urn("feature", "flights", "visibility_km")}),
    "model": ("entity", {"urn": format_urn("model", "flights", "delay")}),
    "model-version": ("entity", {"urn": DELAY}),
    "pinned": ("entity", {"urn": format_urn("model-version", NS, "gusts", "1")}),
    "floating": ("entity", {"urn": format_urn("model-version", NS, "gusts", "2")}),
    "deployment": ("entity", {"urn": format_urn("deployment", NS, "gusts", "live-1")}),
    "lineage": ("lineage", {"urn": TRAINING}),
    "columns": ("lineage", {"urn": TRAINING, "level": "column"}),
    "table": ("lineage", {"urn": TRAINING, "view": "table"}),
    "chosen": ("lineage", {"urn": TRAINING, "focus": WEATHER}),
    "trace": ("trace", {"urn": column("training.training_set", "visibility_km"), "since": "2026-11-17"}),
    "changes": ("changes", {"urn": column("training.training_set", "visibility_km"), "from": "2026-11-17"}),
    "differences": ("changes", {"urn": WEATHER}),
    "impact": ("impact", {"urn": column("raw.weather", "wind_speed"), "change": "drop"}),
    "checks": ("checks", {"urn": DELAY}),
    "manifest": ("manifest", {"urn": WEATHER}),
    "not-rebuildable": ("manifest", {"urn": format_urn("dataset", NS, "reader_000")}),
    "audit": ("audit", {"urn": CARRIER}),
    "entry": ("entry", {"index": 4}),
    "trust": ("trust", {}),
    "past": ("entity", {"urn": TRAINING, "at": 100}),
    "unknown": ("entity", {"urn": dataset("raw.nothing")}),
}
# view -> the question it lives by
ASKED: Final = {"facts": "Entity", "feature": "Feature", "model-version": "Model", "deployment": "Deployment", "lineage": "Lineage", "trace": "Trace",
                "changes": "Suspects", "differences": "Diff", "impact": "Impact", "checks": "PointInTime", "manifest": "Manifest", "audit": "AuditTrail",
                "found": "Search"}
STILL: Final = """async () => {
    for (let frame = 0; frame < 4; frame += 1) {
        await new Promise((go) => requestAnimationFrame(go));
        if (window.inFlight > 0 || !document.querySelector('main')) return false;
    }
    return true;
}"""
SPOTS: Final = "() => Object.fromEntries([...document.querySelectorAll('.react-flow__node')].map((n) => [n.dataset.id, n.style.transform]))"


def open_view(page: Page, place: Place, name: str) -> None:
    """Go there and wait until it stands still."""
    path, params = VIEWS[name]
    page.goto(place.link(path, **params))
    settle(page)


def settle(page: Page) -> None:
    """Wait for all answers, and for the first layout of a graph."""
    page.wait_for_function(STILL)
    expect(page.locator(".loading")).to_have_count(0)
    if page.locator(".canvas-flow").count():
        expect(page.locator(".react-flow__node").first).to_be_visible()


def cards(page: Page) -> dict[str, tuple[float, float]]:
    """Where every card stands in the graph's own coordinates."""
    found: dict[str, str] = page.evaluate(SPOTS)
    return {urn: tuple(float(each) for each in re.findall(r"-?[\d.]+", transform)) for urn, transform in found.items()}  # type: ignore[misc]


def on_screen(page: Page) -> dict[str, tuple[float, float]]:
    """Where every card is seen, in pixels of the window."""
    found: dict[str, list[float]] = page.evaluate("""() => Object.fromEntries([...document.querySelectorAll('.react-flow__node')].map(
        (n) => { const box = n.getBoundingClientRect(); return [n.dataset.id, [Math.round(box.x), Math.round(box.y)]]; }))""")
    return {urn: (spot[0], spot[1]) for urn, spot in found.items()}


def answer_with(page: Page, operation: str, change: Callable[[dict[str, Any]], None]) -> None:
    """A server that lies: its answers to one operation, changed on the way."""
    def lie(route: Route) -> None:
        if (route.request.post_data_json or {}).get("operationName") != operation:
            route.fallback()
            return
        response = route.fetch()
        body = response.json()
        change(body["data"])
        route.fulfill(response=response, body=json.dumps(body))

    page.route("**/graphql", lie)


class Between:
    """Stands between page and service: holds the questions of one kind back, or answers them as a service that is too busy."""

    def __init__(self, page: Page) -> None:
        self.holding: str | None = None
        self.refusing: str | None = None
        self._held: list[Route] = []
        page.route("**/graphql", self._pass)

    def release(self) -> None:
        """Let everything through."""
        self.holding = self.refusing = None
        for route in self._held:
            route.continue_()
        self._held = []

    def _pass(self, route: Route) -> None:
        asked = (route.request.post_data_json or {}).get("operationName")
        if asked == self.holding:
            self._held.append(route)
        elif asked == self.refusing:
            route.fulfill(status=503, content_type="application/problem+json", body=json.dumps({"code": "overloaded", "detail": "too busy", "fix": "Wait."}))
        else:
            route.continue_()
