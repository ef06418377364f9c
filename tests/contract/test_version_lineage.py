"""Lineage at level VERSION on every adapter: which version fed which run, which runs and outputs a version fed, and where nobody named a version."""
from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from lineproof_schema.urn import parse_urn
from metadata_service.queries import producers, version_walk
from metadata_service.queries.entity import entity
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.lineage import walk_limits
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Kind, Level
from tests.contract.semantics_world import Case, pairs
from tests.unit.projector.recorded import at, uid
from tests.unit.queries.asking import ask as ask_about
from tests.unit.queries.asking import reader_of

pytestmark = pytest.mark.anyio
DOWN = Direction.DOWNSTREAM


def version(case: Case, dataset: str, number: str) -> str:
    return case.dataset(dataset).replace("urn:lineproof:dataset:", "urn:lineproof:dataset-version:") + f":{number.replace(':', '%3A')}"


def named(case: Case, dataset: str, number: str) -> dict[str, object]:
    """A part of an event that names its version."""
    return case.part(dataset, version={"datasetVersion": number})


class Told:
    """An answer in the names of the case: `mart@r2` is the version of `mart` that run r2 wrote, `raw@1` one that was named, `(r2)` a run."""

    def __init__(self, case: Case, found: Lineage, *runs: str) -> None:
        self._runs = {uid(f"{case.name} {run}"): run for run in runs}
        names = [self._name(node.urn) for node in found.nodes]
        self.distance = {name: node.distance for name, node in zip(names, found.nodes, strict=True)}
        self.edges = {(names[edge.downstream], names[edge.upstream]) for edge in found.edges}
        self.basis = {(names[edge.downstream], names[edge.upstream]): edge.basis for edge in found.edges}
        self.reasons = [(reason.code, self._name(reason.urn)) for reason in found.completeness.reasons]
        self.found = found

    def _name(self, urn: str | None) -> str | None:
        if urn is None:
            return None
        parsed = parse_urn(urn)
        if parsed.kind == "run":
            return f"({self._runs[parsed.name]})"
        number = parsed.components[2] if parsed.kind == "dataset-version" else ""
        number = self._runs.get(number.removeprefix("run:"), number)
        return f"{parsed.components[1]}@{number}" if number else parsed.components[1]


async def ask(case: Case, name: str, direction: Direction = Direction.UPSTREAM, depth: int | None = None, *, runs: str = "", **more: Any) -> Told:
    found: Lineage = await case.lineage(name, direction, depth, level=Level.VERSION, **more)
    assert {edge.level for edge in found.edges} <= {Level.VERSION}
    return Told(case, found, *runs.split())


async def test_each_run_is_told_with_the_versions_it_read_and_wrote(case: Case) -> None:
    case.run("stage", "s1", [named(case, "raw", "1")], ["stage"], code="v1", minutes=1)
    case.run("mart", "m1", ["stage"], ["mart"], code="v1", minutes=2)
    first = await case.settle()
    case.run("stage", "s2", [named(case, "raw", "2")], ["stage"], code="v1", minutes=3)
    case.run("mart", "m2", ["stage"], ["mart"], code="v1", minutes=4)
    await case.settle()
    runs = "s1 s2 m1 m2"
    now = await ask(case, "mart", runs=runs)  # a dataset stands for its current version
    assert [root.why for root in now.found.roots] == ["current version"]
    assert now.distance == {"mart@m2": 0, "(m2)": 1, "stage@s2": 1, "(s2)": 2, "raw@2": 2}
    assert now.edges == {("mart@m2", "(m2)"), ("(m2)", "stage@s2"), ("stage@s2", "(s2)"), ("(s2)", "raw@2")}
    assert {edge.via for edge in now.found.edges} == {case.job("mart"), case.job("stage")}
    assert all(edge.transformation is not None and edge.opened_by == edge.from_ - 1 for edge in now.found.edges)
    then = await ask(case, "mart", at=first, runs=runs)  # and so it did then
    assert then.distance == {"mart@m1": 0, "(m1)": 1, "stage@s1": 1, "(s1)": 2, "raw@1": 2}
    old = await ask(case, version(case, "mart", f"run:{uid(f'{case.name} m1')}"), runs=runs)  # an older version is traced through its own inputs
    assert old.edges == then.edges
    fed = await ask(case, version(case, "raw", "1"), DOWN, runs=runs)  # what a version fed, and nothing that another version fed
    assert fed.distance == {"raw@1": 0, "(s1)": 1, "stage@s1": 1, "(m1)": 2, "mart@m1": 2}
    assert (await ask(case, version(case, "raw", "1"), DOWN, 1, runs=runs)).distance == {"raw@1": 0, "(s1)": 1, "stage@s1": 1}
    run = await ask(case, case.run_urn("s1"), runs=runs)
    assert run.distance == {"(s1)": 0, "raw@1": 1}
    assert (await ask(case, case.run_urn("s1"), DOWN, runs=runs)).distance == {"(s1)": 0, "stage@s1": 1, "(m1)": 2, "mart@m1": 2}
    both = await ask(case, version(case, "stage", f"run:{uid(f'{case.name} s1')}"), Direction.BOTH, runs=runs)
    assert both.distance == {"stage@s1": 0, "(s1)": -1, "raw@1": -1, "(m1)": 1, "mart@m1": 1}
    last = await ask(case, case.job("mart"), runs=runs)
    assert [root.why for root in last.found.roots] == ["last run of the job"]
    assert last.distance["(m2)"] == 0


