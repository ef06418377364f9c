"""Between stored rows and the port's values, shared by both adapters."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import OPEN, Edge, EntryRecord, Link, canonical_json
from metadata_service.graph.port import Claim, NodeRow, RevisionRow

__all__ = ["EMPTY_DIGEST", "EMPTY_ROOT", "canonical", "claims_of", "edge_order", "entry_of", "entry_text", "folded", "kind_range", "newest", "node_of", 
           "oldest_first", "plain", "read", "revision_of", "said", "sort_name", "unplain"]

EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing: the root of the empty tree (RFC 6962 2.1)
EMPTY_DIGEST = "0" * 64

edge_order = attrgetter("key", "from_")


def kind_range(kind: str) -> tuple[str, str]:
    """All URNs of a kind lie between these two."""
    return f"urn:lineproof:{kind}:", f"urn:lineproof:{kind};"  # `;` comes after `:`


_ENTRY_FIELDS = tuple(EntryRecord.__slots__)
_entry_values = attrgetter(*_ENTRY_FIELDS)
_ESCAPE, _ESCAPED_ESCAPE, _ESCAPED_NUL = "\ue000", "\ue000\ue001", "\ue000\ue002"


def canonical(value: Any) -> str:
    """RFC 8785 text of a JSON value: equal values are stored as equal text, and a NUL in a string as an escape."""
    return (orjson.dumps(value) if type(value) is str else canonical_json(value)).decode()


def read(text: str) -> Any:
    """The value of stored JSON text."""
    return orjson.loads(text)


def plain(text: str) -> str:
    """`text` without NUL, which PostgreSQL refuses in text; injective, so that distinct names stay distinct."""
    return text.replace(_ESCAPE, _ESCAPED_ESCAPE).replace("\0", _ESCAPED_NUL) if _ESCAPE in text or "\0" in text else text


def unplain(text: str) -> str:
    """What `plain` was given."""
    return text.replace(_ESCAPED_NUL, "\0").replace(_ESCAPED_ESCAPE, _ESCAPE) if _ESCAPE in text else text


def sort_name(urn: str) -> str:
    """What search results are ordered by."""
    return plain(parse_urn(urn).name)


def folded(urn: str) -> str:
    """What search looks into: name and namespace, case folded."""
    parsed = parse_urn(urn)
    return plain(f"{parsed.name}\n{parsed.namespace or ''}".casefold())


def node_of(urn: str, tenant: str, from_: int, facts: Iterable[tuple[str, str, int]]) -> NodeRow:
    """A node from its row and its visible facts (fact, JSON text, since)."""
    parsed = parse_urn(urn)
    values: dict[str, Any] = {}
    since: dict[str, int] = {}
    for fact, text, start in sorted(facts):
        values[unplain(fact)] = read(text)
        since[unplain(fact)] = start
    return NodeRow(urn, parsed.kind, parsed.namespace, parsed.name, tenant, from_, values, since)


def claims_of(rows: Iterable[Sequence[Any]]) -> tuple[Claim, ...]:
    """Claims from rows (URN, via, basis, status, subtype), in the order of the port: by these."""
    return tuple(sorted({Claim(*row) for row in rows}, key=lambda claim: (claim.urn, claim.via or "", claim.basis, claim.status or "", claim.subtype or "")))


def revision_of(urn: str, fact: str, text: str, from_: int, to: int, at: int | None) -> RevisionRow:
    """A revision as it was seen at `at`: what ended later was still open."""
    return RevisionRow(urn, unplain(fact), read(text), from_, to if at is None or to <= at else OPEN)


def entry_text(entry: EntryRecord) -> str:
    """An entry record as JSON."""
    return canonical({name: value for name, value in zip(_ENTRY_FIELDS, _entry_values(entry), strict=True) if value is not None})


def entry_of(text: str) -> EntryRecord:
    """An entry record from its JSON."""
    values: Mapping[str, Any] = read(text)
    return EntryRecord(**values)


_SAID = tuple(name for name in Edge.__slots__ if name not in ("family", "downstream", "upstream", "from_", "to"))
_said_values = attrgetter(*_SAID)


def said(edge: Edge, key: str) -> dict[str, Any]:
    """An edge's key and those of its attributes that have a value; ends and interval left out."""
    return {"key": key, **{name: value for name, value in zip(_SAID, _said_values(edge), strict=True) if value is not None}}


def newest(links: Iterable[Link], limit: int) -> tuple[Link, ...]:
    """The newest `limit` links of each type, oldest first; of equally old ones those with the smaller URNs."""
    by_type: dict[str, list[Link]] = {}
    for link in links:
        by_type.setdefault(link.type, []).append(link)
    return oldest_first(link for group in by_type.values() for link in sorted(group, key=lambda link: (-link.from_, link.src, link.dst))[:limit])


def oldest_first(links: Iterable[Link]) -> tuple[Link, ...]:
    """Links in the order of the port."""
    return tuple(sorted(links, key=lambda link: (link.from_, link.type, link.src, link.dst)))
