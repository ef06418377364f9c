"""From the artifacts of a dbt invocation to signed events."""
from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ingest_hooks import facets
from ingest_hooks.dbt import declared
from ingest_hooks.dbt.artifacts import Artifacts, Node, load
from ingest_hooks.dbt.code import NodeCode, describe, project_vars
from ingest_hooks.dbt.lineage import node_lineage
from ingest_hooks.dbt.naming import Names
from ingest_hooks.dbt.place import Checkout, checkout_of
from ingest_hooks.dbt.profile import database_path, packages_folder
from ingest_hooks.dbt.rebuild import Repeatable, rebuild_facet
from ingest_hooks.dbt.sink import EventSink
from ingest_hooks.dbt.warehouse import Warehouse, opened
from ingest_hooks.environment import environment_of
from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import format_urn

__all__ = ["Recorded", "record"]

logger = logging.getLogger("ingest_hooks")

Purpose = Literal["normal", "rerun", "rebuild", "backfill"]
_BUILT = ("model", "seed", "snapshot")
_STATES = {"success": "COMPLETE", "error": "FAIL", "partial success": "FAIL"}


@dataclass(slots=True)
class Recorded:
    """What was said of an invocation. `problems` is empty if nothing went wrong in the hook."""

    invocation_id: str | None = None
    runs: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    tests: int = 0
    consumers: int = 0
    problems: list[str] = field(default_factory=list)


def record(project_dir: str | Path, emitter: EventSink, *, namespace: str | None = None, dataset_namespace: str | None = None,
           target_dir: str | Path = "target", database: str | Path | None = None, purpose: Purpose = "normal", lockfile: str | Path | None = None,
           retain: bool = False) -> Recorded:
    """Say what the last dbt invocation did: code, runs, column lineage, dataset versions, tests, exposures. Never raises.

    Args:
        project_dir: The folder of dbt_project.yml.
        emitter: Takes the events; not flushed or closed here.
        namespace: Of jobs and consumers. Default: the project's name.
        dataset_namespace: Of datasets. Default: `duckdb://<file name of the database>`.
        target_dir: Where dbt wrote its artifacts, relative to the project.
        database: The DuckDB file. Default: what dbt's profile says. Without one there are no dataset versions, and stars stay unresolved.
        purpose: Why it ran; `rebuild`, `backfill` and `rerun` never replace the lineage of normal runs.
        lockfile: The lock file of dbt's environment, with hashes, so that runs can be rebuilt. Default: LINEPROOF_LOCKFILE.
        retain: Keep the rows of sources as Parquet artifacts (up to 64 MiB each), so that nothing else is needed to rebuild.
    """
    recorded = Recorded()
    try:
        root = Path(project_dir).resolve()
        artifacts = load(root, root / target_dir)
        artifacts = replace(artifacts, packages=packages_folder(artifacts))
        recorded.invocation_id = artifacts.invocation_id
        path = Path(database) if database is not None else database_path(artifacts)
        names = Names(artifacts, namespace or artifacts.project, dataset_namespace or f"duckdb://{path.name if path is not None else artifacts.project}")
        shared = Repeatable(artifacts, environment_of(emitter.artifact, lockfile))
        if path is None:
            _Recorder(artifacts, names, emitter, checkout_of(root), None, purpose, recorded, shared, retain).all()
        else:
            with opened(path) as warehouse:
                _Recorder(artifacts, names, emitter, checkout_of(root), warehouse, purpose, recorded, shared, retain).all()
    except Exception as error:  # the hook boundary
        recorded.problems.append(_said(error))
        logger.warning("dbt hook: the invocation could not be recorded: %s", _said(error), exc_info=not isinstance(error, LineproofError))
    return recorded


