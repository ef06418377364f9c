"""From the entity a user names to the nodes a walk starts at.

Walks know datasets, columns, feature versions, model versions and consumers. Everything else that is a version of, or belongs
to one of these stands for it, and the answer says so.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineproof_schema.urn import WALK_KINDS, Urn, format_urn, holder, kind_of, parse_urn
from metadata_service.graph.ops import Link
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import current_versions, last_runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import may_see
from metadata_service.queries.shapes import Level

__all__ = ["BESIDE_LIMIT", "Root", "asked_roots", "columns_of", "expand"]

COLUMN_LIMIT = 5_000  # columns of one dataset; the widest tables seen in practice have a few thousand
VERSION_LIMIT = 5_000
BESIDE_LIMIT = 1_000  # datasets that one activity stands for, deployments of one version


@dataclass(frozen=True, slots=True)
class Root:
    """A node a walk starts at, and why: `itself`, or what makes it stand for the asked entity."""

    urn: str
    why: str


async def asked_roots(context: QueryContext, urn: str, level: Level) -> tuple[Root, ...]:
    """What `expand` gives for the entity that a viewer asks about; of what the viewer may not see as little as of what does not exist.

    Raises:
        UrnError: `urn` is no URN.
    """
    roots = await expand(context, urn, level) if await may_see(context, urn) else ()
    if not roots:
        context.unknown(urn)
    return roots


async def expand(context: QueryContext, urn: str, level: Level) -> tuple[Root, ...]:
    """The walk nodes that `urn` stands for at the position; empty if it does not exist there.

    Raises:
        UrnError: `urn` is no URN.
    """
    parsed = parse_urn(urn)
    rows = await context.nodes([urn])
    if urn not in rows:
        return ()
    if level is Level.VERSION and parsed.kind == "job":
        return tuple(Root(run.urn, "last run of the job") for run in (await last_runs(context, [urn])).values())
    if parsed.kind in WALK_KINDS or (level is Level.VERSION and parsed.kind in ("dataset-version", "run")):
        found: Sequence[Root] = (Root(urn, "itself"),)
    elif parsed.kind in ("feature", "model"):
        found = await _live_versions(context, rows[urn])
    else:
        found = await _beside(context, parsed)
    return await _at_level(context, found, level)


async def _live_versions(context: QueryContext, parent: NodeRow) -> tuple[Root, ...]:
    """The live versions of a feature or model: aliased or deployed ones, else the newest."""
    why: dict[str, str] = {}
    for fact, value in sorted(parent.facts.items()):
        if fact.startswith("alias:") and isinstance(value, Mapping) and value.get("version") is not None:
            parsed = parse_urn(parent.urn)
            why.setdefault(format_urn(f"{parsed.kind}-version", *parsed.components, str(value["version"])), f"alias {fact[6:]}")
    links = await context.links([parent.urn], ["VERSION_OF"], VERSION_LIMIT, "versions")
    versions = [link for link in links[parent.urn].into] if parent.urn in links else []
    deployed = await _deployed(context, [link.src for link in versions])
    for urn, environment in deployed.items():
        why.setdefault(urn, f"deployed to {environment}")
    if not why and versions:
        newest = max(versions, key=lambda link: (link.from_, link.src))
        why[newest.src] = "newest version"
    return tuple(Root(urn, reason) for urn, reason in sorted(why.items()))


async def columns_of(context: QueryContext, datasets: Sequence[str]) -> dict[str, list[str]]:
    """The columns each dataset has at the position: those its schema names, or all that are known if it declares none."""
    rows = await context.graph.get(datasets, context.at)
    links = await context.links(list(rows), ["COLUMN_OF"], COLUMN_LIMIT, "columns of one dataset")
    found: dict[str, list[str]] = {}
    for urn, row in rows.items():
        columns = sorted(link.src for link in links[urn].into) if urn in links else []
        declared = row.facts.get("schema")
        if isinstance(declared, list) and declared:
            names = {field["name"] for field in declared if isinstance(field, Mapping) and "name" in field}
            columns = [column for column in columns if _top(column) in names or parse_urn(column).components[2] in names] or columns
        found[urn] = columns
    return found


def _top(column: str) -> str:
    """The name of the column that a field of a struct is in."""
    return parse_urn(column).components[2].partition(".")[0]


async def _at_level(context: QueryContext, found: Sequence[Root], level: Level) -> tuple[Root, ...]:
    if level is Level.VERSION:
        return await _versions(context, found)
    if level is Level.ASSET:
        merged: dict[str, str] = {}
        for root in found:
            parsed = parse_urn(root.urn)
            if parsed.kind == "column":
                merged.setdefault(str(parsed.parent), f"dataset of column {parsed.name}")
            else:
                merged[root.urn] = root.why
        return tuple(Root(urn, why) for urn, why in merged.items())
    datasets = [root.urn for root in found if kind_of(root.urn) == "dataset"]
    columns = await columns_of(context, datasets) if datasets else {}
    result: list[Root] = []
    for root in found:
        if columns.get(root.urn):
            result += [Root(column, "column of the dataset") for column in columns[root.urn]]
        else:
            result.append(root)
    return tuple(result)


async def _versions(context: QueryContext, found: Sequence[Root]) -> tuple[Root, ...]:
    """The current versions of datasets, in their place; a dataset without one stays itself."""
    datasets = {root.urn: holder(root.urn) for root in found if kind_of(root.urn) in ("dataset", "column")}
    current = await current_versions(context, datasets.values())
    result: dict[str, Root] = {}
    for root in found:
        dataset = datasets.get(root.urn)
        if dataset is None:
            result.setdefault(root.urn, root)
        elif dataset in current:
            why = "current version" if root.why == "itself" else f"current version of the dataset {root.why}"
            result.setdefault(current[dataset].urn, Root(current[dataset].urn, why))
        else:
            result.setdefault(dataset, Root(dataset, "no version of it is known"))
    return tuple(result.values())


async def _beside(context: QueryContext, parsed: Urn) -> tuple[Root, ...]:
    """Datasets (or versions) that an activity or a version stands for."""
    urn = str(parsed)
    if parsed.kind == "dataset-version":
        return (Root(str(parsed.parent), "dataset of the version"),)
    steps: dict[str, tuple[str, bool, str]] = {  # kind -> (link type, follow outwards, what to say)
        "job": ("WRITES", True, "written by the job"), "run": ("GENERATED", True, "written by the run"),
        "transformation": ("IMPLEMENTS", True, "written by the job of this code"), "commit": ("FROM_COMMIT", False, "written by code of this commit"),
        "deployment": ("DEPLOYS", True, "deployed"), "principal": ("OWNED_BY", False, "owned"), "image": ("RUNS_IN", False, "made in this image"),
        "repository": ("IN_REPOSITORY", False, "made by code of this repository"),
    }
    if parsed.kind not in steps:
        return ()
    link_type, outwards, why = steps[parsed.kind]
    links = (await context.links([urn], [link_type], BESIDE_LIMIT, why)).get(urn)
    if links is None:
        return ()
    ends = sorted({link.dst for link in links.out} if outwards else {link.src for link in links.into})
    result: dict[str, Root] = {}
    for end in ends:
        end_urn = parse_urn(end)
        for root in [Root(end, why)] if end_urn.kind in WALK_KINDS else [Root(r.urn, why) for r in await _beside(context, end_urn)]:
            result.setdefault(root.urn, root)
    return tuple(result.values())


async def _deployed(context: QueryContext, versions: Sequence[str]) -> dict[str, str]:
    """Version URN -> environment, for versions that a live deployment deploys or pins."""
    if not versions:
        return {}
    links = await context.links(versions, ["DEPLOYS", "PINS"], BESIDE_LIMIT, "deployments")
    by_deployment: dict[str, list[Link]] = {}
    for row in links.values():
        for link in row.into:
            by_deployment.setdefault(link.src, []).append(link)
    rows = await context.graph.get(sorted(by_deployment), context.at)
    return {link.dst: str(row.facts.get("environment", "?")) for urn, row in sorted(rows.items()) if row.facts.get("live") for link in by_deployment[urn]}
