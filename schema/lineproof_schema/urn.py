"""The URN grammar: `urn:lineproof:<kind>:<component>[:<component>…]`.

Every component is percent-encoded once (RFC 3986 unreserved characters kept, upper-case hex, UTF-8, no Unicode
normalisation), so a URN has exactly one spelling and can be compared as a string. Vectors: `vectors/urn.json`.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from lineproof_schema.errors import LineproofError

__all__ = ["KINDS", "NAMESPACED_KINDS", "WALK_KINDS", "Urn", "UrnError", "encode", "format_urn", "holder", "kind_of", "parse_urn"]

PREFIX = "urn:lineproof:"
_KIND: Final = len(PREFIX)  # where it begins
_COLUMN: Final = f"{PREFIX}column:"
REMEMBERED = 32_768  # parsed URNs kept: 40 MB at worst, since
REMEMBERED_LENGTH, REMEMBERED_COMPONENTS = 256, 8  # longer and deeper ones, which are rare, are parsed each time
MAX_URN_LENGTH = 8192  # characters; longer names are refused so that indexes stay usable
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986: encoded as themselves, which is most components there are

# kind -> (least, most) number of components; None = no upper bound (nested columns)
KINDS: dict[str, tuple[int, int | None]] = {
    "dataset": (2, 2),
    "column": (3, None),
    "dataset-version": (3, 3),
    "job": (2, 2),
    "run": (1, 1),
    "transformation": (3, 3),
    "commit": (2, 2),
    "repository": (1, 1),
    "image": (1, 1),
    "feature": (2, 2),
    "feature-version": (3, 3),
    "model": (2, 2),
    "model-version": (3, 3),
    "deployment": (3, 3),
    "consumer": (2, 2),
    "principal": (1, 1),
    "artifact": (1, 1),
}
NAMESPACED_KINDS = frozenset(kind for kind, (least, _) in KINDS.items() if least >= 2 and kind != "commit")
WALK_KINDS = frozenset({"dataset", "column", "feature-version", "model-version", "consumer"})


class UrnError(LineproofError):
    """The text is no URN of ours, or not in its canonical spelling."""

    code = "invalid-urn"


@dataclass(frozen=True, slots=True, order=True)
class Urn:
    """A parsed URN. `components` are decoded; `str(urn)` is the canonical spelling."""

    kind: str
    components: tuple[str, ...]

    def __str__(self) -> str:
        return PREFIX + self.kind + ":" + ":".join(encode(part) for part in self.components)

    @property
    def namespace(self) -> str | None:
        """The OpenLineage namespace, or None for kinds without one (run, commit, repository, image, artifact, principal)."""
        return self.components[0] if self.kind in NAMESPACED_KINDS else None

    @property
    def name(self) -> str:
        """The name as people know it: dataset name, column path, run id, `sha` of a commit."""
        if self.kind == "column":
            return ".".join(self.components[2:])
        return self.components[1] if len(self.components) > 1 else self.components[0]

    @property
    def parent(self) -> Urn | None:
        """The entity this one is a part or version of: a column's dataset, a feature version's feature; else None."""
        target = {"column": "dataset", "dataset-version": "dataset", "feature-version": "feature", "model-version": "model",
                  "transformation": "job"}.get(self.kind)
        return Urn(target, self.components[:2]) if target else None


def encode(component: str) -> str:
    """Percent-encode one component."""
    if _UNRESERVED.fullmatch(component):
        return component
    try:
        return quote(component, safe="", encoding="utf-8", errors="strict")
    except UnicodeEncodeError as error:
        raise UrnError(f"component is not valid Unicode: {error}") from error


def format_urn(kind: str, *components: str) -> str:
    """The canonical URN of `kind` with these (decoded) components.

    Raises:
        UrnError: unknown kind, wrong number of components, an empty component or one that cannot be encoded.
    """
    _check(kind, components)
    text = PREFIX + kind + ":" + ":".join(encode(part) for part in components)
    if len(text) > MAX_URN_LENGTH:
        raise UrnError(f"URN of {len(text)} characters, at most {MAX_URN_LENGTH}")
    _REMEMBERED.keep(text, Urn(kind, components))  # who makes a name asks for its parts next
    return text


def _parsed(text: str) -> Urn:
    if not text.startswith(PREFIX):
        raise UrnError(f"does not start with {PREFIX!r}: {text[:80]!r}")
    if len(text) > MAX_URN_LENGTH:
        raise UrnError(f"URN of {len(text)} characters, at most {MAX_URN_LENGTH}")
    kind, _, rest = text[len(PREFIX):].partition(":")
    parts: list[str] = []
    for encoded in rest.split(":"):
        if _UNRESERVED.fullmatch(encoded):
            parts.append(encoded)
            continue
        try:
            part = unquote_to_bytes(encoded).decode("utf-8")
        except UnicodeError as error:  # bytes that are no UTF-8, or half a surrogate pair, which JSON can spell
            raise UrnError(f"component {encoded!r} is not UTF-8") from error
        if encode(part) != encoded:
            raise UrnError(f"component {encoded!r} is not in its canonical spelling {encode(part)!r}")
        parts.append(part)
    _check(kind, tuple(parts))
    return Urn(kind, tuple(parts))


def _check(kind: str, components: tuple[str, ...]) -> None:
    bounds = KINDS.get(kind)
    if bounds is None:
        raise UrnError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    least, most = bounds
    if len(components) < least or (most is not None and len(components) > most):
        raise UrnError(f"{kind} takes {least}{'' if most == least else '+'} components, got {len(components)}")
    if any(not part for part in components):
        raise UrnError(f"{kind} has an empty component")


def kind_of(text: str) -> str | None:
    """The kind that a URN of ours names, the rest unchecked; None if the text is no URN of ours."""
    end = text.find(":", _KIND)
    return text[_KIND:end] if end >= 0 and text.startswith(PREFIX) else None


def holder(urn: str) -> str:
    """The dataset of a column; else the entity itself."""
    if not urn.startswith(_COLUMN):
        return urn
    namespace, name = urn[len(_COLUMN):].split(":", 2)[:2]  # a colon inside a component is escaped
    return f"{PREFIX}dataset:{namespace}:{name}"


class _Remembered(dict[str, Urn]):
    """What was parsed: a projector or a walk meets the same few thousand entities again and again. A dictionary, since a function around a cache costs
    more than finding what is in it; when it is full it begins anew."""

    def __missing__(self, text: str) -> Urn:
        urn = _parsed(text)
        self.keep(text, urn)
        return urn

    def keep(self, text: str, urn: Urn) -> None:
        """`text` is the canonical spelling of `urn`."""
        if len(text) <= REMEMBERED_LENGTH and len(urn.components) <= REMEMBERED_COMPONENTS:
            if len(self) >= REMEMBERED:
                self.clear()
            self[text] = urn


_REMEMBERED: Final = _Remembered()
parse_urn: Final[Callable[[str], Urn]] = _REMEMBERED.__getitem__
"""Parse a URN; only the canonical spelling is accepted.

Raises:
    UrnError: with what was wrong and where.
"""
