"""Lineage as a tree per root and direction."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from lineproof_schema.urn import parse_urn
from metadata_service.cli.views.frame import Row, foot, time, words
from metadata_service.cli.views.names import Names
from metadata_service.queries.deciding import deciding

__all__ = ["lineage_view", "values_only"]

KIND_STYLES = {"dataset": "cyan", "column": "green", "feature-version": "magenta", "model-version": "yellow", "consumer": "red",
               "dataset-version": "cyan", "run": "blue"}
STATUS_STYLES = {"FAIL": "red", "ABORT": "red"}
SURENESS = {"inputsOutputs": "columns unknown", "inferred": "version not named: it was current", "unknown": "version unknown"}


def lineage_view(answer: Row, direction: str, *, indirect: bool = False) -> Iterable[RenderableType]:
    """What was shown above is only named again. Without `indirect`, inputs that only decide rows are counted."""
    names, nodes, edges = Names(answer["nodes"]), answer["nodes"], answer["edges"]
    positions = {node["urn"]: index for index, node in enumerate(nodes) if node["urn"] is not None}
    decisive = {id(edge) for edge in edges} if indirect else _decisive(nodes, edges)
    for root in answer["roots"]:
        for way in ["UPSTREAM", "DOWNSTREAM"] if direction == "BOTH" else [direction]:
            branches = _Branches(names, nodes, edges, decisive, way)
            start = positions[root["urn"]]
            why = "" if root["why"] == "itself" else f" ({root['why']})"
            tree = Tree(Text.assemble(branches.node(start, kind=True), (why, "dim"), (f"  {way.lower()}", "dim")), guide_style="dim")
            branches.grow(tree, start)
            yield tree
    yield foot(answer, names)


def values_only(answer: Row) -> dict[str, Any]:
    """The answer without inputs that only decide rows, and without what is reached through them only: for diagrams, which nobody reads otherwise."""
    nodes, edges = answer["nodes"], answer["edges"]
    decisive = _decisive(nodes, edges)
    kept = [edge for edge in edges if id(edge) in decisive]
    beside: dict[int, set[int]] = defaultdict(set)
    for edge in kept:
        beside[edge["upstream"]].add(edge["downstream"])
        beside[edge["downstream"]].add(edge["upstream"])
    roots = {root["urn"] for root in answer["roots"]}
    waiting = [position for position, node in enumerate(nodes) if node["urn"] in roots]
    found = set(waiting)
    while waiting:
        new = beside[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    place = {position: number for number, position in enumerate(sorted(found))}
    return {**answer, "nodes": [nodes[position] for position in place],
            "edges": [{**edge, "upstream": place[edge["upstream"]], "downstream": place[edge["downstream"]]} for edge in kept if edge["upstream"] in place]}


def _decisive(nodes: Sequence[Row], edges: Sequence[Row]) -> set[int]:
    """The edges by which a value is made; of a node at the rim of the answer not all inputs are known."""
    made: dict[tuple[int, str | None], list[Row]] = defaultdict(list)
    for edge in edges:
        made[edge["downstream"], edge["transformation"]].append(edge)
    return {id(edge) for (node, _), inputs in made.items()
            for edge in deciding(inputs, lambda edge: (edge["type"], edge["subtype"]), complete=nodes[node]["hiddenUpstream"] == 0)}


class _Branches:
    def __init__(self, names: Names, nodes: Sequence[Row], edges: Sequence[Row], decisive: set[int], way: str) -> None:
        self._names, self._nodes, self._way = names, nodes, way
        near, far = ("downstream", "upstream") if way == "UPSTREAM" else ("upstream", "downstream")
        self._leaving: dict[int, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
        self._rows_only: dict[int, set[int]] = defaultdict(set)
        for edge in edges:
            if id(edge) in decisive:
                self._leaving[edge[near]][edge[far]].append(edge)
            else:
                self._rows_only[edge[near]].add(edge[far])

    def grow(self, tree: Tree, root: int) -> None:
        """Breadth first: an entity stands in full where it is nearest to the root."""
        seen, waiting = {root}, [(tree, root)]
        while waiting:
            branch, position = waiting.pop(0)
            for other, edges in sorted(self._leaving[position].items()):
                node = self.node(other, kind=self._nodes[other]["kind"] != self._nodes[root]["kind"])
                text = Text.assemble(node, self._how(edges, told=edges[0]["level"] == "VERSION" and self._nodes[other]["kind"] != "RUN"))
                if other in seen:
                    branch.add(Text.assemble(text, ("  (above)", "dim")))
                    continue
                seen.add(other)
                waiting.append((branch.add(text), other))
            rows = len(self._rows_only[position] - self._leaving[position].keys())
            if rows:
                said = f"+{rows} that {'decide' if rows > 1 else 'decides'} rows" if self._way == "UPSTREAM" else f"+{rows} whose rows it decides"
                branch.add(Text(f"{said}; --indirect shows {'them' if rows > 1 else 'it'}", style="dim"))
            hidden = self._nodes[position]["hiddenUpstream" if self._way == "UPSTREAM" else "hiddenDownstream"]
            if hidden:
                branch.add(Text(f"… {hidden} more, see --depth", style="dim"))

    def node(self, position: int, *, kind: bool) -> Text:
        """An entity; its `kind` goes unsaid where it is that of the root."""
        node = self._nodes[position]
        if node["restricted"]:
            return Text(f"({words(node['kind'])} outside your grants)", style="dim")
        known = parse_urn(node["urn"]).kind
        said = [node["status"].lower() if node.get("status") else None, time(node["time"]) if node.get("time") else None]
        text = Text.assemble((self._names(node["urn"]), f"bold {KIND_STYLES.get(known, '')}"), (f"  {words(known)}" if kind else "", "dim"))
        if any(said):
            text.append(f"  {' '.join(each for each in said if each)}", STATUS_STYLES.get(node.get("status") or "", "dim"))
        if node.get("owners"):
            text.append("  owner ", "dim").append(", ".join(node["owners"]), "italic")
        return text.append("  dropped", "red") if node.get("dropped") else text

    def _how(self, edges: Iterable[Row], *, told: bool) -> Text:
        """What the edges say, each thing once: expression and place, or the job unless it is `told` by what stands above; what kind of rows they decide."""
        said: dict[str, None] = {}
        for edge in sorted(edges, key=lambda edge: (edge["type"] == "INDIRECT", edge["line"] is None)):
            place = f"{edge['file']}:{edge['line']}" if edge["file"] and edge["line"] else None
            parts = [" ".join((edge["expression"] or "").split()), place or (f"by {self._names(edge['via'])}" if edge["via"] and not (said or told) else None),
                     f"({SURENESS[edge['basis']]})" if edge["basis"] in SURENESS else None, f"(ended at {edge['to']})" if edge["to"] is not None else None]
            said.setdefault("  ".join(part for part in parts if part))
        rows = dict.fromkeys(words(edge["subtype"] or "indirect") for edge in edges if edge["type"] == "INDIRECT")
        text = "; ".join(each for each in said if each) + (f" [{', '.join(rows)}]" if rows else "")
        return Text(f"  ← {text}" if text else "", style="dim")
