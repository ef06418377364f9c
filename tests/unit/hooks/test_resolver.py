"""The resolver client against a real HTTP server whose answers the test writes."""
from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ingest_hooks import ResolveError, Resolver


class Service:
    """Answers POST /resolve with `rows` (by reference) or `refusal`; counts what was asked."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.refusal: tuple[int, str] | None = None
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append(asked)
                service.tokens.append(self.headers.get("Authorization"))
                status, body = service.answer(asked)
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if self.refusal is not None:
            return self.refusal[0], {"code": self.refusal[1], "detail": "no"}
        wanted = asked["references"] or list(self.rows)
        return 200, {"resolutions": [self.rows.get(each, {"reference": each, "problem": {"code": "not-found", "detail": "unknown"}}) for each in wanted]}

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service()
    one.start()
    yield one
    one.stop()


@pytest.fixture
def time() -> dict[str, float]:
    return {"now": 1_000.0}


def row(reference: str, version: str = "1", ttl: int | None = 60, via: str = "alias") -> dict[str, Any]:
    return {"reference": reference, "urn": f"urn:lineproof:feature-version:ml:delay:{version}", "version": version, "via": via, "alias": "prod",
            "aliasIndex": 7, "ttlSeconds": ttl, "why": "because", "dataHash": "d" * 64, "dtype": "int", "offline": None,
            "online": {"uri": "redis://x", "columns": []}, "problem": None}


def test_answers_are_batched_and_kept_within_their_ttl(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod"), "ml:b@1": row("ml:b@1", ttl=None, via="version")}
    resolver = Resolver(url=service.url, token="secret", now=lambda: time["now"])
    found = resolver.resolve(["ml:a@prod", "ml:b@1", "ml:a@prod"])
    assert {reference: answer.version for reference, answer in found.items()} == {"ml:a@prod": "1", "ml:b@1": "1"}
    resolver.resolve(["ml:b@1", "ml:a@prod"])
    assert [asked["references"] for asked in service.asked] == [["ml:a@prod", "ml:b@1"]]
    assert service.tokens == ["Bearer secret"]
    service.rows["ml:a@prod"] = row("ml:a@prod", "2")
    time["now"] += 60
    assert resolver.one("ml:a@prod").version == "2"
    assert resolver.one("ml:b@1").version == "1"
    assert [asked["references"] for asked in service.asked[1:]] == [["ml:a@prod"]]


def test_the_last_answers_are_kept_while_the_service_is_down(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod")}
    resolver = Resolver(url=service.url, now=lambda: time["now"])
    assert not resolver.one("ml:a@prod").stale
    service.stop()
    time["now"] += 61
    old = resolver.one("ml:a@prod")
    assert (old.version, old.stale) == ("1", True)
    with pytest.raises(ResolveError) as caught:
        resolver.one("ml:never@asked")
    assert caught.value.code == "unreachable"
    service.rows["ml:a@prod"] = row("ml:a@prod", "2")
    service.start()
    time["now"] += 2
    back = resolver.one("ml:a@prod")
    assert (back.version, back.stale) == ("2", False)


def test_a_model_gets_its_binding_at_once_and_nothing_else(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod", ttl=None, via="pin"), "ml:b@1": row("ml:b@1", ttl=None, via="pin")}
    resolver = Resolver("ml:model@7", url=service.url, now=lambda: time["now"])
    assert resolver.one("ml:a").version == "1"
    assert set(resolver.binding()) == {"ml:a@prod", "ml:b@1"}
    for refused in ("ml:a@latest", "ml:c", "ml:b@2"):
        with pytest.raises(ResolveError) as caught:
            resolver.resolve(["ml:a", refused])
        assert caught.value.code == "not-pinned"
    time["now"] += 10_000
    service.stop()
    assert not resolver.one("ml:b@1").stale
    assert service.asked == [{"references": [], "model": "ml:model@7"}]


def test_a_flexible_binding_is_asked_again_and_refuses_what_is_not_bound_while_down(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod", ttl=30)}
    resolver = Resolver("ml:model@8", url=service.url, now=lambda: time["now"])
    assert resolver.one("ml:a@prod").version == "1"
    service.rows = {"ml:a@prod": row("ml:a@prod", "2", ttl=30)}
    time["now"] += 29
    assert resolver.one("ml:a@prod").version == "1"
    time["now"] += 1
    assert resolver.one("ml:a@prod").version == "2"
    service.stop()
    time["now"] += 31
    assert resolver.one("ml:a@prod").stale
    with pytest.raises(ResolveError) as caught:
        resolver.one("ml:other@prod")
    assert caught.value.code == "not-pinned"


@pytest.mark.parametrize(("status", "code", "kept"), [(409, "retired", False), (409, "no-manifest", False), (404, "not-found", False),
                                                     (401, "unauthenticated", True), (503, "not-projected", True), (500, "internal", True)])
def test_only_a_binding_that_ended_takes_its_answers_with_it(service: Service, time: dict[str, float], status: int, code: str, kept: bool) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod")}
    resolver = Resolver("urn:lineproof:deployment:ml:model:d1", url=service.url, now=lambda: time["now"])
    assert resolver.one("ml:a@prod").version == "1"
    service.refusal = (status, code)
    time["now"] += 61
    if kept:
        assert resolver.one("ml:a@prod").stale
    else:
        with pytest.raises(ResolveError) as caught:
            resolver.one("ml:a@prod")
        assert caught.value.code == code


def test_a_file_keeps_the_answers_for_the_next_process(service: Service, time: dict[str, float], tmp_path: Any) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod")}
    cache = tmp_path / "deep" / "answers.json"
    assert Resolver(url=service.url, cache=cache, now=lambda: time["now"]).one("ml:a@prod").version == "1"
    service.stop()
    again = Resolver(url=service.url, cache=cache, now=lambda: time["now"]).one("ml:a@prod")
    assert (again.version, again.stale, again.online) == ("1", True, {"uri": "redis://x", "columns": []})
    with pytest.raises(ResolveError):
        Resolver("ml:other@1", url=service.url, cache=cache).one("ml:a@prod")
    cache.write_text("{damaged")
    with pytest.raises(ResolveError):
        Resolver(url=service.url, cache=cache).one("ml:a@prod")


def test_what_was_not_found_is_asked_again(service: Service, time: dict[str, float]) -> None:
    resolver = Resolver(url=service.url, now=lambda: time["now"])
    with pytest.raises(ResolveError) as caught:
        resolver.one("ml:new@1")
    assert caught.value.code == "not-found"
    service.rows = {"ml:new@1": row("ml:new@1")}
    time["now"] += 2
    assert resolver.one("ml:new@1").version == "1"


def test_a_pinned_version_answers_to_its_concrete_name_and_no_other(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:delay@prod": row("ml:delay@prod", "3", ttl=None, via="pin")}
    resolver = Resolver("ml:model@7", url=service.url, now=lambda: time["now"])
    assert (resolver.one("ml:delay@3").version, resolver.one("ml:delay@3").reference) == ("3", "ml:delay@3")
    with pytest.raises(ResolveError) as caught:
        resolver.one("ml:delay@2")
    assert caught.value.code == "not-pinned"


def test_a_service_that_stays_down_is_asked_ever_less_often(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod")}
    resolver = Resolver(url=service.url, now=lambda: time["now"])
    resolver.one("ml:a@prod")
    service.refusal = (503, "not-projected")
    time["now"] += 61
    before = len(service.asked)
    for _ in range(200):  # one request in a second, for 200 seconds
        assert resolver.one("ml:a@prod").stale
        time["now"] += 1
    assert 4 <= len(service.asked) - before <= 12
    service.refusal, service.rows["ml:a@prod"] = None, row("ml:a@prod", "2")
    time["now"] += 30
    assert resolver.one("ml:a@prod").version == "2"
    service.refusal = (503, "not-projected")
    time["now"] += 61
    assert resolver.one("ml:a@prod").stale
    asked = len(service.asked)
    time["now"] += 1
    resolver.one("ml:a@prod")
    assert len(service.asked) == asked + 1  # it was up between the two: the pause is short again


def test_a_caller_with_an_answer_is_not_held_up_by_one_who_asks(service: Service, time: dict[str, float]) -> None:
    service.rows = {"ml:a@prod": row("ml:a@prod")}
    resolver = Resolver(url=service.url, timeout=30, now=lambda: time["now"])
    resolver.one("ml:a@prod")
    time["now"] += 61
    reached, answer, release = threading.Event(), service.answer, threading.Event()

    def hang(asked: dict[str, Any]) -> tuple[int, Any]:
        reached.set()
        release.wait(30)
        return answer(asked)

    service.answer = hang  # type: ignore[method-assign]
    first = threading.Thread(target=resolver.one, args=["ml:a@prod"])
    first.start()
    assert reached.wait(30)
    assert resolver.one("ml:a@prod").stale  # while the first one still waits
    assert first.is_alive()
    release.set()
    first.join(30)
    assert not resolver.one("ml:a@prod").stale


def test_a_binding_that_cannot_be_asked_is_not_an_empty_one(service: Service, time: dict[str, float]) -> None:
    service.stop()
    with pytest.raises(ResolveError) as caught:
        Resolver("ml:model@7", url=service.url, now=lambda: time["now"]).binding()
    assert caught.value.code == "unreachable"
