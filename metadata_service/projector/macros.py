"""Which columns macros made, kept with the code: edges tell the place of the call, this the place in the macro."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metadata_service.projector.plain import LARGEST_EXACT, as_dict, as_text

__all__ = ["macro_places", "macros_fact"]


def macros_fact(output: str) -> str:
    """The fact of a transformation that says which columns of `output` macros made, and where in them."""
    return f"macros:{output}"


def macro_places(facet: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By column what its `macro` says in `lineproof_columns`; `call` is the place of the call, with which the edges of the column are told."""
    places = {}
    for name, fact in as_dict(facet.get("fields")).items():
        macro = as_dict(as_dict(fact).get("macro"))
        within = _number(macro.get("within"))
        if as_text(macro.get("name")) is not None and within is not None:
            said = {"name": macro["name"], "within": within, "file": as_text(macro.get("file")), "line": _number(macro.get("line")),
                    "column": _number(macro.get("column")), "call": [as_text(fact.get("file")), _number(fact.get("line")), _number(fact.get("column"))]}
            places[name] = {key: value for key, value in said.items() if value is not None}
    return places


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_EXACT else None
