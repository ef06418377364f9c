"""Running a plan: digests first, then a clean folder, the locked environment, the steps, and a comparison of every output.

Whatever goes wrong has a verdict of its own; nothing is raised for what a manifest or an artifact holds.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ingest_hooks.fp1 import fingerprint
from lineproof_schema.errors import LineproofError
from metadata_service.reproduce.compare import Comparison, compare
from metadata_service.reproduce.dbt_project import DbtProject, differences, group
from metadata_service.reproduce.given import ChangedInput, MissingInput, brought_in
from metadata_service.reproduce.plan import Plan
from metadata_service.reproduce.sandbox import Environment, Failed, Sandbox
from metadata_service.reproduce.tables import Missing, Tables

__all__ = ["Done", "Outcome", "Verdict", "rebuild", "verified"]

Say = Callable[[str], None]
Step = Mapping[str, Any]
RUNNER = Path(__file__).with_name("step_runner.py")
_CHANGED = {"code": "changed-code", "module": "changed-macro", "configuration": "changed-configuration", "lockfile": "changed-lockfile",
            "input": "changed-input", "original": "changed-original"}


class Verdict(StrEnum):
    """What became of a rebuild."""

    reproduced = "reproduced"
    bad_signature = "bad-signature"
    not_rebuildable = "not-rebuildable"
    missing_artifact = "missing-artifact"
    missing_input = "missing-input"
    changed_code = "changed-code"
    changed_macro = "changed-macro"
    changed_configuration = "changed-configuration"
    changed_lockfile = "changed-lockfile"
    changed_input = "changed-input"
    changed_original = "changed-original"
    environment_failed = "environment-failed"
    other_environment = "other-environment"
    step_failed = "step-failed"
    other_code_ran = "other-code-ran"
    differs = "differs"


@dataclass(frozen=True, slots=True)
class Done:
    """A step that ran, and how its outputs compare: (dataset version, comparison)."""

    step: Step
    started: str
    finished: str
    outputs: tuple[tuple[str, Comparison], ...]


@dataclass(slots=True)
class Outcome:
    """The verdict, why, what ran, and in which environments."""

    verdict: Verdict
    detail: str
    done: list[Done] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.reproduced


class _Stop(Exception):
    """Carries a verdict out of the steps."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.detail = detail


