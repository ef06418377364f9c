"""The HTTP interface as one application: every router, problem details for every error. What runs beside it is `app`'s."""
from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI

from metadata_service.api.graphql.service import graphql_router
from metadata_service.api.rest import routers
from metadata_service.api.rest.problems import register_problems

__all__ = ["create_api"]

_OPENAPI_PATH: Final = "/api/v1/openapi.json"


def create_api(**options: Any) -> FastAPI:
    """All routes; `options` go to FastAPI. No documentation pages: they would load scripts from elsewhere."""
    api = FastAPI(title="Lineproof", version=version("lineproof"), summary="Lineage you can prove.", docs_url=None, redoc_url=None, openapi_url=_OPENAPI_PATH,
                  redirect_slashes=False, **options)
    register_problems(api)
    for router in (*routers(), graphql_router()):
        api.include_router(router)
    return api
