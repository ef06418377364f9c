"""Suspects: everything upstream of a value that changed in a window, the likeliest first, each with what it rests on.

The walk is that of `trace` at the end of the window. What changed how the value itself is computed, or what it is made of, stands
before what only decides its rows; a nearer change before a farther one of its kind.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lineproof_schema.urn import holder, kind_of
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.graph.port import RevisionRow
from metadata_service.queries.activity import versions
from metadata_service.queries.changes import code_changes
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.influence import Influence, value_path
from metadata_service.queries.lineage import hidden_jobs
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.mask import hidden
from metadata_service.queries.phrases import called, shortened
from metadata_service.queries.roots import asked_roots
from metadata_service.queries.shapes import Level
from metadata_service.queries.suspect_data import data_suspects, looked_at, missing_run
from metadata_service.queries.suspect_facts import of_aliases, of_facts, of_failed_runs
from metadata_service.queries.suspect_runs import run_suspects
from metadata_service.queries.suspect_shapes import OpaqueStep, Suspect, SuspectKind, Suspects
from metadata_service.queries.suspect_weights import OFF_THE_PATH, POSSIBLE, ROWS_ONLY, Path, plain, weighed
from metadata_service.queries.trace_shapes import CodeChange
from metadata_service.queries.trace_walk import Walked, walk

__all__ = ["suspects"]

HISTORY_LIMIT: Final = 20_000
MAX_DATASETS: Final = 500  # whose history is read
OF_CODE: Final = frozenset({SuspectKind.CODE, SuspectKind.CONFIG, SuspectKind.ENVIRONMENT})
OF_DATA: Final = frozenset({SuspectKind.VOLUME, SuspectKind.DISTRIBUTION})
_WORDS: Final = 100  # characters of a list in a sentence


async def suspects(context: QueryContext, urn: str, start: int) -> Suspects:
    """What changed upstream of `urn` in sizes (`start`, the context's].

    Raises:
        UrnError, InvalidArgument: `start` lies beyond the position.
    """
    if not 0 <= start <= context.size:
        raise InvalidArgument(f"from lies in 0..{context.size}, the end of the window; {start} does not")
    roots = await asked_roots(context, urn, Level.COLUMN)
    if not roots:
        return Suspects(await context.computed_at(), context.notes.completeness(), start, context.size, (), (), ())
    found = await walk(context, [root.urn for root in roots], None, pinned_only=True)
    masked = await hidden(context, {*found.distance, *map(holder, found.distance)}) | await hidden_jobs(context, [*found.edges, *found.constants])
    context.notes.restrict(len(masked & found.distance.keys()))
    value = value_path(found, [root.urn for root in roots])
    path = Path.of(found, value, [root.urn for root in roots])
    visible = [edge for edge in (*found.edges, *found.constants) if not {edge.downstream, edge.upstream, edge.via} & masked]
    changes = [change for change in await code_changes(context, visible, value, None) if start < change.size <= context.size and not change.first]
    rows = [row for change in changes for row in await _of_code(context, path, change)]
    holders = sorted({holder(each) for each in found.distance} - masked, key=lambda each: (path.distance(each), each))
    if len(holders) > MAX_DATASETS:
        context.notes.truncate(f"history of datasets (the nearest {MAX_DATASETS} of {len(holders)})")
    raw = set(holders) - {holder(edge.downstream) for edge in (*found.edges, *found.constants)} - found.cut
    histories = {each: _read(found, each, await context.graph.revisions(each, context.at)) for each in holders[:MAX_DATASETS]}
    known = await versions(context, {version for history in histories.values() for version in looked_at(history, start)})
    for each, history in histories.items():
        rows += of_facts(path, each, history, start)
        rows += [weighed(path, suspect) for suspect in await data_suspects(context, each, history, known, start, path.columns(each), raw=each in raw)]
        late = await missing_run(context, each, history, known, start) if not _held(found, each) else None
        rows += [weighed(path, late)] if late is not None else []
    told = {(holder(row.urn), row.job) for row in rows if row.kind in OF_CODE}
    measured = {(row.kind, row.urn) for row in rows if row.kind in OF_DATA}
    rows += [weighed(path, row, OFF_THE_PATH if less else 0)
             for row, less in await run_suspects(context, found, histories, known, start, told, raw, path.columns) if (row.kind, row.urn) not in measured]
    rows += await _of_pins(context, path, visible, start)
    rows += await of_aliases(context, path, found, urn, [each for each in holders if kind_of(each) in ("feature-version", "model-version")], start)
    rows += await of_failed_runs(context, path, {edge.via: holder(edge.downstream) for edge in visible if edge.via is not None}, start)
    opaque = {(holder(edge.downstream), edge.via, edge.transformation): None for edge in visible
              if edge.basis == "inputsOutputs" or edge.status in ("partial", "unknown")}
    return Suspects(await context.computed_at(), context.notes.completeness(), start, context.size,
                    tuple(RootEntity(root.urn, root.why) for root in roots if root.urn not in masked),
                    tuple(sorted(rows, key=lambda row: (-row.score, row.distance, row.urn, row.kind.value))), tuple(OpaqueStep(*each) for each in opaque))


def _held(found: Walked, dataset: str) -> bool:
    """Whether the walk stands at an older version of the dataset, which its reader named."""
    return found.sizes.get(dataset) is not None and dataset in found.version


def _read(found: Walked, dataset: str, history: Sequence[RevisionRow]) -> list[RevisionRow]:
    """The history of a dataset as far as what was read of it goes: of what its reader held back only checks of that very version came later."""
    size = found.sizes.get(dataset)
    if size is None or dataset not in found.version:
        return list(history)
    version = found.version[dataset]
    return [row for row in history if row.from_ <= size or (row.fact.startswith("quality:") and isinstance(row.value, Mapping)
                                                            and row.value.get("version") in (version.id, version.urn))]


async def _of_code(context: QueryContext, path: Path, change: CodeChange) -> list[Suspect]:
    """A new version of code: how it computes the columns on the path, else its configuration, its environment, or something else in it."""
    known = {"job": change.job, "commit": change.commit, "file": change.file, "line": change.line, "at": change.at}
    dataset = holder(change.columns[0].urn) if change.columns else str(change.job)
    versions = [urn for urn in (change.previous, change.transformation) if urn]
    pair = await context.graph.get(versions, context.at) if versions else {}
    before, after = (pair[urn].facts if urn in pair else {} for urn in (change.previous or "", change.transformation or ""))
    modules = _other_modules(before, after)
    if change.path_changed:
        column = change.columns[0]
        said = f"how {called(column.urn)} is computed changed" if column.before != column.after else f"what {called(column.urn)} is made of changed"
        possible = column.urn not in path.nearest and holder(column.urn) in path.nearest
        said += modules + ("; which of its columns are read is not known" if possible else "")
        suspect = weighed(path, plain(SuspectKind.CODE, column.urn, said, column.before, column.after, change.size, **known), POSSIBLE if possible else 0)
        rows_only = ROWS_ONLY if change.influence is Influence.ROWS and suspect.influence is Influence.VALUE else 0
        return [replace(suspect, influence=change.influence, score=max(suspect.score - rows_only, 0))]
    found = []
    for kind, facts, what in ((SuspectKind.CONFIG, ("config",), "configuration"), (SuspectKind.ENVIRONMENT, ("image", "lockfile"), "environment")):
        for fact in facts:
            if before.get(fact) != after.get(fact) and (before.get(fact) or after.get(fact)):
                said = f"the {what} of its code changed ({fact})"
                found.append(weighed(path, plain(kind, dataset, said, before.get(fact), after.get(fact), change.size, **known)))
    said = f"its code changed{modules}, and says the same of the columns on the path"
    return found or [weighed(path, plain(SuspectKind.CODE, dataset, said, None, None, change.size, **known), OFF_THE_PATH)]


def _other_modules(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The macros and modules that are others in a version of code than in the one before, and whether its own text is the same, in words."""
    old, new = (side.get("modules") or {} for side in (before, after))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not names or not before or not after:
        return ""
    own = ", not its own text" if before.get("rawCode") == after.get("rawCode") else ""
    return f" ({shortened(', '.join(names), _WORDS)} changed{own})"


async def _of_pins(context: QueryContext, path: Path, edges: Sequence[Edge], start: int) -> list[Suspect]:
    """Edges that pin another version of what they read than before."""
    pinned = {(edge.downstream, edge.upstream, edge.via): edge for edge in edges if edge.version is not None and edge.from_ > start}
    if not pinned:
        return []
    ended = await context.graph.edge_history(sorted({each[0] for each in pinned}), [DERIVED_FROM, COLUMN_DERIVED_FROM], start, context.size, HISTORY_LIMIT)
    if len(ended) == HISTORY_LIMIT:
        context.notes.truncate(f"history (the first {HISTORY_LIMIT} edges)")
    found = {}
    for edge in ended:
        now = pinned.get((edge.downstream, edge.upstream, edge.via))
        if now is not None and edge.to == now.from_ and edge.version not in (None, now.version):
            said = f"{called(holder(edge.downstream))} reads another version of {called(holder(edge.upstream))}: {edge.version} → {now.version}"
            suspect = plain(SuspectKind.INPUT_VERSION, holder(edge.upstream), said, edge.version, now.version, now.from_, job=edge.via)
            found[holder(edge.downstream), holder(edge.upstream)] = weighed(path, suspect)
    return list(found.values())
