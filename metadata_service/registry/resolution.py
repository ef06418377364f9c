"""What serving gets for its references: concrete feature versions, where they lie, for how long the answer holds, and why.

A stable binding answers from the pins its model version was registered with; what aliases do since is nothing to it. A flexible one
is resolved now, with the alias entry and a time to live. A deployment answers while it is live, and with what it pins.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import UrnError, format_urn, kind_of, parse_urn
from metadata_service.graph.port import GraphStore, NodeRow
from metadata_service.registry.errors import NoManifest, NotPinned, Retired, UnknownEntity
from metadata_service.registry.names import Head, alias_of, parse_name, registered, spell, version_urn
from metadata_service.registry.versions import Pins, Storage, pins_of, storage

__all__ = ["MAX_REFERENCES", "Bound", "Problem", "Resolution", "Resolved", "Subject", "live_in", "not_pinned", "not_registered", "read_deployment", "resolve",
           "subject_namespace"]

DEFAULT_TTL_SECONDS: Final = 60  # how long an alias may be taken to stand where it stood: a rollback reaches serving within a minute
MAX_REFERENCES: Final = 1_000
MAX_TRIES: Final = 100  # registrations of one model version that are looked through for a refused one
MODEL_EVENT: Final = "lineproof.model-version.v1"
Long = Annotated[int, "Long"]
Deployed = tuple[tuple[str | None, str], ...]  # namespace and environment of live deployments


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one reference has no answer: a stable code and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """One reference. `via` is pin, alias or version; `ttl_seconds` null means that it never changes."""

    reference: str
    urn: str | None = None
    feature: str | None = None
    version: str | None = None
    via: str | None = None
    alias: str | None = None
    alias_index: Long | None = None
    ttl_seconds: int | None = None
    why: str | None = None
    data_hash: str | None = None
    dtype: str | None = None
    column: str | None = None
    offline: Storage | None = None
    online: Storage | None = None
    classification: str | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The model version (and deployment) that references were resolved for. `manifest` is the digest of its pins."""

    model_version: str
    binding: str
    manifest: str | None
    manifest_index: Long | None
    deployment: str | None
    live_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer: one row per reference in the order asked; without references, one per reference of the binding."""

    subject: Subject | None
    rows: tuple[Resolution, ...]
    deployed: Deployed = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What a subject is bound to: pins by reference, or references to resolve now."""

    subject: Subject
    pins: tuple[tuple[str, str, str | None, int | None], ...]  # reference, feature version, alias, alias index
    flexible: tuple[str, ...]
    deployed: Deployed
    ttl: int | None  # of pinned rows: None if nothing can change
    flexible_ttl: int
    why: str


async def resolve(graph: GraphStore, at: int | None, references: Sequence[str], model: str | None = None) -> Resolved:
    """Resolve at a position.

    Args:
        references: `<ns>:<name>@<version|alias>`; with `model` also `<ns>:<name>`, or none at all for the whole binding.
        model: a model version (URN or `<ns>:<name>@<version|alias>`), or a deployment (URN).

    Raises:
        UnknownEntity, NoManifest, Retired: the model or deployment cannot answer at all.
        UrnError: `model` is no name. What is wrong with one reference stands in its row.
    """
    if model is None:
        return Resolved(None, await _now(graph, at, references, DEFAULT_TTL_SECONDS, None))
    bound = await _bound(graph, at, model)
    if bound.pins or not bound.flexible:
        pins = await _pinned(graph, at, bound)
        return Resolved(bound.subject, tuple(pins) if not references else tuple(_pick(each, pins) for each in references), bound.deployed)
    wanted = [(asked, _among(asked, bound.flexible)) for asked in references or bound.flexible]
    rows = await _now(graph, at, [reference for _, reference in wanted if reference is not None], bound.flexible_ttl, bound.why)
    answers = {row.reference: row for row in rows}
    return Resolved(bound.subject, tuple(
        replace(answers[reference], reference=asked) if reference is not None else _refused(asked, bound.flexible) for asked, reference in wanted),
        bound.deployed)


def read_deployment(text: str) -> str:
    """The URN of a deployment given as one or as `<ns>:<name>@<id>`. Raises UrnError."""
    if text.startswith("urn:"):
        if parse_urn(text).kind != "deployment":
            raise UrnError(f"{text[:200]!r} is no deployment")
        return text
    head = parse_name(text, "model")
    if head.namespace is None or head.selector is None:
        raise UrnError(f"not a deployment <namespace>:<name>@<id>: {text[:200]!r}")
    return format_urn("deployment", head.namespace, head.name, head.selector)


def subject_namespace(model: str) -> str | None:
    """The namespace of the model version or deployment that is asked for. Raises UrnError."""
    return parse_urn(read_deployment(model)).namespace if kind_of(model) == "deployment" else parse_name(model, "model").namespace


# -- what a model or deployment is bound to

