"""What is said of a rebuild or rerun: a reproduction statement, and the run events of a rerun."""
from __future__ import annotations

import platform
import uuid
from importlib.metadata import version as installed_version
from typing import Any

from ingest_hooks import facets
from metadata_service.reproduce.plan import Plan
from metadata_service.reproduce.rebuild import Done, Outcome
from metadata_service.reproduce.shapes import REPRODUCTION_TYPE, STATEMENT_TYPE

__all__ = ["reproduction", "rerun_events"]


def reproduction(plan: Plan, outcome: Outcome, *, started: str, finished: str) -> dict[str, Any]:
    """The in-toto Statement of a rebuild: what came out, against which manifest, and how exactly it is what was recorded."""
    outputs = [(version, result) for done in outcome.done for version, result in done.outputs]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": version, "digest": {"fp1": result.actual}} for version, result in outputs] or list(plan.statement["subject"]),
        "predicateType": REPRODUCTION_TYPE,
        "predicate": {
            "manifest": {"digest": {"sha256": plan.digest}, "target": plan.target,
                         "asOf": plan.statement["predicate"]["buildDefinition"]["externalParameters"]["asOf"]},
            "verdict": outcome.verdict.value, "detail": outcome.detail,
            "outputs": [{"version": version, "claimed": result.claimed, "reached": result.reached, "expected": {"fp1": result.expected},
                         "actual": {"fp1": result.actual}, "rows": result.rows} for version, result in outputs],
            "steps": [{"run": done.step["run"], "job": list(done.step["job"]), "startedOn": done.started, "finishedOn": done.finished}
                      for done in outcome.done],
            "environments": [{"lockfile": {"sha256": made.lockfile}, "python": made.python, "packages": dict(sorted(made.packages.items()))}
                             for made in outcome.environments],
            "builder": {"id": "lineproof rebuild", "version": installed_version("lineproof"), "platform": f"{platform.system().lower()}-{platform.machine()}"},
            "startedOn": started, "finishedOn": finished,
        },
    }


def rerun_events(done: Done) -> list[dict[str, Any]]:
    """START and COMPLETE of a step that was run again: same job and code, purpose `rerun`, so that no edge of today is closed."""
    step = done.step
    run_id = str(uuid.uuid4())
    namespace, name = step["job"]
    job_facets = {"lineproof_transformation": facets.lineproof("TransformationFacet", urn=step["transformation"])}
    run_facets = {"lineproof_run": facets.lineproof("RunFacet", purpose="rerun", parameters={"rerunOf": step["run"]})}
    inputs = [_dataset(str(each["version"])) for each in step["inputs"]]
    outputs = [_dataset(version, result.actual) for version, result in done.outputs]

    def event(state: str, time: str, written: list[dict[str, Any]]) -> dict[str, Any]:
        return {"eventType": state, "eventTime": time, "producer": facets.PRODUCER, "schemaURL": facets.RUN_EVENT_SCHEMA,
                "run": {"runId": run_id, "facets": run_facets}, "job": {"namespace": namespace, "name": name, "facets": job_facets},
                "inputs": inputs, "outputs": written}

    bare = [{key: value for key, value in output.items() if key != "facets"} for output in outputs]
    return [event("START", done.started, bare), event("COMPLETE", done.finished, outputs)]


def _dataset(version: str, content: str | None = None) -> dict[str, Any]:
    from lineproof_schema.urn import parse_urn

    namespace, name, known = parse_urn(version).components[:3]
    return {"namespace": namespace, "name": name, "facets": {"version": facets.dataset_version(content or known)}}
