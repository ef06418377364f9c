"""The graph in memory as far as a batch needs it: what was loaded, and what the entries before changed."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

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
        self._young: dict[str, Any] = {}  # "n:" + urn -> NodeRow | None, "s:" + key -> value | None
        self._old: dict[str, Any] = {}
        self._weight = 0

    # -- View

    def node(self, urn: str) -> NodeRow | None:
        """The node as it stands, None if there is none."""
        found = self._find("n:" + urn)
        if found is _UNKNOWN:
            raise Missing((urn,), ())
        row: NodeRow | None = found
        return row

    def state(self, key: str) -> Any | None:
        """The value under `key`, None if there is none."""
        found = self._find("s:" + key)
        if found is _UNKNOWN:
            raise Missing((), (key,))
        return found

    def unloaded(self, urns: Iterable[str], states: Iterable[str]) -> tuple[list[str], list[str]]:
        """What `node` and `state` would raise for."""
        return [urn for urn in urns if self._find("n:" + urn) is _UNKNOWN], [key for key in states if self._find("s:" + key) is _UNKNOWN]

    # -- the runner's side

    def fill(self, urns: Iterable[str], states: Iterable[str], nodes: Mapping[str, NodeRow], values: Mapping[str, Any]) -> None:
        """Take in an answer of the store; what it left out does not exist."""
        for urn in urns:
            row = nodes.get(urn)
            self._keep("n:" + urn, row if row is None else NodeRow(row.urn, row.kind, row.namespace, row.name, row.tenant, row.from_, dict(row.facts),
                                                                   dict(row.since)))
        for key in states:
            self._keep("s:" + key, values.get(key))

    def take(self, ops: Iterable[GraphOp]) -> None:
        """See what an entry changed."""
        for op in ops:
            match op:
                case UpsertNode():
                    parsed = parse_urn(op.urn)
                    self._keep("n:" + op.urn, NodeRow(op.urn, parsed.kind, parsed.namespace, parsed.name, op.tenant, op.from_, {}, {}))
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
                case PutState():
                    self._keep("s:" + op.key, op.value)
                case _:
                    pass

    def age(self) -> None:
        """Between batches: begin a new generation when this one is large."""
        if self._weight > GENERATION_WEIGHT:
            self._old, self._young, self._weight = self._young, {}, 0

    def forget(self) -> None:
        """Something else wrote the graph: nothing is known any more."""
        self._old, self._young, self._weight = {}, {}, 0

    def _find(self, key: str) -> Any:
        found = self._young.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            found = self._old.pop(key, _UNKNOWN)
            if found is not _UNKNOWN:
                self._keep(key, found)
        return found

    def _keep(self, key: str, value: Any) -> None:
        self._young[key] = value
        self._weight += 1
        if isinstance(value, NodeRow):
            self._weight += len(value.facts)
        elif isinstance(value, dict):
            self._weight += len(value.get("edges") or ())
