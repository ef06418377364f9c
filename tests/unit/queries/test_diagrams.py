"""Diagrams: every node and arrow once, and no name that breaks out of its label."""
from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_schema.urn import format_urn
from metadata_service.cli.views.diagram import dot, mermaid


def answer(*names: str, restricted: int = -1) -> dict[str, Any]:
    nodes = [{"urn": None if index == restricted else format_urn("dataset", "ns", name), "kind": "DATASET", "restricted": index == restricted,
              "hiddenUpstream": 0, "hiddenDownstream": index} for index, name in enumerate(names)]
    edges = [{"upstream": 0, "downstream": 1, "type": kind} for kind in ("INDIRECT", "DIRECT")] + [{"upstream": 0, "downstream": 2, "type": "INDIRECT"}]
    return {"nodes": nodes, "edges": edges}


def test_each_arrow_is_drawn_once_and_what_decides_rows_is_dotted() -> None:
    found = answer("a", "b", "c", restricted=2)
    assert mermaid(found).splitlines() == ["flowchart LR", '  n0[("a")]', '  n1[("b #40;+1#41;")]', '  n2[("#40;dataset outside your grants#41;")]',
                                           "  n0 --> n1", "  n0 -.-> n2"]
    assert dot(found).splitlines()[2:] == ['  n0 [label="a"];', '  n1 [label="b (+1)"];', '  n2 [label="(dataset outside your grants)"];', "  n0 -> n1;",
                                           "  n0 -> n2 [style=dashed];", "}"]


@pytest.mark.parametrize("draw", [mermaid, dot])
@given(name=st.text(min_size=1, max_size=30).filter(lambda text: text.strip() == text and "\x00" not in text and text.isprintable()))
def test_no_name_breaks_its_label(draw: Any, name: str) -> None:
    line = draw(answer(name, "b", "c")).splitlines()[1 if draw is mermaid else 2]
    label = re.fullmatch(r'  n0(?:\[\(| \[label=)"(.*)"(?:\)\]|\];)', line)
    assert label is not None
    assert re.fullmatch(r'(?:[^"\\]|\\["\\])*', label.group(1))
