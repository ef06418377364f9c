"""What the log proves over HTTP, checked by the verifier's own functions and by the bytes of the acknowledgement."""
from __future__ import annotations

from base64 import b64decode as unbase64

import pytest

from lineproof_audit.leaf import body_commitment, parse_leaf
from lineproof_audit.tree import leaf_hash, verify_consistency, verify_inclusion
from tests.service_world import ServiceWorld


@pytest.mark.anyio
async def test_every_acknowledged_entry_proves_itself_at_every_size(world: ServiceWorld) -> None:
    acknowledged = []
    for _ in range(9):
        envelope = world.cloudevent()
        acknowledged.append((envelope, (await world.post(envelope)).json()))
    for envelope, ack in acknowledged:
        leaf = unbase64(ack["leaf"])
        assert parse_leaf(leaf).body == body_commitment(unbase64(ack["salt"]), envelope)
        for size in range(ack["index"] + 1, world.size() + 1):
            found = (await world.http.get(f"/api/v1/log/proof?index={ack['index']}&size={size}")).json()
            verify_inclusion(leaf_hash(leaf), ack["index"], size, [unbase64(item) for item in found["proof"]], unbase64(found["rootHash"]))


@pytest.mark.anyio
async def test_every_size_is_consistent_with_every_earlier_one(world: ServiceWorld) -> None:
    await world.post(b"[" + b",".join(world.cloudevent() for _ in range(9)) + b"]")
    for size in range(1, world.size() + 1):
        for first in range(1, size + 1):
            found = (await world.http.get(f"/api/v1/log/proof?from={first}&size={size}")).json()
            verify_consistency(first, size, unbase64(found["fromRootHash"]), unbase64(found["rootHash"]), [unbase64(item) for item in found["proof"]])
    assert (await world.http.get("/api/v1/log/proof?from=1")).json()["size"] == world.size()


@pytest.mark.anyio
@pytest.mark.parametrize(("query", "code"), [
    ("", "invalid-argument"), ("index=0&from=1", "invalid-argument"), ("from=0", "invalid-argument"), ("from=x", "invalid-argument"),
    ("from=2&size=1", "position-beyond-log"), ("from=1&size=999", "position-beyond-log"), ("from=999", "position-beyond-log"),
    ("index=-1", "invalid-argument"), ("index=0&size=0", "invalid-argument"), ("index=5&size=5", "position-beyond-log"),
])
async def test_a_proof_that_cannot_be_is_refused(world: ServiceWorld, query: str, code: str) -> None:
    answer = await world.http.get(f"/api/v1/log/proof?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
