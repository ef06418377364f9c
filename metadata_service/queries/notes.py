"""What an answer has to admit: what it leaves out, what is hidden from who asks, and what nobody knows."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from metadata_service.graph.port import Direction as Way
from metadata_service.graph.port import Limits, Reach
from metadata_service.graph.reference import MOVED, TOO_MANY_EDGES, TOO_MANY_NODES, TOO_SLOW
from metadata_service.queries.shapes import Completeness, Reason

__all__ = ["Notes"]

MAX_REASONS: Final = 100  # reasons listed in one answer; the counts go on


@dataclass(slots=True)
class Notes:
    """Filled while an answer is computed."""

    truncated: bool = False
    restricted: int = 0
    unknown: int = 0
    reasons: dict[tuple[str, str | None], Reason] = field(default_factory=dict)

    def truncate(self, *reasons: str) -> None:
        """Something was cut off; each reason says what, and at which limit."""
        self.truncated = True
        for reason in reasons:
            self._add("truncated", f"not all is here: {reason}", reason)

    def cut(self, reach: Reach, limits: Limits, way: Way) -> None:
        """Say why a walk stopped early, if it did, and how much is known to lie beyond it."""
        if not reach.truncated:
            return
        hidden = [count for node in reach.nodes if (count := node.hidden_upstream if way == "UPSTREAM" else node.hidden_downstream)]
        beyond = f"; {len(hidden)} of them lead on to {sum(hidden)} more" if hidden else ""
        said = {TOO_MANY_NODES: f"the walk stopped at {limits.nodes} nodes{beyond}", TOO_MANY_EDGES: f"the first {limits.edges} edges are shown",
                TOO_SLOW: f"the walk stopped after {limits.seconds:g} seconds at {len(reach.nodes)} nodes{beyond}",
                MOVED: "the graph changed during every attempt, and edges may be missing; ask again"}
        self.truncate(*(said.get(reason, reason) for reason in reach.reasons))

    def restrict(self, count: int) -> None:
        if count:
            self.restricted += count
            self._add("restricted", "entities outside the viewer's grants are shown as placeholders", None)

    def doubt(self, code: str, detail: str, urn: str | None = None) -> None:
        if (code, urn) not in self.reasons:
            self.unknown += 1
            self._add(code, detail, urn)

    def _add(self, code: str, detail: str, urn: str | None) -> None:
        if len(self.reasons) < MAX_REASONS:
            about = urn if urn is not None and urn.startswith("urn:") else None
            self.reasons.setdefault((code, urn), Reason(code, detail, about))

    def completeness(self) -> Completeness:
        complete = not (self.truncated or self.restricted or self.unknown)
        return Completeness(complete, self.truncated, self.restricted, self.unknown, tuple(self.reasons.values()))
