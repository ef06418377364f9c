"""What differs between two versions of a feature, and what each difference does to those who read it.

`breaks`: whoever reads the feature notices (its keys, its type, a location that is gone). `breaks-readers`: whoever reads that column
notices. `adds`: something new stands beside what was there. `values`: the same shape, computed in another way.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from metadata_service.projector.plain import as_dict, as_list

__all__ = ["Difference", "Effect", "differences", "verdict"]

Effect = Literal["breaks", "breaks-readers", "adds", "values", "unknown"]
STORES: Final = ("offline", "online")
_SHAPE: Final = (("entities", "its keys"), ("dtype", "its type"), ("eventTimeColumn", "the column as-of joins name"))
_VALUES: Final = ("sql", "artifact", "sources", "knowledgeTimeColumn", "window", "ttlSeconds")


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` differs (a field of the definition, `offline`, `online`, or a column of one of these), from `before` to `after`."""

    what: str
    effect: Effect
    before: Any
    after: Any
    column: str | None = None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """From the facts of one feature version to those of another one."""
    was, now = as_dict(before.get("definition")), as_dict(after.get("definition"))
    found = [Difference(name, "breaks", was.get(name), now.get(name)) for name, _ in _SHAPE if was.get(name) != now.get(name)]
    found += [Difference(name, "values", was.get(name), now.get(name)) for name in _VALUES if was.get(name) != now.get(name)]
    for store in STORES:
        found += _stores(store, before.get(store), after.get(store))
    return tuple(found)


def verdict(found: tuple[Difference, ...], read: frozenset[str] | None) -> str:
    """`additive`, `breaking` or `unknown`; `read` are the columns that somebody is known or must be supposed to read, None = suppose all."""
    broken = any(each.effect == "breaks" or (each.effect == "breaks-readers" and (read is None or each.column in read)) for each in found)
    if broken:
        return "breaking"
    return "unknown" if any(each.effect == "unknown" for each in found) else "additive"


def _stores(store: str, before: Any, after: Any) -> list[Difference]:
    if before is None:
        return [] if after is None else [Difference(store, "adds", None, as_dict(after).get("uri"))]
    if after is None:
        return [Difference(store, "breaks", as_dict(before).get("uri"), None)]
    found = []
    if as_dict(before).get("uri") != as_dict(after).get("uri"):
        found.append(Difference(store, "values", as_dict(before).get("uri"), as_dict(after).get("uri")))
    was, now = _columns(before), _columns(after)
    if bool(was) != bool(now):
        return [*found, Difference(f"{store}.schema", "unknown", sorted(was) or None, sorted(now) or None)]
    for name in sorted(was.keys() | now.keys()):
        old, new = was.get(name), now.get(name)
        if old is None:
            found.append(Difference(f"{store}.schema", "adds", None, new, name))
        elif new is None or _type(old) != _type(new) or (old.get("nullable") is False and new.get("nullable") is not False):
            found.append(Difference(f"{store}.schema", "breaks-readers", old, new, name))
    return found


def _columns(store: Any) -> dict[str, dict[str, Any]]:
    return {str(column["name"]): column for column in as_list(as_dict(store).get("schema")) if isinstance(column, dict) and "name" in column}


def _type(column: Mapping[str, Any]) -> tuple[Any, Any]:
    return str(column.get("type") or "").strip().lower(), column.get("fields") or None
