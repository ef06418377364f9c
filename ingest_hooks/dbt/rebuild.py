"""What it takes to build a dbt node again: the relations its references stand for, and the environment it was built in.

Its raw code, macros, configuration and variables are artifacts of its transformation already. Nothing here is larger than a few KB.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ingest_hooks import facets
from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.code import kept, project_vars, vars_named
from ingest_hooks.dbt.declared import lineproof_meta
from ingest_hooks.dbt.naming import Names
from ingest_hooks.dbt.profile import engine_settings
from ingest_hooks.dbt.sink import EventSink
from ingest_hooks.environment import Environment, duckdb_engine

__all__ = ["Repeatable", "rebuild_facet"]

_ENV_VAR = re.compile(r"""\benv_var\(\s*['"]([^'"]+)['"]""")
_LEVELS = ("bit", "row-set", "tolerance", "schema")


class Repeatable:
    """What all nodes of an invocation share."""

    def __init__(self, artifacts: Artifacts, environment: Environment) -> None:
        self.environment = environment
        self.engine: dict[str, Any] | None = None
        metadata = artifacts.run_results["metadata"]
        self.tools = {"dbt-core": str(metadata.get("dbt_version"))}
        if artifacts.manifest["metadata"].get("adapter_type") == "duckdb":
            self.engine = duckdb_engine()
            self.engine["settings"] |= engine_settings(artifacts)


def rebuild_facet(artifacts: Artifacts, names: Names, node: Node, variables: Mapping[str, Any], shared: Repeatable, sink: EventSink) -> dict[str, Any]:
    """Run facet `lineproof_rebuild` of a node."""
    macros = artifacts.macro_closure(node)
    upstream = _upstream(artifacts, names, node, sink)
    texts = [str(node.get("raw_code") or ""), *(str(macro["macro_sql"]) for macro in macros.values())]
    named = vars_named(*texts, *(text for item in upstream for text in item.pop("texts", ())))
    parameters = {name: variables[name] for name in sorted(named) if name in variables}
    promised = lineproof_meta(node).get("reproducible")
    level: Mapping[str, Any] = promised if isinstance(promised, dict) else {"level": promised}
    config = node.get("config") or {}
    contract = bool((config.get("contract") or {}).get("enforced"))
    said = {**_relation(names, node), "root": artifacts.project, "language": node.get("language") or "sql", "upstream": upstream,
            **({"columns": [{key: column[key] for key in ("name", "data_type") if column.get(key)} for column in (node.get("columns") or {}).values()]}
               if contract else {})}
    return facets.lineproof("RebuildFacet", kind="dbt", tools=shared.tools, engine=shared.engine, parameters=parameters, node=said,
                            environment=sorted({name for text in texts for name in _ENV_VAR.findall(text)}),
                            level=level.get("level") if level.get("level") in _LEVELS else "row-set", tolerance=level.get("tolerance"),
                            blockers=_blockers(artifacts, node, shared), **shared.environment.facts())


def _blockers(artifacts: Artifacts, node: Node, shared: Repeatable) -> list[dict[str, str]]:
    found = []
    config = node.get("config") or {}
    if shared.engine is None:
        found.append(("engine", "only DuckDB can be rebuilt: another warehouse's earlier state is not in our hands"))
    if node["resource_type"] == "snapshot":
        found.append(("earlier-state", "a snapshot continues its own earlier content"))
    full = bool(config.get("full_refresh") if config.get("full_refresh") is not None else artifacts.arguments.get("full_refresh"))
    if config.get("materialized") == "incremental" and not full:
        found.append(("earlier-state", "an incremental run continues the table's own earlier content; run it with --full-refresh"))
    if node.get("version") is not None:
        found.append(("versioned-model", "models with versions are not rebuilt"))
    return [{"code": code, "detail": detail} for code, detail in found]


def _relation(names: Names, node: Node) -> dict[str, Any]:
    """How a node is called in dbt, in the database and in the graph."""
    found = {"uniqueId": node["unique_id"], "resourceType": node["resource_type"], "package": node["package_name"], "name": node["name"],
             "sourceName": node.get("source_name"), "database": node.get("database"), "schema": node.get("schema"),
             "identifier": node.get("identifier") or node.get("alias") or node["name"], "dataset": list(names.dataset(node)),
             "materialized": (node.get("config") or {}).get("materialized")}
    return {key: value for key, value in found.items() if value is not None}


def _upstream(artifacts: Artifacts, names: Names, node: Node, sink: EventSink) -> list[dict[str, Any]]:
    """What the node names in `ref` and `source`; ephemeral models, whose code becomes part of it, with their code, and what those name."""
    found: dict[str, dict[str, Any]] = {}
    waiting = list((node.get("depends_on") or {}).get("nodes") or ())
    while waiting:
        unique_id = waiting.pop(0)
        upstream = artifacts.node(unique_id)
        if upstream is None or unique_id in found:
            continue
        found[unique_id] = _relation(names, upstream)
        if found[unique_id].get("materialized") == "ephemeral":
            macros = artifacts.macro_closure(upstream)
            raw = str(upstream.get("raw_code") or "")
            found[unique_id] |= {"code": kept(sink, raw.encode()),
                                 "modules": {name: kept(sink, str(macro["macro_sql"]).encode()) for name, macro in macros.items()},
                                 "texts": [raw, *(str(macro["macro_sql"]) for macro in macros.values())],
                                 "parameters": {name: value for name, value in project_vars(artifacts, str(upstream["package_name"])).items()
                                                if name in vars_named(raw)}}
            waiting.extend((upstream.get("depends_on") or {}).get("nodes") or ())
    return [found[name] for name in sorted(found)]
