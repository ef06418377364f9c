"""dbt's artifacts: manifest.json (schema v12) and run_results.json (v6), as far as lineage needs them.

Read instead of dbt's Python API, because the files stay the same across dbt's engines.
"""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_hooks.dbt.errors import ArtifactError

__all__ = ["Artifacts", "Node", "load"]

Node = Mapping[str, Any]
MANIFEST_VERSION, RUN_RESULTS_VERSION = "v12", "v6"
PACKAGES = "dbt_packages"  # where `dbt deps` puts them, unless dbt_project.yml says otherwise


@dataclass(frozen=True, slots=True)
class Artifacts:
    """One dbt invocation. Nodes are dbt's own dictionaries, by unique id. `packages` is the folder of packages in the project."""

    project_dir: Path
    manifest: Mapping[str, Any]
    run_results: Mapping[str, Any]
    packages: str = PACKAGES

    @property
    def invocation_id(self) -> str:
        return str(self.run_results["metadata"]["invocation_id"])

    @property
    def project(self) -> str:
        return str(self.manifest["metadata"]["project_name"])

    @property
    def adapter(self) -> str:
        """The adapter's type: `duckdb`, …"""
        return str(self.manifest["metadata"].get("adapter_type") or "duckdb")

    @property
    def command(self) -> str:
        return str(self.arguments.get("which") or "run")

    @property
    def arguments(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.run_results.get("args") or {}
        return found

    @property
    def results(self) -> list[Node]:
        return list(self.run_results["results"])

    def node(self, unique_id: str) -> Node | None:
        """A model, seed, snapshot, test or source."""
        found: Node | None = self.manifest["nodes"].get(unique_id) or self.manifest["sources"].get(unique_id)
        return found

    def macro(self, unique_id: str) -> Node | None:
        found: Node | None = self.manifest["macros"].get(unique_id)
        return found

    def macro_closure(self, node: Node) -> dict[str, Node]:
        """Every macro the node uses, directly or through other macros, by unique id."""
        found: dict[str, Node] = {}
        waiting = list((node.get("depends_on") or {}).get("macros") or ())
        while waiting:
            unique_id = waiting.pop()
            macro = self.macro(unique_id)
            if macro is not None and unique_id not in found:
                found[unique_id] = macro
                waiting.extend((macro.get("depends_on") or {}).get("macros") or ())
        return dict(sorted(found.items()))

    def file_of(self, node: Node) -> str | None:
        """The file of a node or macro, as its path in the project; None for what lies in the installation of dbt and its adapter."""
        file, package = node.get("original_file_path"), str(node.get("package_name"))
        if not isinstance(file, str) or package == "dbt" or (package.startswith("dbt_") and not (self.project_dir / self.packages / package).exists()):
            return None
        return file if package == self.project else f"{self.packages}/{package}/{file}"

    def path_of(self, node: Node) -> str:
        """The same, or the path that dbt gives."""
        return self.file_of(node) or str(node["original_file_path"])

    def macro_place(self, macro: Node) -> tuple[str | None, int | None, int]:
        """A macro's file, the line its text begins at, and how many characters stand before it there.

        None where the file is not there or has another text.
        """
        file = self.file_of(macro)
        if file is None:
            return None, None, 0
        try:
            text = (self.project_dir / file).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None, None, 0
        at = text.find(str(macro["macro_sql"]).strip())
        return (file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at) - 1) if at >= 0 else (file, None, 0)

    def inputs(self, node: Node) -> list[Node]:
        """The relations a node reads: ephemeral models are replaced by what they read."""
        found: dict[str, Node] = {}
        waiting = list((node.get("depends_on") or {}).get("nodes") or ())
        seen: set[str] = set()
        while waiting:
            unique_id = waiting.pop(0)
            upstream = self.node(unique_id)
            if upstream is None or unique_id in seen:
                continue
            seen.add(unique_id)
            if (upstream.get("config") or {}).get("materialized") == "ephemeral":
                waiting.extend((upstream.get("depends_on") or {}).get("nodes") or ())
            else:
                found[unique_id] = upstream
        return list(found.values())

    def relations(self) -> Iterator[Node]:
        """Models, seeds, snapshots and sources that are tables or views."""
        for node in (*self.manifest["nodes"].values(), *self.manifest["sources"].values()):
            if node["resource_type"] in ("model", "seed", "snapshot", "source") and node.get("relation_name"):
                yield node

    def exposures(self) -> list[Node]:
        return list(self.manifest["exposures"].values())


def load(project_dir: Path, target: Path) -> Artifacts:
    """Read both artifacts of the last invocation.

    Raises:
        ArtifactError: a file is missing or not JSON, of another schema version, or they belong to two invocations.
    """
    manifest, run_results = _read(target / "manifest.json", MANIFEST_VERSION), _read(target / "run_results.json", RUN_RESULTS_VERSION)
    if manifest["metadata"].get("invocation_id") != run_results["metadata"].get("invocation_id"):
        raise ArtifactError(f"manifest.json and run_results.json in {target} are of two different dbt invocations")
    return Artifacts(project_dir, manifest, run_results)


def _read(path: Path, version: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        schema = str(found["metadata"]["dbt_schema_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    if not schema.endswith(f"/{version}.json"):
        raise ArtifactError(f"{path} follows {schema.rsplit('/', 1)[-1]}, this hook reads {version}: use dbt-core 1.10 or 1.11")
    return dict(found)
