"""The sources of answers to one caller."""
from __future__ import annotations

from typing import Any, Final

from lineproof_audit.keyring import Keyring
from metadata_service.api.services import Services
from metadata_service.api.watched import watched
from metadata_service.errors import ArtifactError
from metadata_service.intake import CLASSIFIED
from metadata_service.queries.context import Room

__all__ = ["room_of"]

MAX_SOURCE_BYTES: Final = 1_000_000  # a source file longer than this is not quoted


def room_of(services: Services, viewer: Any) -> Room:
    """The rooms of the service; source text and artifacts are those of the viewer's tenant."""

    def keyring() -> Keyring:
        services.keys.refresh()
        return services.keys.current

    async def source(digest: str) -> bytes | None:
        try:
            size, chunks = await services.artifacts.get(viewer.tenant, digest.removeprefix("sha256:"))
        except ArtifactError:
            return None
        parts = [chunk async for chunk in chunks]
        return b"".join(parts) if size <= MAX_SOURCE_BYTES else None

    async def held(digest: str) -> int | None:
        return await services.artifacts.size(viewer.tenant, digest.removeprefix("sha256:"))

    graph = watched(services.graph, viewer, lambda: services.reads.note(viewer, CLASSIFIED))
    return Room(graph, services.reader, keyring, services.cursor_secret, source, held, services.notarise, services.streams, services.quorum,
                services.covered)
