"""What a pipeline gets back for an event: where it stands now. Never an exception."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`spooled`: safe on disk, the sender has it. `dead`: refused before signing, kept in `dead/`. `dropped`: gone, and counted.

    Attributes:
        id: the event's id (CloudEvents `id`; for OpenLineage the SHA-256 of the payload); None if it was never made.
        stream, sequence: the event's place in the producer's stream; None if it never got one.
        reason: what was wrong, for `dead` and `dropped`.
    """

    status: Literal["spooled", "dead", "dropped"]
    id: str | None = None
    stream: str | None = None
    sequence: int | None = None
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the event is on its way."""
        return self.status == "spooled"
