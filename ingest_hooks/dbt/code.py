"""The version of a node's code: raw code, the macros it uses, its configuration and the variables it names."""
from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from ingest_hooks.dbt.artifacts import Artifacts, Node
from ingest_hooks.dbt.profile import read_yaml
from ingest_hooks.dbt.sink import EventSink
from ingest_hooks.transformation import transformation_version

__all__ = ["NodeCode", "describe", "kept", "project_vars", "vars_named"]

logger = logging.getLogger("ingest_hooks")

# words about the model, or about dbt, that do not change what is computed
_NOT_CODE = frozenset({"meta", "docs", "tags", "group", "access", "persist_docs", "grants", "enabled", "static_analysis", "freshness", "description",
                       "packages"})
_VAR = re.compile(r"""\bvar\(\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True, slots=True)
class NodeCode:
    """Digests (SHA-256, hex) of what a node runs."""

    version: str
    language: str
    raw: str
    modules: Mapping[str, str]
    config: str
    line: int | None = None  # of the file, at which the raw code begins; None: the first, or nobody knows


def describe(artifacts: Artifacts, node: Node, variables: Mapping[str, Any], sink: EventSink) -> NodeCode:
    """The node's code, kept as artifacts."""
    macros = artifacts.macro_closure(node)
    raw = _raw(artifacts, node)
    named = vars_named(raw.decode("utf-8", "replace"), *(str(macro["macro_sql"]) for macro in macros.values()))
    config = {key: value for key, value in (node.get("config") or {}).items() if key not in _NOT_CODE and value not in (None, {}, [], False)}
    said = rfc8785.dumps({"config": config, "vars": {name: variables[name] for name in sorted(named) if name in variables}})
    modules = {unique_id: kept(sink, str(macro["macro_sql"]).encode()) for unique_id, macro in macros.items()}
    digest, settings = kept(sink, raw), kept(sink, said)
    language = "csv" if node["resource_type"] == "seed" else str(node.get("language") or "sql")
    return NodeCode(transformation_version(digest, modules, settings), language, digest, modules, settings, _first_line(artifacts, node, raw))


def _first_line(artifacts: Artifacts, node: Node, raw: bytes) -> int | None:
    """Where raw code begins in its file: dbt strips what is blank before it, and a snapshot is a part of a file."""
    try:
        text = (artifacts.project_dir / artifacts.path_of(node)).read_bytes()
    except OSError:
        return None
    at = text.find(raw)
    return text.count(b"\n", 0, at) + 1 if at > 0 and b"\n" in text[:at] else None


def vars_named(*texts: str) -> set[str]:
    """The variables that templates ask for by name."""
    return {name for text in texts for name in _VAR.findall(text)}


def project_vars(artifacts: Artifacts, package: str) -> dict[str, Any]:
    """The variables a package's code sees: dbt_project.yml (global, then the package's own), then --vars."""
    declared = read_yaml(artifacts.project_dir / "dbt_project.yml").get("vars") or {}
    given = artifacts.arguments.get("vars") or {}
    own = declared.get(package)
    return {**{name: value for name, value in declared.items() if not isinstance(value, dict)}, **(own if isinstance(own, dict) else {}),
            **(given if isinstance(given, dict) else {})}


def _raw(artifacts: Artifacts, node: Node) -> bytes:
    if node["resource_type"] != "seed":
        return str(node.get("raw_code") or "").encode()
    try:
        return (artifacts.project_dir / artifacts.path_of(node)).read_bytes()
    except OSError as error:
        logger.warning("dbt hook: seed %s cannot be read: %s", node["original_file_path"], error)
        return str((node.get("checksum") or {}).get("checksum") or "").encode()


def kept(sink: EventSink, content: bytes) -> str:
    """Keep bytes as an artifact; their SHA-256, also if they could not be kept."""
    return sink.artifact(content) or hashlib.sha256(content).hexdigest()