async def _bound(graph: GraphStore, at: int | None, model: str) -> Bound:
    if kind_of(model) == "deployment":
        return await _bound_deployment(graph, at, read_deployment(model))
    head = parse_name(model, "model")
    if head.namespace is None or head.selector is None:
        raise UrnError(f"not a model version <namespace>:<name>@<version|alias>: {model[:200]!r}")
    exact = version_urn("model", head.namespace, head.name, head.selector)
    rows = await graph.get([exact, head.urn], at)
    row, alias = rows.get(exact), None
    if not registered(row):
        alias = alias_of(rows.get(head.urn), head.selector)
        if alias is None:
            raise await _unregistered(graph, at, exact)
        target = version_urn("model", head.namespace, head.name, str(alias["version"]))
        row = (await graph.get([target], at)).get(target)
    if row is None or not registered(row):
        raise await _unregistered(graph, at, row.urn if row is not None else exact)
    through = None if alias is None else f"model alias {head.selector} stands on {alias['version']} since entry {alias['index']}"
    return _bound_version(row, None, through, await _deployed(graph, at, row.urn), movable=alias is not None)


async def _bound_deployment(graph: GraphStore, at: int | None, urn: str) -> Bound:
    row = (await graph.get([urn], at)).get(urn)
    if row is None or row.facts.get("modelVersion") is None:
        raise UnknownEntity(f"there is no deployment {urn}", deployment=urn)
    if not row.facts.get("live") or row.facts.get("existence") == "dropped":
        raise Retired(f"deployment {urn} is not live since size {row.since.get('live', row.from_)}: it was retired or replaced", deployment=urn)
    target = str(row.facts["modelVersion"])
    model = (await graph.get([target], at)).get(target)
    environment = str(row.facts.get("environment"))
    deployed = ((parse_urn(urn).namespace, environment),)
    named = [(spell(feature), feature, None, None) for feature in row.facts.get("features") or ()]
    if model is None or not registered(model):
        if not named:
            raise await _unregistered(graph, at, target)
        subject = Subject(target, "unknown", None, None, urn, (environment,))
        return Bound(subject, tuple(named), (), deployed, DEFAULT_TTL_SECONDS, DEFAULT_TTL_SECONDS, f"deployment {urn} names it")
    bound = _bound_version(model, urn, f"deployed to {environment}", deployed, movable=True)
    if named and bound.subject.binding != "stable":
        return replace(bound, pins=tuple(named), why=f"deployment {urn} names it")
    return bound


def _bound_version(row: NodeRow, deployment: str | None, through: str | None, deployed: Deployed, *, movable: bool) -> Bound:
    references = tuple(map(str, row.facts.get("features") or ()))
    binding = str(row.facts.get("binding") or "stable")
    pins: Pins | None = pins_of(row)
    said = f"{through}; " if through is not None else ""
    own = row.facts.get("ttlSeconds")
    ttl = own if isinstance(own, int) else DEFAULT_TTL_SECONDS
    subject = Subject(row.urn, binding, pins.digest if pins else None, pins.index if pins else None, deployment, live_in(deployed))
    if binding != "stable":
        return Bound(subject, (), references, deployed, DEFAULT_TTL_SECONDS if movable else None, ttl, f"{said}flexible binding")
    rows = tuple((pin.reference, pin.urn, pin.alias, pin.alias_index) for pin in pins.features) if pins else ()
    why = f"{said}pinned by entry {pins.index}" if pins else f"{said}stable binding without features"
    return Bound(subject, rows, (), deployed, DEFAULT_TTL_SECONDS if movable else None, ttl, why)


async def _unregistered(graph: GraphStore, at: int | None, urn: str) -> LineproofError:
    """Why there is no such model version: its registration was refused for want of a manifest, or nobody ever spoke of it."""
    size = at if at is not None else (await graph.position()).size
    tries = await graph.touches([urn], 0, size, limit=MAX_TRIES, event_types=[MODEL_EVENT])
    refused = [each.entry for each in tries if each.entry.reason == NoManifest.code]
    if not refused:
        return UnknownEntity(f"there is no model version {spell(urn)}", model=urn)
    missing = list((refused[-1].detail or {}).get("missing") or ())
    return NoManifest(f"{spell(urn)} was not registered: entry {refused[-1].index} was rejected, since {', '.join(missing)} was no registered version; "
                      "register it, then the model version again", missing=missing, model=urn, index=refused[-1].index)


def live_in(deployed: Iterable[tuple[str | None, str]]) -> tuple[str, ...]:
    """The environments of these deployments."""
    return tuple(sorted({environment for _, environment in deployed}))


async def _deployed(graph: GraphStore, at: int | None, model_version: str) -> Deployed:
    links = (await graph.provenance([model_version], ["DEPLOYS"], at)).get(model_version)
    rows = await graph.get(sorted({link.src for link in links.into}), at) if links is not None and links.into else {}
    return tuple((row.namespace, str(row.facts.get("environment"))) for row in rows.values()
                 if row.facts.get("live") and row.facts.get("existence") != "dropped")


async def _pinned(graph: GraphStore, at: int | None, bound: Bound) -> list[Resolution]:
    rows = await graph.get(sorted({feature for _, feature, _, _ in bound.pins}), at)
    return [replace(_described(reference, rows.get(feature), feature), via="pin", alias=alias, alias_index=index, ttl_seconds=bound.ttl, why=bound.why)
            for reference, feature, alias, index in bound.pins]


