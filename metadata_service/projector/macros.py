"""Which columns macros made, kept with the code: edges tell the place of the call, this the place in the macro."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metadata_service.projector.plain import as_dict, as_place, as_text

__all__ = ["macro_places", "macros_fact"]


def macros_fact(output: str) -> str:
    """The fact of a transformation that says which columns of `output` macros made, and where in them."""
    return f"macros:{output}"


def macro_places(facet: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By column what its `macro` says in `lineproof_columns`; `call` is the place of the call, with which the edges of the column are told."""
    places = {}
    for name, fact in as_dict(facet.get("fields")).items():
        macro = as_dict(as_dict(fact).get("macro"))
        within = as_place(macro.get("within"))
        if as_text(macro.get("name")) is not None and within is not None:
            said = {"name": macro["name"], "within": within, "file": as_text(macro.get("file")), "line": as_place(macro.get("line")),
                    "column": as_place(macro.get("column")), "call": [as_text(fact.get("file")), as_place(fact.get("line")), as_place(fact.get("column"))]}
            places[name] = {key: value for key, value in said.items() if value is not None}
    return places

