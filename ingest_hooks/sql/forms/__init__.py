"""A statement in forms that scopes can follow, and reduced to the queries that fill its target."""
from __future__ import annotations
