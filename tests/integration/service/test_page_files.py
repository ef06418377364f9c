"""How the service hands out the page: policy, caching, views, and what is no file of it."""
from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from metadata_service.api.rest import page
from metadata_service.api.rest.problems import register_problems

pytestmark = pytest.mark.anyio


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of three files."""
    folder = tmp_path / "_ui"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "index-abc.js").write_text("plain")
    (folder / "assets" / "index-abc.js.gz").write_bytes(b"packed")
    (folder / "notes.txt").write_text("not of the page")
    (tmp_path / "secret.js").write_text("outside")
    monkeypatch.setattr(page, "BUILT", folder)
    return folder


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = FastAPI()
    register_problems(app)
    app.include_router(page.router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


@pytest.mark.parametrize("path", ["/ui/", "/ui/lineage", "/ui/entity?urn=urn%3Alineproof%3Adataset%3Ax%3Aa.b", "/ui/any/view"])
async def test_views_get_the_document_with_a_strict_policy(built: Path, http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.text) == (200, "<!doctype html><title>page</title>")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {"default-src": "'none'", "script-src": "'self'", "worker-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
                      "img-src": "'self' data:", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'"}
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_hashed_assets_are_kept_for_good_and_sent_packed_to_who_can_read_it(built: Path, http: httpx.AsyncClient) -> None:
    packed = await http.get("/ui/assets/index-abc.js", headers={"accept-encoding": "identity"})
    assert (packed.text, packed.headers["cache-control"]) == ("plain", "public, max-age=31536000, immutable")
    async with http.stream("GET", "/ui/assets/index-abc.js", headers={"accept-encoding": "gzip, br"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert (raw, answer.headers["content-encoding"], answer.headers["content-type"]) == (b"packed", "gzip", "text/javascript; charset=utf-8")


@pytest.mark.parametrize("path", ["/ui/assets/index-old.js", "/ui/notes.txt", "/ui/..%2fsecret.js", "/ui/assets/..%2f..%2fsecret.js",
                                  "/ui/assets/index-abc.js.gz"])
async def test_what_is_no_file_of_the_page_is_not_found(built: Path, http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_the_address_of_the_service_leads_to_the_page(built: Path, http: httpx.AsyncClient) -> None:
    for path in ("/", "/ui"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, "/ui/")


async def test_without_a_build_the_hint_says_how_to_make_one(built: Path, http: httpx.AsyncClient) -> None:
    (built / "index.html").unlink()
    answer = await http.get("/ui/lineage")
    assert answer.status_code == 200
    assert "make ui" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
