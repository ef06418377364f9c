"""Lineage as a diagram to paste: Mermaid for a page or pull request, DOT for Graphviz."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from metadata_service.cli.views.frame import Row, words
from metadata_service.cli.views.names import Names

__all__ = ["dot", "mermaid"]

MERMAID_SHAPES: Final = {"FEATURE_VERSION": ("([", "])"), "MODEL_VERSION": ("{{", "}}"), "CONSUMER": ("[/", "/]"), "COLUMN": ("[", "]"), "RUN": ("[[", "]]")}
DOT_SHAPES: Final = {"FEATURE_VERSION": "ellipse", "MODEL_VERSION": "hexagon", "CONSUMER": "parallelogram", "RUN": "component"}


def mermaid(answer: Row) -> str:
    """A flowchart, data flowing from left to right; dotted lines are what only decides rows."""
    lines, names = ["flowchart LR"], Names(answer["nodes"])
    for index, node in enumerate(answer["nodes"]):
        left, right = MERMAID_SHAPES.get(node["kind"], ("[(", ")]"))
        lines.append(f'  n{index}{left}"{_entities(_label(node, names))}"{right}')
    lines += [f"  n{up} {'-.->' if indirect else '-->'} n{down}" for up, down, indirect in _arrows(answer["edges"])]
    return "\n".join(lines)


def dot(answer: Row) -> str:
    """A digraph, data flowing from left to right; dashed lines are what only decides rows."""
    lines = ["digraph lineage {", "  rankdir=LR; node [shape=box];"]
    names = Names(answer["nodes"])
    for index, node in enumerate(answer["nodes"]):
        shape = f", shape={DOT_SHAPES[node['kind']]}" if node["kind"] in DOT_SHAPES else ""
        lines.append(f"  n{index} [label={_quoted(_label(node, names))}{shape}];")
    lines += [f"  n{up} -> n{down}{' [style=dashed]' if indirect else ''};" for up, down, indirect in _arrows(answer["edges"])]
    return "\n".join([*lines, "}"])


def _label(node: Row, names: Names) -> str:
    if node["restricted"]:
        return f"({words(node['kind'])} outside your grants)"
    hidden = node["hiddenUpstream"] + node["hiddenDownstream"]
    return names(node["urn"]) + (f" (+{hidden})" if hidden else "")


def _arrows(edges: Sequence[Row]) -> Iterable[tuple[int, int, bool]]:
    """(from, to, only indirect), each pair once."""
    direct: dict[tuple[int, int], bool] = {}
    for edge in edges:
        pair = edge["upstream"], edge["downstream"]
        direct[pair] = direct.get(pair, False) or edge["type"] != "INDIRECT"
    return [(up, down, not sure) for (up, down), sure in sorted(direct.items())]


def _entities(text: str) -> str:
    """Mermaid reads quotes, brackets and markup in labels unless they are entities."""
    return "".join(each if each.isalnum() or each in " ._-@/+," or ord(each) > 127 else f"#{ord(each)};" for each in text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
