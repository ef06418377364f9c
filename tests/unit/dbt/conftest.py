from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ingest_hooks.dbt.artifacts import Artifacts, load


class Recording:
    """Keeps events and artifacts instead of signing them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.artifacts: dict[str, bytes] = {}

    def emit(self, kind: str, data: Any) -> None:
        self.events.append((kind, data))

    def openlineage(self, event: Any) -> None:
        self.events.append(("openlineage", event))

    def artifact(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.artifacts[digest] = content
        return digest


def model(name: str, raw: str, compiled: str, *, macros: list[str] | None = None, nodes: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"unique_id": f"model.shop.{name}", "name": name, "alias": name, "resource_type": "model", "package_name": "shop",
            "database": "db", "schema": "main", "relation_name": f'"db"."main"."{name}"', "original_file_path": f"models/{name}.sql",
            "raw_code": raw, "compiled_code": compiled, "language": "sql",
            "config": {"materialized": "table"}, "depends_on": {"macros": macros or [], "nodes": nodes or []}, **more}


def macro(name: str, text: str, *, uses: list[str] | None = None, package: str = "shop") -> dict[str, Any]:
    return {"unique_id": f"macro.{package}.{name}", "name": name, "package_name": package, "macro_sql": text, "depends_on": {"macros": uses or []}}


def write(folder: Path, nodes: list[dict[str, Any]], *, macros: list[dict[str, Any]] | None = None, results: list[dict[str, Any]] | None = None,
          **more: Any) -> Artifacts:
    target = folder / "target"
    target.mkdir(exist_ok=True)
    by_kind = {"nodes": {}, "sources": {}, "exposures": {}, "groups": {}, **more}
    for node in nodes:
        by_kind["sources" if node["resource_type"] == "source" else "nodes"][node["unique_id"]] = node
    metadata = {"invocation_id": "6f0b2b86-8f4f-4a0a-9a53-6c8a2f8f0001", "project_name": "shop", "adapter_type": "duckdb",
                "generated_at": "2026-01-01T00:00:00Z"}
    manifest = {"metadata": {**metadata, "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
                "macros": {found["unique_id"]: found for found in macros or []}, **by_kind}
    done = {"metadata": {**metadata, "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "args": {"which": "run"},
            "results": results or []}
    (target / "manifest.json").write_text(json.dumps(manifest))
    (target / "run_results.json").write_text(json.dumps(done))
    return load(folder, target)


@pytest.fixture
def sink() -> Recording:
    return Recording()
