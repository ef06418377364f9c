"""GraphQL at `/graphql`: types mirrored from the query layer, root fields, limits, and (in `router`) the FastAPI router.

The contract is `schema/lineproof_schema/schema.graphql`; a test holds it equal to what this package serves. The command line asks
the schema without a web framework, so none is loaded here.
"""
from __future__ import annotations

from metadata_service.api.graphql.schema import Caller, execute, schema

__all__ = ["Caller", "execute", "schema"]
