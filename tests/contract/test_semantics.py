"""What events mean, case by case: the list "Semantics worth a test each" of the graph's contract, on every adapter.

Signed events go through the real log, the real projector and the query layer; each test is one case and speaks in namespaces of its own, so that
all share one log and one graph per adapter.
"""
from __future__ import annotations

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.queries.shapes import Direction, Kind, Level
from tests.contract.semantics_world import NARROW, Case, distances, pairs
from tests.unit.projector.recorded import columns
from tests.unit.queries.asking import reader_of

pytestmark = pytest.mark.anyio

DOWN, BOTH = Direction.DOWNSTREAM, Direction.BOTH


# -- walking

async def test_depth_counts_asset_hops(case: Case) -> None:
    for number, (source, target) in enumerate((("a", "b"), ("b", "c"), ("c", "d"))):
        case.run(f"make-{target}", f"r{number}", [source], [case.part(target, columnLineage=case.derived(k=[(source, "k")]))], code="v1")
    await case.settle()
    assert distances(await case.lineage("d", depth=2)) == {"d": 0, "c": 1, "b": 2}  # jobs and runs on the way count nothing
    assert distances(await case.lineage("d.k", depth=2, level=Level.COLUMN)) == {"d.k": 0, "c.k": 1, "b.k": 2}
    cut = (await case.lineage("d", depth=2)).nodes[-1]
    assert (cut.name, cut.hidden_upstream) == ("b", 1)
    assert distances(await case.lineage("d", depth=0)) == {"d": 0}
    assert distances(await case.lineage("b", BOTH, depth=1)) == {"b": 0, "a": -1, "c": 1}


async def test_what_is_said_of_all_columns_holds_for_those_told_later(case: Case) -> None:
    whole = {"fields": {}, "dataset": [{"namespace": case.datasets, "name": "calendar", "field": "day"}]}
    case.run("filter", "r1", ["calendar"], [case.part("t", schema=columns("a"), columnLineage=whole)])
    before = await case.settle()
    case.run("reader", "r2", [case.part("t", schema=columns("b", "c"))], ["report"])
    await case.settle()
    assert pairs(await case.lineage("calendar.day", DOWN, level=Level.COLUMN)) == {("t.b", "calendar.day"), ("t.c", "calendar.day")}
    assert pairs(await case.lineage("calendar.day", DOWN, level=Level.COLUMN, at=before)) == {("t.a", "calendar.day")}


async def test_cycles(case: Case) -> None:
    case.run("there", "r1", ["a"], ["b"], code="v1")
    case.run("back", "r2", ["b"], ["a"], code="v1")
    await case.settle()
    for way in (Direction.UPSTREAM, DOWN):
        found = await case.lineage("a", way)
        assert distances(found) == {"a": 0, "b": 1}
        assert pairs(found) == {("a", "b"), ("b", "a")}
        assert {node.hidden_upstream + node.hidden_downstream for node in found.nodes} == {0}


async def test_self_loops(case: Case) -> None:
    case.run("merge", "r1", ["t", "new"], ["t"], code="v1")
    await case.settle()
    found = await case.lineage("t")
    assert distances(found) == {"t": 0, "new": 1}
    assert pairs(found) == {("t", "t"), ("t", "new")}
    assert pairs(await case.lineage("t", DOWN)) == {("t", "t")}


async def test_diamonds(case: Case) -> None:
    case.run("split", "r1", ["a"], ["left", "right"], code="v1")
    case.run("join", "r2", ["left", "right", "a"], ["z"], code="v1")
    await case.settle()
    found = await case.lineage("z")
    assert distances(found) == {"z": 0, "a": 1, "left": 1, "right": 1}  # the shortest way counts
    assert pairs(found) == {("z", "a"), ("z", "left"), ("z", "right"), ("left", "a"), ("right", "a")}
    assert len(found.edges) == 5  # each once, however many ways lead over it


# -- datasets that change their name, end, come back, have several names

