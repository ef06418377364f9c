"""What the project declares: facts on datasets, consumers, and the results of its tests."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.naming import Names

__all__ = ["column_knowledge", "consumer", "dataset_facts", "lineproof_meta", "quality"]

_CONSUMERS = {"dashboard": "dashboard", "notebook": "notebook", "analysis": "report", "ml": "application", "application": "application"}
_KNOWLEDGE = re.compile(r"^(committed|column:.+|eventTime\+.+)$")


def lineproof_meta(node: Node) -> Mapping[str, Any]:
    """`meta.lineproof` of a node: event_time, knowledge, owners, classification, freshness, retention, purpose, storage_location."""
    found = _meta(node).get("lineproof")
    said: Mapping[str, Any] = found if isinstance(found, dict) else {}
    knowledge = said.get("knowledge")
    if knowledge is not None and not _KNOWLEDGE.match(str(knowledge)):
        return {key: value for key, value in said.items() if key != "knowledge"}
    return said


def column_knowledge(node: Node) -> dict[str, str]:
    """`meta.lineproof.knowledge` of single columns."""
    found: dict[str, str] = {}
    for name, column in (node.get("columns") or {}).items():
        meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
        said = meta.get("lineproof") if isinstance(meta, dict) else None
        knowledge = said.get("knowledge") if isinstance(said, dict) else None
        if isinstance(knowledge, str) and _KNOWLEDGE.match(knowledge):
            found[str(name)] = knowledge
    return found


def dataset_facts(artifacts: Artifacts, names: Names, node: Node, columns: Mapping[str, str] | None) -> dict[str, Any]:
    """`lineproof.dataset.v1` of a source or relation; `columns` are those of the database."""
    namespace, name = names.dataset(node)
    meta, said = _meta(node), lineproof_meta(node)
    facts: dict[str, Any] = {"namespace": namespace, "name": name, "owners": _owners(artifacts, node, meta, said) or None,
                             "description": node.get("description") or None, "tags": list(node.get("tags") or ()) or None,
                             "columns": _columns(node, columns) or None, "isSource": True if node["resource_type"] == "source" else None}
    for fact, key in (("classification", "classification"), ("storageLocation", "storage_location"), ("retention", "retention"), ("purpose", "purpose")):
        facts[fact] = said.get(key) or meta.get(key)
    freshness = said.get("freshness")
    if isinstance(freshness, dict):
        facts["freshness"] = {"tier": freshness.get("tier"), "maxAgeSeconds": freshness.get("max_age_seconds")}
    return {key: value for key, value in facts.items() if value is not None}


def consumer(artifacts: Artifacts, names: Names, exposure: Node) -> dict[str, Any]:
    """`lineproof.consumer.v1` of an exposure."""
    owner = exposure.get("owner") or {}
    emails = owner.get("email")
    owners = [str(found) for found in (emails if isinstance(emails, list) else [emails]) if found] or [str(owner["name"])] if owner.get("name") else []
    reads = [names.dataset(node) for node in artifacts.inputs(exposure)]
    facts = {"kind": _CONSUMERS.get(str(exposure.get("type")), "report"), "namespace": names.job_namespace, "name": exposure["name"], "owners": owners,
             "url": exposure.get("url"), "description": exposure.get("description") or exposure.get("label"),
             "datasets": [{"namespace": namespace, "name": name} for namespace, name in reads]}
    return {key: value for key, value in facts.items() if value}


def quality(artifacts: Artifacts, names: Names, test: Node, result: Node, version_of: Mapping[str, str]) -> dict[str, Any] | None:
    """`lineproof.quality.v1` of a test's result; None for a skipped test, or one on nothing we know.

    `version_of`: unique id of a relation -> id of its version after this run.
    """
    status = str(result.get("status"))
    subject = artifacts.node(str(test.get("attached_node"))) or next(iter(artifacts.inputs(test)), None)
    if subject is None or status not in ("pass", "fail", "warn", "error"):
        return None
    severity = str((test.get("config") or {}).get("severity") or "error").lower()
    finished = next((step.get("completed_at") for step in reversed(result.get("timing") or ()) if step.get("completed_at")), None)
    kind = test.get("test_metadata") or {}
    arguments = {key: value for key, value in (kind.get("kwargs") or {}).items() if key not in ("model", "column_name")}
    facts: dict[str, Any] = {"subject": names.dataset_urn(subject), "check": test["name"], "severity": "warn" if severity == "warn" else "error",
                             "success": status == "pass", "column": test.get("column_name"), "version": version_of.get(str(subject["unique_id"])),
                             "actual": {"failures": result.get("failures"), "status": status, "message": result.get("message")},
                             "expected": {"failures": (test.get("config") or {}).get("error_if"), "test": kind.get("name"), "arguments": arguments},
                             "runId": artifacts.invocation_id, "checkedAt": finished}
    return {key: value for key, value in facts.items() if value is not None}


def _meta(node: Node) -> Mapping[str, Any]:
    found = (node.get("config") or {}).get("meta") or node.get("meta") or {}
    said: Mapping[str, Any] = {**(node.get("source_meta") or {}), **found}
    return said


def _owners(artifacts: Artifacts, node: Node, meta: Mapping[str, Any], said: Mapping[str, Any]) -> list[dict[str, Any]]:
    owners: list[dict[str, Any]] = []
    for found in (said.get("owners"), said.get("owner"), meta.get("owners"), meta.get("owner")):
        for item in found if isinstance(found, list) else [found]:
            if isinstance(item, str) and item:
                owners.append({"name": item, "type": "OWNER"})
            elif isinstance(item, dict) and item.get("name"):
                owners.append({"name": str(item["name"]), "type": str(item.get("type") or "OWNER")})
    group = artifacts.manifest.get("groups", {}).get(f"group.{node['package_name']}.{node.get('group')}") if node.get("group") else None
    if group:
        emails = (group.get("owner") or {}).get("email") or (group.get("owner") or {}).get("name")
        owners += [{"name": str(email), "type": "OWNER"} for email in (emails if isinstance(emails, list) else [emails]) if email]
    return list({owner["name"]: owner for owner in owners}.values())


def _columns(node: Node, columns: Mapping[str, str] | None) -> list[dict[str, Any]]:
    declared = {str(name).lower(): column for name, column in (node.get("columns") or {}).items()}
    known = columns if columns is not None else {str(column["name"]): column.get("data_type") for column in declared.values()}
    found = []
    for name, kind in known.items():
        said = declared.get(name.lower()) or {}
        column = {"name": name, "type": kind or said.get("data_type"), "description": said.get("description") or None}
        found.append({key: value for key, value in column.items() if value is not None})
    return found
