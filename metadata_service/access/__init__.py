"""Who may do what: viewers, roles, tokens (ACCESS)."""
from __future__ import annotations

from metadata_service.access.oidc import IdentityTokens
from metadata_service.access.roles import ROLES, require, require_any
from metadata_service.access.store import METADATA
from metadata_service.access.tokens import IssuedToken, TokenRecord, Tokens
from metadata_service.access.viewer import Viewer, caller_hash, can_see

__all__ = ["METADATA", "ROLES", "IdentityTokens", "IssuedToken", "TokenRecord", "Tokens", "Viewer", "caller_hash", "can_see", "require", "require_any"]
