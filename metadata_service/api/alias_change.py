"""Moves of aliases as callers without a signing key ask for them; how they are made stands in `alias_moves`."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from metadata_service.registry.names import Kind

__all__ = ["AliasChange", "MoveOutcome", "Mover"]

Long = Annotated[int, "Long"]


@dataclass(frozen=True, slots=True)
class AliasChange:
    """A move of `alias` to `to` (None deletes it), if it still stands where entry `expected` put it (None: does not exist yet)."""

    kind: Kind
    name: str
    alias: str
    to: str | None
    expected: int | None
    reason: str | None
    approval: str | None
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """The entry that says it, and what became of it; `status` is null while it is not projected. `was` is where the alias stood."""

    index: Long
    urn: str
    alias: str
    was: str | None
    to: str | None
    restores: Long | None
    status: str | None
    reason: str | None


class Mover(Protocol):
    """Moves aliases in the name of one caller."""

    async def move(self, change: AliasChange, *, wait: bool = True) -> MoveOutcome:
        """Append the move and wait for its outcome."""

    async def rollback(self, kind: Kind, name: str, alias: str, to: str | None, reason: str | None, approval: str | None, *, wait: bool = True) -> MoveOutcome:
        """Move the alias one step back (or to an earlier version), from where it stands now."""
