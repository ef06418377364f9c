"""What columns are made of is known, or the answer says that it is not: left out of a facet, said by one of two jobs, under another name."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.keyring import Keyring
from lineproof_schema.urn import format_urn
from metadata_service.access import Viewer
from metadata_service.graph.open import open_graph
from metadata_service.projector import Projector
from metadata_service.queries.audit_trail import audit_trail
from metadata_service.queries.context import EVERYTHING, Asked, Room, answer
from metadata_service.queries.diff import diff
from metadata_service.queries.entity import entity
from metadata_service.queries.lineage import lineage
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Level
from metadata_service.queries.trace import trace
from tests.unit.projector.recorded import RecordedLog, columns, derived, ds, new_log

pytestmark = pytest.mark.anyio


def column(name: str, table: str = "t") -> str:
    return format_urn("column", "db", table, name)


class Said:
    """A log that is projected when the first question comes."""

    def __init__(self, directory: Path) -> None:
        self.log: RecordedLog = new_log()
        self._url = f"sqlite:///{directory / 'graph.db'}"

    async def ask(self, question: Any, urn: str, viewer: Any = EVERYTHING, **options: Any) -> Any:
        graph = open_graph(self._url)
        await graph.setup()
        projector = Projector(self.log, graph)
        while await projector.step():
            pass
        room = Room(graph, _Reader(self.log), Keyring, b"")  # type: ignore[arg-type]
        try:
            return await answer(room, viewer, Asked(), lambda context: question(context, urn, **options))
        finally:
            await graph.close()

    async def columns(self, urn: str, direction: Direction = Direction.UPSTREAM, depth: int | None = None) -> Lineage:
        found: Lineage = await self.ask(lineage, urn, level=Level.COLUMN, depth=depth, direction=direction)
        return found


class _Reader:
    """What a question asks of the log beside its entries."""

    def __init__(self, log: RecordedLog) -> None:
        self.size = log.size
        self.root_at = log.root_at

    def checkpoint_covering(self, size: int) -> None:
        return None


@pytest.fixture
def said(tmp_path: Path) -> Said:
    return Said(tmp_path)


def doubts(found: Lineage) -> list[tuple[str, str | None]]:
    assert found.completeness.complete == (not found.completeness.reasons)
    return [(reason.code, reason.urn) for reason in found.completeness.reasons]


def facet(of: dict[str, Sequence[tuple[str, str]]], dataset: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    filtered = [{"type": "INDIRECT", "subtype": "FILTER"}]
    return {**derived(**{name: list(inputs) for name, inputs in of.items()}),
            "dataset": [{"namespace": "db", "name": table, "field": name, "transformations": filtered} for table, name in dataset]}


async def test_a_column_that_the_facet_leaves_out_is_unknown_not_clean(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k", "v"), columnLineage=facet({"k": [("raw", "id")]}))])
    assert doubts(await said.columns(column("v"))) == [("column-lineage-unknown", column("v"))]
    assert doubts(await said.columns(column("k"))) == []


async def test_a_column_with_an_empty_list_of_inputs_comes_from_no_column(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k", "loaded_at"), columnLineage=facet({"k": [("raw", "id")], "loaded_at": []}))])
    assert doubts(await said.columns(column("loaded_at"))) == []


async def test_what_decides_the_rows_does_not_say_what_a_column_is_made_of(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k", "v"), columnLineage=facet({"k": [("raw", "id")]}, [("raw", "day")]))])
    found = await said.columns(column("v"))
    assert [node.urn for node in found.nodes] == [column("v"), column("day", "raw")]
    assert doubts(found) == [("column-lineage-unknown", column("v"))]


async def test_a_column_known_later_than_the_facet_is_unknown(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", columnLineage=facet({"k": [("raw", "id")]}))])
    said.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "dataset": ds("t", schema=columns("k", "v"))})
    assert doubts(await said.columns(column("v"))) == [("column-lineage-unknown", column("v"))]


async def test_a_second_job_that_says_nothing_of_columns_leaves_them_unknown(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k"), columnLineage=facet({"k": [("raw", "id")]}))], minutes=1)
    said.log.run("b", "r2", inputs=["other"], outputs=["t"], minutes=2)
    assert doubts(await said.columns(column("k"))) == [("column-lineage-unknown", column("k"))]


async def test_a_declared_job_without_columns_leaves_them_unknown(said: Said) -> None:
    said.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "job": {"namespace": "jobs", "name": "a"}, "inputs": [ds("raw")],
                      "outputs": [ds("t", schema=columns("k"))]})
    assert doubts(await said.columns(column("k"))) == [("column-lineage-unknown", column("k"))]


async def test_lineage_of_whole_datasets_says_nothing_of_columns(said: Said) -> None:
    only = {"inputs": [{"namespace": "db", "name": "raw", "type": "DATASET"}]}
    said.log.run("a", "r1", outputs=[ds("t", schema=columns("k"), lineage=only)])
    assert doubts(await said.columns(column("k"))) == [("column-lineage-unknown", column("k"))]


async def test_no_upstream_is_known_and_a_job_nobody_describes_is_not(said: Said) -> None:
    source = {"namespace": "air", "name": "extract", "type": "JOB"}
    said.log.run("a", "r1", outputs=[ds("nothing", schema=columns("k"), lineage={"inputs": []}), ds("t", schema=columns("k"), lineage={"inputs": [source]})])
    assert doubts(await said.ask(lineage, format_urn("dataset", "db", "nothing"))) == []
    assert doubts(await said.columns(column("k", "nothing"))) == []
    assert doubts(await said.ask(lineage, format_urn("dataset", "db", "t"))) == [("fed-by-job", format_urn("dataset", "db", "t"))]


async def test_columns_are_not_followed_to_another_name_of_the_dataset_and_the_answer_says_so(said: Said) -> None:
    names = {"symlinks": {"identifiers": [{"namespace": "db", "name": "hive.t", "type": "TABLE"}]}}
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("hive.t", schema=columns("k"), columnLineage=facet({"k": [("raw", "id")]}))], minutes=1)
    said.log.run("b", "r2", inputs=[ds("t", schema=columns("k"), **names)], outputs=["u"], minutes=2)
    assert doubts(await said.columns(column("k"))) == [("column-lineage-unknown", column("k"))]


async def test_downstream_says_which_dataset_is_read_by_who_does_not_tell_every_column(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k", "v"), columnLineage=facet({"k": [("raw", "id")]}))])
    said.log.run("b", "r2", inputs=["raw"], outputs=[ds("u", schema=columns("k"), columnLineage=facet({"k": [("raw", "id")]}))])
    found = await said.columns(column("id", "raw"), Direction.DOWNSTREAM)
    assert doubts(found) == [("column-lineage-unknown", format_urn("dataset", "db", "raw"))]


async def test_beyond_the_depth_that_was_asked_for_nothing_is_doubted(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=["t"], minutes=1)
    said.log.run("b", "r2", inputs=["t"], outputs=[ds("u", schema=columns("k"), columnLineage=facet({"k": [("t", "k")]}))], minutes=2)
    assert doubts(await said.columns(column("k", "u"), depth=1)) == [("column-lineage-unknown", column("k"))]
    assert doubts(await said.columns(column("k", "u"), depth=0)) == []


async def test_a_trace_goes_on_with_whole_datasets_behind_a_column_that_was_left_out(said: Said) -> None:
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", schema=columns("k", "v"), columnLineage=facet({"k": [("raw", "id")]}))])
    found = await said.ask(trace, column("v"))
    assert [reason.code for reason in found.completeness.reasons] == ["column-lineage-unknown"]
    assert format_urn("dataset", "db", "raw") in {source.urn for source in found.sources}


async def test_a_facet_that_names_what_the_viewer_may_not_see_reads_null(said: Said) -> None:
    secret = {"fields": {"k": {"inputFields": [{"namespace": "hr", "name": "salaries", "field": "amount"}]}}}
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", columnLineage=secret, storage={"storageLayer": "delta"})])
    urn = format_urn("dataset", "db", "t")
    told, whole = [await said.ask(entity, urn, viewer=viewer) for viewer in (Viewer("0" * 64, "1" * 32, frozenset({"reader"}), ("db", "jobs")), EVERYTHING)]
    facts, everything = ({fact.name: fact.value for fact in found.entity.facts} for found in (told, whole))
    assert (facts["facet:columnLineage"], facts["facet:storage"], told.completeness.restricted) == (None, {"storageLayer": "delta"}, 1)
    assert everything["facet:columnLineage"] == secret


async def test_a_diff_tells_no_facet_that_names_what_the_viewer_may_not_see(said: Said) -> None:
    public = {"from": [{"namespace": "db", "name": "raw"}]}
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", sources=public, storage={"storageLayer": "delta"})], minutes=1)
    start = said.log.size()
    secret = {"from": [{"namespace": "hr", "name": "salaries"}]}
    said.log.run("a", "r2", inputs=["raw"], outputs=[ds("t", sources=secret, storage={"storageLayer": "iceberg"})], minutes=2)
    urn, reader = format_urn("dataset", "db", "t"), Viewer("0" * 64, "1" * 32, frozenset({"reader"}), ("db", "jobs"))
    found = [await said.ask(diff, urn, viewer=viewer, start=start) for viewer in (reader, EVERYTHING)]
    told, whole = [{fact.fact: (fact.before, fact.after) for fact in each.facts if fact.urn == urn} for each in found]
    assert [each.completeness.restricted for each in found] == [1, 0]
    assert whole["facet:sources"][1] == secret
    assert (told["facet:sources"], told["facet:storage"][1]) == ((None, None), {"storageLayer": "iceberg"})


async def test_an_audit_trail_tells_no_facet_that_names_what_the_viewer_may_not_see(said: Said) -> None:
    secret = {"from": [{"namespace": "hr", "name": "salaries"}]}
    said.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", sources=secret)])
    urn, reader = format_urn("dataset", "db", "t"), Viewer("0" * 64, "1" * 32, frozenset({"reader"}), ("db", "jobs"))
    told, whole = [await said.ask(audit_trail, urn, viewer=viewer) for viewer in (reader, EVERYTHING)]
    changes = [[(change.before, change.after) for row in found.rows for change in row.changes if change.fact == "facet:sources"] for found in (told, whole)]
    assert changes == [[(None, None)], [(None, secret)]]
    assert (told.completeness.restricted, whole.completeness.restricted) == (1, 0)


async def test_the_reason_of_the_parser_is_quoted_without_what_it_names(said: Said) -> None:
    """What stands behind a code may be a name that the viewer may not see."""
    said.log.run("make", "1", inputs=["s"], outputs=[ds("t", schema=columns("v"))], code="v1")
    sql = hashlib.sha256(b"select /* v1 */ 1").hexdigest()
    said.log.cloud("lineproof.derivation.v1", {
        "job": {"namespace": "jobs", "name": "make"}, "sql": sql, "parser": "p/1", "entry": said.log.size() - 1, "status": "unknown",
        "reason": "not-parsed:Expecting ); secret_table;unknown-table:hidden.salaries", "columns": []}, signer="notary")
    [reason] = (await said.columns(column("v"))).completeness.reasons
    assert reason.code == "column-lineage-unknown"
    assert reason.detail.endswith("(not-parsed, unknown-table)")
    assert "secret" not in reason.detail
