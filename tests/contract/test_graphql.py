"""The GraphQL endpoint: its committed SDL, its limits, its errors, and that the fast path answers what the ordinary one does."""
from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from graphql import build_schema, get_introspection_query
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from lineproof_schema.errors import CODES
from metadata_service.access import Viewer as Caller
from metadata_service.api.graphql import Caller as RequestCaller
from metadata_service.api.graphql import execute, schema
from metadata_service.api.graphql.limits import MAX_ALIASES, MAX_DEPTH
from metadata_service.api.graphql.router import GraphQLDependencies, create_graphql_router
from metadata_service.cli import documents
from metadata_service.queries.context import EVERYTHING, Room, Viewer
from tests.flights_world import NS, RAW, World, column, dataset, model, world_on_sqlite

pytestmark = pytest.mark.anyio
SDL = Path(__file__).parents[2] / "schema" / "lineproof_schema" / "schema.graphql"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    async with world_on_sqlite(tmp_path_factory.mktemp("graphql")) as world:
        yield world


def viewer(world: World, *roles: str, prefixes: tuple[str, ...] = ("",)) -> Caller:
    return Caller("0" * 64, world.tenant, frozenset(roles), prefixes)


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The endpoint in an application; the header `role` says who asks."""
    app = FastAPI()

    async def who(request: Request) -> Viewer:
        return viewer(world, *request.headers.get("role", "reader").split(","))

    def room(_request: Request, _viewer: Viewer) -> Room:
        return world.room

    app.include_router(create_graphql_router(GraphQLDependencies(who, room)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def post(http: httpx.AsyncClient, document: str, role: str = "reader", headers: dict[str, str] | None = None, **variables: Any) -> Any:
    answer = await http.post("/graphql", json={"query": document, "variables": variables}, headers={"role": role, **(headers or {})})
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors", [])]


def test_the_committed_sdl_is_what_is_served() -> None:
    assert SDL.read_text(encoding="utf-8") == schema.as_str() + "\n", "run: python -m metadata_service.api.graphql > schema/lineproof_schema/schema.graphql"


def test_every_root_field_says_where_it_stands_and_how_complete_it_is() -> None:
    served = build_schema(SDL.read_text(encoding="utf-8"))
    assert served.query_type is not None
    assert set(served.query_type.fields) >= {"entity", "search", "lineage", "impact", "trace", "auditTrail", "event", "checkpoint", "keyHistory", "evidence",
                                             "feature", "features", "model", "aliases", "deployment", "resolve", "diff", "suspects"}
    for name, field in served.query_type.fields.items():
        assert ({"from", "to"} if name in ("diff", "suspects") else {"at"}) <= set(field.args), name
        answer: Any = getattr(field.type, "of_type", field.type)
        assert {"computedAt", "completeness"} <= set(answer.fields), name
    assert served.mutation_type is not None
    assert set(served.mutation_type.fields) == {"moveAlias", "rollback"}
    assert served.subscription_type is None


QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    (documents.LINEAGE, {"urn": dataset("training_set"), "depth": None, "direction": "BOTH"}),
    (documents.LINEAGE, {"urn": dataset("training_set"), "depth": None, "level": "COLUMN"}),
    (documents.IMPACT, {"urn": column("wind_speed", "weather", RAW)}), (documents.TRACE, {"urn": column("wind_ms", "training_set")}),
    (documents.AUDIT, {"urn": dataset("training_set"), "upstream": True}), (documents.SEARCH, {"text": "weather"}), (documents.ENTITY, {"urn": model("1")}),
    (documents.EVENT, {"index": 6}), (documents.CHECKPOINT, {}), (documents.KEY_HISTORY, {}), (documents.EVIDENCE, {"entries": [6, 7], "answer": {"x": 1}}),
    (documents.DIFF, {"urn": dataset("training_set"), "from": {"size": 5}}), (documents.SUSPECTS, {"urn": dataset("training_set"), "from": {"size": 5}}),
    (documents.RESOLVE, {"ref": {"name": "weather.wind_speed", "kinds": ["COLUMN"]}}),
]


@pytest.mark.parametrize(("document", "variables"), QUESTIONS)
async def test_the_fast_path_answers_what_the_ordinary_execution_does(world: World, document: str, variables: dict[str, Any],
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    fast = await execute(RequestCaller(world.room, EVERYTHING), document, variables)
    monkeypatch.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)
    slow = await execute(RequestCaller(world.room, EVERYTHING), document, variables)
    assert "errors" not in fast
    assert fast == slow
    (answer,) = fast["data"].values()
    assert answer


async def test_aliases_fragments_directives_and_typename_take_the_fast_path_too(http: httpx.AsyncClient) -> None:
    answer = await post(http, """query($urn: ID!, $no: Boolean!) { lineage(urn: $urn, depth: 1) {
        nodes { __typename who: urn ...rest name @skip(if: $no) } } } fragment rest on LineageNode { kind distance }""", urn=dataset("feat_weather"), no=True)
    assert answer["data"]["lineage"]["nodes"] == [
        {"__typename": "LineageNode", "who": dataset("feat_weather"), "kind": "DATASET", "distance": 0},
        {"__typename": "LineageNode", "who": dataset("stg_weather"), "kind": "DATASET", "distance": 1}]


async def test_facts_are_read_only_when_a_fragment_or_field_selects_them(http: httpx.AsyncClient) -> None:
    for selection in ("owners urn", "...f", "... on LineageNode { owners urn }"):
        fragment = "fragment f on LineageNode { owners urn }" if selection == "...f" else ""
        answer = await post(http, f"query($urn: ID!) {{ lineage(urn: $urn, depth: 0) {{ nodes {{ {selection} }} }} }} {fragment}", urn=dataset("training_set"))
        assert answer["data"]["lineage"]["nodes"][0]["owners"] == ["ml-team"], selection


async def test_long_is_a_number_and_positions_are_one_of_two(http: httpx.AsyncClient, world: World) -> None:
    document = "query($urn: ID!, $at: Position) { lineage(urn: $urn, at: $at) { computedAt { size } } }"
    answer = await post(http, document, urn=dataset("weather", RAW), at={"size": 9})
    assert answer["data"]["lineage"]["computedAt"]["size"] == 9
    by_time = await post(http, document, urn=dataset("weather", RAW), at={"time": "2020-01-01T00:00:00Z"})
    assert by_time["data"]["lineage"]["computedAt"]["size"] == 0
    for wrong in ({"size": 1, "time": "2020-01-01T00:00:00Z"}, {}, {"size": "9"}, {"size": True}, {"size": 2**60}, {"size": 1.5}, {"time": "yesterday"}):
        assert codes(await post(http, document, urn=dataset("x"), at=wrong)) == ["invalid-query"], wrong


@pytest.mark.parametrize(("document", "variables", "code"), [
    ("query($u: ID!) { lineage(urn: $u) { computedAt { size } } }", {"u": "urn:lineproof:planet:mars"}, "invalid-urn"),
    ("query($u: ID!) { lineage(urn: $u, at: {size: 99999}) { computedAt { size } } }", {"u": dataset("x")}, "position-beyond-log"),
    ("query($u: ID!) { lineage(urn: $u, at: {size: -1}) { computedAt { size } } }", {"u": dataset("x")}, "invalid-position"),
    ('query($u: ID!) { lineage(urn: $u, at: {size: 1}, activeSince: "2026-01-01T00:00:00Z") { computedAt { size } } }', {"u": dataset("x")}, "not-historical"),
    ('{ search(text: "x", at: {size: 1}) { after } }', {}, "not-historical"),
    ("{ checkpoint(at: {size: 1}) { text } }", {}, "not-historical"),
    ("{ event(index: 1, at: {size: 1}) { event { index } } }", {}, "not-historical"),
    ('{ search(text: "x", first: 0) { after } }', {}, "invalid-argument"),
    ('{ search(text: "x", after: "AAAA") { after } }', {}, "invalid-cursor"),
    ('{ entity(ref: {name: "origin"}) { entity { urn } } }', {}, "ambiguous-name"),
    ("{ entity { entity { urn } } }", {}, "invalid-argument"),
    ("{ impact { breaking } }", {}, "invalid-argument"),
    ("{ nonsense }", {}, "invalid-query"),
    ("{ lineage( }", {}, "invalid-query"),
    ("mutation { drop }", {}, "invalid-query"),
    ("{ __schema { types { name } } }", {}, "forbidden"),
    ("query { ...q } fragment q on Query { __type(name: \"Query\") { name } }", {}, "forbidden"),
])
async def test_every_refusal_has_its_stable_code(http: httpx.AsyncClient, document: str, variables: dict[str, Any], code: str) -> None:
    answer = await post(http, document, **variables)
    assert set(codes(answer)) == {code}
    assert all(error["extensions"]["fix"] == CODES[code].fix for error in answer["errors"])


async def test_a_query_cannot_be_too_deep_too_wide_too_long_or_too_costly(http: httpx.AsyncClient) -> None:
    nested = "lineage(urn: \"x\") { " + "completeness { " * MAX_DEPTH + "complete" + " }" * (MAX_DEPTH + 1)
    assert "query-too-deep" in codes(await post(http, "{ " + nested + " }"))
    cycle = "{ lineage(urn: \"x\") { ...a } } fragment a on Lineage { completeness { complete } ...b } fragment b on Lineage { ...a }"
    assert codes(await post(http, cycle)) == ["invalid-query"]
    wide = " ".join(f"a{number}: checkpoint {{ text }}" for number in range(MAX_ALIASES + 1))
    assert codes(await post(http, "{ " + wide + " }")) == ["query-too-wide"]
    assert codes(await post(http, "{ checkpoint { " + "text " * 3_000 + "} }")) == ["query-too-long"]
    row = "index urn role eventType status reason detail actor caller claimedAt loggedAt signer signedBy eventId changes { fact before after }"
    costly = " ".join(f"a{number}: auditTrail(urn: \"x\", first: 500) {{ rows {{ {row} }} }}" for number in range(5))
    assert codes(await post(http, "{ " + costly + " }")) == ["query-too-costly"]
    by_variable = "query($n: Int!) { " + costly.replace("500", "$n") + " }"
    assert codes(await post(http, by_variable, n=500)) == ["query-too-costly"]
    assert codes(await post(http, by_variable.replace('"x"', f'"{dataset("x")}"'), n=5)) == []
    bombs = "\n".join(f"fragment f{n} on Lineage {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
    bomb = "{ lineage(urn: \"x\") { ...f0 } } " + bombs + " fragment f60 on Lineage { computedAt { size } }"
    assert codes(await post(http, bomb)) == ["query-too-costly"]  # measured once per fragment: answered at once


async def test_a_known_document_is_neither_parsed_nor_validated_again_and_still_measured(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    document = "query($n: Int!) { " + " ".join(f"known{each}: auditTrail(first: $n) {{ rows {{ index urn role }} }}" for each in range(20)) + " }"
    assert codes(await post(http, document, n=1)) == []
    monkeypatch.setattr("metadata_service.api.graphql.documents.validate_document", lambda *_: pytest.fail("validated again"))
    assert codes(await post(http, document, n=1)) == []
    assert codes(await post(http, document, n=500)) == ["query-too-costly"]
    assert codes(await post(http, document, role="ingest", n=1)) == ["forbidden"]
    assert codes(await post(http, document)) == ["invalid-query"]  # a variable is missing
    assert [codes(await post(http, "{ lineage(urn: }")) for _ in range(2)] == [["invalid-query"]] * 2


async def test_internal_errors_are_masked_with_a_reference(http: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch,
                                                           caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(world.log.reader, "checkpoint", broken)
    with caplog.at_level(logging.ERROR):
        answer = await post(http, "{ checkpoint { text } }")
    assert codes(answer) == ["internal"]
    reference = answer["errors"][0]["extensions"]["reference"]
    assert answer["errors"][0]["message"] == f"internal error, reference {reference}"
    assert "hunter2" not in str(answer)
    assert reference in caplog.text


async def test_only_post_and_no_page_is_served(http: httpx.AsyncClient) -> None:
    for answer in (await http.get("/graphql"), await http.get("/graphql", params={"query": "{ checkpoint { text } }"}),
                   await http.get("/graphql", headers={"accept": "text/html"})):
        assert answer.status_code in (404, 405, 400), answer.text
        assert "checkpoint" not in answer.text.replace("%7B%20checkpoint", "")


async def test_introspection_and_questions_need_their_roles(http: httpx.AsyncClient) -> None:
    assert "__schema" in (await post(http, get_introspection_query(), role="admin"))["data"]
    assert codes(await post(http, get_introspection_query(), role="reader")) == ["forbidden"]
    assert codes(await post(http, "{ checkpoint { text } }", role="ingest")) == ["forbidden"]


async def test_a_client_reads_its_own_writes(http: httpx.AsyncClient, world: World) -> None:
    size = world.log.reader.size()
    document = "query($urn: ID!) { entity(urn: $urn) { computedAt { size } } }"
    assert codes(await post(http, document, headers={"Lineproof-Min-Size": str(size)}, urn=dataset("x"))) == []
    assert codes(await post(http, document, headers={"Lineproof-Min-Size": str(size + 1)}, urn=dataset("x"))) == ["position-beyond-log"]


async def test_paging_the_audit_trail_over_http(http: httpx.AsyncClient) -> None:
    document = """query($urn: ID!, $first: Int!, $after: String, $from: Position) {
        auditTrail(urn: $urn, first: $first, after: $after, from: $from, upstream: true) { computedAt { size } rows { index urn } after } }"""
    window: dict[str, Any] = {"urn": dataset("training_set"), "from": {"size": 4}}
    whole = (await post(http, document, first=500, **window))["data"]["auditTrail"]
    rows: list[Any] = []
    after = None
    while True:
        page = (await post(http, document, first=3, after=after, **window))["data"]["auditTrail"]
        rows += page["rows"]
        after = page["after"]
        if after is None:
            break
    assert rows == whole["rows"]
    assert min(row["index"] for row in rows) >= 4
    first = (await post(http, document, first=3, **window))["data"]["auditTrail"]["after"]
    assert codes(await post(http, document, first=3, after=first, **{**window, "from": {"size": 5}})) == ["invalid-cursor"]


async def test_a_viewer_of_one_namespace_learns_nothing_of_another(world: World) -> None:
    for document, variables in QUESTIONS:
        if document in (documents.EVIDENCE, documents.EVENT, documents.KEY_HISTORY):
            continue
        answer = await execute(RequestCaller(world.room, viewer(world, "reader", prefixes=(RAW,))), document, variables)
        text = str(answer).replace(str(variables.get("urn")), "")
        assert NS not in text, document
        assert "stg_weather" not in text, document


async def test_of_several_operations_a_request_has_to_name_one(http: httpx.AsyncClient) -> None:
    document = "query one {checkpoint {computedAt {size}}} query two {checkpoint {completeness {complete}}}"
    assert codes(await post(http, document)) == ["invalid-query"]
    named = await http.post("/graphql", json={"query": document, "operationName": "two"}, headers={"role": "reader"})
    assert named.json() == {"data": {"checkpoint": {"completeness": {"complete": True}}}}
