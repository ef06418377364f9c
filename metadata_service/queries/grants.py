"""An authenticated viewer's grants, as the questions need them."""
from __future__ import annotations

from dataclasses import dataclass

from metadata_service.access.viewer import SYSTEM_TENANT
from metadata_service.access.viewer import Viewer as Caller

__all__ = ["Grants"]


@dataclass(frozen=True, slots=True)
class Grants:
    """`metadata_service.access`'s viewer behind the `Viewer` of the query layer.

    A viewer without the auditor role sees no dataset classified `restricted`; that is the one classification the service itself
    gives a meaning to.
    """

    caller: Caller

    @property
    def roles(self) -> frozenset[str]:
        return self.caller.roles

    @property
    def sees_all(self) -> bool:
        return "admin" in self.caller.roles and "" in self.caller.prefixes

    @property
    def prefixes(self) -> tuple[str, ...]:
        return self.caller.prefixes

    def can_see(self, namespace: str | None, classification: str | None, tenant: str | None = None) -> bool:
        if self.sees_all:
            return True
        if tenant is not None and tenant not in (self.caller.tenant, SYSTEM_TENANT):
            return False
        if classification == "restricted" and not self.caller.may("auditor"):
            return False
        return namespace is None or any(namespace.startswith(prefix) for prefix in self.caller.prefixes)
