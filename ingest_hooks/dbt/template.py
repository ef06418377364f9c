"""Where a model's compiled SQL comes from in its file: the model is rendered again with what dbt knew, and the rendering is traced.

Text that a macro makes is at the place of the call, and at the macro's own line as well, unless the marks that tell it would change the text. If the
rendering does not give dbt's own text to the letter (a macro asks the database, an ephemeral model is spliced in), lines are aligned instead and their
positions are marked approximate.
"""
from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.macros import PathOf, macros_of
from ingest_hooks.sql import SourceMap
from ingest_hooks.sql.marks import Marks

__all__ = ["model_source_map"]

logger = logging.getLogger("ingest_hooks")


def model_source_map(artifacts: Artifacts, node: Node, variables: Mapping[str, Any], *, file: str, path: PathOf = str) -> SourceMap:
    """The map from the node's compiled code to its file. `path` says how files of the project are told."""
    compiled = str(node.get("compiled_code") or "")
    raw = _file_text(artifacts, node)
    if "{%" not in raw and "{{" not in raw and "{#" not in raw:
        return SourceMap.aligned(raw, compiled, file=file)
    for marks in (Marks(), None):
        for incremental in (False, True):
            context = _context(artifacts, node, variables, incremental=incremental)
            context.update(macros_of(artifacts, node, context, marks, path))
            found = SourceMap.traced(raw, compiled, file=file, context=context, marks=marks)
            if found is not None:
                return found
    logger.info("dbt hook: positions in %s are approximate: rendering it outside dbt gives another text", file)
    return SourceMap.aligned(raw, compiled, file=file)


def _file_text(artifacts: Artifacts, node: Node) -> str:
    """The file as it stands on disk, because dbt strips leading lines from `raw_code`; unless the file has changed since."""
    raw = str(node.get("raw_code") or "")
    try:
        text = (artifacts.project_dir / str(node["original_file_path"])).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return raw
    return text if text.strip() == raw.strip() else raw


@dataclass(frozen=True, slots=True)
class _Relation:
    """What `this` and `ref` give a template: prints as dbt rendered it."""

    text: str
    database: str | None
    schema: str | None
    identifier: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        return self.identifier

    @property
    def table(self) -> str:
        return self.identifier


def _relation(node: Node) -> _Relation:
    name = str(node.get("identifier") or node.get("alias") or node["name"])
    return _Relation(str(node.get("relation_name") or f"__dbt__cte__{name}"), node.get("database"), node.get("schema"), name)


def _context(artifacts: Artifacts, node: Node, variables: Mapping[str, Any], *, incremental: bool) -> dict[str, Any]:
    upstream = [found for name in (node.get("depends_on") or {}).get("nodes") or () if (found := artifacts.node(name)) is not None]

    def ref(*names: str, **versions: Any) -> _Relation:
        wanted = versions.get("version", versions.get("v"))
        for found in upstream:
            if found["resource_type"] != "source" and found["name"] == names[-1] and (len(names) == 1 or found["package_name"] == names[0]) \
                    and (wanted is None or str(found.get("version")) == str(wanted)):
                return _relation(found)
        raise LookupError(names[-1])

    def source(group: str, table: str) -> _Relation:
        for found in upstream:
            if found["resource_type"] == "source" and (found["source_name"], found["name"]) == (group, table):
                return _relation(found)
        raise LookupError(f"{group}.{table}")

    def var(name: str, default: Any = None) -> Any:
        return variables.get(name, default)

    def env_var(name: str, default: str = "") -> str:
        return os.environ.get(name, default)

    def nothing(*_: Any, **__: Any) -> str:
        return ""

    return {
        "ref": ref, "source": source, "var": var, "env_var": env_var, "config": _Config(node), "this": _relation(node), "execute": True,
        "is_incremental": lambda: incremental, "model": node, "log": nothing, "print": nothing, "return": lambda value: value,
        "target": SimpleNamespace(name=artifacts.arguments.get("target") or "dev", schema=node.get("schema"), database=node.get("database"),
                                  type=artifacts.adapter),
        "invocation_id": artifacts.invocation_id, "project_name": artifacts.project, "modules": _modules(),
    }


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
