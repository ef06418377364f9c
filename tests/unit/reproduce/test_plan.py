"""Reading a manifest back, and the order and grouping of its steps."""
from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from lineproof_audit.envelope import PAYLOAD_INTOTO, parse_envelope, sign_envelope
from lineproof_audit.keys import SigningKey
from metadata_service.reproduce.dbt_project import group
from metadata_service.reproduce.errors import ManifestError
from metadata_service.reproduce.plan import load_plan, plan_of, verify_signature

LOCK, CODE = "1" * 64, "2" * 64
Step = dict[str, Any]


def version(name: str, content: str = "v") -> str:
    return f"urn:lineproof:dataset-version:db:{name}:{content}"


def step(name: str, *reads: str, kind: str = "dbt", **more: Any) -> Step:
    node = {"uniqueId": f"model.p.{name}", "root": "p", "resourceType": "model", "package": "p", "name": name, "identifier": name, "database": "shop"}
    call = {"file": "load.py", "function": "load", "files": {"load.py": CODE}, "arguments": [], "named": {}}
    return {"kind": kind, "run": f"urn:lineproof:run:{name}", "job": ["jobs", name], "code": {"rawCode": CODE, "config": CODE},
            "environment": {"lockfile": LOCK, "python": "3.11.7"}, "engine": {"name": "duckdb", "version": "2.0.0", "settings": {"TimeZone": "UTC"}},
            "parameters": {}, "inputs": [{"version": version(each), "pin": "exact"} for each in reads],
            "outputs": [{"version": version(name), "dataset": ["db", name], "fp1": {"rows": 1, "sha256": "0" * 64}}],
            **({"node": node} if kind == "dbt" else {"call": call}), **more}


def manifest(*steps: Step) -> dict[str, Any]:
    rows = [{"uri": f"urn:lineproof:artifact:sha256%3A{digest}", "name": name, "digest": {"sha256": digest}, "annotations": {"role": name}}
            for name, digest in (("lockfile", LOCK), ("code", CODE))]
    return {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "x", "digest": {"fp1": "0"}}], "predicateType": "https://lineproof.dev/rebuild/v1",
            "predicate": {"status": "rebuildable", "reasons": [], "steps": list(steps), "inputs": [], "buildDefinition": {
                "externalParameters": {"target": "urn:x"}, "resolvedDependencies": rows}}}


def names(groups: list[list[Step]]) -> list[list[str]]:
    return [[each["job"][1] for each in steps] for steps in groups]


def test_dbt_steps_run_together_once_everything_below_them_is_there():
    steps = [step("load_a", kind="python"), step("a", "load_a"), step("load_b", kind="python"), step("b", "load_b"), step("c", "a", "b")]
    assert names(group(steps)) == [["load_a"], ["load_b"], ["a", "b", "c"]]


def test_a_python_step_between_dbt_models_parts_them():
    assert names(group([step("a"), step("p", "a", kind="python"), step("b", "p")])) == [["a"], ["p"], ["b"]]


@pytest.mark.parametrize("other", [{"environment": {"lockfile": "3" * 64}}, {"engine": {"settings": {"threads": "2"}}}, {"parameters": {"days": 8}},
                                   {"code": {"rawCode": CODE, "modules": {"macro.p.m": "4" * 64}}}, {"node": {"uniqueId": "model.p.a", "root": "p"}}])
def test_what_one_dbt_run_cannot_hold_in_two_versions_is_run_in_two(other):
    first = step("a", parameters={"days": 7}, code={"rawCode": CODE, "modules": {"macro.p.m": "5" * 64}})
    assert len(group([first, step("b", "a", **other)])) == 2


def test_a_model_that_read_another_version_than_was_just_built_waits_for_its_own():
    late = step("b", "a")
    late["inputs"][0]["version"] = version("a", "older")
    assert len(group([step("a"), late])) == 2


def test_no_step_is_lost_when_versions_go_round_in_a_circle():
    assert sorted(name for steps in names(group([step("a", "b"), step("b", "a")])) for name in steps) == ["a", "b"]


def at(found: dict[str, Any], path: str) -> Any:
    """The value at a dotted path."""
    for part in path.split("."):
        found = found[int(part) if isinstance(found, list) else part]
    return found


