"""What entities are called in one answer: as people say it, without what all of them share."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from lineproof_schema.urn import Urn, holder, kind_of, parse_urn

__all__ = ["Names", "columns_by_dataset", "label", "short_id"]

DIGEST_SHOWN: Final = 12  # characters of a digest or commit
LONG_ID: Final = 20  # a longer id is a digest or a UUID; people compare its beginning
_TABLES: Final = frozenset({"dataset", "column", "dataset-version"})


def label(urn: str | None) -> str:
    """An entity as people call it: `weather.wind_speed`, `delay@1`; a restricted one has no name."""
    return "(restricted)" if urn is None else _label(parse_urn(urn), "")


def short_id(text: str) -> str:
    """The beginning of a digest or of a run's id."""
    kind, _, rest = text.rpartition(":")
    if len(rest) <= LONG_ID:
        return text
    return f"{kind}:{rest[:DIGEST_SHOWN]}" if kind else rest[:DIGEST_SHOWN]


class Names:
    """Calls the entities of one answer. Where all datasets of a namespace are `database.schema.table` of one database, the database goes unsaid,
    unless that makes two datasets alike."""

    def __init__(self, answer: Any) -> None:
        tables: dict[str, set[str]] = defaultdict(set)
        for urn in _urns(answer):
            parsed = parse_urn(urn)
            tables[parsed.components[0]].add(parsed.components[1])
        self._prefix = {namespace: f"{databases.pop()}." for namespace, names in tables.items()
                        if all(name.count(".") == 2 for name in names) and len(databases := {name.partition(".")[0] for name in names}) == 1}
        said: dict[str, int] = defaultdict(int)
        for namespace, names in tables.items():
            for name in names:
                said[name.removeprefix(self._prefix.get(namespace, ""))] += 1
        for namespace, names in tables.items():
            if any(said[name.removeprefix(self._prefix.get(namespace, ""))] > 1 for name in names):
                self._prefix.pop(namespace, None)

    def __call__(self, urn: str | None) -> str:
        """The entity's name; a restricted one has none."""
        if urn is None:
            return "(restricted)"
        parsed = parse_urn(urn)
        return _label(parsed, self._prefix.get(parsed.components[0], ""))

    def list(self, urns: Iterable[str | None], most: int | None = None) -> str:
        """Several, each once; columns of one dataset together: `stg_weather (observed_at, origin)`."""
        said = [f"{self(of)} ({', '.join(columns)})" if len(columns) > 1 else f"{self(of)}.{columns[0]}" if columns else self(of)
                for of, columns in columns_by_dataset(urns).items()]
        return ", ".join(said[:most]) + (f" and {len(said) - most} more" if most is not None and len(said) > most else "")


def columns_by_dataset(urns: Iterable[str | None]) -> dict[str | None, list[str]]:
    """Entities in the order given, columns under their dataset; none twice."""
    found: dict[str | None, list[str]] = {}
    for urn in urns:
        columns = found.setdefault(None if urn is None else holder(urn), [])
        if urn is not None and urn != holder(urn) and parse_urn(urn).name not in columns:
            columns.append(parse_urn(urn).name)
    return found


def _label(parsed: Urn, prefix: str) -> str:
    parts = parsed.components
    match parsed.kind:
        case "column":
            return f"{parts[1].removeprefix(prefix)}.{parts[2]}"
        case "dataset":
            return parts[1].removeprefix(prefix)
        case "feature-version" | "model-version":
            return f"{parts[1]}@{parts[2]}"
        case "dataset-version":
            return f"{parts[1].removeprefix(prefix)}@{short_id(parts[2])}"
        case "transformation":
            return f"{parts[1]}@{parts[2][:DIGEST_SHOWN]}"
        case "commit":
            return f"{parts[0]}@{parts[1][:DIGEST_SHOWN]}"
        case _:
            return parsed.name


def _urns(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str) and kind_of(each) in _TABLES:
            yield each
