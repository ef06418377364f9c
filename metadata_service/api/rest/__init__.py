"""REST: composes access, intake, artifacts and the log's reader. No query and no rule here."""
from __future__ import annotations

from fastapi import APIRouter

from metadata_service.api.rest import admin, artifacts, enrolment, erasures, events, health, lineage, lineage_export, log, page, registry

__all__ = ["routers"]


def routers() -> list[APIRouter]:
    """All routers, in the order of the OpenAPI document; requests try them in this order too, so the most frequent ones come first."""
    return [events.router, lineage.router, lineage_export.router, registry.router, log.router, artifacts.router, admin.router, enrolment.router,
            erasures.router, health.router, page.router]
