"""Names of versioned things: `<ns>:<name>[@<version|alias>]`, components percent-encoded as in a URN, or the URN itself."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

from lineproof_schema.urn import UrnError, format_urn, parse_urn
from metadata_service.graph.port import NodeRow

__all__ = ["ALIAS_PREFIX", "Head", "Kind", "alias_of", "head_of", "parse_name", "registered", "spell", "version_urn"]

Kind = Literal["feature", "model"]
ALIAS_PREFIX: Final = "alias:"
_REGISTERED: Final = {"feature-version": "dataHash", "model-version": "artifact"}  # what only a registration says


@dataclass(frozen=True, slots=True)
class Head:
    """A feature or model, and the version or alias asked for; `namespace` is None for a bare name."""

    kind: Kind
    namespace: str | None
    name: str
    selector: str | None

    @property
    def urn(self) -> str:
        """The URN of the feature or model. Raises UrnError for a bare name."""
        if self.namespace is None:
            raise UrnError(f"{self.name!r} has no namespace")
        return format_urn(self.kind, self.namespace, self.name)


def parse_name(text: str, kind: Kind) -> Head:
    """Read a URN of `kind` or of a version of it, `<ns>:<name>[@<selector>]`, or a bare `<name>[@<selector>]`.

    Raises:
        UrnError: neither.
    """
    if text.startswith("urn:"):
        parsed = parse_urn(text)
        if parsed.kind == kind:
            return Head(kind, parsed.components[0], parsed.components[1], None)
        if parsed.kind == f"{kind}-version":
            return Head(kind, parsed.components[0], parsed.components[1], parsed.components[2])
        raise UrnError(f"{text[:200]!r} is a {parsed.kind}, not a {kind}")
    where, at, selector = text.rpartition("@")
    if not at:
        where, selector = text, ""
    namespace, colon, name = where.partition(":")
    if not colon:
        namespace, name = "", where
    if not name or ":" in name or (at and not selector) or (colon and not namespace):
        raise UrnError(f"not a name <namespace>:<name>[@<version|alias>], components percent-encoded: {text[:200]!r}")
    return Head(kind, _decoded(namespace) if colon else None, _decoded(name), _decoded(selector) if at else None)


def version_urn(kind: Kind, namespace: str, name: str, version: str) -> str:
    """The URN of one version."""
    return format_urn(f"{kind}-version", namespace, name, version)


def head_of(version: str) -> str:
    """The feature or model that a version belongs to."""
    return str(parse_urn(version).parent)


def spell(urn: str) -> str:
    """`<ns>:<name>[@<version>]` of a feature, model or one of their versions: the reference that means it."""
    namespace, name, *version = (quote(part, safe="") for part in parse_urn(urn).components)
    return f"{namespace}:{name}" + (f"@{version[0]}" if version else "")


def alias_of(row: NodeRow | None, alias: str) -> dict[str, object] | None:
    """Where an alias of this feature or model points: `{version, index, actor, reason, approval}`."""
    value = row.facts.get(ALIAS_PREFIX + alias) if row is not None else None
    return value if isinstance(value, dict) else None


def registered(row: NodeRow | None) -> bool:
    """Whether this node is a version that was registered and not ended; one that others only spoke of is a node, too."""
    return row is not None and row.facts.get(_REGISTERED.get(row.kind, "")) is not None and row.facts.get("existence") != "dropped"


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UrnError(f"{text[:80]!r} is not UTF-8") from error
