"""Whose word stands when the events of one run, or the declarations of one entity, come in another order than they were said.

A subject's record says when each *shape* of event was last said: the facets it spoke of, by entity. Shapes are kept once per content
under `said:<sha256>`, so that a job that runs every minute keeps a few of them. An event that comes behind later ones is held to what these spoke of: a facet
that one of them said stands, whatever is told of it now; what none of them said is told now.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from lineproof_schema.openlineage import DatasetPart, OpenLineageEvent
from lineproof_schema.urn import UrnError
from metadata_service.projector.names import dataset_urn, job_urn
from metadata_service.projector.parts import made_of
from metadata_service.projector.view import Draft

__all__ = ["Words", "fact_of", "last_said", "listen", "said_key", "shape_digest", "shape_of"]

_A_RUN: Final = "urn:lineproof:run"
Order = tuple[int, int]  # claimed time (µs), then what of events of one moment comes later
# the fact in our words that a facet becomes, where the two have different names; the fact `storage` is of `dataSource`
_FACTS: Final = {"ownership": "owners", "documentation": "description", "dataSource": "storage", "storage": "facet:storage",
                 "lifecycleStateChange": "lifecycle"}


def fact_of(key: str) -> str:
    """The fact in our words that a facet becomes."""
    return _FACTS.get(key, key)


def said_key(digest: str) -> str:
    """State key of a shape: the places it speaks of."""
    return f"said:{digest}"


def _place(urn: str, key: str) -> str:
    return f"{urn}\n{key}"


def _places(urn: str, facets: Mapping[str, Any]) -> list[str]:
    return [_place(urn, key) for key, facet in facets.items() if isinstance(facet, dict)]


def shape_of(event: OpenLineageEvent) -> tuple[str, ...]:
    """The facets an event speaks of, each with its entity."""
    said: list[tuple[str, Mapping[str, Any]]] = []
    try:
        if event.run_id is not None:
            said.append((_A_RUN, event.run_facets))  # without the id: the shapes of a job's runs are alike
        if event.job is not None:
            said.append((job_urn(event.job.namespace, event.job.name), event.job.facets))
        parts: Iterable[DatasetPart] = (*event.inputs, *event.outputs, *((event.dataset,) if event.dataset is not None else ()))
        for part in parts:
            urn = dataset_urn(part.namespace, part.name)
            said.extend(((urn, part.facets), (urn, part.io_facets)))
    except UrnError:
        return ()  # the event is refused as a whole
    return tuple(sorted({place for urn, facets in said if facets for place in made_of(facets, urn, partial(_places, urn))}))


@lru_cache(4_096)
def shape_digest(shape: tuple[str, ...]) -> str:
    """32 hex digits."""
    return hashlib.sha256("\0".join(shape).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Words:
    """What of an event stands. `first` is the entry that first spoke of the subject."""

    behind: bool = False
    first: int = 0
    earlier: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()

    def stand(self, draft: Draft, urn: str, key: str) -> bool:
        """Whether what the event says of this facet of this entity is the last word on it, as far as the subject has spoken.

        What nobody of the subject's said yet stands unless somebody else has said it since the subject first spoke.
        """
        if not self.behind:
            return True
        place = _place(_A_RUN if urn.startswith(f"{_A_RUN}:") else urn, key)
        if place in self.later:
            return False
        if place in self.earlier:
            return True
        since = max(draft.since(urn, f"facet:{key}") or 0, draft.since(urn, fact_of(key)) or 0)
        return since - 1 < self.first

    def last(self, urn: str, key: str) -> bool:
        """Whether no later event of the subject spoke of this facet."""
        return not self.behind or _place(urn, key) not in self.later

    def standing(self, draft: Draft, urn: str, facets: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of the facets that stand."""
        return {key: facet for key, facet in facets.items() if self.stand(draft, urn, key)} if self.behind else facets


IN_ORDER: Final = Words()


def last_said(record: Mapping[str, Any] | None) -> int | None:
    """The latest claimed time (µs) at which the subject spoke; None if it never did."""
    return max((last[0] for last in (record or {}).get("said", {}).values()), default=None)


def listen(draft: Draft, record: Mapping[str, Any] | None, order: Order, event: OpenLineageEvent) -> tuple[Words, dict[str, Any]]:
    """What of the event stands, given the record of its subject, and the record with it."""
    shape = shape_of(event)
    digest = shape_digest(shape)
    known = dict(record or {})
    said: dict[str, list[int]] = dict(known.get("said") or {})
    if shape:
        draft.put(said_key(digest), list(shape))
    words = IN_ORDER
    if any(tuple(last) > order for last in said.values()):
        spoken = {name: draft.state(said_key(name)) or () for name in said}
        words = Words(True, int(known.get("first", draft.entry.index)),
                      frozenset(place for name, last in said.items() if tuple(last) <= order for place in spoken[name]),
                      frozenset(place for name, last in said.items() if tuple(last) > order for place in spoken[name]))
    said[digest] = list(max(tuple(said.get(digest, order)), order))
    return words, {"first": known.get("first", draft.entry.index), "said": said}
