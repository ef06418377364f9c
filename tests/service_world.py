"""A running service for tests: the real application on a real log in a temporary directory, spoken to over ASGI."""
from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.init import ROOT_ADMIN_KEY, admin_entry
from lineproof_audit.keys import SigningKey
from metadata_service.app import create_app
from metadata_service.rooms import Rooms, open_rooms
from metadata_service.settings import Settings, load_settings

JSON = {"content-type": "application/json"}


@dataclass
class ServiceWorld:
    """The application, an admin's HTTP client, and one registered producer key (`key`) with scope `demo` and `shared`."""

    app: FastAPI
    rooms: Rooms
    http: httpx.AsyncClient
    key: SigningKey = field(default_factory=SigningKey.generate)

    @property
    def origin(self) -> str:
        return self.rooms.log.origin

    @property
    def tenant(self) -> str:
        policy = self.rooms.keys.current.policy
        assert policy is not None
        return policy.tenants[0].id

    @property
    def admin_key(self) -> SigningKey:
        return SigningKey.load(self.rooms.log.state_dir / f"{ROOT_ADMIN_KEY}.pem")

    def as_(self, *roles: str, prefixes: tuple[str, ...] = ("",), subject: str = "tester") -> dict[str, str]:
        """Headers of a new token."""
        issued = self.rooms.tokens.create(subject, tenant=self.tenant, roles=roles, prefixes=prefixes)
        return {"Authorization": f"Bearer {issued.secret}"}

    def cloudevent(self, kind: str = "lineproof.dataset.v1", data: dict[str, Any] | None = None, *, key: SigningKey | None = None, **attributes: Any) -> bytes:
        """A signed envelope; `attributes` override those of the CloudEvent."""
        event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "test", "type": kind, "time": datetime.now(UTC).isoformat(),
                 "audience": self.origin, "data": data if data is not None else {"namespace": "demo", "name": "orders", "description": "d"}, **attributes}
        payload = json.dumps({name: value for name, value in event.items() if value is not None}).encode()
        return sign_envelope(PAYLOAD_CLOUDEVENT, payload, key or self.key)

    def signed_openlineage(self, event: dict[str, Any], key: SigningKey | None = None) -> bytes:
        return sign_envelope(PAYLOAD_OPENLINEAGE, json.dumps(event).encode(), key or self.key)

    def producer_facet(self) -> dict[str, Any]:
        return {"_producer": "https://x", "_schemaURL": "https://x", "audience": self.origin, "stream": str(uuid.uuid4()), "sequence": "1"}

    async def register(self, key: SigningKey, *namespaces: str, event_types: tuple[str, ...] = ("*",)) -> int:
        """Register a producer key by HTTP; the index of its entry."""
        body = {"action": "register", "keyId": key.keyid, "purpose": "producer", "publicKey": _base64(key.verify_key.spki), "tenant": self.tenant,
                "scope": {"namespaces": list(namespaces), "eventTypes": list(event_types), "sources": ["*"]}}
        return await self.admin("lineproof.key.v1", body)

    async def admin(self, kind: str, body: dict[str, Any]) -> int:
        """Append an event signed with the root admin key; the index of its entry."""
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        answer = await self.http.post("/api/v1/admin/keys", content=admin_entry(kind, body, self.admin_key, origin=self.origin, now=now).envelope, headers=JSON)
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "applied", answer.text
        return int(answer.json()["index"])

    async def post(self, content: bytes, path: str = "/api/v1/events", **headers: str) -> httpx.Response:
        """POST as the admin, with these headers (underscores for hyphens)."""
        return await self.http.post(path, content=content, headers={**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def size(self) -> int:
        return self.rooms.log.reader.size()


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def openlineage_run(job: str = "job", *, namespace: str = "demo", run: str | None = None, state: str = "COMPLETE", inputs: tuple[str, ...] = (),
                    outputs: tuple[str, ...] = (), **overrides: Any) -> dict[str, Any]:
    """A plain OpenLineage run event; `inputs` and `outputs` are dataset names in `namespace`."""
    return {"eventType": state, "eventTime": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(), "producer": "https://example.org/test",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", "run": {"runId": run or str(uuid.uuid4())},
            "job": {"namespace": namespace, "name": job}, "inputs": [{"namespace": namespace, "name": name} for name in inputs],
            "outputs": [{"namespace": namespace, "name": name} for name in outputs], **overrides}


def service_settings(directory: Path, **overrides: Any) -> Settings:
    """Settings of a service that lives in `directory`, with the projector in its event loop; nothing is in its log that a test did not say."""
    return load_settings(**{"data": directory / "data", "state_dir": directory / "state", "projector": "inline", "deriver": False, **overrides})


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[ServiceWorld]:
    """The service, from its start to its clean end."""
    rooms = open_rooms(settings)
    app = create_app(settings, rooms)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http:
        secret = rooms.admin_token or rooms.tokens.create("admin", tenant=rooms.keys.owners()[0][1], roles=["admin"]).secret
        http.headers["Authorization"] = f"Bearer {secret}"
        world = ServiceWorld(app, rooms, http)
        await world.register(world.key, "demo", "shared")
        yield world
