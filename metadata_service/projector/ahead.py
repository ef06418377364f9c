"""Entries worked out before their turn: together they ask the store once for what each would ask for alone.

What a rule reads of what is not loaded, it takes for absent, which new runs, datasets and columns are. So what it made of an entry
need not be made again: it is right if what was missing is indeed absent, and no entry before it changed what it read.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metadata_service.graph.ops import GraphOp
from metadata_service.projector.project import project
from metadata_service.projector.view import Missing, View

if TYPE_CHECKING:
    from metadata_service.graph.port import NodeRow
    from metadata_service.projector.entry import ProjectableEntry
    from metadata_service.projector.overlay import Overlay

__all__ = ["Guess", "guess"]


@dataclass(frozen=True, slots=True)
class Guess:
    """The operations of an entry as they would be if nothing that was missing existed.

    Attributes:
        ops: the operations.
        absent_urns, absent_states: what was not loaded.
        read_urns, read_states: all that was read.
    """

    ops: list[GraphOp]
    absent_urns: Sequence[str]
    absent_states: Sequence[str]
    read_urns: set[str]
    read_states: set[str]

    def holds(self, overlay: Overlay) -> bool:
        """Whether the entry would say just this by now. What was missing must be loaded, and `overlay.mark` called before the guess was made."""
        return (overlay.unchanged(self.read_urns, self.read_states) and all(overlay.node(urn) is None for urn in self.absent_urns)
                and all(overlay.state(key) is None for key in self.absent_states))


def guess(entry: ProjectableEntry, overlay: Overlay) -> Guess:
    """What the entry says as far as the overlay knows."""
    view = _Followed(overlay)
    try:
        return Guess(project(entry, view), (), (), view.urns, view.states)
    except Missing as missing:
        return Guess(missing.ops, missing.urns, missing.states, view.urns, view.states)


class _Followed:
    """A view that remembers what was asked of it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.urns: set[str] = set()
        self.states: set[str] = set()

    def node(self, urn: str) -> NodeRow | None:
        self.urns.add(urn)
        return self._view.node(urn)

    def state(self, key: str) -> Any | None:
        self.states.add(key)
        return self._view.state(key)

    def unloaded(self, urns: Iterable[str], states: Iterable[str]) -> tuple[list[str], list[str]]:
        return self._view.unloaded(urns, states)
