"""The nodes of a tree by kind, from one walk: each question to a tree costs a walk of its own, and there are many."""
from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

from sqlglot import exp

__all__ = ["Nodes"]

T = TypeVar("T", bound=exp.Expr)


class Nodes:
    """All nodes as they stand when this is made, in the order of a walk (a parent before its children)."""

    def __init__(self, tree: exp.Expr) -> None:
        self.all = list(tree.walk())
        self._by_kind: dict[type, list[exp.Expr]] = defaultdict(list)
        for node in self.all:
            self._by_kind[type(node)].append(node)

    def of(self, kind: type[T]) -> list[T]:
        """The nodes of a kind, or of one below it."""
        found = [nodes for each, nodes in self._by_kind.items() if issubclass(each, kind)]
        return [*found[0]] if len(found) == 1 else [node for nodes in found for node in nodes]

    def count(self, *kinds: type[exp.Expr]) -> int:
        """How many there are of these kinds."""
        return sum(len(nodes) for each, nodes in self._by_kind.items() if issubclass(each, kinds))