async def test_what_nobody_named_is_inferred_and_what_nobody_knows_is_unknown(case: Case) -> None:
    case.run("load", "l1", [named(case, "known", "7"), "bare"], ["t"], code="v1", minutes=1)
    await case.settle()
    found = await ask(case, "t", runs="l1 l2 w")
    assert found.basis == {("t@l1", "(l1)"): "named", ("(l1)", "known@7"): "named", ("(l1)", "bare"): "unknown"}
    assert found.distance["bare"] == 1
    assert not found.found.completeness.complete
    assert found.reasons == [("version-unknown", "bare")]
    case.run("fill", "w", [], ["bare"], code="v1", minutes=2)  # now one is known
    case.run("load", "l2", [named(case, "known", "7"), "bare"], ["t"], code="v1", minutes=3)
    await case.settle()
    found = await ask(case, "t", runs="l1 l2 w")
    assert found.basis == {("t@l2", "(l2)"): "named", ("(l2)", "known@7"): "named", ("(l2)", "bare@w"): "inferred", ("bare@w", "(w)"): "named"}
    assert found.reasons == [("version-inferred", "bare@w")]
    old = await ask(case, version(case, "t", f"run:{uid(f'{case.name} l1')}"), runs="l1 l2 w")
    assert old.reasons == [("version-unknown", "bare")]  # of then, nothing became known
    alone = await ask(case, "known", DOWN, depth=0)
    assert alone.reasons == [("version-unknown", "known")]  # readers alone named versions of it: none is current
    assert [root.why for root in alone.found.roots] == ["no version of it is known"]


async def test_a_run_that_wrote_nothing_was_fed_too_and_one_that_only_read_a_version_did_not_write_it(case: Case) -> None:
    case.run("load", "bad", [named(case, "raw", "1")], ["t"], state="FAIL", code="v1", minutes=1)
    case.run("load", "good", [named(case, "raw", "1")], ["t"], code="v1", minutes=2)
    case.world.say("lineproof.dataset-version.v1", {"namespace": case.datasets, "name": "raw", "id": "1", "runId": uid(f"{case.name} good")})
    await case.settle()
    fed = await ask(case, version(case, "raw", "1"), DOWN, runs="bad good")
    assert fed.distance == {"raw@1": 0, "(bad)": 1, "(good)": 1, "t@good": 1}
    told = {node.name: (node.status, node.time is not None) for node in fed.found.nodes}
    assert told == {node.name: (None, False) for node in fed.found.nodes}  # facts are read when they are asked for
    fed = await ask(case, version(case, "raw", "1"), DOWN, runs="bad good", facts=True)
    assert {node.status for node in fed.found.nodes if node.kind is Kind.RUN} == {"FAIL", "COMPLETE"}
    assert (await ask(case, version(case, "raw", "1"), runs="bad good")).edges == set()  # it declared what it read


async def test_models_stand_on_the_versions_they_were_trained_on(case: Case) -> None:
    case.run("mart", "m1", [named(case, "raw", "1")], ["mart"], code="v1", minutes=1)
    trained = [{"namespace": case.datasets, "name": "mart", "version": f"run:{uid(f'{case.name} m1')}"}]
    case.world.say("lineproof.model-version.v1", {"namespace": case.datasets, "name": "net", "version": "3", "artifact": "c" * 64, "owners": ["x"],
                                                  "binding": "stable", "trainingDatasets": trained})
    await case.settle()
    model = f"urn:lineproof:model-version:{case.datasets}:net:3"
    assert (await ask(case, model, runs="m1")).distance == {"net": 0, "mart@m1": 1, "(m1)": 2, "raw@1": 2}
    assert (await ask(case, version(case, "raw", "1"), DOWN, runs="m1")).distance == {"raw@1": 0, "(m1)": 1, "mart@m1": 1, "net": 2}
    assert (await ask(case, version(case, "raw", "1"), DOWN, runs="m1", kinds=[Kind.MODEL_VERSION])).distance["net"] == 2


