"""Random registry streams against an oracle that keeps plain dictionaries: aliases, pins, what is live; and rebuild == incremental at every size."""
from __future__ import annotations

import random
from typing import Any

import pytest

from metadata_service.projector import Projector, bindings, features, serving
from metadata_service.projector.rebuild import rebuild
from metadata_service.projector.view import Draft
from metadata_service.registry.resolution import resolve
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import RecordedLog, new_log

pytestmark = pytest.mark.anyio
SEEDS = (11, 12, 13)
WANTED = {"alias", "alias-rejected", "pins", "no-pins", "told-again", "conflict", "deploy", "retire", "retire-rejected", "replace", "flexible"}
NAMES = "abcdefghijkl"
HEAD, MODELS = "urn:lineproof:feature:ml:f", "urn:lineproof:model-version:ml:m:"


class Registry:
    """A stream and what the contract says of it: after every entry the alias, the pins by model version, the live deployments."""

    def __init__(self, seed: int, length: int = 90) -> None:
        self.choose, self.log, self.counts = random.Random(seed), new_log(), set[str]()
        self.registered: set[str] = set()
        self.alias: tuple[str, int] | None = None
        self.models: dict[str, dict[str, Any]] = {}
        self.pins: dict[str, list[str]] = {}
        self.deployed: dict[str, tuple[str, bool]] = {}
        self.after: dict[int, tuple[Any, ...]] = {}
        self.outcomes: dict[int, str] = {}
        while self.log.size() < length or not self.counts >= WANTED:
            assert self.log.size() < 600, WANTED - self.counts
            index = self.choose.choice([self._version, self._alias, self._model, self._model, self._deployment])()
            self.after[index + 1] = (self.alias, {key: list(value) for key, value in self.pins.items()}, dict(self.deployed))

    def _say(self, kind: str, data: dict[str, Any], outcome: str) -> int:
        index = self.log.cloud(f"lineproof.{kind}.v1", data)
        self.outcomes[index] = outcome
        return index

    def _version(self) -> int:
        version = self.choose.choice("123")
        self.registered.add(version)
        return self._say("feature-version", {"namespace": "ml", "name": "f", "version": version, "column": {"namespace": "db", "name": "t", "column": "c"},
                                             "definition": {"entities": ["e"], "dtype": "int", "sql": version}}, "applied")

    def _alias(self) -> int:
        stands = self.alias[1] if self.alias else None
        to, expected = self.choose.choice("123"), stands if self.choose.random() < 0.7 else 0
        good = expected == stands and to in self.registered
        self.counts.add("alias" if good else "alias-rejected")
        index = self._say("alias", {"kind": "feature", "namespace": "ml", "name": "f", "alias": "prod", "to": to, "expected": expected},
                          "applied" if good else "rejected")
        if good:
            self.alias = (to, index)
        return index

    def _model(self) -> int:
        version, binding = self.choose.choice(NAMES), self.choose.choice(["stable", "stable", "flexible"])
        references = sorted(self.choose.sample(["ml:f@prod", "ml:f@1", "ml:f@2", "ml:f@3", "ml:f@9"], self.choose.randrange(1, 3)))
        known = self.models.get(version)
        said = {"features": references, "binding": binding}
        if known is not None and self.choose.random() < 0.6:
            said = dict(known)
        data = {"namespace": "ml", "name": "m", "version": version, "artifact": "c" * 64, **said}
        if known is not None and said != known:
            self.counts.add("conflict")
            return self._say("model-version", data, "rejected")
        meant = [self._meaning(reference) for reference in said["features"]]
        whole = all(each is not None for each in meant)
        pinned = version in self.pins
        if said["binding"] == "flexible":
            self.counts.add("flexible")
        elif not pinned:
            self.counts.add("pins" if whole else "no-pins")
            if not whole:
                return self._say("model-version", data, "rejected")
            self.pins[version] = [str(each) for each in meant]
        if known is not None:
            self.counts.add("told-again")
        self.models[version] = said
        return self._say("model-version", data, "applied" if whole or pinned else "partial")

    def _meaning(self, reference: str) -> str | None:
        selector = reference.rpartition("@")[2]
        if selector == "prod":
            return self.alias[0] if self.alias else None
        return selector if selector in self.registered else None

    def _deployment(self) -> int:
        name, version = self.choose.choice(["d1", "d2", "d3"]), self.choose.choice(NAMES)
        known = self.deployed.get(name)
        if known is not None and self.choose.random() < 0.8:
            version = known[0]
        data: dict[str, Any] = {"namespace": "ml", "name": "m", "id": name, "modelVersion": version, "environment": "prod"}
        if self.choose.random() < 0.4:
            good = known is not None and known[0] == version
            self.counts.add("retire" if good else "retire-rejected")
            if good:
                self.deployed[name] = (version, False)
            return self._say("deployment", {**data, "action": "retire"}, "applied" if good else "rejected")
        if known is not None and known[0] != version:
            return self._say("deployment", {**data, "action": "deploy"}, "rejected")
        previous = self.choose.choice([None, "d1", "d2", "d3"])
        bad = previous is not None and (previous == name or previous not in self.deployed)
        self.deployed[name] = (version, True)
        self.counts.add("deploy")
        if previous is not None and not bad:
            self.counts.add("replace")
            self.deployed[previous] = (self.deployed[previous][0], False)
        return self._say("deployment", {**data, "action": "deploy", **({"previous": previous} if previous else {})},
                         "partial" if bad or version not in self.models else "applied")


