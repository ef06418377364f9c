"""The log as C2SP tlog-tiles over HTTP: every file of a checkpoint, how long it may be kept, and addresses that are none."""
from __future__ import annotations

import anyio
import pytest

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.tlog_tiles import tiles_of
from tests.big_log import grow, reference_tiles
from tests.service_world import ServiceWorld

LOG = "/api/v1/log"


async def policy(world: ServiceWorld, log_read: str) -> None:
    await world.admin("lineproof.policy.v1", {"previous": world.rooms.keys.current.policy_index, "logRead": log_read,
                                              "tenants": [{"id": world.tenant, "name": "default", "prefixes": [""]}]})


async def covered(world: ServiceWorld) -> int:
    """Wait for the service's own integrator; the size of the checkpoint over everything."""
    for _ in range(600):
        answer = await world.http.get(f"{LOG}/checkpoint")
        if answer.status_code == 200 and (size := peek_checkpoint(answer.text).size) == world.size():
            return size
        await anyio.sleep(0.1)
    raise AssertionError("no checkpoint covers the log")


@pytest.mark.anyio
async def test_all_files_of_a_checkpoint_are_served(world: ServiceWorld) -> None:
    for size in (255, 256, 257, 65_536, 70_000):
        grow(world.rooms.log.store, size)
        assert await covered(world) == size
        wanted = reference_tiles(world.rooms.log.store.leaves(0, size))
        addresses = list(tiles_of(size))
        chosen = addresses if size < 1_000 else [*addresses[:3], *(address for address in addresses if not address.full or (address.level or 0) > 0)]
        for address in chosen:
            answer = await world.http.get(f"{LOG}/{address.path}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
            assert answer.content == wanted[address.path], address.path
        for beyond in ("tile/0/x001/000", "tile/63/000", "tile/entries/999.p/7", f"tile/entries/{size // 256:03d}"):
            answer = await world.http.get(f"{LOG}/{beyond}")
            assert (answer.status_code, answer.json()["code"], answer.headers["cache-control"]) == (404, "not-found", "no-store")


@pytest.mark.anyio
async def test_full_tiles_may_be_kept_for_ever_and_checkpoints_for_a_second(world: ServiceWorld) -> None:
    grow(world.rooms.log.store, 300)
    await covered(world)
    kept = {path: (await world.http.get(f"{LOG}/{path}")).headers["cache-control"]
            for path in ("checkpoint", "tile/0/000", "tile/entries/000", "tile/0/001.p/44", "tile/entries/001.p/44", "tile/0/000.p/255", "tile/1/000.p/1")}
    assert kept == {"checkpoint": "public, max-age=1, must-revalidate", "tile/0/000": "public, max-age=31536000, immutable",
                    "tile/entries/000": "public, max-age=31536000, immutable", "tile/0/001.p/44": "public, max-age=3600, immutable",
                    "tile/entries/001.p/44": "public, max-age=3600, immutable", "tile/0/000.p/255": "public, max-age=3600, immutable",
                    "tile/1/000.p/1": "public, max-age=3600, immutable"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", [
    "", "0", "0/", "0/1", "0/0000", "00/000", "64/000", "-1/000", "0/x000/000", "0/001/000", "0/000.p/0", "0/000.p/256", "0/000.p/01",
    "entry/000", "entries", "entries/000.p/", "0/%00", "0/%F0%9F%8C%B3", "0/..%2F..%2Fcheckpoint", "0/000//",
    "0/" + "x999/" * 40 + "999", "99999999999999999999/000", "0/%FF", "0/000.p/%31%30%30%30"])
async def test_what_is_no_address_is_refused_with_a_code(world: ServiceWorld, path: str) -> None:
    answer = await world.http.get(f"{LOG}/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-argument")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.anyio
async def test_tiles_are_read_by_whoever_may_read_the_log_and_kept_by_nobody_else(world: ServiceWorld) -> None:
    size = await covered(world)
    paths = ["checkpoint", f"tile/0/000.p/{size}", f"tile/entries/000.p/{size}"]
    authorization = world.http.headers.pop("Authorization")
    for path in paths:
        assert (await world.http.get(f"{LOG}/{path}")).status_code == 200
    world.http.headers["Authorization"] = authorization
    await policy(world, "restricted")
    del world.http.headers["Authorization"]
    for path in paths:
        assert (await world.http.get(f"{LOG}/{path}")).json()["code"] == "unauthenticated"
        assert (await world.http.get(f"{LOG}/{path}", headers=world.as_("reader"))).headers["cache-control"].startswith("private, ")