def _pick(asked: str, pins: Sequence[Resolution]) -> Resolution:
    """The pinned row a reference means: as it was registered, the concrete version, or the feature if it is pinned once."""
    reference = _among(asked, [pin.reference for pin in pins])
    if reference is None:
        concrete = {spell(str(pin.urn)): pin for pin in pins if pin.urn is not None}
        found = concrete.get(asked)
        return replace(found, reference=asked) if found is not None else _refused(asked, [pin.reference for pin in pins])
    return replace(next(pin for pin in pins if pin.reference == reference), reference=asked)


def _among(asked: str, references: Iterable[str]) -> str | None:
    """The reference of a binding that is meant: the same text, or the only one of that feature if no version or alias is asked for."""
    known = list(references)
    if asked in known or "@" in asked:
        return asked if asked in known else None
    fitting = [reference for reference in known if reference.rpartition("@")[0] == asked]
    return fitting[0] if len(fitting) == 1 else None


def _refused(asked: str, pinned: Iterable[str]) -> Resolution:
    return Resolution(asked, problem=not_pinned(asked, f"; it is bound to {', '.join(list(pinned)[:20]) or 'nothing'}"))


def not_pinned(asked: str, more: str = "") -> Problem:
    """What is wrong with a reference that a model is not bound to."""
    return Problem(NotPinned.code, f"the model is not bound to {asked[:200]}{more}")


def not_registered(urn: str) -> Problem:
    """What is wrong with a reference that means nothing."""
    return Problem("not-found", f"{spell(urn)} is no registered version or alias")


# -- resolving now

async def _now(graph: GraphStore, at: int | None, references: Sequence[str], ttl: int, because: str | None) -> tuple[Resolution, ...]:
    heads: dict[str, Head | LineproofError] = {}
    for reference in references:
        try:
            heads[reference] = _complete(parse_name(reference, "feature"))
        except LineproofError as error:
            heads[reference] = error
    asked = {reference: head for reference, head in heads.items() if isinstance(head, Head)}
    exact = {reference: _version(head, str(head.selector)) for reference, head in asked.items()}
    rows = dict(await graph.get(sorted({*exact.values(), *(head.urn for head in asked.values())}), at)) if asked else {}
    aliases: dict[str, Mapping[str, Any]] = {}
    for reference, head in asked.items():
        if not registered(rows.get(exact[reference])):
            found = alias_of(rows.get(head.urn), str(head.selector))
            if found is not None:
                aliases[reference] = found
    targets = {reference: _version(asked[reference], str(alias["version"])) for reference, alias in aliases.items()}
    further = sorted(set(targets.values()) - rows.keys())
    rows.update(await graph.get(further, at) if further else {})
    prefix = f"{because}: " if because else ""
    return tuple(_answer(reference, heads[reference], exact.get(reference), aliases.get(reference), targets.get(reference), rows, ttl, prefix)
                 for reference in references)


def _answer(reference: str, head: Head | LineproofError, exact: str | None, alias: Mapping[str, Any] | None, target: str | None,
            rows: Mapping[str, NodeRow], ttl: int, prefix: str) -> Resolution:
    if isinstance(head, LineproofError):
        return Resolution(reference, problem=Problem(head.code, head.detail))
    if alias is not None and target is not None:
        described = _described(reference, rows.get(target), target)
        return replace(described, via="alias", alias=head.selector, alias_index=int(alias["index"]), ttl_seconds=ttl,
                       why=f"{prefix}alias {head.selector} stands on {alias['version']} since entry {alias['index']}")
    described = _described(reference, rows.get(str(exact)), str(exact))
    return replace(described, via="version", why=f"{prefix}a concrete version") if described.problem is None else described


def _described(reference: str, row: NodeRow | None, urn: str) -> Resolution:
    """The version's facts that serving needs."""
    if row is None or not registered(row):
        ended = row is not None and row.facts.get("existence") == "dropped"
        return Resolution(reference, problem=Problem("not-found", f"{spell(urn)} was ended") if ended else not_registered(urn))
    facts = row.facts
    definition = facts.get("definition")
    place = facts.get("column")
    column = format_urn("column", place["namespace"], place["name"], place["column"]) if isinstance(place, dict) else None
    level = facts.get("classification")
    return Resolution(reference, urn, str(parse_urn(urn).parent), parse_urn(urn).components[2], data_hash=str(facts["dataHash"]),
                      dtype=str(definition.get("dtype")) if isinstance(definition, dict) else None, column=column, offline=storage(facts.get("offline")),
                      online=storage(facts.get("online")), classification=level if isinstance(level, str) else None)


def _complete(head: Head) -> Head:
    if head.namespace is None or head.selector is None:
        raise UrnError(f"a reference is <namespace>:<name>@<version|alias>, not {head.name[:200]!r}")
    return head


def _version(head: Head, version: str) -> str:
    return version_urn("feature", str(head.namespace), head.name, version)