HOSTILE: list[tuple[str, str, Any]] = [  # kind of the step, where, what stands there
    *(("python", "steps.0.call.files", {name: CODE}) for name in ("../load.py", "/etc/cron.d/load.py", "a/../../load.py", "a//load.py", "./load.py", "",
                                                                  "a\\..\\load.py", "load.py\0", "x" * 300)),
    ("python", "steps.0.call.file", "/usr/lib/python3/evil.py"),
    ("python", "steps.0.call.file", "other.py"),
    ("python", "steps.0.call.function", "__import__('os').system"),
    ("python", "steps.0.call.arguments", [{"$env": "AWS_SECRET_ACCESS_KEY"}]),
    ("python", "steps.0.call.arguments", [{"$duckdb": "../../home/user/real"}]),
    ("python", "steps.0.call.arguments", [{"$file": ["file://x"]}]),
    ("python", "steps.0.call.named", {"x=1, y": {"$json": 1}}),
    ("python", "steps.0.call.returns", ["db", "another"]),
    ("python", "steps.0.environment.python", "/tmp/evil/python"),
    ("python", "steps.0.environment.python", "3.11; rm -rf /"),
    ("python", "steps.0.environment.lockfile", "../../requirements.txt"),
    ("python", "steps.0.engine.settings", {"TimeZone = 'UTC'; install evil; set TimeZone": "UTC"}),
    ("python", "steps.0.level", "none"),
    ("python", "steps.0.tolerance", -1.0),
    ("python", "steps.0.outputs", []),
    ("python", "steps.0.outputs.0.fp1", None),
    ("python", "steps.0.outputs.0.dataset", ["duckdb://x", "../../etc/passwd.main.t"]),
    ("dbt", "steps.0.node.package", "../../../outside"),
    ("dbt", "steps.0.node.package", "--profiles-dir"),
    ("dbt", "steps.0.node.root", "/"),
    ("dbt", "steps.0.node.name", "../../model"),
    ("dbt", "steps.0.node.name", "--vars"),
    ("dbt", "steps.0.node.name", "a,path:*"),
    ("dbt", "steps.0.node.name", "@everything"),
    ("dbt", "steps.0.node.database", "../real"),
    ("dbt", "steps.0.node.upstream", [{"uniqueId": "model.../x.y", "resourceType": "model", "package": "..", "name": "y", "identifier": "y"}]),
    ("dbt", "steps.0.node.upstream", ["model.p.x"]),
    ("dbt", "steps.0.code.modules", {"macro.../../p.m": CODE}),
    ("dbt", "steps.0.engine.settings", {"TimeZone": "{{ env_var('HOME') }}"}),
    ("dbt", "steps.0.engine.name", "shell"),
    ("dbt", "steps.0.kind", "shell"),
]


@pytest.mark.parametrize(("kind", "where", "value"), HOSTILE)
def test_a_manifest_that_names_what_no_machine_should_touch_is_refused(kind, where, value):
    found = manifest(step("a", kind=kind))
    plan_of(found)
    above, _, name = f"predicate.{where}".rpartition(".")
    at(found, above)[name] = value
    with pytest.raises(ManifestError) as refused:
        plan_of(found)
    assert refused.value.code == "invalid-manifest"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "", "a/b", "x\0", "x" * 300])
def test_files_of_inputs_are_plain_names(name):
    found = manifest(step("a"))
    found["predicate"]["inputs"] = [{"version": "v", "dataset": ["a", "b"], "retention": {"state": "retained", "format": "raw", "files": {"x": CODE}}}]
    plan_of(found)
    found["predicate"]["inputs"][0]["retention"]["files"] = {name: CODE}
    with pytest.raises(ManifestError):
        plan_of(found)


def test_a_manifest_of_more_steps_than_anyone_runs_is_refused():
    with pytest.raises(ManifestError, match="500"):
        plan_of(manifest(*(step(f"m{number}") for number in range(501))))


def test_files_that_are_too_large_or_too_deep_are_refused(tmp_path):
    path = tmp_path / "m.json"
    with path.open("wb") as file:
        file.truncate(1 << 33)  # sparse: it would be read for minutes
    with pytest.raises(ManifestError, match="at most"):
        load_plan(path)
    path.write_bytes(sign_envelope(PAYLOAD_INTOTO, b"[" * 200_000 + b"]" * 200_000, SigningKey.generate()))
    with pytest.raises(ManifestError):
        load_plan(path)


@pytest.mark.parametrize("spoil", [
    lambda found: found.update(predicateType="https://slsa.dev/provenance/v1"),
    lambda found: found["predicate"].pop("status"),
    lambda found: found["predicate"]["steps"][0].pop("environment"),
    lambda found: found["predicate"]["steps"][0]["code"].update(rawCode="9" * 64),
    lambda found: found["predicate"]["steps"][0]["code"].update(rawCode="../../etc/passwd"),
    lambda found: found["predicate"]["steps"][0].update(kind="shell"),
    lambda found: found["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"].update(sha256="/etc/passwd"),
    lambda found: found["predicate"]["inputs"].append({"version": "v", "dataset": ["a", "b"], "retention": {"state": "retained", "files": {"x": "9" * 64}}}),
    lambda found: found.update(subject=[]),
])
def test_what_is_no_manifest_or_uses_what_it_does_not_pin_is_refused(spoil):
    found = copy.deepcopy(manifest(step("a")))
    plan_of(found)
    spoil(found)
    with pytest.raises(ManifestError) as refused:
        plan_of(found)
    assert refused.value.code == "invalid-manifest"


def test_only_a_key_of_the_log_counts(tmp_path):
    notary, other = SigningKey.generate(), SigningKey.generate()
    path = tmp_path / "m.json"
    path.write_bytes(sign_envelope(PAYLOAD_INTOTO, json.dumps(manifest(step("a"))).encode(), notary))
    plan = load_plan(path)
    assert verify_signature(plan, {other.keyid: other.verify_key, notary.keyid: notary.verify_key}) == notary.keyid
    for keys, given in (({other.keyid: other.verify_key}, plan), ({}, plan), ({notary.keyid: notary.verify_key}, plan_of(manifest(step("a"))))):
        with pytest.raises(ManifestError) as refused:
            verify_signature(given, keys)
        assert refused.value.code == "bad-signature"


def test_an_envelope_of_something_else_is_refused(tmp_path):
    path = tmp_path / "m.json"
    for content in (b"", b"[]", sign_envelope("application/cloudevents+json", b"{}", SigningKey.generate()),
                    sign_envelope(PAYLOAD_INTOTO, b"no json", SigningKey.generate())):
        path.write_bytes(content)
        with pytest.raises(ManifestError):
            load_plan(path)
    with pytest.raises(ManifestError):
        load_plan(tmp_path / "missing.json")
    assert parse_envelope(sign_envelope(PAYLOAD_INTOTO, b"no json", SigningKey.generate())).payload == b"no json"
