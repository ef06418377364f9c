"""The graph in memory as far as a batch needs it: what was loaded, and what the entries before changed."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import GraphOp, PutState, Revise, UpsertNode
from metadata_service.graph.port import NodeRow
from metadata_service.projector.view import Missing

__all__ = ["Overlay"]

# weights kept per generation: a node or state is 1 plus its facts or edges, some 300 bytes each; two generations stay below 100 MB
GENERATION_WEIGHT: Final = 150_000
_UNKNOWN: Final = object()


class Overlay:
    """A `View` over what was loaded. It stays right between batches because the projector is the graph's only writer.

    Two generations bound its memory: what was not asked for during a whole generation is forgotten.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, NodeRow | None] = {}
        self._states: dict[str, Any] = {}
        self._old_nodes: dict[str, NodeRow | None] = {}
        self._old_states: dict[str, Any] = {}
        self._weight = 0
        self._changed_nodes: set[str] = set()
        self._changed_states: set[str] = set()

    # -- View

    def node(self, urn: str) -> NodeRow | None:
        """The node as it stands, None if there is none."""
        found = self._nodes.get(urn, _UNKNOWN)
        if found is _UNKNOWN:
            if urn not in self._old_nodes:
                raise Missing((urn,), ())
            found = self._keep_node(urn, self._old_nodes.pop(urn))
        return cast("NodeRow | None", found)

    def state(self, key: str) -> Any | None:
        """The value under `key`, None if there is none."""
        found = self._states.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            if key not in self._old_states:
                raise Missing((), (key,))
            found = self._keep_state(key, self._old_states.pop(key))
        return found

    def has(self, urn: str) -> bool:
        """Whether `node` knows the answer."""
        return urn in self._nodes or urn in self._old_nodes

    def unloaded(self, urns: Iterable[str], states: Iterable[str]) -> tuple[list[str], list[str]]:
        """What `node` and `state` would raise for."""
        return ([urn for urn in urns if urn not in self._nodes and urn not in self._old_nodes],
                [key for key in states if key not in self._states and key not in self._old_states])

    # -- the runner's side

    def fill(self, urns: Iterable[str], states: Iterable[str], nodes: Mapping[str, NodeRow], values: Mapping[str, Any]) -> None:
        """Take in an answer of the store; what it left out does not exist."""
        for urn in urns:
            row = nodes.get(urn)
            self._keep_node(urn, row if row is None else NodeRow(row.urn, row.kind, row.namespace, row.name, row.tenant, row.from_, dict(row.facts),
                                                                 dict(row.since)))
        for key in states:
            self._keep_state(key, values.get(key))

    def take(self, ops: Iterable[GraphOp]) -> None:
        """See what an entry changed."""
        for op in ops:
            match op:
                case Revise():
                    node = self.node(op.urn)
                    if node is None or not isinstance(node.facts, dict) or not isinstance(node.since, dict):
                        raise AssertionError(f"{op.fact} of {op.urn}, which was never upserted")
                    if op.value is None:
                        node.facts.pop(op.fact, None)
                        node.since.pop(op.fact, None)
                    else:
                        node.facts[op.fact] = op.value
                        node.since[op.fact] = op.from_
                    self._changed_nodes.add(op.urn)
                case PutState():
                    self._keep_state(op.key, op.value)
                    self._changed_states.add(op.key)
                case UpsertNode():
                    parsed = parse_urn(op.urn)
                    self._keep_node(op.urn, NodeRow(op.urn, parsed.kind, parsed.namespace, parsed.name, op.tenant, op.from_, {}, {}))
                    self._changed_nodes.add(op.urn)
                case _:
                    pass

    def mark(self) -> None:
        """`unchanged` counts from here."""
        self._changed_nodes, self._changed_states = set(), set()

    def unchanged(self, urns: AbstractSet[str], states: AbstractSet[str]) -> bool:
        """Whether no entry taken since the mark changed any of these."""
        return self._changed_nodes.isdisjoint(urns) and self._changed_states.isdisjoint(states)

    def age(self) -> None:
        """Between batches: begin a new generation when this one is large."""
        if self._weight > GENERATION_WEIGHT:
            self._old_nodes, self._old_states, self._nodes, self._states, self._weight = self._nodes, self._states, {}, {}, 0
        self.mark()

    def forget(self) -> None:
        """Something else wrote the graph: nothing is known any more."""
        self._old_nodes, self._old_states, self._nodes, self._states, self._weight = {}, {}, {}, {}, 0

    def _keep_node(self, urn: str, node: NodeRow | None) -> NodeRow | None:
        self._nodes[urn] = node
        self._weight += 1 if node is None else 1 + len(node.facts)
        return node

    def _keep_state(self, key: str, value: Any) -> Any:
        self._states[key] = value
        self._weight += 1 + len(value.get("edges") or ()) if isinstance(value, dict) else 1
        return value
