"""docs/openlineage.md says, facet by facet, what is kept where and what it means. Each row is sent once and looked for."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import openlineage.client.generated
import pytest

from lineproof_schema.urn import format_urn
from tests.unit.projector.recorded import ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
SPECIFICATION = ROOT.parent / "shared" / "corpora" / "openlineage" / "spec"
Facet = dict[str, Any]


@dataclass(frozen=True)
class Row:
    facet: str
    place: str
    kept: tuple[tuple[str, str], ...]  # (entity, fact)
    means: str


def rows() -> list[Row]:
    found = []
    for line in (ROOT / "docs" / "openlineage.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4 and cells[1] in ("dataset", "source", "input", "output", "job", "run"):
            found.append(Row(cells[0].strip("`"), cells[1], tuple(re.findall(r"(\w+) `([^`]+)`", cells[2])), cells[3]))
    return found


ROWS = rows()
COMMON: Facet = {"_producer": "https://example.test/tool", "_schemaURL": "https://example.test/facet.json"}
RUN, PARENT, BASE = uid("r1"), uid("parent"), uid("root")
PLAIN_EXAMPLES: dict[str, Facet] = {
    "schema": {"fields": [{"name": "k", "type": "INT", "ordinal_position": 1, "description": "key"}]},
    "columnLineage": {"fields": {"k": {"inputFields": [{"namespace": "db", "name": "source", "field": "id", "transformations": [
        {"type": "DIRECT", "subtype": "IDENTITY", "description": "id", "masking": False}]}]}}},
    "lineage": {"inputs": [{"namespace": "db", "name": "elsewhere", "type": "DATASET"}]},
    "version": {"datasetVersion": "41"},
    "lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "former"}},
    "symlinks": {"identifiers": [{"namespace": "hive", "name": "t", "type": "TABLE"}]},
    "ownership": {"owners": [{"name": "team:data", "type": "MAINTAINER"}]},
    "documentation": {"description": "what it is", "contentType": "text/markdown"},
    "tags": {"tags": [{"key": "pii", "value": "true", "field": "k", "source": "x"}, {"key": "tier", "value": "gold"}]},
    "dataSource": {"name": "warehouse", "uri": "postgresql://warehouse"},
    "sql": {"query": "select 1", "dialect": "duckdb"},
    "sourceCode": {"language": "bash", "sourceCode": "ls"},
    "sourceCodeLocation": {"type": "git", "url": "https://git.test/o/r", "repoUrl": "https://git.test/o/r.git", "version": "a" * 40, "path": "m.sql"},
    "jobType": {"processingType": "STREAMING", "integration": "FLINK", "jobType": "JOB"},
    "parent": {"run": {"runId": PARENT, "facets": {"processing_engine": {"version": "2"}}}, "job": {"namespace": "air", "name": "dag.task"},
               "root": {"run": {"runId": BASE}, "job": {"namespace": "air", "name": "dag"}}},
    "jobDependencies": {"upstream": [{"job": {"namespace": "air", "name": "before"}, "run": {"runId": PARENT}, "dependency_type": "DIRECT_INVOCATION"}],
                        "downstream": [{"job": {"namespace": "air", "name": "after"}}]},
    "dataQualityAssertions": {"assertions": [{"assertion": "not_null", "column": "k", "success": False, "severity": "error"}]},
    "outputStatistics": {"rowCount": 7, "size": 70, "fileCount": 1},
}
EXAMPLES: dict[tuple[str, str], Facet] = {
    ("lineage", "job"): {"entries": [
        {"type": "DATASET", "namespace": "db", "name": "target", "inputs": [{"namespace": "db", "name": "elsewhere", "type": "DATASET"},
                                                                          {"namespace": "air", "name": "before", "type": "JOB"}]},
        {"type": "JOB", "inputs": [{"namespace": "db", "name": "looked-at", "type": "DATASET"}, {"namespace": "air", "name": "before", "type": "JOB"}]}]},
}


def example(row: Row) -> Facet:
    return {**COMMON, **EXAMPLES.get((row.facet, row.place), PLAIN_EXAMPLES.get(row.facet, {"said": {"deep": [1, "é", None]}}))}


def send(world: World, row: Row | None, minutes: float = 0, facet: Facet | None = None) -> None:
    """One completed run from `source` to `target`, with the facet where the row says."""
    source, target, said = ds("source"), ds("target"), {} if row is None else {row.facet: facet or example(row)}
    place = row.place if row is not None else "nowhere"
    if place in ("dataset", "source"):
        (target if place == "dataset" else source)["facets"] = said
    elif place in ("input", "output"):
        (source if place == "input" else target)[f"{place}Facets"] = said
    world.log.run("a", "r1", inputs=[source], outputs=[target], minutes=minutes, run_facets=said if place == "run" else None,
                  **(said if place == "job" else {}))


ENTITIES = {"dataset": dataset("target"), "source": dataset("source"), "job": format_urn("job", "jobs", "a"), "run": format_urn("run", RUN)}


def entity(name: str, facts: Facet) -> str:
    return str(facts["currentVersion"]) if name == "version" else ENTITIES[name]


# -- what the last column says

def all_links(world: World) -> set[tuple[str, str, str]]:
    return {(link.type, link.src.removeprefix("urn:lineproof:"), link.dst.removeprefix("urn:lineproof:")) for link in world.graph.links.values()}


def has_links(*wanted: tuple[str, str, str]) -> Callable[[World], None]:
    def check(world: World) -> None:
        assert set(wanted) <= all_links(world)
    return check


def has_facts(urn: str, **wanted: Any) -> Callable[[World], None]:
    def check(world: World) -> None:
        facts = world.facts(urn)
        assert {name: facts.get(name) for name in wanted} == wanted
    return check


def both(*checks: Callable[[World], None]) -> Callable[[World], None]:
    def check(world: World) -> None:
        for each in checks:
            each(world)
    return check


def columns_of_the_schema(world: World) -> None:
    assert world.facts(dataset("target"))["schema"] == [{"name": "k", "type": "INT", "description": "key"}]
    assert world.facts(format_urn("column", "db", "target", "k")) == {"dataType": "INT", "description": "key", "position": 1}


def edges_by_column(world: World) -> None:
    (edge,) = world.edges("COLUMN_DERIVED_FROM")
    assert (edge.downstream, edge.upstream) == (format_urn("column", "db", "target", "k"), format_urn("column", "db", "source", "id"))
    assert (edge.type, edge.subtype, edge.expression, edge.basis) == ("DIRECT", "IDENTITY", "id", "columnLineage")


def edges_by_lineage(world: World) -> None:
    assert [(edge.upstream, edge.basis) for edge in world.edges("DERIVED_FROM")] == [(dataset("elsewhere"), "lineage")]


def renamed(world: World) -> None:
    assert world.facts(dataset("target"))["lifecycle"] == "RENAME"
    assert world.facts(dataset("former"))["existence"] == "dropped"


def same_names(world: World) -> None:
    hive = format_urn("dataset", "hive", "t")
    assert ("SAME_AS", "dataset:db:target", "dataset:hive:t") in all_links(world)
    assert {(edge.downstream, edge.upstream) for edge in world.edges("DERIVED_FROM") if edge.subtype == "SAME_AS"} == {
        (dataset("target"), hive), (hive, dataset("target"))}


def code_version(world: World) -> None:
    assert len(world.links("EXECUTED")) == 1


def failed_check(name: str) -> Callable[[World], None]:
    return has_facts(dataset(name), **{"quality:not_null:k": {"success": False, "severity": "error", "column": "k"}})


OWNED = [{"name": "team:data", "type": "MAINTAINER"}]
JOB = ENTITIES["job"]
COMMIT = "commit:git.test%2Fo%2Fr:" + "a" * 40
CLAIMS: dict[tuple[str, str], Callable[[World], None]] = {
    ("schema", "dataset"): columns_of_the_schema,
    ("columnLineage", "dataset"): edges_by_column,
    ("lineage", "dataset"): edges_by_lineage,
    ("lineage", "job"): both(edges_by_lineage, has_links(("READS", "job:jobs:a", "dataset:db:looked-at"), ("WRITES", "job:air:before", "dataset:db:target"),
                                                        ("FED_BY", "job:jobs:a", "job:air:before"))),
    ("version", "dataset"): both(has_links(("GENERATED", f"run:{RUN}", "dataset-version:db:target:41")),
                                 has_facts(dataset("target"), currentVersion=format_urn("dataset-version", "db", "target", "41"))),
    ("version", "source"): has_links(("USED", f"run:{RUN}", "dataset-version:db:source:41")),
    ("lifecycleStateChange", "dataset"): renamed,
    ("symlinks", "dataset"): both(same_names, has_facts(dataset("target"), symlinks=[{"namespace": "hive", "name": "t", "type": "TABLE"}])),
    ("ownership", "dataset"): both(has_facts(dataset("target"), owners=OWNED), has_links(("OWNED_BY", "dataset:db:target", "principal:team%3Adata"))),
    ("ownership", "job"): both(has_facts(JOB, owners=OWNED), has_links(("OWNED_BY", "job:jobs:a", "principal:team%3Adata"))),
    ("documentation", "dataset"): has_facts(dataset("target"), description="what it is"),
    ("documentation", "job"): has_facts(JOB, description="what it is"),
    ("tags", "dataset"): both(has_facts(dataset("target"), tags=["tier:gold"]), has_facts(format_urn("column", "db", "target", "k"), tags=["pii"])),
    ("tags", "job"): has_facts(JOB, tags=["tier:gold"]),
    ("tags", "run"): has_facts(ENTITIES["run"], tags=["tier:gold"]),
    ("dataSource", "dataset"): has_facts(dataset("target"), storage="postgresql://warehouse"),
    ("dataQualityAssertions", "dataset"): failed_check("target"),
    ("dataQualityAssertions", "input"): failed_check("source"),
    ("outputStatistics", "output"): has_facts(format_urn("dataset-version", "db", "target", f"run:{RUN}"), rowCount=7),
    ("sql", "job"): both(code_version, has_facts(JOB, sql="select 1", sqlDialect="duckdb")),
    ("sourceCode", "job"): code_version,
    ("sourceCodeLocation", "job"): both(code_version, has_facts(ENTITIES["run"], commit=f"urn:lineproof:{COMMIT}")),
    ("jobType", "job"): has_facts(JOB, jobType={"processingType": "STREAMING", "integration": "FLINK", "jobType": "JOB"}),
    ("parent", "run"): has_links(("CHILD_OF", f"run:{RUN}", f"run:{PARENT}"), ("ROOT", f"run:{RUN}", f"run:{BASE}")),
    ("jobDependencies", "run"): has_links(("DEPENDS_ON", "job:jobs:a", "job:air:before"), ("DEPENDS_ON", "job:air:after", "job:jobs:a"),
                                          ("DEPENDS_ON", f"run:{RUN}", f"run:{PARENT}")),
}


def kept_value(world: World, row: Row, name: str, fact: str) -> Any:
    urn = entity(name, world.facts(dataset("target")))
    value = world.facts(urn).get(fact)
    return (value or {}).get(dataset("source" if fact == "inputFacets" else "target"), {}).get(row.facet) if fact.endswith("putFacets") else value


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.facet}, {row.place}" for row in ROWS])
async def test_the_table_says_where_a_facet_is_kept_and_what_it_means(world: World, row: Row) -> None:
    send(world, row)
    await world.project()
    assert row.kept
    assert {(name, fact): kept_value(world, row, name, fact) for name, fact in row.kept} == dict.fromkeys(row.kept, example(row))
    if row.means:
        CLAIMS[(row.facet, row.place)](world)
        return
    plain = World()  # a facet that is only kept changes nothing else
    send(plain, None)
    await plain.project()
    assert plain.assets() == world.assets()
    assert all_links(plain) == all_links(world)
    for urn in {*plain.graph.nodes, *world.graph.nodes}:
        unlike = {fact for fact in {*plain.facts(urn), *world.facts(urn)} if plain.facts(urn).get(fact) != world.facts(urn).get(fact)}
        assert unlike <= {fact for _, fact in row.kept}


OF_ENTITIES = [row for row in ROWS if row.place in ("dataset", "job") and not any(name in ("run", "version") for name, _ in row.kept)]


@pytest.mark.parametrize("row", OF_ENTITIES, ids=[f"{row.facet}, {row.place}" for row in OF_ENTITIES])
async def test_a_facet_that_is_taken_back_ends(world: World, row: Row) -> None:
    send(world, row, 0)
    send(world, row, 1, {**COMMON, "_deleted": True})
    send(world, row, 0.5, {**example(row), "late": True})
    await world.project()
    assert {place: kept_value(world, row, *place) for place in row.kept} == dict.fromkeys(row.kept)
    assert {edge.basis for edge in world.edges("DERIVED_FROM") if edge.subtype != "SAME_AS"} <= {"inputsOutputs"}
    assert not world.edges("COLUMN_DERIVED_FROM")


def test_every_claim_stands_in_the_table() -> None:
    assert {(row.facet, row.place) for row in ROWS if row.means} == CLAIMS.keys()


def test_every_facet_of_the_python_client_is_in_the_table() -> None:
    """The client's modules are generated from the specification, one per facet: `schema_dataset`, `processing_engine_run`, …"""
    known = {"data_quality_metrics": "dataQualityMetrics", "datasource": "dataSource", "base_subset": "subset", "dataset_version": "version",
             "processing_engine": "processing_engine"}
    facets = set()
    for module in iter_modules(openlineage.client.generated.__path__):
        words = re.sub(r"(_input|_output)?(_dataset|_job|_run)$", "", module.name)
        head, *tail = words.split("_")
        facets.add(known.get(words, head + "".join(word.title() for word in tail)))
    assert facets - {"base"} == {row.facet for row in ROWS}


@pytest.mark.skipif(not SPECIFICATION.is_dir(), reason="NOT TESTED: the OpenLineage corpora are not at ../shared/corpora/openlineage")
def test_every_facet_of_the_specification_is_in_the_table() -> None:
    schemas = [json.loads(file.read_text("utf-8")) for file in (SPECIFICATION / "facets").glob("*.json")]
    assert {key for schema in schemas for key in schema["properties"]} == {row.facet for row in ROWS}