class _Recorder:
    def __init__(self, artifacts: Artifacts, names: Names, sink: EventSink, checkout: Checkout, warehouse: Warehouse | None, purpose: Purpose,
                 recorded: Recorded, shared: Repeatable, retain: bool) -> None:
        self.artifacts = artifacts
        self.names = names
        self.sink = sink
        self.checkout = checkout
        self.warehouse = warehouse
        self.purpose = purpose
        self.recorded = recorded
        self.shared = shared
        self.retain = retain

    def all(self) -> None:
        """Everything, in an order in which each event finds what it refers to."""
        tests: list[tuple[Node, Node]] = []
        built: list[tuple[Node, Node]] = []
        for result in self.artifacts.results:
            node = self.artifacts.node(str(result["unique_id"]))
            if node is not None and node["resource_type"] == "test":
                tests.append((node, result))
            elif node is not None and node["resource_type"] in _BUILT and result["status"] in _STATES:
                built.append((node, result))
        for node in self._concerned([node for node, _ in (*built, *tests)]):
            self._guarded(node, lambda node=node: self._declare(node))
        self._invocation("START")
        for node, result in built:
            self._guarded(node, lambda node=node, result=result: self._built(node, result))
        self._invocation("FAIL" if any(result["status"] in ("error", "fail") for result in self.artifacts.results) else "COMPLETE")
        for node, result in tests:
            self._guarded(node, lambda node=node, result=result: self._tested(node, result))
        for exposure in self.artifacts.exposures():
            self._guarded(exposure, lambda exposure=exposure: self._consumed(exposure))

    def _concerned(self, nodes: list[Node]) -> list[Node]:
        """The relations that were built, read or tested, and those that exposures show."""
        wanted = {str(node["unique_id"]) for node in nodes}
        wanted.update(str(upstream["unique_id"]) for node in (*nodes, *self.artifacts.exposures()) for upstream in self.artifacts.inputs(node))
        return [node for node in self.artifacts.relations() if str(node["unique_id"]) in wanted]

    # ---- one thing each

    def _declare(self, node: Node) -> None:
        _, name = self.names.dataset(node)
        columns = self.warehouse.columns.get(name) if self.warehouse is not None else None
        facts = declared.dataset_facts(self.artifacts, self.names, node, columns)
        if len(facts) > 2:  # more than its name
            self.sink.emit("lineproof.dataset.v1", facts)

    def _built(self, node: Node, result: Node) -> None:
        state = _STATES[str(result["status"])]
        variables = project_vars(self.artifacts, str(node["package_name"]))
        code = describe(self.artifacts, node, variables, self.sink)
        place = self.checkout.place(self.artifacts.path_of(node))
        self._transformation(node, code, place)
        compiled = result.get("compiled_code") or node.get("compiled_code")
        digest = self.sink.artifact(str(compiled).encode()) if compiled else None
        started, finished = _times(result)
        job_facets = self._job_facets(node, code, place, compiled)
        run_facets: dict[str, Any] = {"parent": self._parent(), "lineproof_run": facets.lineproof(
            "RunFacet", purpose=self.purpose, **({"compiled_digest": digest} if digest else {}), parameters={"invocationId": self.artifacts.invocation_id}),
            "lineproof_rebuild": rebuild_facet(self.artifacts, self.names, node, variables, self.shared, self.sink)}
        inputs = [self._input(upstream) for upstream in self.artifacts.inputs(node)]
        self._run(node, "START", started, run_facets, job_facets, inputs, [self._dataset(node)])
        if state == "FAIL":
            failed = {**run_facets, "errorMessage": facets.error_message(str(result.get("message") or "failed"), "", "SQL")}
            self._run(node, "FAIL", finished, failed, job_facets, inputs, [self._dataset(node)])
        else:
            said = node_lineage(self.artifacts, self.names, node, compiled, variables, self.warehouse, file=place["path"],
                                path=self.checkout.path)
            output = self._output(node, said, finished)
            self._run(node, "COMPLETE", finished, run_facets, job_facets, inputs, [output])
        self.recorded.runs += 1

    def _transformation(self, node: Node, code: NodeCode, place: Mapping[str, Any]) -> None:
        namespace, name = self.names.job(node)
        self.sink.emit("lineproof.transformation.v1", {
            "namespace": namespace, "name": name, "version": code.version, "language": code.language, "rawCode": code.raw, "modules": dict(code.modules),
            "config": code.config, **({"rawCodeLine": code.line} if code.line is not None else {}),
            **({"dialect": "duckdb"} if code.language == "sql" else {}), **place})

    def _job_facets(self, node: Node, code: NodeCode, place: Mapping[str, Any], compiled: Any) -> dict[str, Any]:
        urn = format_urn("transformation", *self.names.job(node), code.version)
        found: dict[str, Any] = {
            "lineproof_transformation": facets.lineproof("TransformationFacet", urn=urn, parameters_digest=code.config, **place),
            "jobType": {"_producer": facets.PRODUCER, "_schemaURL": f"{facets.SPEC}/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
                        "processingType": "BATCH", "integration": "DBT", "jobType": str(node["resource_type"]).upper()}}
        if compiled and code.language == "sql":
            found["sql"] = facets.sql(str(compiled), "duckdb")
        if "commit" in place:
            found["sourceCodeLocation"] = facets.source_code_location(place["repository"], place["path"], place["commit"], branch=self.checkout.branch)
        return found

    def _input(self, node: Node) -> dict[str, Any]:
        """An input with the version it has after the run, which is what was read: dbt writes each relation once per invocation."""
        version = self.recorded.versions.get(str(node["unique_id"])) or self._version(node, None, None)
        return {**self._dataset(node), "facets": {"version": facets.dataset_version(version)} if version else {}}

    def _output(self, node: Node, said: dict[str, Any], finished: str) -> dict[str, Any]:
        output = self._dataset(node)
        version = self._version(node, self.names.run(node), finished)
        if version is not None:
            said["version"] = facets.dataset_version(version)
        if self.warehouse is not None and (columns := self.warehouse.columns.get(output["name"])) is not None:
            said["schema"] = facets.table_schema(columns.items())
        found = self.warehouse.fingerprint(str(node["relation_name"])) if self.warehouse is not None and version is not None else None
        return {**output, "facets": said, "outputFacets": {"outputStatistics": facets.output_statistics(found.rows)} if found is not None else {}}

    def _version(self, node: Node, run: str | None, committed: str | None) -> str | None:
        """Say the content of a relation; its version is the SHA-256 of its fp1 fingerprint, so equal rows are one version."""
        relation = node.get("relation_name")
        found = self.warehouse.fingerprint(str(relation)) if self.warehouse is not None and relation else None
        if found is None or self.warehouse is None:
            return None
        namespace, name = self.names.dataset(node)
        said = declared.lineproof_meta(node)
        data: dict[str, Any] = {"namespace": namespace, "name": name, "id": found.sha256, "fingerprint": found.to_event(), "rowCount": found.rows,
                                "knowledge": str(said.get("knowledge") or "committed"), "pointer": {"format": "duckdb", "uri": namespace}}
        if columns := declared.column_knowledge(node):
            data["columnKnowledge"] = columns
        if run is not None and _promised(said) == "bit" and (bit := self.warehouse.bits(str(relation))) is not None:
            data["fingerprint"]["bit"] = bit
        if self.retain and (run is None or _promised(said) == "tolerance"):  # what a comparison within a tolerance is made with
            hold = self.warehouse.retained(str(relation), found, name, self.sink.artifact)
            if hold is not None:
                data["hold"] = hold
        if run is not None:
            data |= {"runId": run, "committedAt": committed, "backfill": self.purpose == "backfill"}
        if said.get("event_time"):
            times = self.warehouse.event_time(str(relation), name, str(said["event_time"]))
            if times is not None:
                data["eventTime"] = {"column": times.column, **{key: value.isoformat() for key, value in (("min", times.min), ("max", times.max)) if value}}
        self.sink.emit("lineproof.dataset-version.v1", data)
        self.recorded.versions[str(node["unique_id"])] = found.sha256
        return found.sha256

    def _tested(self, node: Node, result: Node) -> None:
        data = declared.quality(self.artifacts, self.names, node, result, self.recorded.versions)
        if data is not None:
            self.sink.emit("lineproof.quality.v1", data)
            self.recorded.tests += 1

    def _consumed(self, exposure: Node) -> None:
        self.sink.emit("lineproof.consumer.v1", declared.consumer(self.artifacts, self.names, exposure))
        self.recorded.consumers += 1

    # ---- OpenLineage

    def _dataset(self, node: Node) -> dict[str, Any]:
        namespace, name = self.names.dataset(node)
        return {"namespace": namespace, "name": name}

    def _parent(self) -> dict[str, Any]:
        namespace, name = self.names.invocation_job
        which = {"run": {"runId": self.artifacts.invocation_id}, "job": {"namespace": namespace, "name": name}}
        return {"_producer": facets.PRODUCER, "_schemaURL": f"{facets.SPEC}/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet", **which, "root": which}

    def _run(self, node: Node, state: str, time: str, run: Mapping[str, Any], job: Mapping[str, Any], inputs: list[dict[str, Any]],
             outputs: list[dict[str, Any]]) -> None:
        namespace, name = self.names.job(node)
        self.sink.openlineage({
            "eventType": state, "eventTime": time, "producer": facets.PRODUCER, "schemaURL": facets.RUN_EVENT_SCHEMA,
            "run": {"runId": self.names.run(node), "facets": dict(run)}, "job": {"namespace": namespace, "name": name, "facets": dict(job)},
            "inputs": inputs, "outputs": outputs})

    def _invocation(self, state: str) -> None:
        metadata = self.artifacts.run_results["metadata"]
        time = metadata.get("invocation_started_at") if state == "START" else metadata.get("generated_at")
        namespace, name = self.names.invocation_job
        variables = self.artifacts.arguments.get("vars") or {}
        parameters = {"command": self.artifacts.arguments.get("invocation_command"), "dbtVersion": metadata.get("dbt_version"), "vars": variables}
        own = facets.lineproof("RunFacet", purpose=self.purpose, parameters=parameters)
        self.sink.openlineage({
            "eventType": state, "eventTime": time or metadata["generated_at"], "producer": facets.PRODUCER, "schemaURL": facets.RUN_EVENT_SCHEMA,
            "run": {"runId": self.artifacts.invocation_id, "facets": {"lineproof_run": own}},
            "job": {"namespace": namespace, "name": name, "facets": {}}, "inputs": [], "outputs": []})

    def _guarded(self, node: Node, step: Any) -> None:
        """One node that cannot be described does not hide the others."""
        try:
            step()
        except Exception as error:  # the hook boundary
            self.recorded.problems.append(f"{node['unique_id']}: {_said(error)}")
            logger.warning("dbt hook: %s could not be recorded: %s", node["unique_id"], _said(error), exc_info=not isinstance(error, LineproofError))


def _promised(said: Mapping[str, Any]) -> Any:
    """The level of reproduction that a node declares."""
    found = said.get("reproducible")
    return found.get("level") if isinstance(found, dict) else found


def _times(result: Node) -> tuple[str, str]:
    """Start of the first and end of the last step of a result; now, if dbt did not say."""
    steps = [step for step in result.get("timing") or () if step.get("started_at") and step.get("completed_at")]
    if not steps:
        now = datetime.now(UTC).isoformat()
        return now, now
    return str(min(step["started_at"] for step in steps)), str(max(step["completed_at"] for step in steps))


def _said(error: Exception) -> str:
    return error.detail if isinstance(error, LineproofError) else f"{type(error).__name__}: {error}"
