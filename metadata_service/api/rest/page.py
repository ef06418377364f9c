"""GET /ui/…: the page, as built from ui/ into this package.

Every answer has a strict Content-Security-Policy: scripts, styles and workers of this origin only, nothing inline. Hashed assets never change
and are cached for good; the document is asked for again each time. Names without a suffix are views of the page and get the document.
"""
from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from metadata_service.errors import NotFound

__all__ = ["BUILT", "router"]

_PAGE_PATH: Final = "/ui/"
BUILT: Final = Path(__file__).resolve().parents[2] / "_ui"  # where `make ui` writes, and what the wheel carries
CONTENT_SECURITY_POLICY: Final = "; ".join((
    "default-src 'none'", "script-src 'self'", "worker-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "form-action 'self'",
    "base-uri 'none'", "frame-ancestors 'none'"))
_HEADERS: Final = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
                   "Cross-Origin-Opener-Policy": "same-origin"}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_EACH_TIME: Final = "no-cache"
_TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_HINT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lineproof</title></head><body>
<h1>Lineproof is running; its page is not built</h1>
<p>Run <code>make ui</code> in the checkout (it needs Node 20.19 or newer, or takes one from PyPI) and load this address again.</p>
<p>The service itself is complete: GraphQL at <code>/graphql</code>, REST described by <code>/api/v1/openapi.json</code>, and the
<code>lineproof</code> command.</p>
</body></html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start() -> Response:
    """A person who opens the service's address gets the page."""
    return RedirectResponse(_PAGE_PATH, status_code=307)


@router.get(_PAGE_PATH.rstrip("/"))
async def without_slash() -> Response:
    """The same."""
    return RedirectResponse(_PAGE_PATH, status_code=307)


@router.api_route(_PAGE_PATH + "{path:path}", methods=["GET", "HEAD"])
async def page(request: Request, path: str) -> Response:
    """A file of the build, or the document for a view of the page."""
    document = BUILT / "index.html"
    if not document.is_file():
        return HTMLResponse(_HINT, headers={**_HEADERS, "Cache-Control": _EACH_TIME})
    if "." not in path.rpartition("/")[2]:
        return _file(document, request, _EACH_TIME)
    found = _built(path)
    if found is None:
        raise NotFound("the page has no such file")
    return _file(found, request, _FOR_GOOD if path.startswith("assets/") else _EACH_TIME)


def _built(path: str) -> Path | None:
    """The file of the build at `path`."""
    try:
        found = (BUILT / path).resolve()
        return found if found.is_relative_to(BUILT) and found.suffix in _TYPES and found.is_file() else None
    except (OSError, ValueError):  # longer than a name may be, or with a NUL: no file has it
        return None


def _file(path: Path, request: Request, cache: str) -> Response:
    headers = {**_HEADERS, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    packed = path.with_name(path.name + ".gz")  # made by the build for whatever is worth it
    if packed.is_file() and "gzip" in request.headers.get("accept-encoding", ""):
        return FileResponse(packed, media_type=_TYPES[path.suffix], headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)
