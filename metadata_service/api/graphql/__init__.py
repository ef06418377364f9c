"""GraphQL at `/graphql`: types mirrored from the query layer, root fields, limits, and the FastAPI router.

The contract is `schema/lineproof_schema/schema.graphql`; a test holds it equal to what this package serves.
"""
from __future__ import annotations

from metadata_service.api.graphql.router import GraphQLDependencies, create_graphql_router
from metadata_service.api.graphql.schema import Caller, execute, schema

__all__ = ["Caller", "GraphQLDependencies", "create_graphql_router", "execute", "schema"]