async def test_what_is_outside_the_grants_keeps_its_place_and_no_name(case: Case) -> None:
    secret = {"namespace": f"secret.{case.name}", "name": "payroll", "facets": {"version": {"datasetVersion": "42"}}}
    case.run("load", "r1", [named(case, "raw", "1")], [secret], code="v1", minutes=1)
    case.run("mart", "r2", [secret, {"namespace": f"secret.{case.name}", "name": "staff", "facets": {}}], ["mart"], code="v1", minutes=2)
    await case.settle()
    found = await ask(case, "mart", runs="r1 r2", viewer=reader_of(case.world, case.datasets, case.jobs))
    assert [node.restricted for node in found.found.nodes] == [urn is None for urn in (node.urn for node in found.found.nodes)]
    assert sum(node.restricted for node in found.found.nodes) == found.found.completeness.restricted == 2
    assert found.distance.keys() == {"mart@r2", "(r2)", None, "(r1)", "raw@1"}
    assert set(found.reasons) == {("restricted", None), ("version-unknown", None)}
    assert "payroll" not in repr(found.found)
    assert "staff" not in repr(found.found)
    outside = reader_of(case.world, case.datasets)  # sees the data, not the jobs
    seen = await ask(case, "mart", runs="r1 r2", viewer=outside)
    assert {edge.via for edge in seen.found.edges} == {None}
    stranger = await ask(case, case.run_urn("r1"), runs="r1 r2", viewer=reader_of(case.world, "elsewhere"))
    assert (stranger.found.nodes, stranger.reasons[0][0]) == ((), "unknown-urn")


async def made_by(case: Case, name: str, **named: Any) -> list[tuple[str | None, str, bool, int, int, int | None, int | None]]:
    """(job, code, current, first, since, until, runs) of each producer; code by the letter it was given."""
    found = await ask_about(case.world, entity, case.dataset(name), made_by=True, **{"size" if key == "at" else key: value for key, value in named.items()})
    assert found.entity is not None
    assert all(each.opened_by == each.since - 1 and each.restricted == (each.job is None and each.basis != "declared") for each in found.entity.producers)
    return [(each.job.rpartition(":")[2] if each.job else None, each.transformation[-4:] if each.transformation else "", each.current, each.first, each.since,
             each.until, each.runs) for each in found.entity.producers]