async def state(graph: MemoryGraph, at: int) -> tuple[Any, ...]:
    """The same three things as the graph says them."""
    head = (await graph.get([HEAD], at)).get(HEAD)
    alias = head.facts.get("alias:prod") if head is not None else None
    models = await graph.get([MODELS + name for name in NAMES], at)
    pins = {urn[-1]: [row["feature"].rpartition(":")[2] for row in node.facts["pins"]["features"]] for urn, node in models.items() if "pins" in node.facts}
    deployments = await graph.get([f"urn:lineproof:deployment:ml:m:{name}" for name in ("d1", "d2", "d3")], at)
    return ((alias["version"], alias["index"]) if alias else None, pins,
            {urn.rpartition(":")[2]: (node.facts["modelVersion"].rpartition(":")[2], node.facts["live"]) for urn, node in deployments.items()})


async def violations(stream: Registry) -> list[str]:
    graph, growing = MemoryGraph(), RecordedLog()
    projector = Projector(growing, graph)
    for index, stored in enumerate(stream.log.stored):
        growing.stored.append(stored)
        if index % 7 == 0:
            while await projector.step(3):
                pass
        if index % 19 == 0:
            projector = Projector(growing, graph)
    while await projector.step(3):
        pass
    found = [f"state at {at}" for at, expected in stream.after.items() if await state(graph, at) != expected]
    found += [f"outcome of {index}" for index, expected in stream.outcomes.items() if graph.records[index].status != expected]
    again = MemoryGraph()
    await rebuild(stream.log, again)  # type: ignore[arg-type]
    found += ["rebuild"] if await again.digest() != await graph.digest() else []
    for at, (_, pins, _) in stream.after.items():
        for version, expected in pins.items():
            rows = (await resolve(graph, at, [], f"ml:m@{version}")).rows  # type: ignore[arg-type]
            if [row.version for row in rows] != expected:
                found.append(f"resolve of {version} at {at}")
    return found


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_registry_says_what_the_oracle_says_at_every_size(seed: int) -> None:
    assert await violations(Registry(seed)) == []


def pins_follow_aliases(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving, "bind", lambda draft, urn, references, standing, whole: bindings.bind(draft, urn, references, {}, whole=whole))
    patch.setattr(Draft, "fact", lambda draft, urn, fact, get=Draft.fact: None if fact == "pins" else get(draft, urn, fact))


def half_a_manifest_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving, "bind", lambda draft, urn, references, standing, whole: bindings.bind(draft, urn, references, standing, whole=False))


def retire_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving, "_retire", lambda draft, data, urn, known: None)


def anything_said_again_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving, "_with_what_stands", lambda draft, urn, data: data)


def the_expected_entry_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    right = features._admit_alias
    patch.setattr(features, "_admit_alias", lambda draft, data, target, namesake, move: right(
        draft, data.model_copy(update={"expected": move["wasIndex"]}), target, namesake, move))


def spoken_of_is_registered(patch: pytest.MonkeyPatch) -> None:
    for module in (features, serving, bindings):
        patch.setattr(module, "registered", lambda draft, kind, version: draft.exists(version))


def a_replaced_deployment_stays_live(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving, "_replace", lambda draft, previous, by: None)


FAULTS = (pins_follow_aliases, half_a_manifest_is_taken, retire_is_forgotten, anything_said_again_is_taken, the_expected_entry_is_not_looked_at,
          spoken_of_is_registered, a_replaced_deployment_stays_live)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_seeded_fault_is_caught(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [Registry(seed) for seed in SEEDS]
    fault(monkeypatch)
    for stream in streams:
        try:
            if await violations(stream):
                return
        except (AssertionError, KeyError):
            return
    pytest.fail(f"no property noticed: {fault.__name__}")