async def test_a_renamed_dataset(case: Case) -> None:
    facets = {"schema": columns("k"), "columnLineage": case.derived(k=[("raw", "k")])}
    case.run("load", "r1", ["raw"], [case.part("old", **facets)], code="v1", minutes=1)
    before = case.run("mart", "r2", ["old"], ["mart"], code="v1", minutes=2) + 1
    case.declare("new", lifecycleStateChange={"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": case.datasets, "name": "old"}})
    await case.settle()
    assert await case.upstream("mart") == {("mart", "new"), ("new", "raw")}
    assert await case.upstream("new.k", level=Level.COLUMN) == {("new.k", "raw.k")}
    assert await case.upstream("old") == set()
    assert await case.upstream("mart", at=before) == {("mart", "old"), ("old", "raw")}
    case.run("load", "r3", ["other"], ["new"], code="v2", minutes=3)  # its next run goes on under the new name, and takes over there
    await case.settle()
    assert await case.upstream("mart") == {("mart", "new"), ("new", "other")}


async def test_dropped_and_re_created(case: Case) -> None:
    case.run("load", "r1", ["raw"], ["t"], code="v1", minutes=1)
    case.run("mart", "r2", ["t"], ["mart"], code="v1", minutes=2)
    before = await case.settle()
    case.declare("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})
    dropped = await case.settle()
    assert await case.upstream("mart") == await case.upstream("t") == set()
    found = await case.lineage("t", depth=0, facts=True)
    assert found.nodes[0].dropped
    case.run("load", "r3", ["raw2"], ["t"], code="v2", minutes=100_000)
    await case.settle()
    assert await case.upstream("t") == {("t", "raw2")}
    assert await case.upstream("mart") == set()  # nobody has read the new one yet
    assert await case.upstream("mart", at=before) == {("mart", "t"), ("t", "raw")}
    existence = [(row.value, row.from_ <= dropped) for row in await case.world.graph.revisions(case.dataset("t")) if row.fact == "existence"]
    assert existence == [("exists", True), ("dropped", True), ("exists", False)]


async def test_symlinks(case: Case) -> None:
    case.run("load", "r1", ["raw"], [case.part("s3/t", symlinks={"identifiers": [{"namespace": case.datasets, "name": "hive.t", "type": "TABLE"}]})],
             code="v1")
    case.run("mart", "r2", ["hive.t"], ["mart"], code="v1")
    await case.settle()
    assert ("s3/t", "raw") in await case.upstream("mart")  # written by the one name, read by the other
    assert await case.links(case.dataset("s3/t"), "SAME_AS") == [case.dataset("hive.t")]


async def test_column_lineage_through_a_view(case: Case) -> None:
    case.declare("view", schema=columns("v"), columnLineage=case.derived(v=[("raw", "k")]))
    case.run("mart", "r1", ["view"], [case.part("mart", columnLineage=case.derived(m=[("view", "v")]))], code="v1")
    await case.settle()
    assert await case.upstream("mart.m", level=Level.COLUMN) == {("mart.m", "view.v"), ("view.v", "raw.k")}
    assert await case.upstream("mart") == {("mart", "view"), ("view", "raw")}


# -- jobs, versions of code, runs

async def test_one_job_writing_two_outputs_from_disjoint_inputs(case: Case) -> None:
    case.run("load", "r1", ["a", "b"], [case.part("x", columnLineage=case.derived(k=[("a", "k")])), case.part("y", columnLineage=case.derived(k=[("b", "k")]))],
             code="v1")
    case.run("plain", "r2", ["a", "b"], ["u", "v"], code="v1")
    await case.settle()
    assert await case.upstream("x") == {("x", "a")}
    assert await case.upstream("y") == {("y", "b")}
    assert await case.upstream("u") == {("u", "a"), ("u", "b")}  # nobody said which of them: every one may be
    assert {edge.basis for edge in (await case.lineage("u")).edges} == {"inputsOutputs"}


async def test_a_job_parameterised_over_100_outputs_writing_one_per_run(case: Case) -> None:
    case.runs([("each", f"r{number}", ["x"], [f"out{number}"], {"code": "v1", "minutes": number}) for number in range(100)])
    await case.settle()
    assert await case.upstream("x", direction=DOWN) == {(f"out{number}", "x") for number in range(100)}
    case.run("each", "next", ["y"], ["out7"], code="v2", minutes=200)  # new code closes what it writes, and nothing else
    await case.settle()
    assert len(await case.upstream("x", direction=DOWN)) == 99
    assert await case.upstream("out7") == {("out7", "y")}


async def test_a_late_spool_of_old_code(case: Case) -> None:
    case.run("load", "old", ["x"], ["t"], code="v1", minutes=1)
    case.run("load", "new", ["y"], ["t"], code="v2", minutes=10)
    case.run("load", "late", ["x"], [case.part("t", schema=columns("stale"))], code="v1", minutes=5)
    await case.settle()
    assert await case.upstream("t") == {("t", "y")}
    assert "schema" not in await case.facts(case.dataset("t"))
    assert await case.links(case.run_urn("late"), "OF") == [case.job("load")]  # that it ran is kept


@pytest.mark.parametrize("purpose", ["rerun", "backfill"])
async def test_a_rerun_and_a_backfill_of_old_code(case: Case, purpose: str) -> None:
    case.run("load", f"{purpose} 1", ["x"], [f"t-{purpose}"], code="v1", minutes=1)
    case.run("load", f"{purpose} 2", ["y"], [f"t-{purpose}"], code="v2", minutes=2)
    case.run("load", f"{purpose} 3", ["x", "z"], [f"t-{purpose}"], code="v1", minutes=3, purpose=purpose)
    await case.settle()
    assert await case.upstream(f"t-{purpose}") == {(f"t-{purpose}", "y")}
    assert (await case.facts(case.run_urn(f"{purpose} 3")))["purpose"] == purpose
    (version,) = await case.links(case.run_urn(f"{purpose} 3"), "GENERATED")
    assert (await case.facts(case.dataset(f"t-{purpose}")))["currentVersion"] != version


async def test_two_versions_running_side_by_side(case: Case) -> None:
    seen = []
    for minute in range(4):
        code = "ab"[minute % 2]
        case.run("load", f"r{minute}", [f"in-{code}"], ["t"], code=code, minutes=minute)
        size = await case.settle()
        seen.append(size)
        assert await case.upstream("t") == {("t", f"in-{code}")}  # they alternate
    assert [await case.upstream("t", at=size) for size in seen] == [{("t", f"in-{code}")} for code in "abab"]


async def test_a_streaming_job(case: Case) -> None:
    streaming = {"jobType": {"processingType": "STREAMING", "integration": "FLINK"}}
    case.run("flow", "r1", ["x"], ["t"], code="v1", minutes=1, state="RUNNING", **streaming)
    case.run("flow", "r2", ["y"], ["t"], code="v2", minutes=2, state="START", **streaming)
    await case.settle()
    assert await case.upstream("t") == {("t", "x"), ("t", "y")}
    case.run("flow", "r2", ["y"], ["t"], code="v2", minutes=3, state="RUNNING", **streaming)  # it never completes: running takes over
    await case.settle()
    assert await case.upstream("t") == {("t", "y")}


async def test_io_split_over_start_and_complete(case: Case) -> None:
    case.run("load", "r1", ["x"], [], code="v1", minutes=1, state="START")
    half = await case.settle()
    case.run("load", "r1", [], ["t"], minutes=2)
    await case.settle()
    assert await case.upstream("t") == {("t", "x")}
    assert await case.upstream("t", at=half) == set()
    assert (await case.lineage("t")).edges[0].transformation is not None  # the code was told by the first event alone


async def test_a_parent_run_that_arrives_after_its_child(case: Case) -> None:
    dag = {"run": {"runId": case.run_urn("dag").rpartition(":")[2]}, "job": {"namespace": case.jobs, "name": "dag"}}
    case.run("task", "child", ["x"], ["t"], code="v1", run_facets={"parent": dag}, minutes=1)
    await case.settle()
    assert await case.links(case.run_urn("child"), "CHILD_OF") == [case.run_urn("dag")]
    case.run("dag", "dag", minutes=2)
    await case.settle()
    assert await case.links(case.run_urn("dag"), "OF") == [case.job("dag")]
    assert (await case.facts(case.run_urn("dag")))["status"] == "COMPLETE"


# -- who may say what

@pytest.mark.parametrize("first", ["signed", "unsigned"])
async def test_an_unsigned_event_next_to_its_signed_twin(case: Case, first: str) -> None:
    told = {"signed": {}, "unsigned": {"key": "notary"}}
    case.run("load", f"r-{first}", ["x"], [f"t-{first}"], code="v1", **told[first])
    once = await case.settle()
    case.run("load", f"r-{first}", ["x"], [f"t-{first}"], code="v1", **told["unsigned" if first == "signed" else "signed"])
    await case.settle()
    found = await case.lineage(f"t-{first}")
    assert [(edge.from_ <= once, edge.to) for edge in found.edges] == [(True, None)]
    assert (await case.facts(case.run_urn(f"r-{first}")))["signedBy"] == "PRODUCER"  # whichever came first, somebody vouches for it


async def test_out_of_scope_facets(case: Case) -> None:
    case.register_narrow()
    namespace = f"theirs.{case.name}"
    theirs = {"namespace": namespace, "facets": {"schema": columns("hacked"), "lifecycleStateChange": {"lifecycleStateChange": "DROP"}}}
    index = case.run("load", "r1", [{**theirs, "name": "src"}], ["t", {**theirs, "name": "out"}], code="v1", key=NARROW)
    await case.settle()
    outcome = await case.world.graph.outcome(index)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("partial", "out-of-scope")
    assert await case.facts(format_urn("dataset", namespace, "src")) == {}
    assert await case.upstream("t") == {("t", "src")}  # that it read them is its own business to say
    assert pairs(await case.lineage(format_urn("dataset", namespace, "out"), BOTH)) == set()  # but not what theirs are made of


# -- what is not there, or not to be seen

async def test_unknown_urn(case: Case) -> None:
    await case.settle()
    found = await case.lineage("nowhere", BOTH)
    assert (found.roots, found.nodes, found.edges) == ((), (), ())
    assert (found.completeness.complete, found.completeness.unknown) == (False, 1)
    assert [(reason.code, reason.urn) for reason in found.completeness.reasons] == [("unknown-urn", case.dataset("nowhere"))]


async def test_at_before_the_entity_existed(case: Case) -> None:
    before = await case.settle()
    case.run("load", "r1", ["x"], ["t"], code="v1")
    after = await case.settle()
    assert [reason.code for reason in (await case.lineage("t", at=before)).completeness.reasons] == ["unknown-urn"]
    assert pairs(await case.lineage("t", at=after)) == {("t", "x")}
    assert (await case.lineage("t", at=after)).completeness.complete


async def test_restricted_nodes_in_the_middle_of_a_path(case: Case) -> None:
    secret = {"namespace": f"secret.{case.name}", "name": "payroll", "facets": {}}
    case.run("load", "r1", ["raw"], [secret], code="v1")
    case.run("mart", "r2", [secret], ["mart"], code="v1")
    await case.settle()
    found = await case.lineage("mart", viewer=reader_of(case.world, case.datasets, case.jobs))
    assert [(node.name, node.kind, node.distance, node.restricted) for node in found.nodes] == [
        ("mart", Kind.DATASET, 0, False), (None, Kind.DATASET, 1, True), ("raw", Kind.DATASET, 2, False)]  # its place is shown, not what it is
    assert pairs(found) == {("mart", None), (None, "raw")}
    assert {(edge.via, edge.transformation, edge.expression) for edge in found.edges} == {(None, None, None)}
    assert (found.completeness.complete, found.completeness.restricted) == (False, 1)
    assert "payroll" not in repr(found)
    assert "secret." not in repr(found)
