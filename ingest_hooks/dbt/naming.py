"""How dbt's things are called in the graph.

Datasets: namespace `duckdb://<file name of the database>` (or the setting), name `<database>.<schema>.<table>` as DuckDB has them.
Jobs: namespace is the setting (default: the project's name), name `<package>.<model>[.v<version>]`; the invocation is `<project>.dbt_<command>`.
Runs: the invocation's run id is dbt's invocation id; a node's is uuid5(invocation id, unique id), so recording twice says the same.
"""
from __future__ import annotations

import uuid
from dataclasses import dataclass

from ingest_hooks.dbt.artifacts import Artifacts, Node
from lineproof_schema.urn import format_urn

__all__ = ["Names"]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one invocation."""

    artifacts: Artifacts
    job_namespace: str
    dataset_namespace: str

    def dataset(self, node: Node) -> tuple[str, str]:
        """(namespace, name) of a relation."""
        table = node.get("identifier") or node.get("alias") or node["name"]
        return self.dataset_namespace, ".".join(part for part in (node.get("database"), node.get("schema"), table) if part)

    def dataset_urn(self, node: Node) -> str:
        return format_urn("dataset", *self.dataset(node))

    def table(self, name: str) -> tuple[str, str]:
        """(namespace, name) of a table that a statement names."""
        return self.dataset_namespace, name

    def job(self, node: Node) -> tuple[str, str]:
        """(namespace, name) of the job that builds a node."""
        return self.job_namespace, str(node["unique_id"]).split(".", 1)[1]

    @property
    def invocation_job(self) -> tuple[str, str]:
        return self.job_namespace, f"{self.artifacts.project}.dbt_{self.artifacts.command}"

    def run(self, node: Node) -> str:
        return str(uuid.uuid5(uuid.UUID(self.artifacts.invocation_id), str(node["unique_id"])))
