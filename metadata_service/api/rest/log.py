"""GET /api/v1/log/…: the transparency log as C2SP tlog-tiles (checkpoint, tiles, entry bundles), its proofs and its entries."""
from __future__ import annotations

import base64
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from lineproof_audit.keyring import KEYRING_TYPES
from lineproof_audit.store import StoredEntry
from lineproof_audit.tlog_tiles import TileAddress, parse_tile_path, read_tile
from lineproof_audit.tree import leaf_hash
from lineproof_schema.errors import LineproofError
from metadata_service.access import Viewer, require_any
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.auth import authenticate, authenticate_if_given
from metadata_service.api.rest.openapi import BINARY, PROBLEMS, TEXT, json_answer
from metadata_service.api.services import Services, services_of
from metadata_service.errors import NotFound
from metadata_service.intake import namespaces_of_body

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/log", tags=["log"])
_LOG_READERS = ("reader", "auditor", "operator", "ingest")
# For caches in front. A checkpoint is signed about every second. The bytes behind a partial tile's address never change either, but the
# next checkpoint asks for a wider one, so it is not worth keeping for long.
CHECKPOINT_CACHE: Final = "max-age=1, must-revalidate"
TILE_CACHE: Final = "max-age=31536000, immutable"
PARTIAL_CACHE: Final = "max-age=3600, immutable"
Index = Annotated[int, Path(ge=0, le=2**53 - 1)]


@router.get("/checkpoint", summary="The latest signed checkpoint", responses={200: TEXT, **PROBLEMS})
async def checkpoint(request: Request) -> Response:
    """A C2SP signed note; 404 until the first one is published."""
    services = services_of(request)
    await _log_read(request, services)
    text = await anyio.to_thread.run_sync(services.reader.checkpoint)
    if text is None:
        raise NotFound("no checkpoint is published yet")
    return Response(text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": _cached(services, CHECKPOINT_CACHE)})


@router.get("/tile/{path:path}", summary="A tile or entry bundle (C2SP tlog-tiles)", responses={200: BINARY, **PROBLEMS})
async def tile(request: Request, path: str) -> Response:
    """`<L>/<N>[.p/<W>]`: hashes of tile level L; `entries/<N>[.p/<W>]`: leaves, each behind two bytes of length. N as `x001/x234/067`.

    404 until the log is that large. A full tile never changes.
    """
    services = services_of(request)
    await _log_read(request, services)
    address = parse_tile_path(f"tile/{path}")
    data = await anyio.to_thread.run_sync(_tile, services, address)
    if data is None:
        raise NotFound(f"the log has no {address.path} yet")
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": _cached(services, TILE_CACHE if address.full else PARTIAL_CACHE)})


@router.get("/proof", summary="Inclusion proof of an entry, or consistency proof of two sizes",
            responses={200: json_answer("RFC 6962 proof", {"type": "object"}), **PROBLEMS})
async def proof(request: Request, index: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
                size: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None,
                since: Annotated[int | None, Query(alias="from", ge=1, le=2**53 - 1)] = None) -> Response:
    """With `index`: that the tree of `size` holds the entry, as `{index, size, leafHash, rootHash, proof}`.

    With `from`: that the tree of `size` extends that of size `from`, as `{from, size, fromRootHash, rootHash, proof}`.
    Hashes in standard base64; `size` defaults to the log's size.
    """
    services = services_of(request)
    await _log_read(request, services)
    if index is not None and since is None:
        return json_response(await anyio.to_thread.run_sync(_inclusion, services, index, size))
    if since is not None and index is None:
        return json_response(await anyio.to_thread.run_sync(_consistency, services, since, size))
    raise LineproofError("give `index` for an inclusion proof, or `from` for a consistency proof", code="invalid-argument")


@router.get("/entries/{index}", summary="One entry", responses={200: json_answer("Leaf; body and salt with a grant", {"type": "object"}), **PROBLEMS})
async def entry(request: Request, index: Index) -> Response:
    """`{index, leaf, erased, envelope?, salt?}` in standard base64. Body and salt need a grant on all namespaces the entry writes in.

    Bodies of genesis, key and policy entries can be read by whoever may read the log.
    """
    services = services_of(request)
    viewer = await _log_read(request, services)
    if viewer is not None:
        services.reads.asked(viewer, "event")
    found = await anyio.to_thread.run_sync(services.reader.entry, index)
    body: dict[str, Any] = {"index": found.index, "leaf": _base64(found.leaf), "erased": found.envelope is None, "restricted": False}
    if found.envelope is not None and found.salt is not None:
        if _may_read_body(found, viewer):
            body |= {"envelope": _base64(found.envelope), "salt": _base64(found.salt)}
        else:
            body["restricted"] = True
    return json_response(body)


async def _log_read(request: Request, services: Services) -> Viewer | None:
    """Leaves, checkpoints and proofs are public unless the policy says otherwise; wrong credentials are refused either way."""
    policy = services.keys.current.policy
    if policy is not None and policy.log_read == "public":
        return await authenticate_if_given(request)
    viewer = await authenticate(request)
    require_any(viewer, *_LOG_READERS)
    return viewer


def _may_read_body(found: StoredEntry, viewer: Viewer | None) -> bool:
    if found.fields.event_type in KEYRING_TYPES:
        return True
    if viewer is None or not viewer.may("reader", "auditor") or found.envelope is None:
        return False
    if found.fields.tenant != viewer.tenant:
        return False
    return all(viewer.can_see(namespace) for namespace in namespaces_of_body(found.envelope))


def _cached(services: Services, directives: str) -> str:
    """A log that not everybody may read is kept by nobody but who asked."""
    policy = services.keys.current.policy
    return f"{'public' if policy is not None and policy.log_read == 'public' else 'private'}, {directives}"


def _tile(services: Services, address: TileAddress) -> bytes | None:
    return read_tile(address, services.reader.tile_source())


def _inclusion(services: Services, index: int, size: int | None) -> dict[str, Any]:
    reader = services.reader
    at = reader.size() if size is None else size
    hashes = reader.inclusion_proof(index, at)
    return {"index": index, "size": at, "leafHash": _base64(leaf_hash(reader.entry(index).leaf)), "rootHash": _base64(reader.root_at(at)),
            "proof": [_base64(item) for item in hashes]}


def _consistency(services: Services, first: int, size: int | None) -> dict[str, Any]:
    reader = services.reader
    at = reader.size() if size is None else size
    hashes = reader.consistency_proof(first, at)
    return {"from": first, "size": at, "fromRootHash": _base64(reader.root_at(first)), "rootHash": _base64(reader.root_at(at)),
            "proof": [_base64(item) for item in hashes]}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