def verified(plan: Plan, sandbox: Sandbox, given: Mapping[str, Path]) -> Plan | Outcome:
    """Hash every artifact in the sandbox's store, and what was given for inputs held elsewhere, before anything of it is used.

    Returns:
        The plan to run, or the verdict if it cannot be rebuilt, or something is missing or not what the manifest pins.
    """
    if not plan.rebuildable:
        return Outcome(Verdict.not_rebuildable, "; ".join(str(reason["detail"]) for reason in plan.reasons) or "the manifest says so")
    for blob in plan.blobs:
        path = sandbox.artifact(blob.digest)
        what = f"{blob.role} {blob.name}".strip()
        if not path.is_file():
            return Outcome(Verdict.missing_artifact, f"{what} is not in the artifact store: sha256:{blob.digest}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != blob.digest:
            return Outcome(Verdict(_CHANGED[blob.role]), f"{what} has SHA-256 {found}, the manifest pins {blob.digest}")
    try:
        return brought_in(plan, sandbox, given)
    except MissingInput as error:
        return Outcome(Verdict.missing_input, str(error))
    except ChangedInput as error:
        return Outcome(Verdict.changed_input, str(error))


def rebuild(plan: Plan, sandbox: Sandbox, say: Say) -> Outcome:
    """Run the steps of a verified plan and compare what they wrote."""
    outcome = _Run(plan, sandbox, say).all()
    outcome.environments = list(sandbox.environments.values())
    return outcome


class _Run:
    def __init__(self, plan: Plan, sandbox: Sandbox, say: Say) -> None:
        self.plan = plan
        self.sandbox = sandbox
        self.say = say
        self.tables = Tables(sandbox)
        self.done: list[Done] = []

    def all(self) -> Outcome:
        try:
            if not self.plan.steps:
                return self._inputs_only()
            for steps in group(self.plan.steps):
                for step in steps:
                    for each in step["inputs"]:
                        self._place(str(each["version"]))
                started = _now()
                if steps[0]["kind"] == "dbt":
                    self._dbt(steps)
                else:
                    self._python(steps[0])
                for step in steps:
                    self._compare(step, started)
        except _Stop as stop:
            return Outcome(stop.verdict, stop.detail, self.done)
        except Missing as error:
            return Outcome(Verdict.step_failed, str(error), self.done)
        outputs = sum(len(done.outputs) for done in self.done)
        return Outcome(Verdict.reproduced, f"{len(self.done)} steps run again, {outputs} outputs equal to what was recorded", self.done)

    def _inputs_only(self) -> Outcome:
        for each in self.plan.inputs:
            self._place(str(each["version"]))
        return Outcome(Verdict.reproduced, "nothing had to run: what is asked for is retained as it was")

    def _place(self, version: str) -> None:
        """Put a retained input where steps find it, and check its rows against its fingerprint; once."""
        given = next((each for each in self.plan.inputs if each["version"] == version), None)
        if given is None or self.tables.has(version):
            return
        try:
            table = self.tables.place(given)
        except (OSError, ValueError, LineproofError) as error:
            raise _Stop(Verdict.changed_input, f"{given['dataset'][1]} cannot be read: {error}") from error
        expected = given.get("fp1")
        if table is not None and expected and fingerprint(table).sha256 != expected["sha256"]:
            raise _Stop(Verdict.changed_input, f"the rows of {given['dataset'][1]} are not those of version {expected['sha256']}")

    def _environment(self, step: Step) -> Path:
        """The folder of the step's environment; the lock file has to give the engine and the tools that the run recorded."""
        said, engine = step["environment"], step.get("engine") or {}
        try:
            made = self.sandbox.environment(str(said["lockfile"]), str(said.get("lockfileName") or ""), str(said.get("python") or "3"))
        except Failed as error:
            raise _Stop(Verdict.environment_failed, str(error)) from error
        ran = {**(said.get("tools") or {}), **({str(engine["name"]): engine["version"]} if engine.get("version") else {})}
        other = [f"{name} {version}, the lock file gives {made.packages.get(name) or 'none'}" for name, version in sorted(ran.items())
                 if made.packages.get(name) != version]
        if other:
            raise _Stop(Verdict.other_environment, f"{step['job'][1]} ran with {'; '.join(other)}")
        return made.folder

    def _dbt(self, steps: list[Step]) -> None:
        environment = self._environment(steps[0])
        folder = self.sandbox.folder / "code" / f"dbt{len(self.done)}"
        folder.mkdir()
        project = DbtProject(folder, steps, lambda digest: self.sandbox.artifact(digest).read_bytes(), self.sandbox.database)
        try:
            project.write()
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise _Stop(Verdict.step_failed, f"no dbt project can be made of what was recorded: {type(error).__name__}: {error}") from error
        self.tables.close()
        self.say(f"dbt builds {', '.join(step['node']['name'] for step in steps)}")
        try:
            self.sandbox.run(environment, ["dbt", "--no-use-colors", "build", "--project-dir", str(folder), "--profiles-dir", str(folder), "--threads", "1",
                                           "--select", *project.selection], cwd=folder, log=folder.name)
            wrong = differences(folder, steps)
        except Failed as error:
            raise _Stop(Verdict.step_failed, str(error)) from error
        except LineproofError as error:
            raise _Stop(Verdict.step_failed, error.detail) from error
        if wrong:
            raise _Stop(Verdict.other_code_ran, "; ".join(wrong))

    def _python(self, step: Step) -> None:
        environment, call = self._environment(step), step["call"]
        folder = self.sandbox.folder / "code" / f"python{len(self.done)}"
        try:
            self._write_call(step, folder)
        except OSError as error:
            raise _Stop(Verdict.step_failed, f"the code of {step['job'][1]} cannot be written: {error}") from error
        self.tables.close()
        self.say(f"Python calls {call['function']} of {call['file']} for {step['job'][1]}")
        try:
            self.sandbox.run(environment, ["python", str(folder / RUNNER.name), str(folder / "step.json")], cwd=folder, log=folder.name)
        except Failed as error:
            raise _Stop(Verdict.step_failed, str(error)) from error

    def _write_call(self, step: Step, folder: Path) -> None:
        """The code, and what the runner is told: places in the sandbox for what the arguments stand for."""
        call = step["call"]
        for name, digest in call["files"].items():
            path = folder / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.sandbox.artifact(digest).read_bytes())
        arguments = [*call["arguments"], *call["named"].values()]
        said = {"code": str(folder / "src"), "file": call["file"], "function": call["function"], "arguments": call["arguments"], "named": call["named"],
                "databases": {each["$duckdb"]: str(self.sandbox.database(each["$duckdb"])) for each in arguments if "$duckdb" in each},
                "settings": (step.get("engine") or {}).get("settings") or {},
                "files": {"\0".join(each["$file"]): str(self.tables.file(self._read(step, each["$file"]))) for each in arguments if "$file" in each},
                "tables": {"\0".join(each["$table"]): str(self.tables.arrow(self._read(step, each["$table"]))) for each in arguments if "$table" in each}}
        if call.get("returns"):
            version = next(str(output["version"]) for output in step["outputs"] if list(output["dataset"]) == list(call["returns"]))
            said["returns"] = str(self.tables.returned(version))
        (folder / "step.json").write_text(json.dumps(said), encoding="utf-8")
        (folder / RUNNER.name).write_bytes(RUNNER.read_bytes())

    def _read(self, step: Step, dataset: Sequence[str]) -> str:
        """The version of a dataset that the step read."""
        known = {str(output["version"]): output["dataset"] for each in self.plan.steps for output in each["outputs"]}
        known |= {str(each["version"]): each["dataset"] for each in self.plan.inputs}
        for each in step["inputs"]:
            if list(known.get(str(each["version"]), ())) == list(dataset):
                return str(each["version"])
        raise Missing(f"{step['job'][1]} was called with {dataset[1]} and does not say which version it read")

    def _compare(self, step: Step, started: str) -> None:
        finished, found = _now(), []
        for output in step["outputs"]:
            version = str(output["version"])
            table = self.tables.output(step, output)
            try:
                original = self.tables.original(output) if step.get("level") == "tolerance" else None
                result = compare(table, output["fp1"], str(step.get("level") or "row-set"), step.get("tolerance"), original)
            except (LineproofError, ValueError) as error:
                raise _Stop(Verdict.differs, f"{version} cannot be compared: {error}") from error
            found.append((version, result))
            self.say(f"  {output['dataset'][1]}: {result.detail} ({result.reached})")
        self.done.append(Done(step, started, finished, tuple(found)))
        for version, result in found:
            if not result.ok:
                raise _Stop(Verdict.differs, f"{version} is not what was recorded: {result.detail}; level {result.claimed} was claimed, "
                                             f"fp1 {result.actual} instead of {result.expected}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
