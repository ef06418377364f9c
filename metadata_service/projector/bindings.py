"""How a model version is bound to feature versions: references resolved at the entry that registers it, and the pins of a stable binding.

Pins are the deployment manifest of concrete feature versions. They are written once, by the entry that registers the binding, and
nothing that comes later changes them. A stable binding that cannot be pinned is refused: half a manifest would be served as a whole one.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from lineproof_schema.urn import UrnError
from metadata_service.projector.features import REGISTERED, alias_fact, registered, resolve
from metadata_service.projector.names import feature_ref, of
from metadata_service.projector.plain import as_dict, as_list
from metadata_service.projector.view import Draft, Rejected

__all__ = ["PINS_DOMAIN", "Bound", "bind", "pin", "pinned_features"]

PINS_DOMAIN: Final = "lineproof/pins/v1"


@dataclass(frozen=True, slots=True)
class Bound:
    """A reference and the feature version it means; `alias_index` is the entry that put the alias there, None without one."""

    reference: str
    feature: str
    alias: str | None
    alias_index: int | None


def bind(draft: Draft, urn: str, references: Iterable[str], standing: Mapping[str, str], *, whole: bool) -> list[Bound]:
    """Resolve `references` at this entry; those in `standing` mean what they meant when they were resolved first.

    Raises:
        Rejected: `no-manifest` if `whole` is asked for and a reference is no registered version; the outcome names all of these.
    """
    found: dict[str, Bound] = {}
    missing: list[str] = []
    for reference in references:
        try:
            target, alias = resolve(draft, "feature", reference)
            namespace, name, selector = feature_ref(reference)
        except UrnError as error:
            missing.append(reference)
            draft.ignore(f"feature {reference[:200]}", urn, error.code)
            continue
        index = None
        if reference in standing:
            target, alias = standing[reference], selector
        elif alias is not None:
            index = as_dict(draft.fact(of("feature", namespace, name), alias_fact(alias))).get("index")
        draft.need(urns=[target])
        known = registered(draft, "feature", target)
        if not known:
            missing.append(reference)
            draft.ignore(f"feature {reference[:200]}", target, "unknown-version")
        found[reference] = Bound(reference, target, alias, index)
    if whole and missing:
        raise Rejected("no-manifest", "a stable binding pins registered feature versions, which "
                       f"{', '.join(each[:200] for each in missing[:5])} {'is' if len(missing) == 1 else 'are'} not", urn=urn, missing=missing)
    return list(found.values())


def pin(draft: Draft, urn: str, bound: Iterable[Bound]) -> None:
    """Write the pins."""
    rows = [{"reference": each.reference, "feature": each.feature, "alias": each.alias, "aliasIndex": each.alias_index,
             "dataHash": draft.fact(each.feature, REGISTERED["feature"])} for each in bound]
    digest = hashlib.sha256(PINS_DOMAIN.encode() + b"\0" + rfc8785.dumps({"model": urn, "features": rows})).hexdigest()
    draft.revise(urn, "pins", {"index": draft.entry.index, "digest": digest, "features": rows})


def pinned_features(pins: Any) -> list[str]:
    """The concrete versions a model version's `pins` name; empty without pins."""
    return list(dict.fromkeys(row["feature"] for row in as_list(as_dict(pins).get("features"))))