async def test_who_makes_a_dataset_and_who_ever_did(case: Case) -> None:
    sizes = [case.run("load", f"r{number}", [f"in-{code}"], ["t"], code=code, minutes=number) + 1 for number, code in enumerate("aaba")]
    other = case.run("copy", "c1", ["elsewhere"], ["t"], code="x", minutes=9) + 1
    end = await case.settle()
    (copy, *_), now = (await made_by(case, "t"))[:1], await made_by(case, "t")
    codes = {row[1]: row for row in now}
    assert len(codes) == 3
    a, b = (next(row for row in now if row[0] == "load" and row[2] is current) for current in (True, False))
    assert a[2:] == (True, sizes[0], sizes[3], None, 3)  # it went, and it came back
    assert b[2:] == (False, sizes[2], sizes[2], sizes[3], 1)
    assert copy == ("copy", copy[1], True, other, other, None, 1)  # another job may make it as well
    then = await made_by(case, "t", at=sizes[2])
    assert then == [(b[0], b[1], True, sizes[2], sizes[2], None, None), (a[0], a[1], False, sizes[0], sizes[0], sizes[2], None)]  # counts know the present only
    assert await made_by(case, "t", at=sizes[0]) == [(a[0], a[1], True, sizes[0], sizes[0], None, None)]
    case.declare("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})
    dropped = await case.settle()
    assert [(row[2], row[5]) for row in await made_by(case, "t") if row[0] != "load" or row[1] == a[1]] == [(False, dropped), (False, dropped)]
    assert end < dropped


async def test_a_producer_that_reads_nothing_and_one_that_is_only_declared(case: Case) -> None:
    first = case.run("fetch", "f1", [], ["t"], code="v1", minutes=1) + 1
    case.declare("view", columnLineage=case.derived(v=[("t", "k")]))
    viewed = await case.settle()
    assert await made_by(case, "t") == [("fetch", (await made_by(case, "t"))[0][1], True, first, first, None, 1)]
    assert await made_by(case, "view") == [(None, "", True, viewed, viewed, None, None)]
    case.run("load", "l1", ["raw"], ["t"], code="v1", minutes=2)
    await case.settle()
    assert [(row[0], row[2]) for row in await made_by(case, "t")] == [("load", True), ("fetch", False)]  # the current version is the other's
    blind = await ask_about(case.world, entity, case.dataset("t"), made_by=True, viewer=reader_of(case.world, case.datasets))
    assert blind.entity is not None
    assert [(each.job, each.transformation, each.restricted) for each in blind.entity.producers] == [(None, None, True)] * 2
    assert blind.completeness.restricted == 2
    assert (await ask_about(case.world, entity, case.job("load"), made_by=True)).entity.producers == ()  # type: ignore[union-attr]


async def test_versions_of_code_side_by_side_are_both_active(case: Case) -> None:
    case.run("load", "r0", ["in-old"], ["t"], code="old", minutes=0)
    for minute in range(10, 14):
        code = "ab"[minute % 2]
        case.run("load", f"r{minute}", [f"in-{code}"], ["t"], code=code, minutes=minute)
    case.run("use", "u", ["t"], ["mart"], code="v1", minutes=20)
    await case.settle()
    since = datetime.fromisoformat(at(5))
    assert {(a, b) for a, b in await case.upstream("mart") if b != "t"} == {("t", "in-b")}
    found = await case.lineage("mart", active_since=since, seen=True)
    names = [node.name for node in found.nodes]
    told = {names[edge.upstream]: (edge.to is None, edge.last_seen) for edge in found.edges}
    wanted = {"t": (True, 20), "in-b": (True, 13), "in-a": (False, 12)}
    assert told == {name: (now, datetime.fromisoformat(at(minute))) for name, (now, minute) in wanted.items()}
    assert pairs(await case.lineage("in-a", DOWN, active_since=since)) == {("t", "in-a"), ("mart", "t")}
    assert pairs(await case.lineage("in-old", DOWN, active_since=since)) == pairs(await case.lineage("in-a", DOWN)) == set()
    early = await case.lineage("mart", active_since=datetime.fromisoformat(at(-5)))
    assert {name for name in (node.name for node in early.nodes)} == {"mart", "t", "in-a", "in-b", "in-old"}
    assert [node.name for node in (await case.lineage("mart", active_since=datetime.fromisoformat(at(30)))).nodes] == ["mart"]
    assert {edge.last_seen for edge in (await case.lineage("t", seen=True, at=case.world.log.reader.size() - 1)).edges} == {None}


async def test_limits_are_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.runs([("each", f"r{number}", [named(case, "raw", "1")], [f"t{number}"], {"code": "v1", "minutes": number}) for number in range(6)])
    await case.settle()
    raw, runs = version(case, "raw", "1"), "r0 r1 r2 r3 r4 r5"
    cut = await ask(case, raw, DOWN, runs=runs, limits=walk_limits(5, None))
    assert (len(cut.found.nodes), cut.found.completeness.truncated) == (5, True)
    assert sum(node.hidden_downstream for node in cut.found.nodes) >= 6 - 4
    cut = await ask(case, raw, DOWN, runs=runs, limits=walk_limits(None, 2))
    assert [reason.detail for reason in cut.found.completeness.reasons] == ["not all is here: the first 2 edges are shown"]
    monkeypatch.setattr(version_walk, "LINK_LIMIT", 2)
    cut = await ask(case, raw, DOWN, runs=runs)
    assert "not all is here: runs, models and versions beside one version or run (the newest 2)" in [r.detail for r in cut.found.completeness.reasons]
    monkeypatch.setattr(producers, "HISTORY_LIMIT", 0)
    told = await ask_about(case.world, entity, case.dataset("t1"), made_by=True)
    assert [reason.detail for reason in told.completeness.reasons] == ["not all is here: edges that ever led into the dataset (the first 0)"]
    with pytest.raises(InvalidArgument):
        await ask(case, raw, DOWN, runs=runs, depth=1000)
    assert [reason for reason, _ in (await ask(case, version(case, "raw", "9"))).reasons] == ["unknown-urn"]
