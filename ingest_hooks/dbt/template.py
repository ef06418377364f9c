"""Where a model's compiled SQL comes from in its file: the model is rendered again with what dbt knew, and the rendering is traced.

Text that a macro makes is at the place of the call, and at the macro's own line as well, unless the marks that tell it would change the text. If the
rendering does not give dbt's own text to the letter (a macro asks the database), lines are aligned instead, and positions in lines that are not equal
are marked approximate. Ephemeral models that are spliced in stand in their own files.
"""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.macros import PathOf, macros_of
from ingest_hooks.dbt.relations import Columns, Relation, database_of, relation_of
from ingest_hooks.sql import SourceMap
from ingest_hooks.sql.templates.marks import Marks
from ingest_hooks.sql.templates.spliced import Piece, Spliced

__all__ = ["model_source_map"]

logger = logging.getLogger("ingest_hooks")


def model_source_map(artifacts: Artifacts, node: Node, variables: Mapping[str, Any], *, file: str, path: PathOf = str,
                     columns: Columns | None = None) -> SourceMap:
    """The map from the node's compiled code to its file. `path` says how files of the project are told; `columns` are those of the database's tables."""
    compiled = str(node.get("compiled_code") or "")
    world = _World(artifacts, variables, path, columns or {})
    return _with_ephemeral(world, node, compiled, file) or _of_file(world, node, compiled, file)


@dataclass(frozen=True, slots=True)
class _World:
    artifacts: Artifacts
    variables: Mapping[str, Any]
    path: PathOf
    columns: Columns


def _of_file(world: _World, node: Node, compiled: str, file: str) -> SourceMap:
    """The map of a text that one file made."""
    raw, origin = _file_text(world.artifacts, node)
    if origin is None:
        logger.info("dbt hook: no positions in %s: it does not hold the code that dbt ran", file)
        return SourceMap.nowhere(file, compiled)
    if "{%" not in raw and "{{" not in raw and "{#" not in raw:
        return SourceMap.aligned(raw, compiled, file=file, origin=origin)
    for marks in (Marks(), None):
        for incremental in (False, True):
            context = _context(world, node, incremental=incremental)
            context.update(macros_of(world.artifacts, node, context, marks, world.path))
            found = SourceMap.traced(raw, compiled, file=file, context=context, marks=marks, origin=origin)
            if found is not None:
                return found
    logger.info("dbt hook: positions in %s are approximate: rendering it outside dbt gives another text", file)
    return SourceMap.aligned(raw, compiled, file=file, origin=origin)


def _with_ephemeral(world: _World, node: Node, compiled: str, file: str) -> SourceMap | None:
    """The map of a text into which dbt put ephemeral models as CTEs, behind its `with` or behind one of its own; None if there are none."""
    ctes = [(world.artifacts.node(str(cte["id"])), str(cte["sql"])) for cte in node.get("extra_ctes") or () if cte.get("sql")]
    put_in = ", ".join(text for _, text in ctes)
    at = compiled.find(put_in) if ctes else -1
    if at < 0:
        return None
    behind = at + len(put_in)
    if compiled.startswith(", ", behind):
        start, stop = at, behind + 2
    elif compiled[:at].endswith("with") and compiled.startswith(" ", behind):
        start, stop = at - len("with"), behind + 1
    else:
        return None
    own = compiled[:start] + compiled[stop:]
    map_of_own = _of_file(world, node, own, file)
    pieces = [Piece(0, start, 0, map_of_own), Piece(stop, len(compiled), start, map_of_own)]
    for model, text in ctes:
        inside, end = text.find(_OPENS), text.rfind(_CLOSES)
        if model is not None and 0 <= inside < end:
            query = text[inside + len(_OPENS):end]
            first = at + inside + len(_OPENS)
            their_file = world.path(world.artifacts.path_of(model))
            pieces.append(Piece(first, first + len(query), 0, _of_file(world, model, query, their_file)))
        at += len(text) + len(", ")
    return Spliced(file, compiled, [piece for piece in pieces if piece.stop > piece.start])


_OPENS, _CLOSES = " as (\n", "\n)"  # how dbt writes such a CTE


def _file_text(artifacts: Artifacts, node: Node) -> tuple[str, tuple[int, int] | None]:
    """The template, and line and column of the file at which it begins; None where the file has another text.

    The whole file, because dbt strips leading lines from `raw_code`; a snapshot is a part of its file.
    """
    raw = str(node.get("raw_code") or "")
    file = artifacts.file_of(node)
    try:
        text = (artifacts.project_dir / file).read_text(encoding="utf-8") if file is not None else raw
    except (OSError, ValueError):
        return raw, (1, 1)
    if text.strip() == raw.strip():
        return text, (1, 1)
    at = text.find(raw.strip()) if raw.strip() else -1
    return raw.strip(), (text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)) if at >= 0 else None


def _context(world: _World, node: Node, *, incremental: bool) -> dict[str, Any]:
    artifacts, variables = world.artifacts, world.variables
    upstream = [found for name in (node.get("depends_on") or {}).get("nodes") or () if (found := artifacts.node(name)) is not None]

    def ref(*names: str, **versions: Any) -> Relation:
        wanted = versions.get("version", versions.get("v"))
        for found in upstream:
            if found["resource_type"] != "source" and found["name"] == names[-1] and (len(names) == 1 or found["package_name"] == names[0]) \
                    and (wanted is None or str(found.get("version")) == str(wanted)):
                return relation_of(found)
        raise LookupError(names[-1])

    def source(group: str, table: str) -> Relation:
        for found in upstream:
            if found["resource_type"] == "source" and (found["source_name"], found["name"]) == (group, table):
                return relation_of(found)
        raise LookupError(f"{group}.{table}")

    def var(name: str, default: Any = None) -> Any:
        return variables.get(name, default)

    def env_var(name: str, default: str = "") -> str:
        return os.environ.get(name, default)

    def nothing(*_: Any, **__: Any) -> str:
        return ""

    return {
        "ref": ref, "source": source, "var": var, "env_var": env_var, "config": _Config(node), "this": relation_of(node), "execute": True,
        "is_incremental": lambda: incremental, "model": node, "log": nothing, "print": nothing, "return": lambda value: value, "tojson": json.dumps,
        "fromjson": json.loads, "set": set, "zip": zip, "schema": node.get("schema"), "database": node.get("database"),
        "exceptions": SimpleNamespace(warn=nothing, raise_compiler_error=_refused),
        "target": SimpleNamespace(name=artifacts.arguments.get("target") or "dev", schema=node.get("schema"), database=node.get("database"),
                                  type=artifacts.adapter),
        "invocation_id": artifacts.invocation_id, "project_name": artifacts.project, "modules": _modules(), "adapter": database_of(world.columns),
    }


def _refused(message: str = "", *_: Any) -> str:
    raise ValueError(message)


class _Config:
    """`config(…)` prints nothing; `config.get` reads what dbt settled on."""

    def __init__(self, node: Node) -> None:
        self._values: Mapping[str, Any] = node.get("config") or {}

    def __call__(self, *_: Any, **__: Any) -> str:
        return ""

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    require = get


def _modules() -> SimpleNamespace:
    import datetime
    import itertools
    import re

    return SimpleNamespace(datetime=datetime, re=re, itertools=itertools)
