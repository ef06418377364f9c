"""A JSON Schema as a table: its properties are the columns, with types, and with all else that it says of their values."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from metadata_service.gate.schemas import Column

__all__ = ["JsonSchema"]

TYPED_FORMATS: Final = ("date", "date-time", "time", "duration", "uuid")  # of strings that are another type in all but name
MAX_TYPES: Final = 5_000  # spelled out per column; what is further within counts by its name, and by what is said of it
ANY_VALUE: Final = "any value"
_SAYS_NOTHING: Final = frozenset({"$schema", "$id", "id", "$anchor", "$comment", "$defs", "definitions", "title", "description", "default", "example",
                                  "examples", "deprecated", "readOnly", "writeOnly"})
_TOLD: Final = frozenset({"$ref", "type", "properties", "items", "allOf"})  # by the type, and by what is said of its parts


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A document, and what its references mean."""

    document: Mapping[str, Any]
    _spelled: list[None] = field(default_factory=list)  # one for each type spelled out for the column at hand

    def columns(self) -> dict[str, Column] | None:
        """The properties of its objects; None if it describes none. A property that is not required counts as nullable."""
        found = self._object(self.document, set())
        if found is None:
            return None
        properties, required = found
        columns: dict[str, Column] = {}
        for name, said in properties.items():
            self._spelled.clear()
            kinds = self._types(said, frozenset())
            columns[name] = Column("|".join(sorted(kinds - {"null"})) or None, name not in required or "null" in kinds,
                                   tuple(sorted(set(self._facts(said, "", set())))) or (ANY_VALUE,))
        return columns

    def _target(self, reference: str) -> Any:
        """What a reference within the document means; None if nothing."""
        target: Any = self.document if reference.startswith("#") else None
        for part in filter(None, reference.removeprefix("#").split("/")):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        return target

    def _object(self, said: Any, seen: set[str]) -> tuple[dict[str, Any], set[str]] | None:
        """The properties of an object and the names of those it always has, put together over references, `allOf`, and the items of a list."""
        if not isinstance(said, dict):
            return None
        kinds = said.get("type", "object")
        if "object" not in kinds and "array" not in kinds:
            return None
        reference = said.get("$ref")
        parts = [said["items"]] if "array" in kinds and "items" in said else list(said.get("allOf") or ())
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            parts.append(self._target(reference))
        found = [each for each in (self._object(part, seen) for part in parts) if each is not None]
        if isinstance(said.get("properties"), dict):
            found.append((said["properties"], set()))
        if not found:
            return None
        required = {name for _, names in found for name in names} | set(said.get("required") or ())
        return {name: each for properties, _ in found for name, each in properties.items()}, required

    def _types(self, said: Any, above: frozenset[str]) -> set[str]:
        """The alternatives of a type; of an object with its properties, of a list with its items."""
        if not isinstance(said, dict):
            return set()
        self._spelled.append(None)
        reference = said.get("$ref")
        if isinstance(reference, str):
            target = None if reference in above or len(self._spelled) > MAX_TYPES else self._target(reference)
            return self._types(target, above | {reference}) or {reference}
        options = said.get("anyOf") or said.get("oneOf")
        if isinstance(options, list):
            return {kind for each in options for kind in self._types(each, above)}
        listed = said.get("type")
        if listed is None and isinstance(said.get("allOf"), list):
            whole = self._object(said, set(above))
            return {self._struct(whole[0], above)} if whole is not None else {kind for each in said["allOf"] for kind in self._types(each, above)}
        return {self._type(str(kind), said, above) for kind in ([listed] if isinstance(listed, str) else listed or ())}

    def _type(self, kind: str, said: Mapping[str, Any], above: frozenset[str]) -> str:
        if kind == "object" and said.get("properties"):
            return self._struct(said["properties"], above)
        if kind == "array" and "items" in said:
            return f"ARRAY<{self._typed(said['items'], above)}>"
        return str(said["format"]) if kind == "string" and said.get("format") in TYPED_FORMATS else kind

    def _struct(self, properties: Mapping[str, Any], above: frozenset[str]) -> str:
        return f"STRUCT<{', '.join(f'{name} {self._typed(said, above)}' for name, said in sorted(properties.items()))}>"

    def _typed(self, said: Any, above: frozenset[str]) -> str:
        return "|".join(sorted(self._types(said, above))) or "any"

    def _facts(self, said: Any, within: str, seen: set[str]) -> Iterator[str]:
        """What a schema says of values beyond their type: lists of values, limits, patterns, also of all that is within; each reference is told once."""
        if not isinstance(said, dict):
            return
        for word, value in said.items():
            if word not in _SAYS_NOTHING and word not in _TOLD:
                yield f"{within}{word} {_bare(value)}"
                yield from self._referred(value, seen)
        reference = said.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            yield from self._facts(self._target(reference), within or f"{reference}: ", seen)
        for name, each in (said["properties"].items() if isinstance(said.get("properties"), dict) else ()):
            yield from self._facts(each, f"{within}{name}.", seen)
        for each in said.get("allOf") or ():
            yield from self._facts(each, within, seen)
        yield from self._facts(said.get("items"), f"{within}[].", seen)

    def _referred(self, said: Any, seen: set[str]) -> Iterator[str]:
        """What is referred to, as a whole."""
        if isinstance(said, dict):
            reference = said.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                target = self._target(reference)
                yield f"{reference}: {_bare(target)}"
                yield from self._referred(target, seen)
        for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
            yield from self._referred(each, seen)


def _bare(said: Any) -> str:
    """A schema without what only documents it, in one order."""
    return json.dumps(_stripped(said), sort_keys=True, ensure_ascii=False)


def _stripped(said: Any, names: bool = False) -> Any:
    if isinstance(said, dict):
        return {word: _stripped(each, word == "properties") for word, each in said.items() if names or word not in _SAYS_NOTHING}
    if isinstance(said, list):
        return sorted(map(_stripped, said), key=lambda each: json.dumps(each, sort_keys=True))
    return said
