"""The five roles, and the check that a viewer holds one."""
from __future__ import annotations

from typing import Final

from metadata_service.access.viewer import Viewer
from metadata_service.errors import AccessError

__all__ = ["ROLES", "require", "require_any"]

ROLES: Final[dict[str, str]] = {
    "admin": "keys, policy, tenants, tokens; holds every other role",
    "ingest": "append events within its namespaces",
    "reader": "ask the graph within its namespaces",
    "auditor": "read all of its namespaces, bodies and the log of reads included",
    "operator": "quarantine, rebuild, status",
}


def require(viewer: Viewer, role: str) -> None:
    """Pass if `viewer` holds `role`.

    Raises:
        AccessError: `forbidden`, naming the role.
    """
    require_any(viewer, role)


def require_any(viewer: Viewer, *roles: str) -> None:
    """Pass if `viewer` holds one of `roles`.

    Raises:
        AccessError: `forbidden`, naming the roles.
    """
    if not viewer.may(*roles):
        raise AccessError(f"this needs the role {' or '.join(roles)}; the credentials hold {', '.join(sorted(viewer.roles)) or 'none'}",
                          needs=list(roles))
